"""Sinks: the bytes of a part file on their way to the disk, data before records.

A `BufferedSink` goes through the page cache. A `DirectSink` goes around it with large
aligned writes from a thread of its own: the page cache costs more processor time than
it saves once far more is written than fits into memory, and the writer may compute on
while the disk works.
"""

from __future__ import annotations

import errno
import mmap
import os
import queue
import threading
from pathlib import Path
from typing import Protocol

__all__ = ["BufferedSink", "DirectSink", "Sink", "open_sink"]

PAGE = 4096
BLOCK_BYTES = 8 << 20
N_BLOCKS = 4


class Sink(Protocol):
    """Bytes appended one after the other, and records that tell of them."""

    def append(self, data: memoryview) -> None:
        """Put ``data`` behind what was appended before."""

    def commit(self, record: bytes, offset: int) -> None:
        """Write ``record`` at ``offset`` once all that was appended is in the file."""

    def close(self) -> None:
        """Wait for everything and let go of the file."""


def open_sink(path: Path, offset: int, direct: bool) -> Sink:
    """Return a sink that appends from ``offset`` on, direct where that is possible."""
    if direct and hasattr(os, "O_DIRECT"):
        try:
            return DirectSink(path, offset)
        except OSError as error:  # some file systems refuse O_DIRECT
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
                raise
    return BufferedSink(path, offset)


def write_all(fd: int, data: memoryview | bytes, offset: int, path: Path) -> None:
    """Write all of ``data`` at ``offset``; a full disk is said in one line."""
    view = memoryview(data)
    while len(view):
        try:
            n_written = os.pwrite(fd, view, offset)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise OSError(
                    error.errno,
                    "the disk is full (what is written so far stays readable)",
                    str(path),
                ) from None
            raise
        view, offset = view[n_written:], offset + n_written


class BufferedSink:
    """A sink through the page cache."""

    def __init__(self, path: Path, offset: int) -> None:
        self._path = path
        self._offset = offset
        self._fd = os.open(path, os.O_RDWR)

    def append(self, data: memoryview) -> None:
        """Write ``data`` behind what was appended before."""
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


class DirectSink:
    """A sink around the page cache, with a thread that writes.

    Data are gathered in aligned blocks. One thread takes blocks and records in their
    order, so a record is never in the file before its data. An error of the thread is
    raised by the next call.

    Parameters
    ----------
    path : pathlib.Path
        An existing file.
    offset : int
        Where to begin; a multiple of 4096.
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
        """Gather ``data``; full blocks go to the thread."""
        done = 0
        while done < len(data):
            count = min(len(data) - done, BLOCK_BYTES - self._fill)
            self._block[self._fill : self._fill + count] = data[done : done + count]
            self._fill += count
            done += count
            if self._fill == BLOCK_BYTES:
                self._hand_over()

    def commit(self, record: bytes, offset: int) -> None:
        """Have ``record`` written at ``offset``, after all that was appended."""
        if self._fill > self._submitted:
            self._hand_over()
        self._jobs.put((self._buffered, record, len(record), offset))
        self._raise_error()

    def close(self) -> None:
        """Wait for the thread, close the file, raise what went wrong."""
        if self._thread is None:
            return
        self._jobs.put(None)
        self._thread.join()
        self._thread = None
        os.close(self._direct)
        os.close(self._buffered)
        self._raise_error()

    def _hand_over(self) -> None:
        """Give the block to the thread; begin the next with its unfinished page."""
        block, fill, base = self._block, self._fill, self._base
        whole = fill // PAGE * PAGE
        padded = -(-fill // PAGE) * PAGE
        block[fill:padded] = bytes(padded - fill)
        fresh = self._free.get()
        fresh[: fill - whole] = block[whole:fill]
        self._jobs.put((self._direct, block, padded, base))
        self._block, self._base = fresh, base + whole
        self._fill = self._submitted = fill - whole
        self._raise_error()

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            fd, data, count, offset = job
            if self._error is None:
                try:
                    write_all(fd, memoryview(data)[:count], offset, self._path)
                except OSError as error:
                    self._error = error
            if not isinstance(data, bytes):
                self._free.put(data)
