"""Connections by TCP between the processes of a run, which prove that they have a key.

Each side asks the other to sign random bytes, so the key is never sent. Messages are
pickled, and are read only after this proof.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Callable
from multiprocessing import AuthenticationError
from multiprocessing.connection import (
    Connection,
    answer_challenge,
    deliver_challenge,
)

from dispel4py.clock import EngineThread

#: Seconds for a connection, and for each step of its proof.
PROOF_S = 20.0
#: Seconds after which a connection is accepted that could not be accepted at first.
_PAUSE_S = 0.1
#: A connection counts as lost if its other end has not answered for 40 s: probes after
#: 10 s, six of them, one every 5 s.
_KEEPALIVE = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 6}


def listen(host: str) -> socket.socket:
    """Return a socket that listens at an address, on a port that the system chooses."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, 0), family=family, backlog=1024)


def serve(
    listener: socket.socket, key: bytes, name: str, answer: Callable[[Connection], None]
) -> None:
    """Accept connections in a thread, until the listener is closed.

    Parameters
    ----------
    listener : socket
        As `listen` returns it.
    key : bytes
        The key of the run.
    name : str
        Of the threads.
    answer : callable
        Gets each connection that proves the key, in a thread of its own; the connection
        is closed when it returns, or fails because the other process has ended.
    """

    def answered(connected: socket.socket) -> None:
        with (
            contextlib.suppress(OSError, EOFError),
            accept(connected, key) as connection,
        ):
            answer(connection)

    def accepting() -> None:
        while listener.fileno() >= 0:
            try:
                connected, _ = listener.accept()
            except OSError:  # closed, or no more files may be opened at the moment
                time.sleep(_PAUSE_S)
                continue
            EngineThread(
                target=answered, args=(connected,), name=name, daemon=True
            ).start()

    EngineThread(target=accepting, name=name, daemon=True).start()


def connect(address: tuple[str, int], key: bytes) -> Connection:
    """Connect to another process of the run.

    Parameters
    ----------
    address : tuple
        Host and port.
    key : bytes
        The key of the run.

    Raises
    ------
    OSError
        If nobody answers, or the other process does not have the key.
    """
    return _prove(socket.create_connection(address, PROOF_S), key, answers_first=True)


def accept(connected: socket.socket, key: bytes) -> Connection:
    """Return the connection of a socket that a listener has accepted.

    Parameters
    ----------
    connected : socket
    key : bytes
        The key of the run.

    Raises
    ------
    OSError
        If the other process does not have the key.
    """
    return _prove(connected, key, answers_first=False)


def _prove(connected: socket.socket, key: bytes, answers_first: bool) -> Connection:
    connected.settimeout(None)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE.items():
        if hasattr(socket, name):
            connected.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    _limit_waits(connected, PROOF_S)
    own = connected.dup()
    connection = Connection(connected.detach())
    with contextlib.ExitStack() as failed:
        failed.callback(connection.close)
        with own:
            steps = [answer_challenge, deliver_challenge]
            try:
                for step in steps if answers_first else reversed(steps):
                    step(connection, key)
            except (AuthenticationError, EOFError, AssertionError) as error:
                raise ConnectionRefusedError(
                    f"the other process does not have the key of the run: {error}"
                ) from error
            _limit_waits(own, 0.0)
        failed.pop_all()
    return connection


def _limit_waits(connected: socket.socket, seconds: float) -> None:
    limit = struct.pack("ll", int(seconds), 0)
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)


def own_host(connection: Connection) -> str:
    """Return the address of this host by which the other process reaches it."""
    with socket.socket(fileno=connection.fileno()) as end:
        host: str = end.getsockname()[0]
        end.detach()
    return host
