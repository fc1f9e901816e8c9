"""The clock of a process: the time, sleeping, and functions called later."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

__all__ = ["SYSTEM_CLOCK", "Clock", "SystemClock", "Ticker", "call_if_longer"]


class Ticker(Protocol):
    """Calls a function at regular intervals while the function has work."""

    def wake(self) -> None:
        """Begin to call the function, at the start or after it has returned False."""

    def close(self) -> None:
        """Stop calling the function."""


class Clock(Protocol):
    """Gives a worker its time: of the system, or of a simulation."""

    def now(self) -> float:
        """Return a time in seconds that never decreases."""

    def time(self) -> float:
        """Return seconds since 1970."""

    def sleep(self, seconds: float) -> None:
        """Wait."""

    def ticker(self, function: Callable[[], bool], seconds: float) -> Ticker:
        """Return a ticker that does not call the function before `Ticker.wake`.

        Parameters
        ----------
        function : callable
            Returns True to be called again, False to wait for the next `Ticker.wake`.
        seconds : float
            The time between two calls.
        """


class SystemClock:
    """The clock of the system; its tickers are threads."""

    #: Seconds since 1970; the function itself, as it is called twice for each item.
    time = staticmethod(time.time)

    def now(self) -> float:
        """Return a time in seconds that never decreases."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)

    def ticker(self, function: Callable[[], bool], seconds: float) -> Ticker:
        """Return a ticker that does not call the function before `Ticker.wake`.

        Parameters
        ----------
        function : callable
            Called in a thread of its own.
        seconds : float
            The time between two calls.
        """
        return _ThreadTicker(function, seconds)


SYSTEM_CLOCK = SystemClock()


class EngineThread(threading.Thread):
    """A thread of the engine, in which no code of PEs runs."""

    is_of_engine = True


class _ThreadTicker:
    """A ticker whose thread is started by the first `wake`."""

    def __init__(self, function: Callable[[], bool], seconds: float) -> None:
        self._function, self._seconds = function, seconds
        self._woken, self._closed = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        self._woken.set()
        if self._thread is None:
            name = "dispel4py-ticker"
            self._thread = EngineThread(target=self._run, name=name, daemon=True)
            self._thread.start()

    def close(self) -> None:
        self._closed.set()
        self._woken.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._closed.is_set():
            self._woken.wait()
            self._woken.clear()
            while not self._closed.wait(self._seconds) and self._function():
                pass


@contextlib.contextmanager
def call_if_longer(
    seconds: float, function: Callable[..., object], *values: Any
) -> Iterator[None]:
    """Call a function if this context lasts longer than some seconds.

    It is called once, in another thread, while the context goes on.

    Parameters
    ----------
    seconds : float
    function : callable
    *values : object
        The arguments of the function.
    """
    timer = threading.Timer(seconds, function, values)
    timer.daemon = True  # it does not keep a program that ends
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
