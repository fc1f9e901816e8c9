"""Damage of the files of a run: how it is found, and how it is marked for a new start.

Every file of a run has checksums. All of them are compared here, with the data of all
rows. What is damaged is marked as unfinished, so that ``--resume`` computes it again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from dispel4py.errors import DataError
from dispel4py.file_search import files_named
from dispel4py.files import exists
from seismo_pes.application import integrity
from seismo_pes.writing.account_journal import (
    FOLDER,
    cut_damaged_end,
    journal_files,
    read_journal,
)
from seismo_pes.writing.correlation_writer import parts_folder
from seismo_pes.writing.part_damage import is_intact, mark_damaged, whole_rows
from seismo_pes.writing.part_files import read_index, read_layout
from seismo_pes.writing.part_records import DAMAGED
from xcorr_app.config import PROG
from xcorr_app.results.account_sums import SUMS_FILE, check_journals, seal_journals
from xcorr_app.results.index import check_index_file
from xcorr_app.results.run_parts import check_run
from xcorr_app.results.runfile import INDEX_FILE, INPUTS_FILE, RUN_FILE, read_run
from xcorr_app.running.fingerprints import Fingerprints

__all__ = ["CheckedFile", "check_files", "checked", "mark_for_resume"]

SET_ASIDE = "damaged."  # begins the name of a part that no longer belongs to the run


@dataclass(frozen=True)
class CheckedFile(integrity.CheckedFile):
    """A file of a run, and its damage.

    Parameters
    ----------
    rows
        Numbers of the damaged rows, if the file is a part that is otherwise intact.
    n_rows
        Number of rows of a part.
    """

    rows: tuple[int, ...] = ()
    n_rows: int = 0


# ------------------------------------------------------------------ search


def check_files(out: Path) -> Iterator[CheckedFile]:
    """Yield every file of a run after all of it was read and checked.

    Parameters
    ----------
    out
        Folder of the run.
    """
    yield checked(out / RUN_FILE, lambda: read_run(out))
    run_id = ""
    with contextlib.suppress(DataError, OSError):  # they are reported above
        run_id = read_run(out).run_id
    if run_id and exists(out / INPUTS_FILE):
        yield checked(out / INPUTS_FILE, lambda: Fingerprints.read(out, run_id))
    for path in journal_files(out):
        yield checked(path, partial(_read_lines, path))
    if exists(sums := out / FOLDER / SUMS_FILE):
        yield checked(sums, lambda: check_journals(out))
    for path in files_named(parts_folder(out), "part-*.h5"):
        yield _checked_part(path, run_id)
    if exists(index := out / INDEX_FILE):
        yield checked(index, lambda: check_index_file(index, run_id))


def _read_lines(journal: Path) -> None:
    for _ in read_journal(journal):
        pass


def checked(path: Path, read: Callable[[], object]) -> CheckedFile:
    """Read a file, and return its damage if there is some.

    Parameters
    ----------
    path
        The file.
    read
        Reads it; raises an error if it is damaged.
    """
    try:
        read()
    except (DataError, OSError) as error:
        return CheckedFile(path, integrity.problem_of(path, PROG, error))
    return CheckedFile(path)


def _checked_part(path: Path, run_id: str) -> CheckedFile:
    try:
        layout = read_layout(path)
        check_run(path, layout, run_id)
        records = read_index(path, layout)
        if not is_intact(path, layout):
            return CheckedFile(path, "the description in it is damaged")
        known = (records["flags"] & DAMAGED) != 0
        whole = whole_rows(path, layout, records, sealed=True)
    except (DataError, OSError) as error:
        return CheckedFile(path, integrity.problem_of(path, PROG, error))
    rows = np.flatnonzero(~whole & ~known).tolist()
    problem = f"{len(rows):,} of {len(records):,} rows are damaged" if rows else ""
    return CheckedFile(path, problem, tuple(rows), len(records))


# ------------------------------------------------------------------ repair


def mark_for_resume(out: Path, damaged: list[CheckedFile]) -> list[str]:
    """Mark what is damaged as unfinished; return a line about each file.

    The caller holds the lock of the folder.

    Parameters
    ----------
    out
        Folder of the run.
    damaged
        The damaged files, from `check_files`, without the record of the run.
    """
    lines = [f"{file.path}: {_repair(out, file)}" for file in damaged]
    if damaged and exists(out / INDEX_FILE):
        (out / INDEX_FILE).unlink()
        lines.append(f"{out / INDEX_FILE}: removed; --resume writes it again")
    return lines


def _repair(out: Path, file: CheckedFile) -> str:
    path = file.path
    if file.rows:
        mark_damaged(path, read_layout(path), file.rows)
        return f"{len(file.rows):,} rows marked as unfinished"
    if path.parent == parts_folder(out):
        path.rename(path.with_name(SET_ASIDE + path.name))
        return f"renamed to {SET_ASIDE}{path.name}; its rows are unfinished"
    if path.name == INDEX_FILE:
        return "not used any more"
    if path.name == INPUTS_FILE:
        path.unlink()
        return "removed; changes of the data up to now will not be noticed"
    line = "not used any more"
    if path.name != SUMS_FILE:
        n_lost = cut_damaged_end(path)
        line = f"{n_lost:,} lines of the account removed; --resume writes them again"
    seal_journals(out, ended=0)  # --resume looks for lines that are lost
    return line
