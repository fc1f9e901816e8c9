"""Writing the bytes of a part file to the disk, data before records.

A `BufferedOutput` writes through the page cache. A `DirectOutput` writes around it, in
large aligned blocks and in a thread of its own: if much more is written than fits into
memory, the page cache costs more processor time than it saves, and the caller can go on
computing while the disk writes.
"""

from __future__ import annotations

import errno
import mmap
import os
import queue
import threading
from pathlib import Path
from typing import Protocol

__all__ = [
    "BufferedOutput",
    "DirectOutput",
    "DiskOutput",
    "open_output",
    "write_all",
]

PAGE = 4096  # bytes: direct writes must begin and end at multiples of this
# Blocks of a direct output, and bytes of each: large enough for the disk's full speed.
# While one is filled, the others are written or wait.
BLOCK_BYTES = 8 << 20
N_BLOCKS = 4


class DiskOutput(Protocol):
    """A file to which data are appended, and records about the data are written."""

    def append(self, data: memoryview) -> None:
        """Write ``data`` after the data of the calls before."""

    def commit(self, record: bytes, offset: int) -> None:
        """Write ``record`` at ``offset``, after all data that were appended."""

    def close(self) -> None:
        """Wait until everything is written, and close the file."""


def open_output(path: Path, offset: int, direct: bool) -> DiskOutput:
    """Open a file for appending from ``offset`` on.

    Parameters
    ----------
    path : pathlib.Path
        An existing file.
    offset : int
        Where the first data go, bytes from the beginning of the file.
    direct : bool
        Write around the page cache, if operating system and file system can do that.
    """
    if direct and hasattr(os, "O_DIRECT"):
        try:
            return DirectOutput(path, offset)
        except OSError as error:  # some file systems refuse O_DIRECT
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
                raise
    return BufferedOutput(path, offset)


def write_all(fd: int, data: memoryview | bytes, offset: int, path: Path) -> None:
    """Write ``data`` completely at ``offset``.

    Raises
    ------
    OSError
        If the disk is full (in plain words), or for other failures; with the path.
    """
    view = memoryview(data)
    while len(view):
        try:
            n_written = os.pwrite(fd, view, offset)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise OSError(
                    error.errno,
                    "the disk is full (the rows that are written stay readable)",
                    str(path),
                ) from None
            raise OSError(error.errno, error.strerror, str(path)) from None
        view, offset = view[n_written:], offset + n_written


class BufferedOutput:
    """Output through the page cache."""

    def __init__(self, path: Path, offset: int) -> None:
        self._path = path
        self._offset = offset
        self._fd = os.open(path, os.O_RDWR)

    def append(self, data: memoryview) -> None:
        """Write ``data`` after the data of the calls before."""
        write_all(self._fd, data, self._offset, self._path)
        self._offset += len(data)

    def commit(self, record: bytes, offset: int) -> None:
        """Write ``record`` at ``offset``."""
        write_all(self._fd, record, offset, self._path)

    def close(self) -> None:
        """Close the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class DirectOutput:
    """Output around the page cache, written by a thread.

    Data are collected in aligned blocks. The thread writes blocks and records in the
    order of the calls, so a record is never in the file before its data. An error of
    the thread is raised by the next call.

    Parameters
    ----------
    path : pathlib.Path
        An existing file.
    offset : int
        Where the first data go, bytes from the beginning; a multiple of 4096.

    Raises
    ------
    ValueError
        If the offset is not a multiple of 4096.
    """

    def __init__(self, path: Path, offset: int) -> None:
        if offset % PAGE:
            raise ValueError(f"offset {offset} is not a multiple of {PAGE}")
        self._path = path
        self._direct = os.open(path, os.O_RDWR | os.O_DIRECT)
        self._buffered = os.open(path, os.O_RDWR)
        self._free: queue.SimpleQueue[mmap.mmap] = queue.SimpleQueue()
        for _ in range(N_BLOCKS):
            self._free.put(mmap.mmap(-1, BLOCK_BYTES))
        self._block = self._free.get()
        self._base, self._fill, self._submitted = offset, 0, 0
        self._jobs: queue.SimpleQueue[tuple[int, mmap.mmap | bytes, int, int] | None]
        self._jobs = queue.SimpleQueue()
        self._error: OSError | None = None
        self._thread: threading.Thread | None = threading.Thread(
            target=self._work, name=f"write {path.name}", daemon=True
        )
        self._thread.start()

    def append(self, data: memoryview) -> None:
        """Copy ``data`` into blocks; full blocks go to the thread."""
        begin = 0
        while begin < len(data):
            count = min(len(data) - begin, BLOCK_BYTES - self._fill)
            self._block[self._fill : self._fill + count] = data[begin : begin + count]
            self._fill += count
            begin += count
            if self._fill == BLOCK_BYTES:
                self._submit_block()

    def commit(self, record: bytes, offset: int) -> None:
        """Let the thread write ``record`` at ``offset``, after the appended data."""
        if self._fill > self._submitted:
            self._submit_block()
        self._jobs.put((self._buffered, record, len(record), offset))
        self._raise_error()

    def close(self) -> None:
        """Wait for the thread, close the file, raise the thread's error if any."""
        if self._thread is None:
            return
        self._jobs.put(None)
        self._thread.join()
        self._thread = None
        os.close(self._direct)
        os.close(self._buffered)
        self._raise_error()

    def _submit_block(self) -> None:
        """Give the block to the thread, and start the next block.

        The last page of the block may be incomplete. It is padded with zeros for now,
        and its data also begin the next block, which will write this page again.
        """
        block, fill, base = self._block, self._fill, self._base
        whole_pages = fill // PAGE * PAGE
        padded = -(-fill // PAGE) * PAGE
        block[fill:padded] = bytes(padded - fill)
        next_block = self._free.get()
        next_block[: fill - whole_pages] = block[whole_pages:fill]
        self._jobs.put((self._direct, block, padded, base))
        self._block, self._base = next_block, base + whole_pages
        self._fill = self._submitted = fill - whole_pages
        self._raise_error()

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        """Write blocks and records until None arrives; keep the first error."""
        while (job := self._jobs.get()) is not None:
            fd, data, count, offset = job
            if self._error is None:
                try:
                    write_all(fd, memoryview(data)[:count], offset, self._path)
                except OSError as error:
                    self._error = error
            if not isinstance(data, bytes):
                self._free.put(data)
