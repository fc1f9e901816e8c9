"""Memory shared between processes: files that are mapped and used again.

Each segment belongs to the process that made it. Its first byte is a flag that a
receiver still uses the content: a received array lies in the segment, without a copy.
When the receiver has dropped the array, the owner uses the segment again. A run keeps
all its segments in one folder, so that all are removed with the folder, also after a
process was killed.
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

#: Bytes before the buffers: the flag, and room up to the first aligned address.
_HEADER = 64
#: Bytes of the smallest segment; many small messages share a few sizes.
_SMALLEST = 1 << 16
#: Buffers begin at multiples of this number of bytes: a line of the cache.
_ALIGNED = 64
#: Bytes of the longest head that is sent beside the segment, and not within it.
_LONGEST_HEAD = 16 * 1024
_FREE, _FULL = 0, 1
#: Segments that are examined in the search for a free one; then a new one is made.
_MOST_LOOKS = 64
#: Segments that a process keeps; it gets copies of further ones, as the system maps a
#: limited number of files into a process.
_MOST_KEPT = 1000


def _rounded(size: int) -> int:
    return -(-size // _ALIGNED) * _ALIGNED


# All pages at once: mapping each page at its first use takes several times as long.
_MAP = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)


class Segment:
    """One mapped file.

    Parameters
    ----------
    path : str
    size : int
        Bytes of a file that is made; 0 maps one that exists.
    """

    def __init__(self, path: str, size: int = 0) -> None:
        self.path = path
        flags = os.O_RDWR | (os.O_CREAT | os.O_EXCL if size else 0)
        descriptor = os.open(path, flags, 0o600)
        try:
            if size:
                _allocate(descriptor, _HEADER + size)
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
        self._kept: set[Segment] = set()

    @property
    def is_free(self) -> bool:
        """Whether no process uses the content."""
        return self._map[0] == _FREE

    def fill(self, buffers: Sequence[Any]) -> None:
        """Copy ``buffers`` in, each at a multiple of `_ALIGNED` bytes."""
        self._map[0] = _FULL
        view = memoryview(self._map)
        at = _HEADER
        for buffer in buffers:
            view[at : at + len(buffer)] = buffer
            at += _rounded(len(buffer))

    def lend(self, sizes: Sequence[int], kept: set[Segment]) -> list[memoryview]:
        """Return the buffers that are in the segment.

        The segment goes back to its owner when nobody refers to any of the buffers,
        or to an array made of them.

        Parameters
        ----------
        sizes : sequence of int
            Bytes of each buffer.
        kept : set of Segment
            Holds the segment until then.
        """
        self._kept = kept
        kept.add(self)
        buffers, at = [], _HEADER
        for size in sizes:
            # numpy keeps a reference to this object, which a slice of a memoryview
            # would not have: it would keep the map only
            lent = (ctypes.c_ubyte * size).from_buffer(self._map, at)
            self._lent.append(weakref.ref(lent, self._returned))
            buffers.append(memoryview(lent).cast("B"))
            at += _rounded(size)
        self._n_lent = len(buffers)
        return buffers

    def _returned(self, reference: weakref.ref[Any]) -> None:
        self._n_lent -= 1
        if not self._n_lent:
            self._lent.clear()
            self._kept.discard(self)
            self._map[0] = _FREE

    def close(self) -> None:
        """Unmap."""
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
        self._made: dict[int, deque[Segment]] = {}
        self._count = 0
        self._known: dict[str, Segment] = {}
        self._kept: set[Segment] = set()

    def frame(self, head: bytes, buffers: Sequence[Any]) -> bytes:
        """Copy a frame into a segment.

        Parameters
        ----------
        head : bytes
            A head that is not long is not copied into the segment.
        buffers : sequence of buffers

        Returns
        -------
        bytes
            Path and sizes, for the receiver.
        """
        if buffers and len(head) <= _LONGEST_HEAD:
            return pickle.dumps((*self.send(buffers), head), 5)
        return pickle.dumps((*self.send([head, *buffers]), None), 5)

    def framed(self, text: Any) -> tuple[bytes, list[memoryview]]:
        """Return head and buffers of a frame that another process copied by `frame`."""
        path, sizes, head = pickle.loads(text)
        buffers = self.receive(path, sizes)
        return (bytes(buffers.pop(0)), buffers) if head is None else (head, buffers)

    def send(self, buffers: Sequence[Any]) -> tuple[str, list[int]]:
        """Copy ``buffers`` into a segment; return path and sizes, for the receiver."""
        sizes = [len(buffer) for buffer in buffers]
        segment = self._take(sum(map(_rounded, sizes)))
        segment.fill(buffers)
        return segment.path, sizes

    def receive(self, path: str, sizes: list[int]) -> list[memoryview]:
        """Return the buffers that another process's `send` copied; see `Segment.lend`.

        Parameters
        ----------
        path : str
            The segment.
        sizes : list of int
            Bytes of each buffer.
        """
        segment = self._known.get(path)
        if segment is None:
            segment = self._known[path] = Segment(path)
        lent = segment.lend(sizes, self._kept)
        if len(self._kept) <= _MOST_KEPT:
            return lent
        return [memoryview(bytearray(buffer)) for buffer in lent]

    def remove(self) -> None:
        """Remove the files of this process's segments, once all were received."""
        for segment in [s for segments in self._made.values() for s in segments]:
            with contextlib.suppress(OSError):
                os.unlink(segment.path)

    def close(self) -> None:
        """Unmap everything; the files go with the folder of the run."""
        for segments in [*self._made.values(), self._known.values()]:
            for segment in segments:
                segment.close()

    def _take(self, size: int) -> Segment:
        room = max(_SMALLEST, 1 << (size - 1).bit_length())
        if room > 1 << 22:  # large segments in steps of an eighth, not of two
            step = room >> 4
            room = -(-size // step) * step
        segments = self._made.setdefault(room, deque())
        # the same few segments again and again, which stay in the cache
        for segment in islice(segments, _MOST_LOOKS):
            if segment.is_free:
                return segment
        segments.rotate(-_MOST_LOOKS)  # receivers may keep these for long
        segment = self._make(room)
        segments.appendleft(segment)
        return segment

    def _make(self, room: int) -> Segment:
        self._count += 1
        name = f"segment-{self._process}-{self._count}-{uuid.uuid4().hex[:8]}"
        try:
            return Segment(str(self._folder / name), room)
        except OSError:  # no room in memory: a file on disk is slower
            path = os.path.join(tempfile.gettempdir(), f"{self._folder.name}-{name}")
            os.symlink(path, self._folder / name)  # it is removed with the folder
            return Segment(path, room)


def _allocate(descriptor: int, size: int) -> None:
    """Reserve the space, so that a full file system is an error and not a bus error."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    else:
        os.ftruncate(descriptor, size)
