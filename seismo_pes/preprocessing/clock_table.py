"""Tables of clock errors: their formats, and the error at any time.

An offset is the recorded time minus the true time: positive if the clock is ahead.
Times in the tables are recorded times, except in the column ``true``.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from obspy import UTCDateTime

from dispel4py.errors import ParameterError
from seismo_pes.items.times import NS
from seismo_pes.regular_file import read_text

__all__ = [
    "INTERPOLATIONS",
    "ClockCurve",
    "parse_clock_table",
    "read_clock_table",
]

INTERPOLATIONS = ("linear", "cubic")
INTERVALS = ("channel", "start", "end", "offset_s", "end_offset_s")
OFFSETS = ("channel", "time", "offset_s", "interpolation")
PULSES = ("channel", "recorded", "true", "interpolation")
#: Number of columns that a table of each format must have; the columns after them are
#: optional.
FORMATS = ((INTERVALS, 4), (OFFSETS, 3), (PULSES, 3))
#: Largest drift of a clock, seconds in each second; a larger one is a mistake of units.
MOST_DRIFT = 0.05
#: Offsets that differ by less are equal where two intervals meet: a nanosecond.
SAME_S = 1e-9


@dataclass(frozen=True)
class ClockCurve:
    """The offset of a clock over an interval of time, without jumps.

    Attributes
    ----------
    channel : str
        ``NET.STA`` or ``NET.STA.LOC.CHA``, wildcards ``*`` and ``?`` allowed.
    time_ns : tuple of int
        Two recorded times or more, rising, nanoseconds since 1970. The curve is valid
        from the first to just before the last.
    offset_s : tuple of float
        Recorded minus true time at these times.
    interpolation : str
        ``linear``, or ``cubic``: the cubic spline through all points (one polynomial
        through the first four points, and through the last four).
    from_points : bool
        Whether the table has single offsets, so that times before the first and after
        the last are unknown rather than right.

    Examples
    --------
    >>> curve = ClockCurve("XX.A", (0, 10 * NS, 20 * NS), (0.0, 1.0, 0.0))
    >>> curve.at([5 * NS, 15 * NS]).tolist()
    [0.5, 0.5]
    """

    channel: str
    time_ns: tuple[int, ...]
    offset_s: tuple[float, ...]
    interpolation: str = "linear"
    from_points: bool = False

    @property
    def start_ns(self) -> int:
        """Start of the interval."""
        return self.time_ns[0]

    @property
    def end_ns(self) -> int:
        """End of the interval."""
        return self.time_ns[-1]

    @cached_property
    def _interpolate(self) -> Any:
        since_s = (np.array(self.time_ns, np.int64) - self.start_ns) / NS
        if self.interpolation == "cubic":
            from scipy.interpolate import CubicSpline

            return CubicSpline(since_s, self.offset_s)
        return partial(np.interp, xp=since_s, fp=self.offset_s)

    def at(self, time_ns: Any) -> np.ndarray:
        """Return the offsets at recorded times of the interval, seconds."""
        since_s = (np.asarray(time_ns, np.int64) - self.start_ns) / NS
        return np.asarray(self._interpolate(since_s))

    def extremes_s(self) -> tuple[float, float]:
        """Return the smallest and the largest offset, to a thousandth of the curve."""
        grid_ns = np.linspace(0, self.end_ns - self.start_ns, 1001).astype(np.int64)
        values = np.append(self.at(grid_ns + self.start_ns), self.offset_s)
        return float(values.min()), float(values.max())

    def means(self, channel_id: str) -> bool:
        """Return whether a channel uses this clock."""
        n_codes = self.channel.count(".") + 1
        return fnmatchcase(".".join(channel_id.split(".")[:n_codes]), self.channel)


@dataclass(frozen=True)
class _Row:
    """A row of a table, and its place for messages."""

    where: str
    cells: Mapping[str, str]

    def time_ns(self, name: str) -> int:
        text = (self.cells.get(name) or "").strip()
        try:
            return int(UTCDateTime(text).ns) if text else int("")
        except (ValueError, TypeError) as error:
            raise ParameterError(
                f"{self.where}: {name} {text!r} is not a time such as "
                "2024-03-01T12:00:00"
            ) from error

    def offset_s(self, name: str, otherwise: float | None = None) -> float:
        text = (self.cells.get(name) or "").strip()
        if not text and otherwise is not None:
            return otherwise
        try:
            offset_s = float(text)
        except ValueError as error:
            raise ParameterError(f"{self.where}: {name}: {error}") from error
        if not math.isfinite(offset_s):
            raise ParameterError(f"{self.where}: {name} {text} is not finite")
        return offset_s

    @property
    def channel(self) -> str:
        channel = (self.cells.get("channel") or "").strip()
        if channel.count(".") not in (1, 3):
            raise ParameterError(
                f"{self.where}: {channel!r} is not NET.STA or NET.STA.LOC.CHA"
            )
        return channel


def read_clock_table(path: str | Path) -> tuple[ClockCurve, ...]:
    """Read a table of offsets from a file; see `parse_clock_table`.

    Raises
    ------
    ParameterError
        If the file cannot be read, or is not a table of offsets.
    """
    try:
        text = read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise ParameterError(f"clock table {path}: {error}") from error
    return parse_clock_table(text, str(path))


def parse_clock_table(text: str, source: str = "clock.csv") -> tuple[ClockCurve, ...]:
    """Parse a table of offsets.

    Parameters
    ----------
    text : str
        CSV of one of three formats, with the names of the columns in the first line;
        comments start with ``#``.

        - ``channel,start,end,offset_s`` and, if the clock drifts, ``end_offset_s``:
          each line is an interval. Where one begins at the end of another one with the
          same offset, the curve continues.
        - ``channel,time,offset_s``: each line is an offset at a time.
        - ``channel,recorded,true``: each line is a synchronisation, at which the clock
          showed the time ``recorded``.

        The last two have a column ``interpolation``, if offsets between the lines are
        not linear: ``cubic``.
    source : str
        The name of the file, for messages.

    Raises
    ------
    ParameterError
        If a line is not valid or two lines overlap; the message names file and line.

    Examples
    --------
    >>> table = "channel,start,end,offset_s\\nXX.AAA,2024-01-01,2024-02-01,0.25"
    >>> parse_clock_table(table)[0].offset_s
    (0.25, 0.25)
    >>> pulses = "channel,recorded,true\\nXX.A,2024-01-01,2024-01-01\\n"
    >>> pulses += "XX.A,2024-12-31T00:00:02.5,2024-12-31"
    >>> parse_clock_table(pulses)[0].offset_s
    (0.0, 2.5)
    """
    lines = [(i, line) for i, line in enumerate(text.splitlines(), 1) if line.strip()]
    lines = [(i, line) for i, line in lines if not line.lstrip().startswith("#")]
    table = list(csv.reader(io.StringIO("\n".join(line for _, line in lines))))
    header = [cell.strip() for cell in table[0]] if table else []
    rows = []
    for (number, _), cells in zip(lines[1:], table[1:], strict=True):
        where = f"{source}:{number}"
        if len(cells) > len(header):
            raise ParameterError(f"{where}: more cells than the {len(header)} columns")
        rows.append(_Row(where, dict(zip(header, cells, strict=False))))
    for columns, n_needed in FORMATS:
        if set(columns[:n_needed]) <= set(header) <= set(columns):
            if columns is INTERVALS:
                return tuple(_curves_of_intervals(rows))
            return tuple(_curves_of_points(rows, columns))
    known = ", or ".join(",".join(columns) for columns, _ in FORMATS)
    raise ParameterError(f"{source}: the columns are not {known}")


# -- intervals ----------------------------------------------------------------------


def _curves_of_intervals(rows: Sequence[_Row]) -> Iterator[ClockCurve]:
    intervals: dict[str, list[tuple[ClockCurve, _Row]]] = {}
    for row in rows:
        channel = row.channel
        start_ns, end_ns = row.time_ns("start"), row.time_ns("end")
        first_s = row.offset_s("offset_s")
        last_s = row.offset_s("end_offset_s", first_s)
        if start_ns >= end_ns:
            raise ParameterError(f"{row.where}: the start must be before the end")
        curve = ClockCurve(channel, (start_ns, end_ns), (first_s, last_s))
        _check_drift(curve, [row, row])
        for earlier, _ in intervals.setdefault(channel, []):
            if earlier.start_ns < end_ns and start_ns < earlier.end_ns:
                raise ParameterError(
                    f"{row.where}: overlaps another offset of its channel"
                )
        intervals[channel].append((curve, row))
    for of_channel in intervals.values():
        of_channel.sort(key=lambda interval: interval[0].start_ns)
        yield from _joined([curve for curve, _ in of_channel])


def _joined(curves: Sequence[ClockCurve]) -> Iterator[ClockCurve]:
    """Join curves if one continues the other without a jump."""
    current = curves[0]
    for curve in curves[1:]:
        jump_s = abs(curve.offset_s[0] - current.offset_s[-1])
        if curve.start_ns == current.end_ns and jump_s < SAME_S:
            current = ClockCurve(
                current.channel,
                current.time_ns + curve.time_ns[1:],
                current.offset_s + curve.offset_s[1:],
            )
        else:
            yield current
            current = curve
    yield current


# -- single offsets -----------------------------------------------------------------


def _curves_of_points(
    rows: Sequence[_Row], columns: Sequence[str]
) -> Iterator[ClockCurve]:
    points: dict[str, list[tuple[int, float, _Row]]] = {}
    kinds: dict[str, str] = {}
    for row in rows:
        channel = row.channel
        if columns is PULSES:
            time_ns = row.time_ns("recorded")
            offset_s = (time_ns - row.time_ns("true")) / NS
        else:
            time_ns, offset_s = row.time_ns("time"), row.offset_s("offset_s")
        kind = (row.cells.get("interpolation") or "").strip() or "linear"
        if kind not in INTERPOLATIONS:
            known = " or ".join(INTERPOLATIONS)
            raise ParameterError(f"{row.where}: interpolation {kind!r} is not {known}")
        if kinds.setdefault(channel, kind) != kind:
            raise ParameterError(
                f"{row.where}: {channel} has the interpolation {kinds[channel]} above"
            )
        points.setdefault(channel, []).append((time_ns, offset_s, row))
    for channel, of_channel in points.items():
        of_channel.sort(key=lambda point: point[0])
        times_ns, offsets_s, places = zip(*of_channel, strict=True)
        if len(times_ns) < 2:
            raise ParameterError(
                f"{places[0].where}: {channel} has one offset; two or more are needed "
                "(a constant offset has the columns channel,start,end,offset_s)"
            )
        for k in np.flatnonzero(np.diff(times_ns) == 0).tolist():
            raise ParameterError(
                f"{places[k + 1].where}: a second offset at the same time"
            )
        curve = ClockCurve(channel, times_ns, offsets_s, kinds[channel], True)
        _check_drift(curve, places)
        yield curve


def _check_drift(curve: ClockCurve, rows: Sequence[_Row]) -> None:
    """Refuse clocks that gain or lose more than `MOST_DRIFT`."""
    for k, row in enumerate(rows[1:], 1):
        first_ns, last_ns = curve.time_ns[k - 1 : k + 1]
        grid_ns = np.linspace(0, last_ns - first_ns, 21)
        offset_s = curve.at(first_ns + np.rint(grid_ns).astype(np.int64))
        drift = float(np.abs(np.diff(offset_s)).max() / (grid_ns[1] / NS))
        if not drift <= MOST_DRIFT:
            raise ParameterError(
                f"{row.where}: the clock would gain or lose {drift:.2g} s in each "
                f"second before this line; the limit is {MOST_DRIFT:g} s"
            )
