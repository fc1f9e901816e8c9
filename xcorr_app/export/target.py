"""Files and folders of an export, and iteration over the correlations they hold."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dispel4py.errors import ParameterError
from seismo_pes.application.files import write_whole
from seismo_pes.items.correlation import Correlation
from xcorr_app.results.stack_names import bands_of, split, unit_of
from xcorr_app.store import Store

__all__ = [
    "ABOUT_FILE",
    "Progress",
    "Stacked",
    "about",
    "iterate",
    "iterate_named",
    "stacks_for",
    "write_about",
]

ABOUT_FILE = "xcorr-app.json"

Progress = Callable[[int, int], None]


def iterate(
    store: Store, stack: str | None, progress: Progress | None
) -> Iterator[Correlation]:
    """Yield the correlations of a stack, and report the progress."""
    total = int(np.count_nonzero(store.windows(stack)["part"] >= 0))
    for done, correlation in enumerate(store.correlations(stack), start=1):
        yield correlation
        if progress is not None:
            progress(done, total)


def about(store: Store, stack: str | None) -> dict[str, str]:
    """Return the origin of exported data: run, stack, configuration, versions."""
    return {
        "title": "Cross-correlations of ambient noise",
        "lags": "positive: the wave reaches the second channel later",
        "stack": store.default_stack if stack is None else stack,
        "run_id": store.run_id or "",
        "created": store.created,
        "configuration": json.dumps(store.config),
        "software": json.dumps(store.software),
    }


@dataclass(frozen=True)
class Stacked:
    """A stack that the layout of another program can hold.

    Parameters
    ----------
    name
        Name of the stack.
    period
        The name without its band.
    unit
        One of `stacks.UNITS`; "" for a stack of the whole run.
    band
        Number of the band among the bands of the run, from 1.
    band_name
        Name of the band; "" if the run has only one.
    """

    name: str
    period: str
    unit: str
    band: int
    band_name: str


def stacks_for(
    store: Store, stack: str | None, units: Collection[str]
) -> list[Stacked]:
    """Return the stacks to export: the named one, or all substacks of some units.

    Of the stacks of the whole run only ``all`` is exported by default, not its
    standard deviation.
    """
    bands = bands_of(store.stacks)
    stacks = []
    for name in store.stacks if stack is None else [stack]:
        period, band = split(name)
        unit = unit_of(name)
        if stack is not None or unit in units or period == "all":
            number = bands.index(band) + 1 if band in bands else 1
            stacks.append(Stacked(name, period, unit, number, band))
    return stacks


def iterate_named(
    store: Store,
    stack: Stacked,
    program: str,
    label: Callable[[Correlation], str],
    progress: Progress | None,
) -> Iterator[tuple[Correlation, str]]:
    """Yield the correlations of a stack, each with its name in another program.

    Raises
    ------
    ParameterError
        If two pairs have the same name there, because the other program does not
        distinguish their channels.
    """
    pairs: dict[str, str] = {}
    for correlation in iterate(store, stack.name, progress):
        name = label(correlation)
        if pairs.setdefault(name, correlation.id) != correlation.id:
            raise ParameterError(
                f"{pairs[name]} and {correlation.id} have the same name in "
                f"{program}, {name}: correlate one kind of channel per run (--channels)"
            )
        yield correlation, name


def write_about(folder: Path, store: Store, stack: str | None) -> Path:
    """Write the origin of exported data to a file of its own: see `about`."""
    path = folder / ABOUT_FILE
    origin: dict[str, Any] = about(store, stack)
    for name in ("configuration", "software"):
        origin[name] = json.loads(origin[name])
    write_whole(path, json.dumps(origin, indent=1))
    return path
