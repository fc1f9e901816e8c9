"""Names of stacks: an interval, and a filter band if a run has several.

An interval is ``all``, a day ``2022-05-17``, an hour ``2022-05-17T06``, a window
``2022-05-17T06:30:00``, or a moving stack ``2022-05-17T00:00:00~432000s``, which
starts at this time and has this length. ``2022-05-17@0.1-0.5Hz`` is a day in one band.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np

from dispel4py.errors import DataError, ParameterError
from seismo_pes.items.codes import defective_code

__all__ = [
    "UNITS",
    "add_missing",
    "band_choice",
    "band_name",
    "bands_of",
    "check_names",
    "file_label",
    "full_name",
    "over_time",
    "stack_notes",
    "unit_of",
    "usual_stack",
]

# From the longest to the shortest: by default the longest unit of a run is used.
UNITS = ("moving", "day", "hour", "window")
STACK_NAME = re.compile(r"[\w.:~@+-]+")
# Names of several stacks of each unit.
PLURALS = {
    "moving": "moving stacks",
    "day": "daily stacks",
    "hour": "hourly stacks",
    "window": "stacks of windows",
}

_DAY = r"\d{4}-\d\d-\d\d"
_FORMS = {
    "day": re.compile(_DAY),
    "hour": re.compile(rf"{_DAY}T\d\d"),
    "window": re.compile(rf"{_DAY}T\d\d:\d\d:\d\d(\.\d+)?"),
    "moving": re.compile(rf"{_DAY}T\d\d:\d\d:\d\d(\.\d+)?~[\d.]+s"),
}
_NUMBER = r"(\d+(?:\.\d+)?(?:e[+-]\d+)?)"
_BAND = re.compile(f"{_NUMBER}-{_NUMBER}Hz")


class _StackNames(Protocol):
    """Results with stacks, such as a `Store`."""

    @property
    def stacks(self) -> Sequence[str]: ...

    @property
    def default_stack(self) -> str: ...


def split(name: str) -> tuple[str, str]:
    """Return interval and band; the band is "" for a stack without one.

    >>> split("2022-05-17@0.1-0.5Hz"), split("all")
    (('2022-05-17', '0.1-0.5Hz'), ('all', ''))
    """
    interval, _, band = name.partition("@")
    return interval, band


def unit_of(name: str) -> str:
    """Return the unit of the interval of a stack: one of `UNITS`, or "".

    >>> [unit_of(name) for name in ("2022-05-17@1-2Hz", "2022-05-17T06", "all")]
    ['day', 'hour', '']
    """
    interval, _ = split(name)
    return next((unit for unit in UNITS if _FORMS[unit].fullmatch(interval)), "")


def band_name(low_hz: float, high_hz: float) -> str:
    """Return the name of a band.

    >>> band_name(0.1, 2.0)
    '0.1-2Hz'
    """
    return f"{low_hz:g}-{high_hz:g}Hz"


def band_hz(name: str) -> tuple[float, float] | None:
    """Return the band of a stack in Hz; None if its name has no band.

    >>> band_hz("all@0.1-2Hz")
    (0.1, 2.0)
    """
    match = _BAND.fullmatch(split(name)[1])
    return None if match is None else (float(match[1]), float(match[2]))


def bands_of(stacks: Iterable[str]) -> list[str]:
    """Return the bands of stacks, lowest first.

    >>> bands_of(["all@1-2Hz", "all@0.5-1Hz", "2022-05-17@1-2Hz"])
    ['0.5-1Hz', '1-2Hz']
    """
    named = {split(name)[1] for name in stacks}
    return sorted(named - {""}, key=lambda band: band_hz(f"@{band}") or (0.0, 0.0))


def summary_of(stacks: Iterable[str]) -> list[str]:
    """Return lines that summarise stacks: the number of each kind, and the bands.

    >>> summary_of(["all@1-2Hz", "2022-05-17@1-2Hz", "2022-05-18@1-2Hz", "all@2-4Hz"])
    ['all', '2 daily stacks, 2022-05-17 to 2022-05-18', 'in the bands 1-2Hz, 2-4Hz']
    """
    names = list(stacks)
    intervals = sorted({split(name)[0] for name in names})
    lines = [interval for interval in intervals if not unit_of(interval)]
    for unit in UNITS:
        names_of_unit = [name for name in intervals if unit_of(name) == unit]
        if len(names_of_unit) == 1:
            lines += names_of_unit
        elif names_of_unit:
            first, *_, last = names_of_unit
            lines.append(f"{len(names_of_unit):,} {PLURALS[unit]}, {first} to {last}")
    bands = bands_of(names)
    return [*lines, f"in the bands {', '.join(bands)}"] if bands else lines


def usual_stack(stacks: Iterable[str]) -> str | None:
    """Return the stack of the whole run in the lowest band, else the first stack.

    >>> usual_stack(["2022-05-17@1-2Hz", "all@1-2Hz"]), usual_stack([])
    ('all@1-2Hz', None)
    """
    names = sorted(stacks)
    usual = ("all", *(f"all@{band}" for band in bands_of(names)))
    return next((name for name in (*usual, *names) if name in names), None)


def full_name(
    store: _StackNames,
    stack: str | None = None,
    band: tuple[float, float] | None = None,
) -> str | None:
    """Return the name of the stack of an interval and a band.

    Parameters
    ----------
    store
        Results with stacks.
    stack
        Interval, with or without a band; by default ``all``.
    band
        Band in Hz; by default the lowest, if there are several.

    Returns
    -------
    str or None
        None means the default stack.

    Raises
    ------
    ParameterError
        If the results do not have the band, or two bands are named.
    """
    bands = bands_of(store.stacks)
    named = band_name(*band) if band else ""
    if named and named not in bands:
        known = ", ".join(bands) or "one band only, without a name"
        raise ParameterError(f"--band {band[0]:g} {band[1]:g}: there is {known}")  # type: ignore[index]
    if stack is not None and "@" in stack:
        if named and split(stack)[1] != named:
            raise ParameterError(f"--stack {stack} is not in --band {named}")
        return stack
    if not bands or stack in store.stacks or (not named and "all" in store.stacks):
        return stack
    return f"{stack or 'all'}@{named or bands[0]}"


def _parts_of(store: _StackNames, stack: str | None) -> tuple[str, str]:
    """Return interval and band of a stack; by default those of the usual one."""
    if stack is None:
        stack = store.default_stack if store.stacks else "all"
    return split(stack)


def band_choice(store: _StackNames, stack: str | None) -> str:
    """Return which of several bands was chosen, and the option that chooses."""
    bands = bands_of(store.stacks)
    _, band = _parts_of(store, stack)
    return f"band {band} of {len(bands)}; --band chooses" if len(bands) > 1 else ""


def stack_notes(store: _StackNames, stack: str | None) -> list[str]:
    """Return band and interval of a stack, for the note of a figure.

    Empty for the stack of the whole run, if the run has one band without a name.
    """
    interval, band = _parts_of(store, stack)
    notes = [f"band {band}"] if band else []
    return notes + ([f"stack {interval}"] if interval != "all" else [])


def file_label(store: _StackNames, stack: str | None, components: str = "") -> str:
    """Return the end of the name of a file; files of other stacks have other names.

    Empty for the stack of the whole run, if the run has only one band.

    Parameters
    ----------
    store
        Results with stacks.
    stack
        Full name of the stack; by default the usual one.
    components
        Components, if the run has several.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> stacks = ["all@1-2Hz", "all@2-4Hz", "2022-05-17T06@2-4Hz"]
    >>> results = SimpleNamespace(stacks=stacks, default_stack="all@1-2Hz")
    >>> file_label(results, None, "ZZ"), file_label(results, "2022-05-17T06@2-4Hz")
    ('_1-2Hz_ZZ', '_2-4Hz_2022-05-17T06')
    """
    interval, band = _parts_of(store, stack)
    several = len(bands_of(store.stacks)) > 1
    is_usual = interval == _parts_of(store, None)[0]
    interval = "" if is_usual else interval.replace(":", "")
    parts = (band if several else "", interval, components)
    return "".join(f"_{part}" for part in parts if part)


def over_time(stacks: Iterable[str], like: str, unit: str | None = None) -> list[str]:
    """Return the stacks of one unit of time in the band of another stack, sorted.

    Parameters
    ----------
    stacks
        Names.
    like
        A stack in the wanted band.
    unit
        One of `UNITS`; by default the first of them that the stacks have.

    Examples
    --------
    >>> over_time(["all", "2022-05-18", "2022-05-17", "2022-05-17T06"], "all")
    ['2022-05-17', '2022-05-18']
    """
    band = split(like)[1]
    units: dict[str, list[str]] = {}
    for name in stacks:
        if split(name)[1] == band:
            units.setdefault(unit_of(name), []).append(name)
    chosen = unit or next((name for name in UNITS if name in units), "")
    return sorted(units.get(chosen, [])) if chosen else []


def add_missing(names: list[str]) -> list[str]:
    """Return the sorted names of substacks, and those of missing days or hours between.

    >>> add_missing(["2022-05-17", "2022-05-19"])
    ['2022-05-17', '2022-05-18', '2022-05-19']
    >>> add_missing(["2022-05-17T22@1-2Hz", "2022-05-18T00@1-2Hz"])
    ['2022-05-17T22@1-2Hz', '2022-05-17T23@1-2Hz', '2022-05-18T00@1-2Hz']
    """
    unit = {"day": "D", "hour": "h"}.get(unit_of(names[0]))
    if unit is None or len(names) < 2:
        return names
    band = names[0][len(split(names[0])[0]) :]
    starts = np.array([split(name)[0] for name in names], f"datetime64[{unit}]")
    times = np.arange(starts[0], starts[-1] + 1)
    # A few days that are spread over years would be lost among the missing ones.
    return names if len(times) > 50 * len(names) else [f"{t}{band}" for t in times]


def check_names(
    place: object, channel_ids: Iterable[str], stacks: Iterable[str]
) -> None:
    """Refuse names that a run cannot have written, because they become names of files.

    Parameters
    ----------
    place
        Where the names are stored, for the message.
    channel_ids, stacks
        The names.

    Raises
    ------
    DataError
        If one is not the id of a channel, or the name of a stack.
    """
    for channel_id in channel_ids:
        if defect := defective_code(channel_id):
            raise DataError(f"{place}: {defect}")
    for stack in stacks:
        if not STACK_NAME.fullmatch(stack):
            raise DataError(f"{place}: {stack!r} is not the name of a stack")
