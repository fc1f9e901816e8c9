"""Frames over TCP between the processes of a run, on any hosts.

Each pair of processes has one connection. If two processes share memory, their large
buffers go through it (`dispel4py.mappings.segments`), and only the path of the segment
goes over the connection. Whether they share memory is tried: a process names a file to
the other processes, and a process that can read it there shares its memory.
"""

from __future__ import annotations

import contextlib
import errno
import math
import selectors
import socket
import time
from collections import deque
from collections.abc import Sequence
from threading import RLock
from typing import Any

from dispel4py.mappings.segments import Arena
from dispel4py.mappings.tcp.hello import watch_silence
from dispel4py.mappings.tcp.link import GOODBYE, IN_SEGMENT, PLAIN, Arrived, Link
from dispel4py.message import Frame

#: Errors of a connection whose other host is silent.
_SILENCE = (errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN)


class TCPPost:
    """A mailbox for frames, with a connection to each other process.

    Parameters
    ----------
    process : int
        The number of this process.
    silence_s : float
        A connection is lost if nothing comes from the other host for so many seconds.
    arena : Arena, optional
        Memory for large buffers, which other processes of this host may share.
    """

    def __init__(
        self, process: int, silence_s: float, arena: Arena | None = None
    ) -> None:
        self.process, self._silence_s, self._arena = process, silence_s, arena
        self._links: dict[int, Link] = {}
        self._neighbours: set[int] = set()
        #: The processes whose connection was lost without a goodbye, and why.
        self.lost: dict[int, str] = {}
        self._selector = selectors.DefaultSelector()
        self._arrived: deque[Frame] = deque()
        self._lock = RLock()

    def add(self, other: int, connection: socket.socket) -> None:
        """Add the connection to another process.

        Parameters
        ----------
        other : int
            The process.
        connection : socket
        """
        watch_silence(connection, self._silence_s)
        with self._lock:
            link = self._links[other] = Link(connection)
            self._selector.register(link.socket, selectors.EVENT_READ, other)

    def share_memory_with(self, other: int) -> None:
        """Send large buffers to a process through memory from now on."""
        self._neighbours.add(other)

    def is_linked(self, other: int) -> bool:
        """Return whether there is a connection to a process."""
        return other in self._links

    # -- sending ---------------------------------------------------------------

    def send(self, destination: int, head: bytes, buffers: Sequence[Any] = ()) -> None:
        """Send a frame without waiting; a process that has ended gets nothing.

        Parameters
        ----------
        destination : int
            The receiving process.
        head : bytes
            The message.
        buffers : sequence, optional
            Bytes beside the message; they are copied if they wait.
        """
        with self._lock:
            link = self._links.get(destination)
            if link is None:
                return
            kind = PLAIN
            if buffers and destination in self._neighbours:
                assert self._arena is not None
                kind, head = IN_SEGMENT, self._arena.store_frame(head, buffers)
                buffers = ()
            try:
                link.send(kind, head, buffers)
            except OSError as error:
                self._end(destination, error)
                return
            self._listen(destination, link)

    def _listen(self, other: int, link: Link) -> None:
        """Wait also for room in the connection, if frames wait to be sent."""
        events = selectors.EVENT_READ
        events |= selectors.EVENT_WRITE if link.is_behind else 0
        if self._selector.get_key(link.socket).events != events:
            self._selector.modify(link.socket, events, other)

    @property
    def is_behind(self) -> bool:
        """Whether frames wait to be sent."""
        return any(link.is_behind for link in list(self._links.values()))

    def catch_up(self) -> None:
        """Send the waiting frames, as far as there is room."""
        with self._lock:
            for other, link in list(self._links.items()):
                if link.is_behind:
                    self._catch_up(other, link)

    def _catch_up(self, other: int, link: Link) -> None:
        try:
            link.catch_up()
        except OSError as error:
            self._end(other, error)
            return
        self._listen(other, link)

    def deliver(self, timeout_s: float) -> None:
        """Wait until all frames have been sent; drop frames that arrive now."""
        deadline = time.monotonic() + timeout_s
        while self.is_behind and time.monotonic() < deadline:
            self._attend(min(1.0, deadline - time.monotonic()))
            self._arrived.clear()

    # -- receiving -------------------------------------------------------------

    def receive(self, timeout_s: float) -> Frame | None:
        """Return the next frame, or None if none comes within the time.

        It does not wait when a connection has been lost.
        """
        deadline = time.monotonic() + timeout_s if timeout_s > 0 else -math.inf
        frame = self._next()
        while frame is None and not self.lost:
            if (left_s := deadline - time.monotonic()) <= 0:
                break
            self.wait(left_s)
            frame = self._next()
        return frame

    def wait(self, timeout_s: float) -> None:
        """Wait until a frame arrives, or there is room to send one."""
        self._selector.select(timeout_s)

    def _next(self) -> Frame | None:
        with self._lock:
            if not self._arrived:
                self._attend(0.0)
            return self._arrived.popleft() if self._arrived else None

    def _attend(self, timeout_s: float) -> None:
        """Send waiting frames where there is room, and read what has arrived."""
        events = self._selector.select(timeout_s)
        with self._lock:
            for key, mask in events:
                link = self._links.get(key.data)
                if link is not None and mask & selectors.EVENT_WRITE:
                    self._catch_up(key.data, link)
                if key.data in self._links and mask & selectors.EVENT_READ:
                    self._read(key.data)

    def _read(self, other: int) -> None:
        link = self._links[other]
        try:
            arrived = link.read()
        except (EOFError, OSError) as error:
            self._lose(other, error)
            return
        for frame in arrived:
            if frame.kind == GOODBYE:
                self._remove(other)
                return
            self._arrived.append(self._opened(other, frame))

    def _opened(self, other: int, frame: Arrived) -> Frame:
        if frame.kind == IN_SEGMENT:
            assert self._arena is not None
            return Frame(other, *self._arena.load_frame(frame.head))
        return Frame(other, frame.head, frame.buffers)

    # -- the end -----------------------------------------------------------------

    def _end(self, other: int, error: OSError) -> None:
        """Read the last frames of a process to which nothing can be sent any more."""
        while other in self._links:
            n_before = len(self._arrived)
            self._read(other)
            if other in self._links and len(self._arrived) == n_before:
                self._lose(other, error)

    def _lose(self, other: int, error: Exception) -> None:
        is_silent = isinstance(error, OSError) and error.errno in _SILENCE
        self.lost[other] = (
            f"nothing comes from it for {self._silence_s:g} s (--silence-s)"
            if is_silent
            else "the connection was lost"
        )
        self._remove(other)

    def _remove(self, other: int) -> None:
        link = self._links.pop(other)
        self._selector.unregister(link.socket)
        link.close()

    def close(self, in_order: bool = True) -> None:
        """Close all connections, and unmap the segments.

        Parameters
        ----------
        in_order : bool
            Tell the other processes that this process has done its work.
        """
        with self._lock:
            for other in list(self._links):
                if in_order:
                    with contextlib.suppress(OSError):
                        self._links[other].send(GOODBYE, b"")
                self._remove(other)
            self._selector.close()
        if self._arena is not None:
            self._arena.close()
