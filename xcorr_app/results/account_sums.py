"""Sizes and checksums of the journals of a run: ``OUT/account/sums.json``.

Each line of a journal has a checksum of its own. When a session has ended, its journals
no longer grow, and their sizes show whether the end of one is lost. Only then are they
certainly on the disk: ``ended`` is the number of the last session that has ended.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

from dispel4py.errors import DataError
from dispel4py.files import exists, is_file
from seismo_pes.application.files import read_checked, write_checked
from seismo_pes.full_disk import name_errors
from seismo_pes.writing.account_journal import (
    FOLDER,
    cut_damaged_end,
    journal_files,
    journals,
)

__all__ = [
    "SUMS_FILE",
    "check_journals",
    "close_journals",
    "last_ended",
    "seal_journals",
]

SUMS_FILE = "sums.json"
FORMAT, VERSION = "xcorr-app account", 1
WAY_OUT = "xcorr-app check OUT --repair writes it again"


def seal_journals(out: Path, ended: int, without: Collection[str] = ()) -> None:
    """Write the journals, which do not grow any more, to the disk, and their checksums.

    Parameters
    ----------
    out
        Folder of the run.
    ended
        Number of the last session of which no line is lost.
    without
        Names of journals that will be replaced.
    """
    files = {
        path.name: _synced(path)
        for path in journal_files(out)
        if path.name not in without
    }
    values = {"format": FORMAT, "version": VERSION, "ended": ended, "files": files}
    write_checked(out / FOLDER / SUMS_FILE, values)


def close_journals(out: Path) -> None:
    """Cut the journals of killed writers at their first damaged line.

    The caller holds the lock of the folder.

    Parameters
    ----------
    out
        Folder of the run.
    """
    sealed = _read_sums(out)["files"]
    for path in journal_files(out):
        if path.name not in sealed:
            cut_damaged_end(path)


def last_ended(out: Path) -> int:
    """Return the number of the last session that has ended, 0 if none has.

    Parameters
    ----------
    out
        Folder of the run.
    """
    sums = _read_sums(out)
    if "ended" in sums:
        return int(sums["ended"])
    # of an earlier version of the program, whose journals have no lines of tiles
    return max(
        (s for s, path in journals(out) if path.name in sums["files"]), default=0
    )


def _read_sums(out: Path) -> dict[str, Any]:
    path = out / FOLDER / SUMS_FILE
    if not exists(path):  # the first session has not ended
        return {"ended": 0, "files": {}}
    return read_checked(path, FORMAT, VERSION, WAY_OUT)


def check_journals(out: Path) -> None:
    """Compare the journals of sessions that have ended with their checksums.

    Parameters
    ----------
    out
        Folder of the run.

    Raises
    ------
    DataError
        If a journal is damaged, or is missing.
    """
    for name, expected in _read_sums(out)["files"].items():
        journal = out / FOLDER / name
        if not is_file(journal) or _size_and_sum(journal) != expected:
            raise DataError(
                f"{journal}: lines of the account of windows are damaged or missing: "
                "xcorr-app check OUT --repair removes them"
            )


def _synced(path: Path) -> list[int]:
    """Write a journal to the disk; return its size and checksum."""
    with name_errors(path), open(path, "rb") as file:
        os.fsync(file.fileno())
    return _size_and_sum(path)


def _size_and_sum(path: Path) -> list[int]:
    with name_errors(path):
        content = path.read_bytes()
    return [len(content), zlib.crc32(content)]
