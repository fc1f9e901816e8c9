"""A connection that carries frames to one other process, and from it.

Each frame begins with the kind, the number of its buffers and the size of its head;
then follow the sizes of the buffers, the head, and the buffers. A large buffer is
received directly into its memory.
"""

from __future__ import annotations

import socket
import struct
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

#: Kinds of frames: a message; a message in a segment of shared memory; the last one.
PLAIN, IN_SEGMENT, GOODBYE = range(3)
_PREFIX = struct.Struct("<III")
#: Bytes that are received in one call, if no large buffer is expected.
_CHUNK = 256 * 1024
#: Most pieces that are sent in one call; Linux allows 1024.
_MOST_PIECES = 512


class Arrived(NamedTuple):
    """A frame as it arrives: kind, head and buffers."""

    kind: int
    head: bytes
    buffers: list[memoryview]


class Link:
    """One end of a connection.

    Parameters
    ----------
    connection : socket
        It becomes non-blocking.
    """

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self.socket = connection
        self._leaving: deque[memoryview] = deque()
        self._text = bytearray()
        self._frame: Arrived | None = None
        self._unfilled: deque[memoryview] = deque()

    # -- sending ---------------------------------------------------------------

    @property
    def is_behind(self) -> bool:
        """Whether frames wait to be sent."""
        return bool(self._leaving)

    def send(self, kind: int, head: bytes, buffers: Sequence[Any] = ()) -> None:
        """Send a frame, as far as this is possible now; keep the rest.

        Parameters
        ----------
        kind : int
        head : bytes
        buffers : sequence of buffers
            They are copied if they cannot be sent now.

        Raises
        ------
        OSError
            If the connection is lost.
        """
        sizes = struct.pack(f"<{len(buffers)}Q", *map(len, buffers))
        prefix = _PREFIX.pack(kind, len(buffers), len(head))
        pieces = deque(memoryview(piece) for piece in (prefix + sizes + head, *buffers))
        if not self._leaving:
            self._send(pieces)
        self._leaving.extend(memoryview(bytes(piece)) for piece in pieces)

    def catch_up(self) -> None:
        """Send the waiting frames, as far as this is possible now.

        Raises
        ------
        OSError
            If the connection is lost.
        """
        self._send(self._leaving)

    def _send(self, pieces: deque[memoryview]) -> None:
        while pieces:
            some = [pieces[k] for k in range(min(len(pieces), _MOST_PIECES))]
            try:
                n = self.socket.sendmsg(some)
            except BlockingIOError:
                return
            while pieces and n >= len(pieces[0]):
                n -= len(pieces.popleft())
            if n:
                pieces[0] = pieces[0][n:]

    # -- receiving -------------------------------------------------------------

    def read(self) -> list[Arrived]:
        """Return the frames that have arrived.

        Raises
        ------
        EOFError
            If the other process has closed the connection.
        OSError
            If the connection is lost.
        """
        frames: list[Arrived] = []
        while not frames:
            try:
                if self._unfilled:
                    n = self.socket.recv_into(self._unfilled[0])
                    self._note_filled(n)
                else:
                    text = self.socket.recv(_CHUNK)
                    n = len(text)
                    self._text += text
            except BlockingIOError:
                break
            if not n:
                raise EOFError
            self._parse(frames)
        return frames

    def _note_filled(self, n: int) -> None:
        self._unfilled[0] = self._unfilled[0][n:]
        if not self._unfilled[0]:
            self._unfilled.popleft()

    def _parse(self, frames: list[Arrived]) -> None:
        """Add the frames that are complete."""
        while self._frame is not None or self._begin():
            while self._unfilled and self._text:
                n = min(len(self._text), len(self._unfilled[0]))
                self._unfilled[0][:n] = self._text[:n]
                del self._text[:n]
                self._note_filled(n)
            if self._unfilled:
                return
            assert self._frame is not None
            frames.append(self._frame)
            self._frame = None

    def _begin(self) -> bool:
        """Begin the next frame; return False if its head has not arrived."""
        text = self._text
        if len(text) < _PREFIX.size:
            return False
        kind, n_buffers, n_head = _PREFIX.unpack_from(text)
        at = _PREFIX.size + 8 * n_buffers
        if len(text) < at + n_head:
            return False
        sizes = struct.unpack_from(f"<{n_buffers}Q", text, _PREFIX.size)
        buffers = [memoryview(bytearray(size)) for size in sizes]
        self._frame = Arrived(kind, bytes(text[at : at + n_head]), buffers)
        self._unfilled = deque(buffer for buffer in buffers if len(buffer))
        del text[: at + n_head]
        return True

    def close(self) -> None:
        """Close the connection."""
        self.socket.close()
