"""Memory shared between processes: segments, which are mapped files.

Each segment belongs to the process that made it. Its first byte is a flag: a receiver
uses the content. A received array is in the segment itself, without a copy. When the
receiver has dropped the array, the owner uses the segment again. All segments of a run
are in one folder, so they are removed with it, also after a process was killed.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import pickle
import tempfile
import uuid
import weakref
from collections import deque
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

#: Bytes before the buffers: the flag, and the gap to the first aligned address.
_HEADER = 64
#: Bytes of the smallest segment; so segments have only a few different sizes.
_SMALLEST = 1 << 16
#: Buffers begin at multiples of this number of bytes, the size of a cache line.
_ALIGNMENT = 64
#: Bytes of the longest head in the message itself; a longer head goes into a segment.
_LONGEST_HEAD = 16 * 1024
_FREE, _FULL = 0, 1
#: Largest number of segments that are examined in the search for a free segment.
_MOST_TRIES = 64
#: Largest number of segments of other processes that a process uses. The content of
#: further segments is copied, as the system limits the number of mapped files.
_MOST_IN_USE = 1000


def _round_up(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT


# Map all pages at once: to map each page at its first use takes several times as long.
_MAP = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)


class Segment:
    """One mapped file.

    Parameters
    ----------
    path : str
    size : int
        Bytes of a new file; 0 to map an existing file.
    """

    def __init__(self, path: str, size: int = 0) -> None:
        self.path = path
        flags = os.O_RDWR | (os.O_CREAT | os.O_EXCL if size else 0)
        descriptor = os.open(path, flags, 0o600)
        try:
            if size:
                allocate(descriptor, _HEADER + size)
            self._map = mmap.mmap(descriptor, os.fstat(descriptor).st_size, _MAP)
        except OSError:
            if size:
                os.unlink(path)
            raise
        finally:
            os.close(descriptor)
        self.room = len(self._map) - _HEADER
        self._lent: list[weakref.ref[Any]] = []
        self._n_lent = 0
        self._in_use: set[Segment] = set()

    @property
    def is_free(self) -> bool:
        """Whether no process uses the content."""
        return self._map[0] == _FREE

    def fill(self, buffers: Sequence[Any]) -> None:
        """Copy ``buffers`` into the segment, each at an aligned address."""
        self._map[0] = _FULL
        view = memoryview(self._map)
        at = _HEADER
        for buffer in buffers:
            view[at : at + len(buffer)] = buffer
            at += _round_up(len(buffer))

    def lend(self, sizes: Sequence[int], in_use: set[Segment]) -> list[memoryview]:
        """Return the buffers in the segment.

        The owner gets the segment back when no object refers to any of the buffers, or
        to an array made of them.

        Parameters
        ----------
        sizes : sequence of int
            Bytes of each buffer.
        in_use : set of Segment
            The segment is in this set until then.
        """
        self._in_use = in_use
        in_use.add(self)
        buffers, at = [], _HEADER
        for size in sizes:
            # An array keeps a reference to this object. With a slice of a memoryview it
            # would refer to the map only.
            lent = (ctypes.c_ubyte * size).from_buffer(self._map, at)
            self._lent.append(weakref.ref(lent, self._release))
            buffers.append(memoryview(lent).cast("B"))
            at += _round_up(size)
        self._n_lent = len(buffers)
        return buffers

    def _release(self, reference: weakref.ref[Any]) -> None:
        self._n_lent -= 1
        if not self._n_lent:
            self._lent.clear()
            self._in_use.discard(self)
            self._map[0] = _FREE

    def close(self) -> None:
        """Unmap the file."""
        with contextlib.suppress(BufferError):
            self._map.close()


class Arena:
    """The segments of one process, made on demand and used again.

    Parameters
    ----------
    folder : Path
        The folder of the run.
    process : int
    """

    def __init__(self, folder: Path, process: int) -> None:
        self._folder, self._process = folder, process
        self._own_segments: dict[int, deque[Segment]] = {}
        self._count = 0
        self._other_segments: dict[str, Segment] = {}
        self._in_use: set[Segment] = set()

    def store_frame(self, head: bytes, buffers: Sequence[Any]) -> bytes:
        """Copy a frame into a segment.

        Parameters
        ----------
        head : bytes
            A short head is not copied into the segment.
        buffers : sequence of buffers

        Returns
        -------
        bytes
            Path and sizes, for the receiver.
        """
        if buffers and len(head) <= _LONGEST_HEAD:
            return pickle.dumps((*self.send(buffers), head), 5)
        return pickle.dumps((*self.send([head, *buffers]), None), 5)

    def load_frame(self, text: Any) -> tuple[bytes, list[memoryview]]:
        """Return head and buffers of a frame of another process's `store_frame`."""
        path, sizes, head = pickle.loads(text)
        buffers = self.receive(path, sizes)
        return (bytes(buffers.pop(0)), buffers) if head is None else (head, buffers)

    def send(self, buffers: Sequence[Any]) -> tuple[str, list[int]]:
        """Copy ``buffers`` into a segment; return path and sizes, for the receiver."""
        sizes = [len(buffer) for buffer in buffers]
        segment = self._free_segment(sum(map(_round_up, sizes)))
        segment.fill(buffers)
        return segment.path, sizes

    def receive(self, path: str, sizes: list[int]) -> list[memoryview]:
        """Return the buffers of another process's `send`; see `Segment.lend`.

        Parameters
        ----------
        path : str
            The segment.
        sizes : list of int
            Bytes of each buffer.
        """
        segment = self._other_segments.get(path)
        if segment is None:
            segment = self._other_segments[path] = Segment(path)
        lent = segment.lend(sizes, self._in_use)
        if len(self._in_use) <= _MOST_IN_USE:
            return lent
        return [memoryview(bytearray(buffer)) for buffer in lent]

    def remove(self) -> None:
        """Remove the files of the own segments, when all have been received."""
        for segment in [
            s for segments in self._own_segments.values() for s in segments
        ]:
            with contextlib.suppress(OSError):
                os.unlink(segment.path)

    def close(self) -> None:
        """Unmap all segments; the files are removed with the folder of the run."""
        for segments in [*self._own_segments.values(), self._other_segments.values()]:
            for segment in segments:
                segment.close()

    def _free_segment(self, size: int) -> Segment:
        room = max(_SMALLEST, 1 << (size - 1).bit_length())
        if (
            room > 1 << 22
        ):  # sizes of large segments differ by an eighth, not by a factor of two
            step = room >> 4
            room = -(-size // step) * step
        segments = self._own_segments.setdefault(room, deque())
        # prefer the same few segments, which are still in the cache
        for segment in islice(segments, _MOST_TRIES):
            if segment.is_free:
                return segment
        segments.rotate(-_MOST_TRIES)  # receivers may keep these for long
        segment = self._make(room)
        segments.appendleft(segment)
        return segment

    def _make(self, room: int) -> Segment:
        self._count += 1
        name = f"segment-{self._process}-{self._count}-{uuid.uuid4().hex[:8]}"
        try:
            return Segment(str(self._folder / name), room)
        except (
            OSError
        ):  # the shared memory is full: use a file on disk, which is slower
            path = os.path.join(tempfile.gettempdir(), f"{self._folder.name}-{name}")
            os.symlink(path, self._folder / name)  # removed with the folder
            return Segment(path, room)


def allocate(descriptor: int, size: int) -> None:
    """Reserve the space of a file, so that a full disk is no bus error later.

    Parameters
    ----------
    descriptor : int
        The open file.
    size : int
        Bytes.

    Raises
    ------
    OSError
        If the file system is full.
    """
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    else:
        os.ftruncate(descriptor, size)
