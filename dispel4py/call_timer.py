"""Time in PE code: how long each PE is busy, and a time limit for one item."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from dispel4py.errors import ParameterError


class ItemTimeout(BaseException):
    """A PE worked on one item for too long; ``except Exception`` lets this pass."""


class CallTimer:
    """Measures the calls of one process, and limits their time.

    Calls nest: the next PE in the same process may work on an item within the call that
    writes it. Only the own time of a PE counts, without waits for other processes.

    Parameters
    ----------
    measure : bool
        Add up the time of each instance in its ``busy_s``.
    item_timeout_s : float, optional
        Raise `ItemTimeout` in a call that takes longer. A call that does not return to
        Python cannot be interrupted in this way, but ``note`` can tell other processes.
    note : callable, optional
        Called with the start of each limited call (`time.monotonic_ns`), and with 0 at
        its end.

    Raises
    ------
    ParameterError
        If a time limit is given outside the main thread, where there are no signals.
    """

    def __init__(
        self,
        measure: bool = False,
        item_timeout_s: float | None = None,
        note: Callable[[int], None] | None = None,
    ) -> None:
        self.measures = measure
        self.bounds = item_timeout_s is not None
        self._timeout_s = item_timeout_s
        self._note = note
        self._inner_s = 0.0
        self._since_ns = 0
        self._has_expired = False
        if item_timeout_s is not None:
            if threading.current_thread() is not threading.main_thread():
                raise ParameterError(
                    "an item timeout needs the main thread: leave it out, or use the "
                    "mapping 'multi'"
                )
            signal.signal(signal.SIGALRM, self._interrupt)

    def measure(
        self, invoke: Callable[[Any], None], owner: Any
    ) -> Callable[[Any], None]:
        """Wrap a call of a PE so that its time is added to ``owner.busy_s``.

        Parameters
        ----------
        invoke : callable
            The call.
        owner : object
            Has the attribute ``busy_s``, in seconds.
        """

        def measured_invoke(item: Any) -> None:
            outer_s, self._inner_s = self._inner_s, 0.0
            began = time.perf_counter()
            try:
                invoke(item)
            finally:
                seconds = time.perf_counter() - began
                owner.busy_s += seconds - self._inner_s
                self._inner_s = outer_s + seconds

        return measured_invoke

    def limit(self, attempt: Callable[[Any], None]) -> Callable[[Any], None]:
        """Wrap a call of a PE so that it ends in time, if there is a time limit."""
        seconds = self._timeout_s
        if seconds is None:
            return attempt

        def bounded_attempt(item: Any) -> None:
            outer, self._has_expired = self._has_expired, False
            try:
                with self._alarm(seconds):
                    attempt(item)
                self.check()
            finally:
                self._has_expired = outer

        return bounded_attempt

    def check(self) -> None:
        """Check that the current call is in time; the PE may have caught the error.

        Raises
        ------
        ItemTimeout
            If it has taken too long.
        """
        if self._has_expired:
            raise self._timeout()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Leave the time of the ``with`` block out of the measured and limited time."""
        began = time.perf_counter()
        inner_s = self._inner_s
        try:
            if self.bounds:
                with self._alarm(0.0):
                    yield
            else:
                yield
        finally:
            self._inner_s = inner_s + time.perf_counter() - began

    @contextlib.contextmanager
    def _alarm(self, seconds: float) -> Iterator[None]:
        left_s, _ = signal.setitimer(signal.ITIMER_REAL, seconds)
        before_ns = self._since_ns
        self._note_start(time.monotonic_ns() if seconds else 0)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, left_s)
            self._note_start(before_ns)

    def _note_start(self, since_ns: int) -> None:
        self._since_ns = since_ns
        if self._note is not None:
            self._note(since_ns)

    def _interrupt(self, signum: int, frame: FrameType | None) -> None:
        self._has_expired = True
        raise self._timeout()

    def _timeout(self) -> ItemTimeout:
        return ItemTimeout(f"worked on one item for more than {self._timeout_s:g} s")
