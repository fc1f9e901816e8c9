"""The connection of a component to the process that started the run, the driver."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from dispel4py.clock import EngineThread
from dispel4py.mappings.storm.wires import connect, own_host

# Messages of a component.
HELLO, RESULTS, FAILED, REPORT, INPUTS, STOP_STREAM = range(6)
DRAINED, FINISHED, PRINTED, ENDED, SENT, CANNOT_REPEAT = range(6, 12)
# The message of another program that ends the sources of a run.
STOP_RUN = 12
# Orders of the driver.
TAKEN, START, GIVEN, STOP, REPEAT, FINISH, END = range(20, 27)


class DriverLink:
    """Sends messages to the driver, and gives its orders to the component.

    Parameters
    ----------
    address : tuple
        Host and port of the driver.
    key : bytes
        The key of the run.
    hello : tuple
        The first message: who this component is.
    give_order : callable
        Called with each order, in another thread.
    lost : callable
        Called if the driver has ended.

    Raises
    ------
    OSError
        If the driver does not answer.
    """

    def __init__(
        self,
        address: tuple[str, int],
        key: bytes,
        hello: tuple[Any, ...],
        give_order: Callable[[tuple[Any, ...]], None],
        lost: Callable[[], None],
    ) -> None:
        self._connection = connect(address, key)
        self.host = own_host(self._connection)
        self._give_order, self._lost = give_order, lost
        self._lock = threading.Lock()
        self._answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.tell(HELLO, *hello)
        EngineThread(target=self._receive, name="orders", daemon=True).start()

    def tell(self, *message: Any) -> None:
        """Send a message; nothing is sent if the driver has ended."""
        with self._lock, contextlib.suppress(OSError):
            self._connection.send(message)

    def print(self, number: int, text: bytes) -> None:
        """Send text that this process has printed.

        Parameters
        ----------
        number : int
            1 for standard output, 2 for standard error.
        text : bytes
        """
        self.tell(PRINTED, number, text)

    def ask(self, *message: Any) -> None:
        """Send a message, and wait until the driver has taken it."""
        self.tell(*message)
        self._answers.get()

    def _receive(self) -> None:
        try:
            while True:
                order = self._connection.recv()
                if order[0] == TAKEN:
                    self._answers.put(None)
                else:
                    self._give_order(order)
        except (OSError, EOFError):
            self._lost()


class Inbox:
    """The tuples of Storm and the orders of the driver, for the main thread.

    Parameters
    ----------
    room : int
        Most tuples that wait here.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._changed = threading.Condition()
        self._tuples: deque[Any] = deque()
        self._orders: deque[tuple[Any, ...]] = deque()

    def put_tuple(self, message: Any, timeout_s: float) -> bool:
        """Add a tuple; return False if there was no room in this time.

        Parameters
        ----------
        message : dict
            The tuple.
        timeout_s : float
            Longest time to wait.
        """
        with self._changed:
            if not self._changed.wait_for(
                lambda: len(self._tuples) < self._room, timeout_s
            ):
                return False
            self._tuples.append(message)
            self._changed.notify_all()
            return True

    def put_order(self, order: tuple[Any, ...]) -> None:
        """Add an order."""
        with self._changed:
            self._orders.append(order)
            self._changed.notify_all()

    def order(self) -> tuple[Any, ...] | None:
        """Return the next order; None if none waits."""
        with self._changed:
            return self._orders.popleft() if self._orders else None

    @property
    def has_order(self) -> bool:
        """Whether an order waits."""
        return bool(self._orders)

    def take(self) -> Any:
        """Return the next order, a tuple; else the next tuple, a dict; wait for it."""
        with self._changed:
            self._changed.wait_for(lambda: self._orders or self._tuples)
            if self._orders:
                return self._orders.popleft()
            message = self._tuples.popleft()
            self._changed.notify_all()
            return message

    def wait(self, timeout_s: float) -> None:
        """Wait until there is an order."""
        with self._changed:
            self._changed.wait_for(lambda: self._orders, timeout_s)


class Printed:
    """Sends what this process prints to the driver.

    Parameters
    ----------
    tell : callable
        Called with the number of the stream, 1 or 2, and some bytes.
    """

    def __init__(self, tell: Callable[[int, bytes], None]) -> None:
        self._tell = tell
        self._threads = [self._redirect(number) for number in (1, 2)]

    def _redirect(self, number: int) -> threading.Thread:
        reader, writer = os.pipe()
        os.dup2(writer, number)
        os.close(writer)
        thread = EngineThread(target=self._forward, args=(number, reader), daemon=True)
        thread.start()
        return thread

    def _forward(self, number: int, reader: int) -> None:
        while text := os.read(reader, 1 << 16):
            self._tell(number, text)
        os.close(reader)

    def close(self) -> None:
        """Send the rest."""
        nothing = os.open(os.devnull, os.O_WRONLY)
        for number in (1, 2):
            os.dup2(nothing, number)
        os.close(nothing)
        for thread in self._threads:
            thread.join(1.0)
