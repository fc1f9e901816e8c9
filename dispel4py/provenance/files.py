"""Files that a run read or wrote: size, time of the last change, SHA-256."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from dispel4py.errors import DataError
from dispel4py.file_search import matching_files
from dispel4py.files import exists, is_file, is_folder
from dispel4py.provenance.model import Writer

__all__ = ["FileNotes", "digest_of_file", "file_record", "listed_files", "whole_file"]

#: Number of paths that a process remembers; after more, a file may be recorded again.
MOST_PATHS = 100_000
#: Bytes that are read at once: below the size that the allocator asks the system for.
_BUFFER_BYTES = 64 * 1024
#: Largest number of files in the record of a run.
MOST_FILES = 10_000


@contextlib.contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Yield another path to write to; the file gets its name when it is complete.

    After an error, such as a full disk, no part of the file stays.

    Parameters
    ----------
    path : str or Path
        The file. A device is written directly.

    Raises
    ------
    DataError
        If the file cannot be written.
    """
    path = Path(path)
    is_device = exists(path) and not is_file(path)
    part = path if is_device else path.with_name(f".{path.name}.part")
    try:
        yield part
        if not is_device:
            part.replace(path)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    finally:
        if not is_device:
            part.unlink(missing_ok=True)


def digest_of_file(path: str) -> str:
    """Return the SHA-256 of a file.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    digest, buffer = hashlib.sha256(), bytearray(_BUFFER_BYTES)
    with open(path, "rb", buffering=0) as file:
        while n := file.readinto(buffer):
            digest.update(memoryview(buffer)[:n])
    return digest.hexdigest()


def file_record(path: str, digests: bool = True) -> dict[str, Any]:
    """Return path, size, time of the last change and digest of a file.

    A path that is no file, such as an address in the network, has only the path.

    Parameters
    ----------
    path : str
    digests : bool
        Whether to compute the SHA-256.
    """
    record: dict[str, Any] = {"path": path}
    with contextlib.suppress(OSError, ValueError):
        status = os.stat(path)
        record["path"] = os.path.abspath(path)
        record["size"], record["modified"] = status.st_size, status.st_mtime
        if digests and stat.S_ISREG(status.st_mode):
            record["sha256"] = digest_of_file(path)
    return record


def listed_files(sources: Iterable[str]) -> list[str]:
    """Return the files that options name: files, folders of files, or patterns.

    Parameters
    ----------
    sources : iterable of str
        Sources that are not on a disk are left out. A file or folder that cannot be
        looked at is in the list, as the run may read it.

    Returns
    -------
    list of str
        At most `MOST_FILES`.
    """
    found: dict[str, None] = {}
    for source in sources:
        found |= dict.fromkeys(_files_of(source))
    return list(found)[:MOST_FILES]


def _files_of(source: str) -> list[str]:
    """Return the files of a source; a place that cannot be looked at is among them."""
    unread: list[str] = []
    try:
        if is_file(source):
            return [source]
        if "://" in source:
            return []
        pattern = source
        if is_folder(source):
            pattern = os.path.join(glob.escape(source), "*")
    except OSError:
        return [source]
    paths = matching_files(pattern, lambda error: unread.append(str(error.filename)))
    return sorted({*map(str, paths), *unread})


class FileNotes:
    """The files that a process has read; each is recorded once.

    Parameters
    ----------
    writer : Writer
        The segment of the process.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._names: dict[str, str] = {}

    def note(self, path: Any, digests: bool) -> str:
        """Record a file, unless it was recorded before; return its name.

        Parameters
        ----------
        path : path
        digests : bool
            Whether to compute the SHA-256.
        """
        text = os.fspath(path)
        name = self._names.get(text)
        if name is None:
            if len(self._names) >= MOST_PATHS:
                self._names.clear()
            record = file_record(text, digests)
            name = self._names[text] = record["path"]
            self._writer.write({"kind": "file"} | record)
        return name
