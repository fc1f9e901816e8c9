"""The clock of a live source: the time of day, without its steps."""

from __future__ import annotations

import time
from collections.abc import Callable

from seismo_pes.items.times import NS

__all__ = ["SteadyClock"]

# A step of the time of day is followed when it has lasted for this time, seconds: an
# operator who sets the clock for a test sets it back by then.
STEP_LASTS_S = 600.0
# Smaller differences are no steps, nanoseconds.
LEAST_STEP_NS = NS


class SteadyClock:
    """The time of day, counted by the monotonic clock; it never goes back.

    Parameters
    ----------
    wall_ns, monotonic_s : callable
        The clocks of the computer.

    Attributes
    ----------
    monotonic_s : callable
        The monotonic clock, seconds.

    Examples
    --------
    >>> clock = SteadyClock(lambda: 5, lambda: 7.0)
    >>> clock.now_ns()
    5
    """

    def __init__(
        self,
        wall_ns: Callable[[], int] = time.time_ns,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wall_ns, self.monotonic_s = wall_ns, monotonic_s
        self._latest_ns = self._wall_ns()
        self._set()

    def _set(self) -> None:
        self._began_s = self.monotonic_s()
        self._began_ns = self._wall_ns()
        self._differs_since_s: float | None = None

    def now_ns(self) -> int:
        """Return the time now, nanoseconds since 1970."""
        now_s = self.monotonic_s()
        now_ns = self._began_ns + round((now_s - self._began_s) * NS)
        if abs(self._wall_ns() - now_ns) < LEAST_STEP_NS:
            self._differs_since_s = None
        elif self._differs_since_s is None:
            self._differs_since_s = now_s
        elif now_s - self._differs_since_s >= STEP_LASTS_S:
            self._set()
            now_ns = self._began_ns
        self._latest_ns = max(self._latest_ns, now_ns)
        return self._latest_ns

    def time_of(self, monotonic_s: float) -> int:
        """Return the time at an earlier moment of the monotonic clock.

        Parameters
        ----------
        monotonic_s : float
            The moment, seconds.
        """
        passed_s = max(0.0, self.monotonic_s() - monotonic_s)
        return self.now_ns() - round(passed_s * NS)
