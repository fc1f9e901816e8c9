"""Find the windows and periods that are complete, in any order of the data.

Each item completes an interval of its channel. A window (or period, or any other
interval) closes when all its channels are complete over it. If a channel fails or is
late, it closes when the data of any channel are a given time ahead of it.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from dispel4py.errors import DataError

__all__ = ["Closing", "Coverage", "PeriodsInOrder", "channels_of"]

Key = TypeVar("Key", bound=Hashable)
Channel = TypeVar("Channel", bound=Hashable)


@dataclass
class Coverage:
    """The union of intervals, as disjoint intervals in ascending order.

    Examples
    --------
    >>> coverage = Coverage()
    >>> for interval in ((0, 10), (20, 30), (10, 20)):
    ...     coverage.add(*interval)
    >>> coverage.intervals, coverage.covers(5, 25), coverage.covers(25, 35)
    ([(0, 30)], True, False)
    """

    intervals: list[tuple[int, int]] = field(default_factory=list)

    def add(self, start: int, end: int) -> None:
        """Add an interval; intervals that touch become one."""
        first = bisect_left(self.intervals, start, key=lambda interval: interval[1])
        last = first
        while last < len(self.intervals) and self.intervals[last][0] <= end:
            start = min(start, self.intervals[last][0])
            end = max(end, self.intervals[last][1])
            last += 1
        self.intervals[first:last] = [(start, end)]

    def covers(self, start: int, end: int) -> bool:
        """Return whether a whole interval is covered."""
        k = bisect_left(self.intervals, end, key=lambda interval: interval[1])
        return k < len(self.intervals) and self.intervals[k][0] <= start

    def forget_before(self, time: int) -> None:
        """Forget the intervals that end before a time."""
        k = bisect_left(self.intervals, time, key=lambda interval: interval[1])
        del self.intervals[:k]


def channels_of(
    channels: Mapping[int, Collection[Channel]] | Collection[Channel], period: int
) -> Collection[Channel]:
    """Return the channels that have data in a period; none in an unknown period.

    Parameters
    ----------
    channels : mapping of int to collection, or collection
        The channels of each period, or the channels of every period.
    period : int
        Number of the period.
    """
    if isinstance(channels, Mapping):
        return channels.get(period, ())
    return channels


@dataclass
class _Open(Generic[Key]):
    """An open window and the channels that are not yet complete over it."""

    key: Key
    start_ns: int
    end_ns: int
    missing: set[Hashable]


class Closing(Generic[Key]):
    """Closes each window once: when its channels are complete or the wait is over.

    Before an interval of a channel is added, the windows that it touches are opened.

    Parameters
    ----------
    max_wait_ns : int, optional
        A window closes without a missing channel when any channel is complete up to
        this time after its end; data time, nanoseconds. None: it waits to the end of
        the data.

    Examples
    --------
    >>> closing = Closing(max_wait_ns=5)
    >>> closing.open("first", 0, 10, {"A", "B"})
    True
    >>> closing.add("A", 0, 10)
    >>> closing.ready()
    []
    >>> closing.add("B", 0, 12)
    >>> closing.ready()
    ['first']
    """

    def __init__(self, max_wait_ns: int | None = None) -> None:
        self.max_wait_ns = max_wait_ns
        self._open: dict[Key, _Open[Key]] = {}
        self._of_channel: dict[Hashable, list[_Open[Key]]] = {}
        self._coverage: dict[Hashable, Coverage] = {}
        self._complete: list[_Open[Key]] = []
        self._closed: dict[Key, int] = {}  # closed windows and their ends
        self._newest_ns: int | None = None

    def __len__(self) -> int:
        return len(self._open)

    def __contains__(self, key: Key) -> bool:
        return key in self._open

    def open(
        self, key: Key, start_ns: int, end_ns: int, channels: Iterable[Hashable]
    ) -> bool:
        """Open a window if it is new; return False if it was closed before.

        Parameters
        ----------
        key : hashable
            Name of the window; keys of equal end are closed in their order of opening.
        start_ns, end_ns : int
            The window, nanoseconds.
        channels : iterable of hashable
            The channels that the window waits for.
        """
        if key in self._open:
            return True
        if key in self._closed or self._wait_is_over(end_ns):
            return False
        window = _Open(key, start_ns, end_ns, set())
        for channel in channels:
            coverage = self._coverage.get(channel)
            if coverage is None or not coverage.covers(start_ns, end_ns):
                window.missing.add(channel)
                self._of_channel.setdefault(channel, []).append(window)
        self._open[key] = window
        if not window.missing:
            self._complete.append(window)
        return True

    def add(self, channel: Hashable, start_ns: int, end_ns: int) -> None:
        """Note that all data of a channel from ``start_ns`` to ``end_ns`` arrived."""
        self.advance(end_ns)
        coverage = self._coverage.setdefault(channel, Coverage())
        coverage.add(start_ns, end_ns)
        incomplete = []
        for window in self._of_channel.get(channel, ()):
            if not coverage.covers(window.start_ns, window.end_ns):
                incomplete.append(window)
                continue
            window.missing.discard(channel)
            if not window.missing:
                self._complete.append(window)
        self._of_channel[channel] = incomplete
        # no later window begins before these times
        coverage.forget_before(min([start_ns, *(w.start_ns for w in incomplete)]))

    def advance(self, time_ns: int) -> None:
        """Note that the data of any channel have reached a time."""
        newest_ns = time_ns if self._newest_ns is None else self._newest_ns
        self._newest_ns = max(time_ns, newest_ns)

    def ready(self) -> list[Key]:
        """Close the windows that are complete or whose wait is over.

        Their keys are returned in the order of the ends of the windows.
        """
        windows = self._complete
        if self.max_wait_ns is not None:
            complete = {id(window) for window in windows}
            windows = windows + [
                window
                for window in self._open.values()
                if self._wait_is_over(window.end_ns) and id(window) not in complete
            ]
        return self._close(windows)

    def close_all(self) -> list[Key]:
        """Close all windows, at the end of the data; return their keys."""
        return self._close(self._open.values())

    def is_complete(self, key: Key) -> bool:
        """Return whether an open window is complete or its wait is over."""
        window = self._open[key]
        return not window.missing or self._wait_is_over(window.end_ns)

    def wait_is_over(self, key: Key) -> bool:
        """Return whether the longest wait for missing channels is over."""
        return self._wait_is_over(self._open[key].end_ns)

    def close(self, key: Key) -> None:
        """Close one window, complete or not."""
        self._close([self._open[key]])

    def _wait_is_over(self, end_ns: int) -> bool:
        if self.max_wait_ns is None or self._newest_ns is None:
            return False
        return self._newest_ns >= end_ns + self.max_wait_ns

    def _close(self, windows: Iterable[_Open[Key]]) -> list[Key]:
        ordered = sorted(windows, key=lambda window: window.end_ns)
        for window in ordered:
            del self._open[window.key]
            self._closed[window.key] = window.end_ns
            for channel in window.missing:
                self._of_channel[channel].remove(window)
        closed = {id(window) for window in ordered}
        self._complete = [w for w in self._complete if id(w) not in closed]
        if self.max_wait_ns is not None:  # `open` refuses these windows by their end
            ends = self._closed.items()
            self._closed = {
                key: end for key, end in ends if not self._wait_is_over(end)
            }
        return [window.key for window in ordered]


class PeriodsInOrder:
    """Periods of several channels, which close in ascending order.

    A period closes when it and all earlier periods are complete, or the longest wait
    for them is over.

    Parameters
    ----------
    channels : mapping of int to collection, or collection
        The channels that have data in each period. A collection has the channels of
        every period, for live data, whose periods are not known in advance.
    max_wait_ns : int, optional
        See `Closing`.

    Examples
    --------
    >>> periods = PeriodsInOrder({1: ["A"], 2: ["A"]})
    >>> periods.add(2, "A", 20, 30), periods.ready()
    (True, [])
    >>> periods.add(1, "A", 10, 20), periods.ready()
    (True, [1, 2])
    """

    def __init__(
        self,
        channels: Mapping[int, Collection[Hashable]] | Collection[Hashable],
        max_wait_ns: int | None = None,
    ) -> None:
        self.channels = channels
        self._closing = Closing[int](max_wait_ns)
        known = channels if isinstance(channels, Mapping) else ()
        self._order = sorted(known)  # periods that are not closed

    def add(self, period: int, channel: Hashable, start_ns: int, end_ns: int) -> bool:
        """Note that a channel is complete over a period; return False if it is late.

        Raises
        ------
        DataError
            If the period was closed already, although nothing limits the wait.
        """
        if not self._open(period, channel, start_ns, end_ns):
            return False
        self._closing.add(channel, start_ns, end_ns)
        return True

    def ready(self, at_end: bool = False) -> list[int]:
        """Close the periods that are ready, or all of them at the end of the data."""
        closed = []
        while self._order and (at_end or self._is_ready(self._order[0])):
            period = self._order.pop(0)
            if period in self._closing:
                self._closing.close(period)
            closed.append(period)
        return closed

    def _open(self, period: int, channel: Hashable, start_ns: int, end_ns: int) -> bool:
        known = isinstance(self.channels, Mapping)
        if known and period not in self._closing and not self._is_ahead(period):
            if self._closing.max_wait_ns is not None and period in self.channels:
                return False
            raise DataError(f"channel {channel}: period {period} was closed already")
        channels = channels_of(self.channels, period)
        if not self._closing.open(period, start_ns, end_ns, channels):
            return False
        if not self._is_ahead(period):
            insort(self._order, period)
        return True

    def _is_ahead(self, period: int) -> bool:
        k = bisect_left(self._order, period)
        return k < len(self._order) and self._order[k] == period

    def _is_ready(self, period: int) -> bool:
        """Return whether the first period is complete, or its longest wait is over."""
        if period in self._closing:
            return self._closing.is_complete(period)
        if not len(channels_of(self.channels, period)):
            return True
        # without data of the period, the end of the wait is that of a later period
        later = next((p for p in self._order if p in self._closing), None)
        return later is not None and self._closing.wait_is_over(later)
