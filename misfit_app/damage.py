"""Damage of the files of a run: how it is found, and how it is marked for a new start.

A station or pair whose file is removed is not done, so that ``--resume`` measures it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from dispel4py.errors import DataError
from dispel4py.files import exists
from misfit_app.bound_files import file_sum, read_arrays, read_bound
from misfit_app.config import PROG
from misfit_app.run_file import RUN_FILE, MisfitRun, read_run
from misfit_app.store import (
    FOLDERS,
    KEPT_FOLDER,
    files_of_events,
    kept_path,
    n_unmeasured,
    pairs_path,
    read_stations,
    station_path,
    tables,
)
from seismo_pes.application import integrity

__all__ = [
    "CheckedFile",
    "check_files",
    "check_tables",
    "mark_for_resume",
    "refuse_damage",
]


@dataclass(frozen=True)
class CheckedFile(integrity.CheckedFile):
    """A file of a run, and its damage.

    Attributes
    ----------
    not_done : tuple of Path
        Files without which ``--resume`` makes this one again.
    """

    not_done: tuple[Path, ...] = ()


# ------------------------------------------------------------------ search


def check_files(out: Path) -> Iterator[CheckedFile]:
    """Yield every file that a run reads again, and its adjoint sources, checked.

    Parameters
    ----------
    out : Path
        Folder of the run.
    """
    record = _checked(out / RUN_FILE, (), partial(read_run, out))
    yield record
    if record.problem:
        return  # without it nothing else can be judged
    run = read_run(out)
    for name in FOLDERS:
        for path in files_of_events(out / name, "*.json"):
            yield from _bound_file(out, run, path)
    kept = out / KEPT_FOLDER
    for path in files_of_events(kept, "*.adjoints.json"):
        yield from _bound_file(out, run, path)
    needs_all = not _has_ended(out, run)
    for label, event in run.events.items():
        for station in event["stations"]:
            yield from _arrays_of(out, run, label, station, needs_all)


def _bound_file(out: Path, run: MisfitRun, path: Path) -> Iterator[CheckedFile]:
    """Check a file of JSON, and the adjoint sources that it lists."""
    values: dict[str, Any] = {}
    yield _checked(path, (path,), lambda: values.update(_read(out, run, path)))
    for place, checksum in values.get("adjoints", {}).items():
        yield _checked(out / place, (path,), partial(_compare, out / place, checksum))


def _read(out: Path, run: MisfitRun, path: Path) -> dict[str, Any]:
    values = read_bound(out, path, run.results)
    if "origin" in values:
        event = run.events.get(path.parent.name, {})
        if any(values[key] != event.get(key) for key in ("event", "origin")):
            raise DataError(f"{path}: belongs to another event than those of the run")
    return values


def _compare(path: Path, checksum: str) -> None:
    try:
        is_intact = file_sum(path) == checksum
    except FileNotFoundError:
        raise DataError(f"{path}: missing") from None
    if not is_intact:
        raise DataError(f"{path}: its checksum does not fit")


def _has_ended(out: Path, run: MisfitRun) -> bool:
    """Return whether a run has ended: its kept records may be deleted."""
    try:
        return not n_unmeasured(out, run)
    except DataError:  # of a file that is reported
        return False


def _arrays_of(
    out: Path, run: MisfitRun, label: str, station: str, needs_all: bool
) -> Iterator[CheckedFile]:
    """Check the records that a station keeps for the next phases."""
    measured = station_path(out, label, station)
    pairs = pairs_path(out, label, station)
    kept = kept_path(out, label, station)
    summed = kept.with_name(f"{kept.stem}.pairs.npz")
    for path, of_it in ((kept, measured), (summed, pairs)):
        is_needed = needs_all and path == kept and _is_kept(out, run, measured)
        if exists(path) or is_needed:
            read = partial(read_arrays, out, path, run.results)
            yield _checked(path, (path, of_it), read)


def _is_kept(out: Path, run: MisfitRun, measured: Path) -> bool:
    """Return whether the file of a station says that its records were kept."""
    try:
        return bool(read_bound(out, measured, run.results)["n_kept_bands"])
    except DataError:  # reported with the file itself
        return False


def _checked(
    path: Path, not_done: tuple[Path, ...], read: Callable[[], object]
) -> CheckedFile:
    try:
        read()
    except (DataError, OSError) as error:
        return CheckedFile(path, integrity.problem_of(path, PROG, error), not_done)
    return CheckedFile(path)


def check_tables(out: Path) -> Iterator[CheckedFile]:
    """Yield the tables of a run whose other files are intact, checked.

    Parameters
    ----------
    out : Path
        Folder of the run. One that has not ended has no tables.
    """
    run = read_run(out)
    if not run.events or n_unmeasured(out, run):
        return
    for path, text in tables(out, read_stations(out)).items():
        yield _checked(path, (path,), partial(_compare_text, path, text))


def _compare_text(path: Path, text: str) -> None:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path}: missing") from None
    if content != text.encode():
        raise DataError(f"{path}: differs from the results of the stations")


def refuse_damage(out: Path) -> None:
    """Refuse to continue a run with a damaged file.

    Parameters
    ----------
    out : Path
        Folder of the run.

    Raises
    ------
    DataError
        With the first damaged file.
    """
    for file in check_files(out):
        if file.problem:
            raise DataError(
                f"{file.path}: {file.problem}: misfit-app check {out} --repair marks "
                "it as not done"
            )


# ------------------------------------------------------------------ repair


def mark_for_resume(out: Path, damaged: Sequence[CheckedFile]) -> list[str]:
    """Mark what is damaged as not done; return a line about each file.

    The caller holds the lock of the folder.

    Parameters
    ----------
    out : Path
        Folder of the run.
    damaged : sequence of CheckedFile
        The damaged files, from `check_files` and `check_tables`, without the record of
        the run.
    """
    lines = []
    for file in damaged:
        for path in file.not_done:
            path.unlink(missing_ok=True)
        names = ", ".join(str(path.relative_to(out)) for path in file.not_done)
        lines.append(f"{file.path}: not done any more: removed {names}")
    return lines
