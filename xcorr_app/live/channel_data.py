"""The newest data of one live channel."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np
from obspy import Trace

from seismo_pes.items.intervals import Interval
from seismo_pes.items.live import LivePiece
from seismo_pes.items.losses import without_samples
from seismo_pes.items.times import NS
from seismo_pes.items.waveforms import cut
from seismo_pes.preprocessing.retiming import JUMPS
from xcorr_app.live.continuous_record import ContinuousRecord, Position
from xcorr_app.live.items import ChannelState

__all__ = ["ChannelData"]

DRIFTS = "time stamps show another rate; interpolated at their true times"
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
    positions : sequence of Position
        Where its records were when an earlier run ended.

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

    def __init__(
        self, channel_id: str, max_wait_ns: int, positions: Sequence[Position] = ()
    ) -> None:
        self.channel_id = channel_id
        self.watermark_ns: int | None = None
        self.is_idle = False
        self.arrived_s: float | None = None
        self.arrived_ns: int | None = None
        self.max_wait_ns = max_wait_ns
        self._ages: deque[tuple[int, int]] = deque(maxlen=MOST_AGES)
        self._positions = list(positions)
        self._day = positions[-1].day if positions else None
        self._records: list[ContinuousRecord] = []
        # the last jump and the last day with a drift of time stamps that were listed
        self._jumped_ns = 0
        self._drifted_on: int | None = None

    def add(self, piece: LivePiece) -> None:
        """Take new samples, or a new state."""
        self.watermark_ns, self.is_idle = piece.watermark_ns, piece.is_idle
        if piece.arrived_ns is not None:
            self.arrived_ns = max(piece.arrived_ns, self.arrived_ns or 0)
        if piece.trace is None:
            return
        self.arrived_s = piece.arrived_s
        self._note_age(piece)
        if self._records and self._records[-1].is_followed_by(piece.trace):
            self._records[-1].add(piece.trace)
        else:
            position = self._position_at(piece.trace.stats.starttime.ns)
            self._records.append(ContinuousRecord(piece.trace, position))

    def _position_at(self, time_ns: int) -> Position | None:
        """Return where a record was that continues at a time."""
        for position in self._positions:
            if position.sample_ns < time_ns <= position.end_ns:
                return position
        return None

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
        """Return whether the data that a time needs are there, to half a millisecond.

        Parameters
        ----------
        time_ns : int
            Nanoseconds since 1970.
        """
        return (self.watermark_ns or 0) >= time_ns + self.reach_ns - NS // 2000

    @property
    def reach_ns(self) -> int:
        """Time beside an interval that its samples depend on, nanoseconds."""
        return max((record.reach_ns for record in self._records), default=0)

    def within(
        self, day: int, start_ns: int, end_ns: int, margin_ns: int
    ) -> tuple[Trace, ...]:
        """Return the data of a window and its margins; none if the window has none.

        Parameters
        ----------
        day : int
            The day of the window, counted from 1970. The windows of a day have the
            times of its first sample, see `ContinuousRecord`.
        start_ns, end_ns : int
            The window, nanoseconds since 1970.
        margin_ns : int
            Time before and after the window.
        """
        limits = start_ns - margin_ns, end_ns + margin_ns
        if day != self._day:
            self._day = day
            for record in self._records:
                record.begin_day(limits[0])
        traces = tuple(
            trace for record in self._records for trace in record.within(*limits)
        )
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
        covered = [record.interval for record in self._records]
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
        self._records = [r for r in self._records if r.interval[1] > keep_ns]
        for record in self._records:
            record.forget_before(keep_ns)

    def remarks(self) -> list[str]:
        """Return new remarks on time stamps: each jump, and once a day a drift."""
        times = [ns for record in self._records for ns in record.jumps_ns()]
        new = [time_ns for time_ns in times if time_ns > self._jumped_ns]
        self._jumped_ns = max([self._jumped_ns, *new])
        found = [JUMPS] * len(new)
        drifts = any(record.drifts() for record in self._records)
        if drifts and self._drifted_on != self._day:
            self._drifted_on = self._day
            found.append(DRIFTS)
        return found

    def positions(self, needed_ns: int) -> list[Position]:
        """Return where the records are, for a run that continues.

        Parameters
        ----------
        needed_ns : int
            The earliest time of data that the next window needs, nanoseconds since
            1970.
        """
        if self._day is None:
            return []
        found = [record.position(self._day, needed_ns) for record in self._records]
        return [position for position in found if position is not None]

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
        return self._records[-1].rate_hz if self._records else 1.0

    def _newest(self, length_s: float) -> np.ndarray:
        """Return the last samples of a time, as one array."""
        n, parts = round(length_s * self._rate_hz), []
        for record in reversed(self._records):
            parts.append(np.asarray(record.data[-n:], float))
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
