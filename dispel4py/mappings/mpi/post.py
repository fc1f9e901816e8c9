"""Frames over MPI.

A frame is one small message, and one message for each large buffer. The small message
has the sizes of the large ones. MPI keeps the order of messages between two ranks, so
their order identifies them. No call here waits for another rank. Two threads of a rank
use the post, but only one of them calls MPI at a time.

Between ranks of one host large buffers go through files that both ranks have mapped
(`dispel4py.mappings.segments`), and the small message has the path of the file. This is
several times as fast as MPI.
"""

from __future__ import annotations

import os
import struct
import time
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from threading import RLock
from typing import Any, NamedTuple

import numpy as np

from dispel4py.mappings.segments import Arena
from dispel4py.message import Frame

_SMALL, _LARGE = 1, 2  # tags
_COUNT, _SIZE = struct.Struct("<I"), struct.Struct("<Q")
_NOTHING_LARGE = _COUNT.pack(0)
_HEAD_IS_LARGE = 1 << 31
_IN_SEGMENT = 1 << 30
#: A longer head is sent as a large buffer.
_LONGEST_HEAD = 48 * 1024
#: Bytes of one message; older versions of MPI count to 2 GiB.
_PIECE = 1 << 30
#: Number of times that a waiting rank asks MPI before it sleeps.
_N_YIELDS = 20
#: Shortest and longest sleep of a waiting rank, in seconds.
_SHORTEST_NAP, _LONGEST_NAP = 20e-6, 1e-3
#: Each sleep is longer by this factor, so it is at most a quarter of the time waited.
_NAP_GROWTH = 1.25


class _Arriving(NamedTuple):
    frame: Frame
    requests: list[Any]


