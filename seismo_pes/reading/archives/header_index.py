"""The headers of an archive, kept in SQLite so that a file is opened only once.

A file is scanned again when its size or its time of modification has changed. Other
versions of the readers start a new index.
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
from seismo_pes.items.skipped import Skipped
from seismo_pes.reading.archives.scan import FileEntry
from seismo_pes.reading.archives.scan_pool import decode, encode, scan_many

__all__ = ["index_file", "scan_indexed"]

logger = logging.getLogger(__name__)

LAYOUT = "1"
NAME = ".dispel4py-headers.sqlite"
WORTH_IT = 100  # files: fewer are opened in no time
CHUNK = 2000  # files between two commits: what an interrupted scan can lose
# a file written so shortly before the scan may change again within the same tick
SETTLED_NS = 2_000_000_000
SCHEMA = """
CREATE TABLE IF NOT EXISTS about (readers TEXT);
CREATE TABLE IF NOT EXISTS file (
    path TEXT PRIMARY KEY, size INTEGER, modified_ns INTEGER, found TEXT
);
"""

Stamp = tuple[int, int]


def index_file(choice: str | Path, data: str, n_files: int) -> Path | None:
    """Return where the index of an archive is kept.

    Parameters
    ----------
    choice : str or Path
        ``"auto"``: in the user's cache folder, for archives of at least 100 files;
        ``"beside"``: in the data folder, or in the user's cache folder where that
        cannot be written; ``"none"``; or a file.
    data : str
        The archive as the user names it.
    n_files : int
        How many files it has.

    Raises
    ------
    ParameterError
        If the folder of the file does not exist.
    """
    if choice == "none" or (choice == "auto" and n_files < WORTH_IT):
        return None
    if choice == "beside":
        folder = Path(data).expanduser()
        if folder.is_dir() and os.access(folder, os.W_OK):
            return folder / NAME
    if choice in ("auto", "beside"):
        root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        digest = hashlib.sha256(os.path.abspath(data).encode()).hexdigest()[:16]
        return Path(root) / "dispel4py-seismo" / f"headers-{digest}.sqlite"
    path = Path(choice).expanduser()
    if not path.parent.is_dir() or path.is_dir():
        raise ParameterError(
            f"index {path}: no such folder (auto, beside, none, or a file)"
        )
    return path


def scan_indexed(
    paths: Iterable[str | Path],
    skipped: list[Skipped],
    index: Path | None = None,
    processes: int | None = None,
) -> list[FileEntry]:
    """Scan files, or take from the index what it has of them.

    Parameters
    ----------
    paths : iterable of path
        The files of the archive; what the index has besides is forgotten.
    skipped : list of Skipped
        What is wrong with them is added, also what was found earlier.
    index : Path, optional
        The index, made if it is missing; None: without. One that cannot be used is
        logged, and the scan goes on without it.
    processes : int, optional
        See `scan_many`.

    Returns
    -------
    list of FileEntry
        In the order of the files.
    """
    names = [str(path) for path in paths]
    found: dict[str, str] = {}
    try:
        if index is not None:
            found = _from_index(index, names, processes)
    except (sqlite3.Error, OSError) as error:
        logger.warning("index %s: %s; scanning without it", index, error)
    missing = [name for name in names if name not in found]
    answers = dict(scan_many(missing, processes)) if missing else {}
    entries: list[FileEntry] = []
    for name in names:
        new, problems = answers[name] if name in answers else decode(found[name])
        entries += new
        skipped += problems
    return entries


def _from_index(
    path: Path, names: Sequence[str], processes: int | None
) -> dict[str, str]:
    with closing(_opened(path)) as database:
        known = {
            name: ((size, modified_ns), found)
            for name, size, modified_ns, found in database.execute("SELECT * FROM file")
        }
        stamps = {name: stamp for name in names if (stamp := _stamp(name))}
        gone = [(name,) for name in known.keys() - set(names)]
        with database:
            database.executemany("DELETE FROM file WHERE path = ?", gone)
        current = {
            name: known[name][1]
            for name, stamp in stamps.items()
            if name in known and known[name][0] == stamp
        }
        changed = [name for name in stamps if name not in current]
        logger.info(
            "index %s: %d files known, %d to open", path, len(current), len(changed)
        )
        scanned_ns = time.time_ns()
        scanning = scan_many(changed, processes)
        # a few thousand at a time, so that an interrupted scan is not lost
        while part := list(itertools.islice(scanning, CHUNK)):
            rows = [
                (name, *_trusted(stamps[name], scanned_ns), encode(found))
                for name, found in part
            ]
            with database:
                database.executemany("REPLACE INTO file VALUES (?, ?, ?, ?)", rows)
            current.update((name, found) for name, _, _, found in rows)
    return current


def _trusted(stamp: Stamp, scanned_ns: int) -> Stamp:
    size, modified_ns = stamp
    return size, modified_ns if scanned_ns - modified_ns > SETTLED_NS else -1


def _stamp(name: str) -> Stamp | None:
    try:
        status = os.stat(name)
    except OSError:
        return None  # scanning it will say what is wrong
    return status.st_size, status.st_mtime_ns


def _opened(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return _connected(path)
    except sqlite3.OperationalError:
        raise  # locked, or not to be written
    except sqlite3.DatabaseError as error:
        logger.warning("index %s: %s; made anew", path, error)
        path.unlink()
        return _connected(path)


def _connected(path: Path) -> sqlite3.Connection:
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
    """Return the versions on which it depends what is found in a file."""
    return f"{LAYOUT} obspy {version('obspy')} pymseed {_version('pymseed')}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"
