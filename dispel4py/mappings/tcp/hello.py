"""Connections between the processes of a run, and their authentication.

Both ends prove that they know the key of the run, by a keyed hash (HMAC) of random
numbers of both. The key itself is never sent. Afterwards the bytes are neither
encrypted nor signed, as those of MPI: the network between the hosts must be trusted.
"""

from __future__ import annotations

import contextlib
import hmac
import os
import queue
import socket
import struct
import threading
import time
from typing import Any

from dispel4py.errors import Dispel4pyError

#: First bytes of a connection: the protocol and its version.
_PROTOCOL = b"dispel4py-1\n"
_N_RANDOM = 32
_DIGEST = "sha256"
_N_DIGEST = 32
_MEMBER = struct.Struct("<i")
#: Longest time of a hello, in seconds: both ends answer at once.
_HELLO_SECONDS = 20.0
#: Longest wait for a connection, in seconds.
_CONNECT_SECONDS = 20.0
#: Most connections that wait for their hello at the same time.
_MOST_STRANGERS = 64
#: Connections that the system keeps until they are accepted.
_BACKLOG = 1024
#: Seconds after which a connection is accepted that could not be accepted at first.
_PAUSE_S = 0.1


class Refused(Dispel4pyError):
    """The other end of a connection does not belong to the run."""


def listen(address: str) -> socket.socket:
    """Return a socket that accepts connections, at a port that the system gives.

    Parameters
    ----------
    address : str
        An address of this host; connections of other networks are not accepted.
    """
    family = socket.getaddrinfo(address, 0, type=socket.SOCK_STREAM)[0][0]
    return socket.create_server((address, 0), family=family, backlog=_BACKLOG)


def introduce(address: str, port: int, key: bytes, member: int) -> socket.socket:
    """Connect to another process of the run.

    Parameters
    ----------
    address : str
    port : int
    key : bytes
        The secret of the run.
    member : int
        Number of this process.

    Returns
    -------
    socket
        The connection.

    Raises
    ------
    Refused
        If the other end does not know the key.
    OSError
        If there is no connection.
    """
    connection = socket.create_connection((address, port), _CONNECT_SECONDS)
    try:
        connection.settimeout(_HELLO_SECONDS)
        own = os.urandom(_N_RANDOM)
        connection.sendall(_PROTOCOL + own)
        other = _receive(connection, _N_RANDOM)
        proof = _receive(connection, _N_DIGEST)
        if not hmac.compare_digest(proof, _digest(key, b"accept", own, other)):
            raise Refused(f"{address}:{port} does not know the key of the run")
        name = _MEMBER.pack(member)
        connection.sendall(name + _digest(key, b"connect", own, other, name))
    except BaseException:
        connection.close()
        raise
    return connection


def _admit(connection: socket.socket, key: bytes) -> int:
    """Return the number of the process that has connected.

    Raises
    ------
    Refused
        If it does not belong to the run.
    """
    connection.settimeout(_HELLO_SECONDS)
    if _receive(connection, len(_PROTOCOL)) != _PROTOCOL:
        raise Refused("another protocol")
    other, own = _receive(connection, _N_RANDOM), os.urandom(_N_RANDOM)
    connection.sendall(own + _digest(key, b"accept", other, own))
    name = _receive(connection, _MEMBER.size)
    proof = _receive(connection, _N_DIGEST)
    if not hmac.compare_digest(proof, _digest(key, b"connect", other, own, name)):
        raise Refused("another key")
    member: int = _MEMBER.unpack(name)[0]
    return member


def _digest(key: bytes, *parts: bytes) -> bytes:
    return hmac.digest(key, b"".join(parts), _DIGEST)


def _receive(connection: socket.socket, n_bytes: int) -> bytes:
    parts = []
    while n_bytes:
        part = connection.recv(n_bytes)
        if not part:
            raise Refused("the connection was closed during the hello")
        parts.append(part)
        n_bytes -= len(part)
    return b"".join(parts)


class Reception:
    """Accepts connections of processes of the run, until it is closed.

    Each hello has a thread of its own: a stranger that sends nothing delays nobody.

    Parameters
    ----------
    address : str
        The address at which it listens.
    key : bytes
        The secret of the run.
    """

    def __init__(self, address: str, key: bytes) -> None:
        self._key = key
        self._listener = listen(address)
        self.address: str = address
        self.port: int = self._listener.getsockname()[1]
        self._arrived: queue.SimpleQueue[tuple[int, socket.socket]]
        self._arrived = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._places = threading.Semaphore(_MOST_STRANGERS)
        self._is_closed = False
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def next(self, timeout_s: float) -> tuple[int, socket.socket] | None:
        """Return the number of the next process and the connection to it.

        Parameters
        ----------
        timeout_s : float
            Longest wait.

        Returns
        -------
        tuple or None
            None if no process arrives within the time.
        """
        try:
            return self._arrived.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def close(self) -> None:
        """Accept no more connections."""
        with self._lock:
            self._is_closed = True
        with contextlib.suppress(OSError):  # it wakes the thread
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        while (late := self.next(0.0)) is not None:
            late[1].close()

    def _accept(self) -> None:
        while not self._is_closed:
            self._places.acquire()
            try:
                connection, _ = self._listener.accept()
            except OSError:
                self._places.release()
                if not self._is_closed:  # no more files may be opened at the moment
                    time.sleep(_PAUSE_S)
                continue
            threading.Thread(
                target=self._hello, args=(connection,), daemon=True
            ).start()

    def _hello(self, connection: socket.socket) -> None:
        try:
            member = _admit(connection, self._key)
        except (Refused, OSError):
            connection.close()
            return
        finally:
            self._places.release()
        with self._lock:  # a connection that `next` has returned is not closed here
            if not self._is_closed:
                self._arrived.put((member, connection))
                return
        connection.close()


def own_address(other: str) -> str:
    """Return the address of this host from which another host is reached.

    Nothing is sent.

    Parameters
    ----------
    other : str
        Name or address of the other host.

    Raises
    ------
    OSError
        If there is no such host, or no way to it.

    Examples
    --------
    >>> own_address("127.0.0.1")
    '127.0.0.1'
    """
    known: Any = socket.getaddrinfo(other, 9, type=socket.SOCK_DGRAM)
    family, kind, protocol, _, address = known[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.connect(address)
        name: str = probe.getsockname()[0]
        return name


def watch_silence(connection: socket.socket, silence_s: float) -> None:
    """Let the system notice that nothing comes from the other host.

    The system sends probes over a connection that is idle, and ends a connection whose
    bytes are not confirmed for this time.

    Parameters
    ----------
    connection : socket
    silence_s : float
    """
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    interval_s = max(1, int(silence_s / 4))
    for name, value in {
        "TCP_KEEPIDLE": interval_s,
        "TCP_KEEPINTVL": interval_s,
        "TCP_KEEPCNT": 4,
        "TCP_USER_TIMEOUT": int(1e3 * silence_s),
    }.items():
        if hasattr(socket, name):  # the last one is of Linux
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
