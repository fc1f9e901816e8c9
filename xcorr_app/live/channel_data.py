"""The newest data of one live channel."""

from __future__ import annotations

from collections import deque

import numpy as np
from obspy import Trace

from seismo_pes.items.intervals import Interval
from seismo_pes.items.live import LivePiece
from seismo_pes.items.losses import covered_times, without_samples
from seismo_pes.items.times import NS
from seismo_pes.items.waveforms import cut, with_data
from xcorr_app.live.items import ChannelState

__all__ = ["ChannelData"]

# Waveforms are shown for this time, as pairs of minimum and maximum of this number.
SHOWN_S = 600.0
SHOWN_POINTS = 300
# Ages of packets that are remembered, over two waits.
MOST_AGES = 40


class ChannelData:
    """The data of a channel that windows still need.

    Parameters
    ----------
    channel_id : str
        ``NET.STA.LOC.CHA``.
    max_wait_ns : int
        Longest wait for missing data, nanoseconds.

    Attributes
    ----------
    watermark_ns : int or None
        End of the contiguous data, nanoseconds since 1970.
    is_idle : bool
        Whether no packet has arrived for a long time.
    arrived_ns, arrived_s : int and float, or None
        When the last packet arrived, by the clock of the source and by the monotonic
        clock of this computer.
    """

    def __init__(self, channel_id: str, max_wait_ns: int) -> None:
        self.channel_id = channel_id
        self.watermark_ns: int | None = None
        self.is_idle = False
        self.arrived_s: float | None = None
        self.arrived_ns: int | None = None
        self.max_wait_ns = max_wait_ns
        self._ages: deque[tuple[int, int]] = deque(maxlen=MOST_AGES)
        self._traces: list[Trace] = []

    def add(self, piece: LivePiece) -> None:
        """Take new samples, or a new state."""
        self.watermark_ns, self.is_idle = piece.watermark_ns, piece.is_idle
        if piece.arrived_ns is not None:
            self.arrived_ns = max(piece.arrived_ns, self.arrived_ns or 0)
        if piece.trace is None:
            return
        self.arrived_s = piece.arrived_s
        self._note_age(piece)
        self._traces.append(piece.trace)

    def _note_age(self, piece: LivePiece) -> None:
        """Remember how old the samples are that arrive, some times in each wait."""
        assert piece.watermark_ns is not None
        age = piece.clock_ns, piece.clock_ns - piece.watermark_ns
        spacing_ns = 2 * self.max_wait_ns // MOST_AGES
        if len(self._ages) > 1 and age[0] - self._ages[-2][0] < spacing_ns:
            self._ages[-1] = age
        else:
            self._ages.append(age)

    def is_catching_up(self, clock_ns: int) -> bool:
        """Return whether the samples that arrive are much less old than a wait ago.

        Parameters
        ----------
        clock_ns : int
            Time of the clock of the source, nanoseconds since 1970.
        """
        ages = [a for t, a in self._ages if clock_ns - t <= 2 * self.max_wait_ns]
        return bool(ages) and max(ages) - ages[-1] > self.max_wait_ns / 4

    def has_reached(self, time_ns: int) -> bool:
        """Return whether the data reach a time, to half a millisecond.

        Parameters
        ----------
        time_ns : int
            Nanoseconds since 1970.
        """
        return (self.watermark_ns or 0) >= time_ns - NS // 2000

    def within(self, start_ns: int, end_ns: int, margin_ns: int) -> tuple[Trace, ...]:
        """Return the data of a window and its margins; none if the window has none.

        Parameters
        ----------
        start_ns, end_ns : int
            The window, nanoseconds since 1970.
        margin_ns : int
            Time before and after the window.
        """
        limits = start_ns - margin_ns, end_ns + margin_ns
        self._traces = joined(self._traces)
        parts = [cut(trace, *limits) for trace in self._traces]
        traces = tuple(part for part in parts if part is not None)
        if not any(cut(trace, start_ns, end_ns) for trace in traces):
            return ()
        return traces

    def missing(self, start_ns: int, end_ns: int) -> list[Interval]:
        """Return the parts of an interval without samples.

        Parameters
        ----------
        start_ns, end_ns : int
            The interval, nanoseconds since 1970.
        """
        covered = covered_times(self._traces)
        return without_samples([(start_ns, end_ns)], covered, 1 / self._rate_hz)

    def forget_before(self, time_ns: int) -> None:
        """Forget samples that no later window needs, but keep those that are shown.

        Parameters
        ----------
        time_ns : int
            Start of the data of the next window, nanoseconds since 1970.
        """
        newest_ns = self.watermark_ns or time_ns
        keep_ns = min(time_ns - NS, newest_ns - round(SHOWN_S * NS))
        parts = [cut(trace, keep_ns, newest_ns + NS) for trace in self._traces]
        self._traces = [part for part in parts if part is not None]

    def state(self, clock_ns: int, is_shown: bool) -> ChannelState:
        """Return the state of the channel at a time of the clock of the source.

        Parameters
        ----------
        clock_ns : int
            The time, nanoseconds since 1970.
        is_shown : bool
            Whether the state has the newest samples.
        """
        shown = self._newest(SHOWN_S) if is_shown else np.empty(0)
        return ChannelState(
            self.channel_id,
            self.is_idle,
            _age_s(clock_ns, self.watermark_ns),
            _age_s(clock_ns, self.arrived_ns),
            *_outline(shown, self._rate_hz),
        )

    @property
    def _rate_hz(self) -> float:
        return float(self._traces[-1].stats.sampling_rate) if self._traces else 1.0

    def _newest(self, length_s: float) -> np.ndarray:
        """Return the last samples of a time, as one array."""
        n, parts = round(length_s * self._rate_hz), []
        for trace in reversed(self._traces):
            parts.append(np.asarray(trace.data, float)[-n:])
            n -= len(parts[-1])
            if n <= 0:
                break
        return np.concatenate(parts[::-1]) if parts else np.empty(0)


