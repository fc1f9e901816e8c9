"""Files of windows: read, checked, and used again."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dispel4py.errors import DataError, ParameterError, suggest
from seismo_pes.regular_file import read_text

__all__ = ["foreign_windows", "read_windows"]

LIMITS = ("event", "station", "component")
PERIODS = ("min_period_s", "max_period_s")
TIMES = ("start_s", "end_s")
MOST_NAMES = 3  # that a message lists
# Numbers that a run writes beside each window, and does not read.
MEASURED = ("cc", "dt_s", "dlna")


def read_windows(path: str) -> tuple[dict[str, Any], ...]:
    """Read a JSON file of windows.

    Parameters
    ----------
    path : str
        A list of objects with ``start_s`` and ``end_s``, seconds after the origin, and
        optionally the event, station, component and periods that they are for.

    Raises
    ------
    ParameterError
        If the file cannot be read, or a window is not complete.
    """
    try:
        content = json.loads(read_text(path))
    except OSError as error:
        raise ParameterError(f"--windows {path}: {error.strerror or error}") from None
    except DataError as error:
        raise ParameterError(f"--windows {error}") from None
    except (ValueError, RecursionError) as error:
        raise ParameterError(f"--windows {path}: not JSON: {error}") from None
    if not isinstance(content, list):
        raise ParameterError(f"--windows {path}: must be a list of windows")
    return tuple(
        _window(entry, f"--windows {path}: window {number}")
        for number, entry in enumerate(content, start=1)
    )


def _window(entry: Any, label: str) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise ParameterError(f"{label}: must be an object with start_s and end_s")
    known = (*LIMITS, *PERIODS, *TIMES, *MEASURED)
    for name in entry:
        if name not in known:
            raise ParameterError(
                f"{label}: unknown key {name!r}: {suggest(name, known)}"
            )
    window = {name: entry[name] for name in LIMITS if entry.get(name) is not None}
    for name in (*PERIODS, *TIMES):
        value = entry.get(name)
        if value is None and name in PERIODS:
            continue
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if value is None or not is_number or not math.isfinite(value):
            raise ParameterError(f"{label}: {name} {value!r} is not a number")
        window[name] = float(value)
    if window["start_s"] >= window["end_s"]:
        raise ParameterError(f"{label}: start_s must be before end_s")
    return window


def foreign_windows(
    windows: Sequence[Mapping[str, Any]],
    events: Iterable[str],
    stations: Iterable[str],
    components: Iterable[str],
    bands: Iterable[tuple[float, float]],
) -> list[str]:
    """Return why windows belong to no trace of a run, a line for each kind of reason.

    Parameters
    ----------
    windows : sequence of mapping
        From `read_windows`.
    events, stations, components, bands : iterable
        Those of the run.

    Examples
    --------
    >>> window = {"station": "XX.B", "start_s": 1.0, "end_s": 2.0}
    >>> foreign_windows([window], ["e"], ["XX.A"], "Z", [(4.0, 20.0)])
    ['1 window of stations that are not in this run: XX.B']
    """
    known: dict[str, set[Any]] = dict(
        zip(LIMITS, map(set, (events, stations, components)), strict=True)
    )
    of_bands = set(bands)
    foreign: dict[str, list[str]] = {}
    for window in windows:
        limit = [window.get(name) for name in PERIODS]
        if not any(_fits(limit, band) for band in of_bands):
            text = "-".join("?" if edge is None else f"{edge:g}" for edge in limit)
            foreign.setdefault("period band", []).append(f"{text} s")
            continue
        for name, values in known.items():
            if window.get(name) not in (None, *values):
                foreign.setdefault(name, []).append(str(window[name]))
                break
    return [
        f"{len(names):,} window{'s' if len(names) > 1 else ''} of {kind}s that are not "
        f"in this run: {_first(names)}"
        for kind, names in foreign.items()
    ]


def _fits(limit: Iterable[float | None], band: Iterable[float]) -> bool:
    return all(edge in (None, own) for edge, own in zip(limit, band, strict=True))


def _first(names: Iterable[str]) -> str:
    different = list(dict.fromkeys(names))
    more = ["..."] if len(different) > MOST_NAMES else []
    return ", ".join([*different[:MOST_NAMES], *more])
