"""The costs of PEs: measured in a run, and used for the layout of a later run.

A profile is the summary of an earlier run as JSON. This part of it is read::

    {"pes": {"Read0": {"busy_s": 1.25}, "Correlate1": {"busy_s": 40.5}}}

or, written by hand, an object of PE ids or names, each with its seconds::

    {"Read": 1.25, "Correlate": 40.5}

The seconds are sums over all instances of a PE, in its own code. Only the proportions
matter for the layout.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Any

from dispel4py.core import GenericPE
from dispel4py.errors import InputError, PlanError, suggest

__all__ = ["costs_of", "read_costs"]


def read_costs(path: str | os.PathLike[str]) -> dict[str, float]:
    """Read a profile.

    Returns
    -------
    dict
        Seconds by PE id or name; PEs that were not measured are left out.

    Raises
    ------
    InputError
        If the file cannot be read, or contains no seconds.
    """
    try:
        profile = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"profile {path}: {error.strerror}") from None
    except ValueError as error:
        raise InputError(f"profile {path}: not JSON: {error}") from None
    pes = profile.get("pes", profile) if isinstance(profile, Mapping) else None
    if not isinstance(pes, Mapping) or not pes:
        raise InputError(
            f"profile {path}: it must be the summary of a run, or an object of PE "
            "names, each with its seconds of work"
        )
    costs = {}
    for name, entry in pes.items():
        seconds = entry.get("busy_s") if isinstance(entry, Mapping) else entry
        if seconds is None:
            continue
        if not _is_seconds(seconds):
            raise InputError(
                f"profile {path}: {name!r} has {seconds!r}, not seconds of work"
            )
        costs[name] = float(seconds)
    if not costs:
        raise InputError(f"profile {path}: no PE was timed in that run")
    return costs


def read_peak_bytes(path: str | os.PathLike[str]) -> int | None:
    """Return the largest memory of a process in the summary of an earlier run.

    Returns
    -------
    int or None
        None if the summary has no memory.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    try:
        summary = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"profile {path}: {error}") from None
    reports = summary.get("processes") if isinstance(summary, Mapping) else None
    peaks = [
        report["peak_memory_mb"]
        for report in reports or ()
        if isinstance(report, Mapping) and report.get("peak_memory_mb")
    ]
    return round(max(peaks) * 1e6) if peaks else None


def costs_of(
    pes: Sequence[GenericPE], costs: Mapping[str, float]
) -> tuple[list[float], list[str]]:
    """Find the seconds of each PE in a profile, and the names that do not match.

    A PE is looked up by its id, then by its name; the seconds of a name are split among
    the PEs that share it. A PE without a cost gets the average of the others.

    Parameters
    ----------
    pes : sequence of GenericPE
    costs : mapping
        Id or name of a PE to its seconds of work.

    Returns
    -------
    tuple
        Seconds of each PE, and notes for the user.

    Raises
    ------
    PlanError
        If no PE of the graph has a cost, or a cost is not a number of seconds.
    """
    for name, seconds in costs.items():
        if not _is_seconds(seconds):
            raise PlanError(f"the cost of {name} is {seconds!r}, not seconds of work")
    by_name = [pe.name for pe in pes if pe.id not in costs]
    seconds_of_pes: list[float | None] = []
    for pe in pes:
        if pe.id in costs:
            seconds_of_pes.append(costs[pe.id])
        elif pe.name in costs:
            seconds_of_pes.append(costs[pe.name] / by_name.count(pe.name))
        else:
            seconds_of_pes.append(None)
    known = [seconds for seconds in seconds_of_pes if seconds is not None]
    if not known:
        ids = [pe.id for pe in pes]
        first = next(iter(costs), "")
        raise PlanError(
            f"no PE of this graph has a cost; unknown: {first!r}, {suggest(first, ids)}"
        )
    average = sum(known) / len(known)
    notes = []
    missing = [
        pe.id
        for pe, seconds in zip(pes, seconds_of_pes, strict=True)
        if seconds is None
    ]
    if missing:
        notes.append(f"cost not measured, taken as the average: {', '.join(missing)}")
    names = {name for pe in pes for name in (pe.id, pe.name)}
    unknown = [name for name in costs if name not in names]
    if unknown:
        notes.append(f"costs of PEs that are not in the graph: {', '.join(unknown)}")
    return [
        average if seconds is None else seconds for seconds in seconds_of_pes
    ], notes


def _is_seconds(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    return 0.0 <= float(value) < math.inf