def _age_s(clock_ns: int, time_ns: int | None) -> float | None:
    return None if time_ns is None else round((clock_ns - time_ns) / NS, 3)


def _outline(data: np.ndarray, rate_hz: float) -> tuple[tuple[float, ...], float]:
    """Return minima and maxima of equal parts of a record, and its length in seconds.

    >>> _outline(np.array([3.0, 1.0]), 2.0)
    ((3.0, 3.0, 1.0, 1.0), 1.0)
    """
    if not len(data):
        return (), 0.0
    n = min(len(data), SHOWN_POINTS)
    begins = np.arange(n) * len(data) // n
    limits = np.minimum.reduceat(data, begins), np.maximum.reduceat(data, begins)
    return tuple(np.stack(limits, axis=1).ravel().tolist()), len(data) / rate_hz


def _follows(first: Trace, second: Trace) -> bool:
    """Return whether a trace continues another one, to half a sample."""
    if first.stats.sampling_rate != second.stats.sampling_rate:
        return False
    expected_ns = first.stats.endtime.ns + round(first.stats.delta * NS)
    half_ns = first.stats.delta * NS / 2
    return bool(abs(second.stats.starttime.ns - expected_ns) < half_ns)


def joined(traces: list[Trace]) -> list[Trace]:
    """Join traces that follow each other.

    Parameters
    ----------
    traces : list of obspy.Trace
        Traces of one channel, in the order of time.
    """
    groups: list[list[Trace]] = []
    for trace in traces:
        last = groups[-1][-1] if groups else None
        is_next = last is not None and last.data.dtype == trace.data.dtype
        if is_next and last is not None and _follows(last, trace):
            groups[-1].append(trace)
        else:
            groups.append([trace])
    return [
        group[0]
        if len(group) == 1
        else with_data(group[0], np.concatenate([trace.data for trace in group]))
        for group in groups
    ]
