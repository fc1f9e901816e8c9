"""Where an export goes: checked before, whole or absent after, with progress."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dispel4py.errors import ParameterError
from xcorr_app.results.correlation import Correlation
from xcorr_app.results.stacks import bands_of, split, unit_of
from xcorr_app.store import Store

__all__ = [
    "ABOUT_FILE",
    "Progress",
    "Stacked",
    "about",
    "claimed",
    "each",
    "new_file",
    "new_folder",
    "stacks_for",
    "write_about",
]

ABOUT_FILE = "xcorr-app.json"

Progress = Callable[[int, int], None]


@contextlib.contextmanager
def new_file(dest: str | os.PathLike[str], force: bool, kind: str) -> Iterator[Path]:
    """Give a path to write to, and make it ``dest`` once it is whole.

    Raises
    ------
    ParameterError
        If ``dest`` is there already and ``force`` is not given, or is a folder.
    """
    path = Path(dest)
    if path.is_dir():
        raise ParameterError(f"{path}: is a folder; {kind} needs the name of a file")
    if path.exists() and not force:
        raise ParameterError(f"{path}: is there already; --force replaces it")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        yield temporary
        temporary.rename(path)
    finally:
        temporary.unlink(missing_ok=True)


def new_folder(dest: str | os.PathLike[str], force: bool, kind: str) -> Path:
    """Make the folder ``dest``.

    Raises
    ------
    ParameterError
        If it is a file, or has something in it and ``force`` is not given.
    """
    folder = Path(dest)
    if folder.exists() and not folder.is_dir():
        raise ParameterError(f"{folder}: is a file; {kind} needs the name of a folder")
    if folder.is_dir() and any(folder.iterdir()) and not force:
        raise ParameterError(f"{folder}: is not empty; --force writes into it")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def each(
    store: Store, stack: str | None, progress: Progress | None
) -> Iterator[Correlation]:
    """Yield the correlations of a stack, telling how far it is."""
    total = int(np.count_nonzero(store.windows(stack)["part"] >= 0))
    for done, correlation in enumerate(store.correlations(stack), start=1):
        yield correlation
        if progress is not None:
            progress(done, total)


def about(store: Store, stack: str | None) -> dict[str, str]:
    """Return what a file of exported correlations tells of its origin."""
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
    """A stack that other programs have a place for.

    Parameters
    ----------
    name
        Name of the stack.
    period
        The same without its band.
    unit
        One of `stacks.UNITS`, or "" for what is of all the time.
    band
        Which of the run's bands, from 1; their name, "" if there is only one.
    band_name
        See ``band``.
    """

    name: str
    period: str
    unit: str
    band: int
    band_name: str


def stacks_for(
    store: Store, stack: str | None, units: Collection[str]
) -> list[Stacked]:
    """Return the stacks that are exported: the one that is named, or all of some units.

    Of those of all the time only ``all`` itself is, and not its deviation.
    """
    bands = bands_of(store.stacks)
    found = []
    for name in store.stacks if stack is None else [stack]:
        period, band = split(name)
        unit = unit_of(name)
        if stack is not None or unit in units or period == "all":
            number = bands.index(band) + 1 if band in bands else 1
            found.append(Stacked(name, period, unit, number, band))
    return found


def claimed(
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
        If two pairs have one name there: other programs know fewer than we do.
    """
    taken: dict[str, str] = {}
    for one in each(store, stack.name, progress):
        name = label(one)
        if taken.setdefault(name, one.name) != one.name:
            raise ParameterError(
                f"{taken[name]} and {one.name} are both {name} to {program}: "
                "correlate one kind of channel a run (--channels)"
            )
        yield one, name


def write_about(folder: Path, store: Store, stack: str | None) -> Path:
    """Write what the files of a folder have no place for: see `about`."""
    path = folder / ABOUT_FILE
    told: dict[str, Any] = about(store, stack)
    for name in ("configuration", "software"):
        told[name] = json.loads(told[name])
    path.write_text(json.dumps(told, indent=1), encoding="utf-8")
    return path