class MPIPost:
    """A mailbox for frames, on a communicator of its own.

    Parameters
    ----------
    library : module
        ``mpi4py.MPI``.
    comm : communicator
        A communicator that only this post uses.
    neighbours : collection of int
        Ranks on this host.
    arena : Arena, optional
        Memory shared with them.
    """

    def __init__(
        self,
        library: Any,
        comm: Any,
        neighbours: Collection[int] = (),
        arena: Arena | None = None,
    ) -> None:
        self._neighbours = frozenset(neighbours) if arena is not None else frozenset()
        self._arena = arena
        self.process: int = comm.rank
        self._comm, self._byte = comm, library.BYTE
        self._any, self._status = library.ANY_SOURCE, library.Status()
        self._test_all = library.Request.Testall
        self._leaving: dict[int, deque[Any]] = {}
        self._arriving: dict[int, deque[_Arriving]] = {}
        self._lock = RLock()
        self._inbox = bytearray(_LONGEST_HEAD + _COUNT.size)

    # -- sending ---------------------------------------------------------------

    def send(self, destination: int, head: bytes, buffers: Sequence[Any] = ()) -> None:
        """Send a frame without waiting.

        Parameters
        ----------
        destination : int
            The receiving rank.
        head : bytes
            The message.
        buffers : sequence, optional
            Bytes beside the message; they are copied if they may change.
        """
        with self._lock:
            self._send(destination, head, buffers)

    def _send(self, destination: int, head: bytes, buffers: Sequence[Any]) -> None:
        if destination in self._leaving:
            self._settle(destination)
        if not buffers and len(head) <= _LONGEST_HEAD:
            self._isend(_NOTHING_LARGE + head, destination, _SMALL)
            return
        if destination in self._neighbours:
            assert self._arena is not None
            where = self._arena.store_frame(head, buffers)
            self._isend(_COUNT.pack(_IN_SEGMENT) + where, destination, _SMALL)
            return
        large = [_final_bytes(buffer) for buffer in buffers]
        count, inline = len(large), head
        if len(head) > _LONGEST_HEAD:
            large.insert(0, memoryview(head))
            count, inline = len(large) | _HEAD_IS_LARGE, b""
        sizes = b"".join(_SIZE.pack(len(buffer)) for buffer in large)
        self._isend(_COUNT.pack(count) + sizes + inline, destination, _SMALL)
        for buffer in large:
            for piece in _pieces(buffer):
                self._isend(piece, destination, _LARGE)

    @property
    def is_behind(self) -> bool:
        """Whether MPI has not finished all sends."""
        return bool(self._leaving)

    def catch_up(self) -> None:
        """Let MPI continue unfinished sends."""
        self._settle_all()

    def deliver(self, timeout_s: float) -> None:
        """Wait until MPI has finished all sends."""
        deadline = time.monotonic() + timeout_s
        pauses = naps(_LONGEST_NAP)
        while self._settle_all() and time.monotonic() < deadline:
            time.sleep(next(pauses))

    def _isend(self, data: Any, destination: int, tag: int) -> None:
        # the request keeps the data alive
        request = self._comm.Isend([data, self._byte], destination, tag)
        if not request.Test():
            self._leaving.setdefault(destination, deque()).append(request)

    def _settle(self, destination: int) -> None:
        requests = self._leaving[destination]
        while requests and requests[0].Test():
            requests.popleft()
        if not requests:
            del self._leaving[destination]

    def _settle_all(self) -> bool:
        """Drop finished sends; return whether any is unfinished."""
        with self._lock:
            for destination in list(self._leaving):
                self._settle(destination)
            return bool(self._leaving)

    # -- receiving -------------------------------------------------------------

    def receive(self, timeout_s: float) -> Frame | None:
        """Return the next frame, or None if none comes within the time.

        Frames of one rank arrive in the order of sending. There may be more ranks than
        cores, so a waiting rank soon sleeps, at first for a very short time.
        """
        frame = self._next()
        if frame is not None or timeout_s <= 0:
            return frame
        deadline = time.monotonic() + timeout_s
        for _ in range(_N_YIELDS):
            os.sched_yield()
            frame = self._next()
            if frame is not None:
                return frame
        pauses = naps(_LONGEST_NAP)
        while frame is None and time.monotonic() < deadline:
            under_way = self._settle_all() or self._arriving
            time.sleep(_SHORTEST_NAP if under_way else next(pauses))
            frame = self._next()
        return frame

    def _next(self) -> Frame | None:
        """Return a frame that has arrived."""
        with self._lock:
            return self._take_next()

    def _take_next(self) -> Frame | None:
        if self._arriving:
            frame = self._take_complete()
            if frame is not None:
                return frame
        while True:
            message = self._comm.Improbe(self._any, _SMALL, self._status)
            if message is None:
                return None
            frame = self._open(message)
            if frame is not None:
                return frame

    def _take_complete(self) -> Frame | None:
        """Return a frame whose buffers are complete, the oldest of its rank."""
        for source, frames in self._arriving.items():
            if self._test_all(frames[0].requests):
                frame = frames.popleft().frame
                if not frames:
                    del self._arriving[source]
                return frame
        return None

    def _open(self, message: Any) -> Frame | None:
        """Receive a small message; return its frame, or None if buffers must follow."""
        source, size = self._status.source, self._status.count
        if size > len(self._inbox):
            self._inbox = bytearray(size)
        message.Recv([self._inbox, size, self._byte])
        (count,) = _COUNT.unpack_from(self._inbox)
        at = _COUNT.size
        if count == _IN_SEGMENT:
            return self._take_from_segment(
                source, bytes(memoryview(self._inbox)[at:size])
            )
        if not count and source not in self._arriving:
            return Frame(source, bytes(memoryview(self._inbox)[at:size]))
        buffers: list[memoryview] = []
        requests: list[Any] = []
        for _ in range(count & ~_HEAD_IS_LARGE):
            n = _SIZE.unpack_from(self._inbox, at)[0]
            buffer = np.empty(n, np.uint8).data  # a bytearray would first be zeroed
            buffers.append(buffer)
            requests += [
                self._comm.Irecv([piece, self._byte], source, _LARGE)
                for piece in _pieces(buffer)
            ]
            at += _SIZE.size
        head: Any = bytes(memoryview(self._inbox)[at:size])
        if count & _HEAD_IS_LARGE:
            head = buffers.pop(0)
        arriving = _Arriving(Frame(source, head, buffers), requests)
        self._arriving.setdefault(source, deque()).append(arriving)
        return None

    def _take_from_segment(self, source: int, where: bytes) -> Frame | None:
        """Return a frame in shared memory; None if earlier frames are incomplete."""
        assert self._arena is not None
        frame = Frame(source, *self._arena.load_frame(where))
        if source not in self._arriving:
            return frame
        self._arriving[source].append(_Arriving(frame, []))
        return None


def naps(longest_s: float) -> Iterator[float]:
    """Yield times to sleep in seconds, each longer than the one before."""
    nap = _SHORTEST_NAP
    while True:
        yield nap
        nap = min(_NAP_GROWTH * nap, longest_s)


def _final_bytes(buffer: Any) -> memoryview:
    """Return the current bytes of ``buffer``: a copy, if they may change."""
    view = memoryview(buffer)
    owner = view.obj
    flags = getattr(owner, "flags", None)
    is_final = view.readonly and (
        isinstance(owner, bytes) or getattr(flags, "owndata", False)
    )
    return view if is_final else memoryview(bytes(view))


def _pieces(view: memoryview) -> Iterator[memoryview]:
    return (view[at : at + _PIECE] for at in range(0, len(view), _PIECE))
