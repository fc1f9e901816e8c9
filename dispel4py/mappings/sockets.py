"""Mailboxes of processes of one host: datagram sockets and shared memory."""

from __future__ import annotations

import contextlib
import errno
import select
import socket
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from threading import RLock
from typing import Any

from dispel4py.mappings.segments import Arena
from dispel4py.message import Frame

#: Bytes of the longest datagram; longer frames go through a segment.
_DATAGRAM = 48 * 1024
#: Requested size of a mailbox, in bytes.
_SOCKET_BUFFER = 1 << 20
#: Seconds before a frame is sent again to a full mailbox.
_RETRY_SECONDS = 0.001
#: Errors of a receiver that has ended: no process needs the frame any more.
_ENDED = (errno.ECONNREFUSED, errno.ECONNRESET, errno.ENOTCONN, errno.EPIPE)
#: Temporary errors: the receiver has not started, its mailbox is full, or the system
#: has no memory.
_LATER = (errno.ENOENT, errno.EAGAIN, errno.EINTR, errno.ENOBUFS, errno.ENOMEM)


def inbox_path(folder: Path, process: int) -> Path:
    """Return the path of the mailbox of a process.

    Parameters
    ----------
    folder : Path
        The folder of the run.
    process : int
    """
    return folder / f"inbox-{process}"


def _bind(inbox: socket.socket, path: Path) -> None:
    """Make ``path`` the mailbox.

    The system makes a file first, and then binds the socket to it. A sender that
    connects between these steps would be refused, as if the receiver had ended. So the
    file gets its final name after it is bound.
    """
    unnamed = path.with_name(f".{path.name}")
    unnamed.unlink(missing_ok=True)  # left by a killed worker
    inbox.bind(str(unnamed))
    unnamed.replace(path)


class SocketPost:
    """A mailbox for frames: one datagram socket, and connections to other mailboxes.

    Parameters
    ----------
    folder : Path
        The folder of the run.
    process : int
    """

    def __init__(self, folder: Path, process: int) -> None:
        self.process = process
        self._folder = folder
        self._arena = Arena(folder, process)
        self.inbox = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.inbox.setblocking(False)
        with contextlib.suppress(OSError):
            self.inbox.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SOCKET_BUFFER)
        _bind(self.inbox, inbox_path(folder, process))
        self._connections: dict[int, socket.socket] = {}
        self._waiting: dict[int, deque[bytes]] = {}
        self._lock = RLock()
        self._poll = select.poll()
        self._poll.register(self.inbox, select.POLLIN)

    def send(self, destination: int, head: bytes, buffers: Sequence[Any] = ()) -> None:
        """Send a frame; if the mailbox of the receiver is full, send it later.

        Parameters
        ----------
        destination : int
            The receiving process.
        head : bytes
            The message.
        buffers : sequence, optional
            Bytes beside the message; they are copied.

        Raises
        ------
        OSError
            If the frame can never be sent.
        """
        with self._lock:
            self._send(destination, head, buffers)

    def _send(self, destination: int, head: bytes, buffers: Sequence[Any]) -> None:
        if buffers or len(head) > _DATAGRAM:
            kind, content = b"S", self._arena.store_frame(head, buffers)
        else:
            kind, content = b"D", head
        datagram = kind + self.process.to_bytes(4, "little") + content
        waiting = self._waiting.get(destination)
        if waiting:
            waiting.append(datagram)
        elif not self._send_now(destination, datagram):
            self._waiting[destination] = deque([datagram])

    def receive(self, timeout_s: float) -> Frame | None:
        """Return the next frame, or None if none comes within the time."""
        frame = self._next()
        deadline = time.monotonic() + timeout_s
        while frame is None:
            left_s = deadline - time.monotonic()
            if timeout_s <= 0 or left_s <= 0:
                return None
            self._poll.poll(1e3 * (_RETRY_SECONDS if self._waiting else left_s))
            frame = self._next()
        return frame

    def _next(self) -> Frame | None:
        """Send waiting frames if there is room; return an arrived frame."""
        with self._lock:
            if self._waiting:
                self._send_waiting()
            datagram = self._read()
            if datagram is None:
                return None
            source = int.from_bytes(datagram[1:5], "little")
            content = datagram[5:]
            if datagram[:1] == b"D":
                return Frame(source, content)
            return Frame(source, *self._arena.load_frame(content))

    @property
    def is_behind(self) -> bool:
        """Whether frames wait for room in other mailboxes."""
        return bool(self._waiting)

    def catch_up(self) -> None:
        """Send the waiting frames, as far as there is room."""
        with self._lock:
            self._send_waiting()

    def has_sent_all(self, destination: int) -> bool:
        """Return whether all frames for a process have been sent."""
        return destination not in self._waiting

    def forget(self, destination: int) -> None:
        """Drop the frames for a process that has ended and is started again."""
        with self._lock:
            self._waiting.pop(destination, None)
            connection = self._connections.pop(destination, None)
        if connection is not None:
            connection.close()

    def deliver(self, timeout_s: float) -> None:
        """Wait until all frames have been sent; drop frames that arrive now."""
        deadline = time.monotonic() + timeout_s
        while self._waiting and time.monotonic() < deadline:
            self._send_waiting()
            self._read()  # make room: the other process may wait for this mailbox, too
            time.sleep(_RETRY_SECONDS)

    def close(self) -> None:
        """Close the sockets and unmap the segments."""
        for connection in [self.inbox, *self._connections.values()]:
            connection.close()
        self._arena.close()

    def _read(self) -> bytes | None:
        try:
            return self.inbox.recv(_SOCKET_BUFFER)
        except BlockingIOError:
            return None

    def _send_waiting(self) -> None:
        for destination in list(self._waiting):
            waiting = self._waiting[destination]
            while waiting and self._send_now(destination, waiting[0]):
                waiting.popleft()
            if not waiting:
                del self._waiting[destination]

    def _send_now(self, destination: int, datagram: bytes) -> bool:
        """Send a datagram; False if the receiver has no room, or has not started."""
        connection = self._connections.get(destination)
        if connection is None:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            connection.setblocking(False)
            with contextlib.suppress(OSError):
                connection.setsockopt(
                    socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BUFFER
                )
            try:
                connection.connect(str(inbox_path(self._folder, destination)))
            except OSError as error:
                connection.close()
                return _has_ended(error)
            self._connections[destination] = connection
        try:
            connection.send(datagram)
        except OSError as error:
            return _has_ended(error)
        return True


def _has_ended(error: OSError) -> bool:
    """Return True if the receiver has ended, False to send the frame again later."""
    if error.errno in _ENDED or error.errno in _LATER:
        return error.errno in _ENDED
    raise error
