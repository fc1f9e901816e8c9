"""HDF5 files to read from, whose errors of the disk are exceptions.

HDF5 and h5py take some failed reads for an attribute or a group that is not there. So
HDF5 reads from a Python file that reports no error to it, and the first error is raised
after HDF5 has closed the file. See `writing.hdf5_file` for files to write to.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seismo_pes.regular_file import ReadFailed, open_regular, read_error, reason_of

if TYPE_CHECKING:
    import h5py

__all__ = ["open_hdf5", "open_intact_hdf5"]


@contextlib.contextmanager
def open_hdf5(path: str | Path) -> Iterator[h5py.File]:
    """Open an HDF5 file to read it.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    ReadFailed
        If the operating system could not open or read the file, also if nothing else
        has failed because of it.
    DataError
        If it is not a regular file, or a link to itself.
    OSError
        If it is not HDF5; h5py raises other errors, too, for damaged files.
    """
    try:
        source = open_regular(path)
    except OSError as error:
        raise read_error(path, error) from error
    with source:
        disk = _Disk(str(path), source)
        try:
            with _open(disk) as file:
                yield file
        except Exception:
            if not disk.failure:
                raise  # otherwise it follows from the error of the disk
        if disk.failure:
            raise ReadFailed(f"{path}: {disk.failure}")


def open_intact_hdf5(path: str | Path) -> h5py.File:
    """Open an HDF5 file whose checksum fits, so that only the disk can fail.

    Parameters
    ----------
    path
        The file; the caller closes it.

    Raises
    ------
    ReadFailed
        If it cannot be opened.
    """
    try:
        return _open(path, locking=False)
    except OSError as error:
        raise ReadFailed(f"{path}: {reason_of(error)}") from error


def _open(file: str | Path | _Disk, **options: Any) -> h5py.File:
    import h5py  # here because it takes time, and few files are HDF5

    try:
        return h5py.File(file, "r", **options)
    except OSError as error:
        reason = str(error)
    # A new exception: the traceback of that one holds objects of HDF5, which end the
    # program by a crash if they outlive Python.
    raise OSError(reason)


class _Disk:
    """A binary file that keeps the reason of a failed read, and then reads zeros.

    Parameters
    ----------
    path : str
    file : BufferedReader
    """

    def __init__(self, path: str, file: BufferedReader) -> None:
        self._path, self._file = path, file
        self.failure = ""
        self.seek, self.tell, self.read = file.seek, file.tell, file.read
        self._size = file.seek(0, os.SEEK_END)

    def __repr__(self) -> str:
        """Return the path, which messages of HDF5 contain."""
        return self._path

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer, with zeros after the end: HDF5 sees no short reads."""
        n_bytes = len(buffer)
        n_read = 0
        try:
            if not self.failure:
                end = min(self._file.tell() + n_bytes, self._size)
                n_read = self._file.readinto(buffer)
                if self._file.tell() < end:
                    self.failure = "became shorter while it was read"
        except OSError as error:
            self.failure = error.strerror or str(error)
        buffer[n_read:] = bytes(n_bytes - n_read)
        return n_bytes
