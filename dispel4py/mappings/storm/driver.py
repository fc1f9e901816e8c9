"""The driver: the process that started the run, as its components reach it."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Iterator
from multiprocessing.connection import Connection
from typing import Any

from dispel4py.mappings.storm.link import HELLO, STOP_RUN, TAKEN
from dispel4py.mappings.storm.wires import connect, listen, serve


class Life:
    """One process of a component.

    Parameters
    ----------
    who : int or str
        The instance, by index, or the name of another component.
    pid : int
        Its process.
    host : str
        The host of the process.
    connection : Connection
    """

    def __init__(self, who: Any, pid: int, host: str, connection: Connection) -> None:
        self.who, self.pid, self.host = who, pid, host
        self._connection = connection
        self._lock = threading.Lock()

    def order(self, *order: Any) -> None:
        """Send an order; nothing is sent if the process has ended."""
        with self._lock, contextlib.suppress(OSError, ValueError):
            self._connection.send(order)

    def messages(self) -> Iterator[Any]:
        """Yield the messages of the process until it ends."""
        with contextlib.suppress(OSError, EOFError), self._connection:
            while True:
                yield self._connection.recv()


class Server:
    """Accepts the connections of components.

    Parameters
    ----------
    host : str
        Address of this host for the components.
    key : bytes
        The key of the run.

    Attributes
    ----------
    messages : queue
        Gets the `Life` and the message; None in place of a message if it has ended.
    """

    def __init__(self, host: str, key: bytes) -> None:
        self._listener = listen(host)
        port = self._listener.getsockname()[1]
        self.address = f"{host}:{port}"
        self.messages: queue.SimpleQueue[tuple[Life, Any]] = queue.SimpleQueue()
        serve(self._listener, key, "driver", self._answer)

    def _answer(self, connection: Connection) -> None:
        """Read the messages of one process until it ends."""
        first = connection.recv()
        if first[0] == STOP_RUN:
            life = Life(None, 0, "", connection)
            self.messages.put((life, first))
            life.order(TAKEN)
            return
        _, who, pid, name = first
        life = Life(who, pid, name, connection)
        self.messages.put((life, (HELLO,)))
        for message in life.messages():
            self.messages.put((life, message))
        self.messages.put((life, None))

    def close(self) -> None:
        """Accept no more connections."""
        self._listener.close()


def stop_run(address: str, key: bytes) -> bool:
    """Ask the driver of a run to end its sources; return whether it answers.

    Parameters
    ----------
    address : str
        Host and port of the driver.
    key : bytes
        The key of the run.
    """
    host, _, port = address.rpartition(":")
    try:
        with connect((host, int(port)), key) as connection:
            connection.send((STOP_RUN,))
            connection.recv()
    except (OSError, EOFError):
        return False
    return True
