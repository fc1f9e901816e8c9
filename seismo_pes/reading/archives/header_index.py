"""An index of the headers of an archive, in SQLite, so that a file is opened only once.

A file is scanned again if its size or its time of modification has changed. All files
are scanned again after an update of obspy or pymseed, which may read them differently.
"""

from __future__ import annotations

import hashlib
import itertools
import logging
import os
import sqlite3
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from dispel4py.errors import ParameterError
from dispel4py.files import is_folder
from seismo_pes.application.files import checked_line, checked_text
from seismo_pes.items.skipped import FAILED_READ, Skipped
from seismo_pes.reading.archives.scan import FileEntry
from seismo_pes.reading.archives.scan_pool import Scan, decode, encode, scan_many

__all__ = ["index_file", "scan_indexed"]

logger = logging.getLogger(__name__)

FORMAT_VERSION = "3"  # of the tables and of what `encode` writes into them
NAME = ".dispel4py-headers.sqlite"
MIN_FILES = 100  # fewer files are scanned in a second, and get no index by default
COMMIT_FILES = 2000  # files between two commits: an interrupted scan loses no more
# A file that was modified less than 2 s before the scan is scanned again the next time:
# it may change once more without a new time, which on FAT has steps of 2 s.
SETTLED_NS = 2_000_000_000
SCHEMA = """
CREATE TABLE IF NOT EXISTS about (readers TEXT);
CREATE TABLE IF NOT EXISTS file (
    path BLOB PRIMARY KEY, size INTEGER, modified_ns INTEGER, headers TEXT
);
"""

Stamp = tuple[int, int]  # size in bytes, time of modification in ns


def index_file(choice: str | Path, data: str, n_files: int) -> Path | None:
    """Return the path of the index of an archive, None for no index.

    Parameters
    ----------
    choice : str or Path
        ``"auto"``: in the user's cache folder, if the archive has at least 100 files;
        ``"beside"``: in the data folder, or in the user's cache folder if the data
        folder is read-only; ``"none"``: no index; or the path of the index.
    data : str
        The name of the archive, as the user gave it.
    n_files : int
        How many files the archive has.

    Raises
    ------
    ParameterError
        If ``choice`` is a path whose folder does not exist, or itself a folder.
    """
    if choice == "none" or (choice == "auto" and n_files < MIN_FILES):
        return None
    if choice == "beside":
        folder = Path(data).expanduser()
        if is_folder(folder) and os.access(folder, os.W_OK):
            return folder / NAME
    if choice in ("auto", "beside"):
        root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        digest = hashlib.sha256(os.fsencode(os.path.abspath(data))).hexdigest()[:16]
        return Path(root) / "dispel4py-seismo" / f"headers-{digest}.sqlite"
    path = Path(choice).expanduser()
    if not is_folder(path.parent) or is_folder(path):
        raise ParameterError(
            f"index {path}: no such folder, or a folder itself; give auto, beside, "
            "none or the path of a file"
        )
    return path


def scan_indexed(
    paths: Iterable[str | Path],
    skipped: list[Skipped],
    index: Path | None = None,
    processes: int | None = None,
) -> list[FileEntry]:
    """Return the headers of files, from the index as far as it has them.

    Parameters
    ----------
    paths : iterable of path
        All files of the archive. The index forgets files that are not among them.
    skipped : list of Skipped
        The defects of the files are added, those that the index knows as well.
    index : Path, optional
        The index; it is created if it does not exist. None: no index. If the index
        cannot be used, this is logged and all files are scanned.
    processes : int, optional
        See `scan_many`.

    Returns
    -------
    list of FileEntry
        In the order of the files.
    """
    names = [str(path) for path in paths]
    indexed: dict[str, str] = {}
    try:
        if index is not None:
            indexed = _update_index(index, names, processes)
    except (sqlite3.Error, OSError) as error:
        logger.warning("index %s: %s; scanning without it", index, error)
    missing = [name for name in names if name not in indexed]
    scanned = dict(scan_many(missing, processes)) if missing else {}
    entries: list[FileEntry] = []
    for name in names:
        headers, defects = scanned[name] if name in scanned else decode(indexed[name])
        entries += headers
        skipped += defects
    return entries


def _update_index(
    path: Path, names: Sequence[str], processes: int | None
) -> dict[str, str]:
    """Scan the files that are new or changed; return the headers of all, encoded."""
    with closing(_open_index(path)) as database:
        rows = database.execute("SELECT * FROM file")
        indexed = {
            os.fsdecode(name): ((size, time_ns), text)
            for name, size, time_ns, text in rows
        }
        stamps = {name: stamp for name in names if (stamp := _stamp(name))}
        removed = [(os.fsencode(name),) for name in indexed.keys() - set(names)]
        with database:
            database.executemany("DELETE FROM file WHERE path = ?", removed)
        headers = {
            name: text
            for name, stamp in stamps.items()
            if name in indexed and indexed[name][0] == stamp
            if (text := _text_of(indexed[name][1])) is not None
        }
        changed = [name for name in stamps if name not in headers]
        logger.info(
            "index %s: %d files known, %d to open", path, len(headers), len(changed)
        )
        scan_start_ns = time.time_ns()
        scans = scan_many(changed, processes)
        while batch := list(itertools.islice(scans, COMMIT_FILES)):
            scanned = {name: encode(scan) for name, scan in batch}
            new_rows = [
                (os.fsencode(name), *_settled(stamps[name], scan_start_ns), cell)
                for name, scan in batch
                if not _has_failed(scan)
                for cell in (checked_line(scanned[name].encode()).decode(),)
            ]
            with database:
                database.executemany("REPLACE INTO file VALUES (?, ?, ?, ?)", new_rows)
            headers |= scanned
    return headers


def _text_of(cell: object) -> str | None:
    """Return the headers in a cell of the index; None if it is damaged."""
    text = checked_text(cell.encode()) if isinstance(cell, str) else None
    return None if text is None else text.decode()


def _has_failed(scan: Scan) -> bool:
    """Return whether a file could not be read: it may be readable the next time."""
    return any(entry.stage == FAILED_READ for entry in scan[1])


def _settled(stamp: Stamp, scan_start_ns: int) -> Stamp:
    """Return the stamp, or one that fits no file if the file was just modified."""
    size, modified_ns = stamp
    return size, modified_ns if scan_start_ns - modified_ns > SETTLED_NS else -1


def _stamp(name: str) -> Stamp | None:
    try:
        status = os.stat(name)
    except OSError:
        return None  # the scan of this file reports the reason
    return status.st_size, status.st_mtime_ns


def _open_index(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return _connect(path)
    except sqlite3.OperationalError:
        raise  # the database is locked or read-only
    except sqlite3.DatabaseError as error:
        logger.warning("index %s: %s; it is replaced by a new one", path, error)
        path.unlink()
        return _connect(path)


def _connect(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=30.0)
    try:
        with database:
            database.executescript(SCHEMA)
            row = database.execute("SELECT readers FROM about").fetchone()
            if row is None or row[0] != _readers():
                database.execute("DELETE FROM about")
                database.execute("DELETE FROM file")
                database.execute("INSERT INTO about VALUES (?)", (_readers(),))
    except sqlite3.Error:
        database.close()
        raise
    return database


def _readers() -> str:
    """Return the versions of the format and of the libraries that read headers."""
    return f"{FORMAT_VERSION} obspy {version('obspy')} pymseed {_version('pymseed')}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"
