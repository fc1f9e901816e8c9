"""Substacks: the intervals over which windows are stacked first, and their names."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

from dispel4py.errors import ParameterError, suggest
from seismo_pes.items.times import NS

__all__ = ["UNITS", "Substacks", "period_name", "window_name"]

UNITS = ("window", "hour", "day", "group")
HOUR_NS = 3600 * NS
DAY_S = 86_400


def period_name(period: int) -> str:
    """Return the UTC day of a number of days since 1970.

    >>> period_name(19129)
    '2022-05-17'
    """
    return datetime.fromtimestamp(period * DAY_S, UTC).date().isoformat()


def window_name(start_ns: int) -> str:
    """Return the name of a time, to the microsecond if needed.

    >>> window_name(1_652_745_600_000_000_000), window_name(500_000_000)
    ('2022-05-17T00:00:00', '1970-01-01T00:00:00.5')
    """
    seconds, rest_ns = divmod(start_ns, NS)
    name = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f"{rest_ns:09d}"[:6].rstrip("0")
    return f"{name}.{fraction}" if fraction else name


@dataclass(frozen=True)
class Substacks:
    """Intervals over which the windows of a period (a UTC day) are stacked first.

    Parameters
    ----------
    unit : str
        ``window``, ``hour``, ``day``; or ``group``, several periods in one.
    groups : mapping of int to (int, str)
        Only for ``group``: each period's group, as (its first period, its name).

    Raises
    ------
    ParameterError
        If the unit is unknown, or there are groups without the unit ``group``.

    Examples
    --------
    >>> hours = Substacks("hour")
    >>> hours.split(0, np.array([0, 1800, 3600]) * 10**9)
    [('1970-01-01T00', slice(0, 2, None)), ('1970-01-01T01', slice(2, 3, None))]
    >>> Substacks.of_groups([[0, 1], [2]]).groups
    {0: (0, '.1970-01-01'), 1: (0, '.1970-01-01'), 2: (2, '.1970-01-03')}
    """

    unit: str
    groups: Mapping[int, tuple[int, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise ParameterError(f"substack {self.unit!r}: {suggest(self.unit, UNITS)}")
        if bool(self.groups) != (self.unit == "group"):
            raise ParameterError("groups of periods need the substack 'group'")

    @classmethod
    def of_groups(cls, groups: list[list[int]]) -> Substacks:
        """Stack over groups of periods; a single group is named ``all``."""
        names = [f".{period_name(min(group))}" for group in groups]
        if len(groups) == 1:
            names = ["all"]
        table = {
            period: (min(group), name)
            for group, name in zip(groups, names, strict=True)
            for period in group
        }
        return cls("group", table)

    def key(self, period: int) -> int:
        """Return the third element of the key of a period's tiles."""
        return self.groups[period][0] if self.unit == "group" else period

    def members(self, period: int) -> list[int]:
        """Return the periods of the group of a period, ascending."""
        if self.unit != "group":
            return [period]
        first = self.key(period)
        return sorted(s for s, (start, _) in self.groups.items() if start == first)

    def split(self, period: int, starts_ns: np.ndarray) -> list[tuple[str, slice]]:
        """Divide the windows of a period into substacks.

        Parameters
        ----------
        period : int
            Days since 1970.
        starts_ns : numpy.ndarray
            Shape (n,), ascending: starts of the windows, nanoseconds since 1970.

        Returns
        -------
        list of (str, slice)
            Each substack that has windows: its name and the range of its windows.
        """
        n = len(starts_ns)
        if n == 0:
            return []
        if self.unit == "group":
            return [(self.groups[period][1], slice(0, n))]
        if self.unit == "day":
            return [(period_name(period), slice(0, n))]
        if self.unit == "window":
            starts = starts_ns.tolist()
            return [(window_name(t), slice(k, k + 1)) for k, t in enumerate(starts)]
        hours = np.asarray(starts_ns, np.int64) // HOUR_NS
        edges = [0, *(np.flatnonzero(np.diff(hours)) + 1).tolist(), n]
        return [
            (window_name(int(hours[a]) * HOUR_NS)[:13], slice(a, b))
            for a, b in itertools.pairwise(edges)
        ]
