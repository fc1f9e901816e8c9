"""Samples of a live channel without a gap, and their true times.

Packets that follow each other within half a sample are one record. The times of its
samples are those that a batch run finds from the time stamps of a day
(`seismo_pes.preprocessing.retiming`): samples whose time stamps jump by a part of a
sample, or show another rate, are interpolated at the times of the first sample of the
day, and jitter of the stamps has no effect. The rule is applied to the stamps of the
day that have arrived when a window closes.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from obspy import Trace, UTCDateTime

from seismo_pes.items.intervals import Interval
from seismo_pes.items.times import NS
from seismo_pes.items.waveforms import cut, with_header
from seismo_pes.preprocessing.retiming import KERNEL, Clock, interpolated
from seismo_pes.signal.rates import TimedRun, exact_rate, is_jump, measure_timing

__all__ = ["ContinuousRecord", "Position"]

# Samples beside an interval that its interpolation needs.
REACH = KERNEL + 2
# Largest distance of samples from the times of the first ones that is rounding: of
# times to nanoseconds, in samples.
ROUNDING = 1e-5


class Position(NamedTuple):
    """Where a record was when the run ended: what its later samples depend on.

    Attributes
    ----------
    channel_id : str
        ``NET.STA.LOC.CHA``.
    day : int
        The day of the windows that it was used in, counted from 1970.
    grid_ns : int
        Time of the first sample of the day, nanoseconds since 1970.
    sample_ns : int
        True time of a sample before all data that are read again.
    end_ns : int
        End of the record.
    """

    channel_id: str
    day: int
    grid_ns: int
    sample_ns: int
    end_ns: int


class ContinuousRecord:
    """The newest samples of a record, and the time stamps of its packets of a day.

    Parameters
    ----------
    trace : obspy.Trace
        The first packet.
    position : Position, optional
        Where the record was when an earlier run ended. By default it begins here.

    Attributes
    ----------
    grid_ns : int
        Time of a sample of the result, nanoseconds since 1970: of the first sample that
        windows of the day need.
    """

    def __init__(self, trace: Trace, position: Position | None = None) -> None:
        start_ns = trace.stats.starttime.ns
        self._header = trace.stats
        self._rate = _rate(trace)
        self._first = self._end = 0  # range of the samples that are kept
        self._parts: list[np.ndarray] = []
        # of each packet its first sample, and the time of this sample
        self._samples, self._starts = array("q"), array("q")
        self.grid_ns = start_ns
        self._is_apart = False
        self._timing: tuple[list[TimedRun], list[Clock]] | None = None
        if position is not None:
            self.grid_ns = position.grid_ns
            self._stamp(0, position.sample_ns)
            since = Fraction(start_ns - position.sample_ns, NS)
            self._first = self._end = round(since * self._rate)
        self.add(trace)

    @property
    def rate_hz(self) -> float:
        """Sampling rate of the header."""
        return float(self._header.sampling_rate)

    @property
    def data(self) -> np.ndarray:
        """The samples that are kept."""
        if len(self._parts) > 1:
            self._parts = [np.concatenate(self._parts)]
        return self._parts[0]

    @property
    def interval(self) -> Interval:
        """Start and end of the samples that are kept, by their time stamps."""
        return self._stamped_ns(self._first), self._stamped_ns(self._end)

    @property
    def reach_ns(self) -> int:
        """Time beside an interval that its samples depend on, nanoseconds."""
        return round(REACH * NS / self._rate) if self._is_apart else 0

    def is_followed_by(self, trace: Trace) -> bool:
        """Return whether a packet continues the record, to half a sample."""
        gap = trace.stats.starttime.ns - self._stamped_ns(self._end)
        is_same = (
            trace.stats.sampling_rate == self._header.sampling_rate
            and trace.stats.get("header_rate_hz") == self._header.get("header_rate_hz")
            and trace.data.dtype == self._parts[-1].dtype
        )
        return is_same and 2 * abs(gap) * float(self._rate) < NS

    def add(self, trace: Trace) -> None:
        """Append the samples of a packet."""
        self._stamp(self._end, trace.stats.starttime.ns)
        self._parts.append(trace.data)
        self._end += len(trace.data)

    def begin_day(self, start_ns: int) -> None:
        """Forget the time stamps before the first sample that windows of a day need.

        Parameters
        ----------
        start_ns : int
            Start of the data of these windows, nanoseconds since 1970.
        """
        sample, stamp_ns = self._stamp_before(start_ns)
        since = Fraction(start_ns - stamp_ns, NS) * self._rate
        first = sample + math.ceil(since - Fraction(1, 2))
        if self._samples[0] < first < self._end:
            self.grid_ns = self._stamped_ns(first)
            later = bisect_right(self._samples, first)
            stamps = zip(self._samples[later:], self._starts[later:], strict=True)
            self._samples, self._starts = array("q"), array("q")
            self._is_apart = False
            for stamp in [(first, self.grid_ns), *stamps]:
                self._stamp(*stamp)

    def within(self, start_ns: int, end_ns: int) -> list[Trace]:
        """Return the samples of an interval at their true times, as `cut` does.

        Parameters
        ----------
        start_ns, end_ns : int
            Nanoseconds since 1970.

        Returns
        -------
        list of obspy.Trace
            A trace, or none if there are no samples. If the time stamps contradict the
            rate of the header by more than `signal.rates.MAX_PPM`, one for each packet.
        """
        runs, clocks = self._measured()
        if any(run.beyond_ppm for run in runs):
            whole = self._packets()
        elif clocks:
            whole = [self._retimed(clocks, start_ns, end_ns)]
        else:
            whole = [self._trace(self.data, self._grid_time_ns(self._first))]
        parts = (cut(trace, start_ns, end_ns) for trace in whole)
        return [part for part in parts if part is not None]

    def jumps_ns(self) -> list[int]:
        """Return the times after which time stamps have jumped, of the day."""
        runs, _ = self._measured()
        return [run.start_ns for run in _after_jumps(runs, self._counts())]

    def drifts(self) -> bool:
        """Return whether the time stamps of the day show another rate."""
        return any(run.drift for run in self._measured()[0])

    def forget_before(self, time_ns: int) -> None:
        """Forget samples, but not the time stamps of the day."""
        n = self._sample_at(time_ns) - self._first
        if n > 0:
            data = self.data[n:]
            # a view would keep all samples in memory
            self._parts = [data if len(data) > n else data.copy()]
            self._first = self._end - len(data)

    def position(self, day: int, needed_ns: int) -> Position | None:
        """Return what is needed to continue the record; None if it is over.

        Parameters
        ----------
        day : int
            The day of the last window, counted from 1970.
        needed_ns : int
            The earliest time of data that are read again, nanoseconds since 1970.
        """
        if needed_ns >= self._stamped_ns(self._end):
            return None
        runs, clocks = self._measured()
        sample = self._sample_at(needed_ns) - 2
        if clocks:
            sample_ns = _time_ns(_clock_at(clocks, sample), sample)
        else:
            sample_ns = self._grid_time_ns(sample)
        if any(run.beyond_ppm for run in runs) or sample < self._samples[0]:
            sample_ns = self._starts[0]
        end_ns = self._stamped_ns(self._end)
        return Position(self._id, day, self.grid_ns, sample_ns, end_ns)

    # ---------------------------------------------------------------- time stamps

    @property
    def _id(self) -> str:
        h = self._header
        return f"{h.network}.{h.station}.{h.location}.{h.channel}"

    def _stamp(self, sample: int, start_ns: int) -> None:
        self._samples.append(sample)
        self._starts.append(start_ns)
        self._is_apart |= is_jump(self._from_grid(start_ns), self.rate_hz)
        self._timing = None

    def _from_grid(self, time_ns: int) -> float:
        """Return the distance of a time from the nearest sample of the result."""
        place = (time_ns - self.grid_ns) * float(self._rate) / NS
        return place - round(place)

    def _stamp_before(self, time_ns: int) -> tuple[int, int]:
        """Return the last stamp before a time; the first one if there is none."""
        k = max(bisect_right(self._starts, time_ns) - 1, 0)
        return self._samples[k], self._starts[k]

    def _sample_at(self, time_ns: int) -> int:
        """Return the first kept sample at a time or later, by the time stamps."""
        sample, stamp_ns = self._stamp_before(time_ns)
        at = sample + math.ceil(Fraction(time_ns - stamp_ns, NS) * self._rate)
        return min(max(at, self._first), self._end)

    def _stamped_ns(self, sample: int) -> int:
        """Return the time of a sample by the stamp of its packet."""
        last = min(sample, self._end - 1)
        k = max(bisect_right(self._samples, last) - 1, 0)
        return self._starts[k] + self._after_ns(sample - self._samples[k])

    def _grid_time_ns(self, sample: int) -> int:
        """Return the time of a sample if the header's rate is true."""
        return self._starts[0] + self._after_ns(sample - self._samples[0])

    def _after_ns(self, n: int) -> int:
        """Return the time of some samples at the header's rate."""
        return round(n * NS * self._rate.denominator / self._rate.numerator)

    def _counts(self) -> np.ndarray:
        """Return the samples of each packet."""
        return np.diff(self._samples, append=self._end)

    def _measured(self) -> tuple[list[TimedRun], list[Clock]]:
        """Return the runs of the stamps, and clocks if samples are interpolated."""
        if self._timing is None:
            counts = self._counts()
            runs = measure_timing(self._starts, counts, self.rate_hz)
            drifts = any(run.drift for run in runs)
            is_off = abs(self._from_grid(runs[0].start_ns)) > ROUNDING
            clocks = []
            if drifts or is_off or _after_jumps(runs, counts):
                clocks = [
                    Clock(self._samples[run.first], run.start_ns, run.rate_hz)
                    for run in runs
                ]
            self._timing = runs, clocks
        return self._timing

    # -------------------------------------------------------------------- samples

    def _trace(self, data: np.ndarray, start_ns: int) -> Trace:
        return with_header(self._header, data, starttime=UTCDateTime(ns=start_ns))

    def _packets(self) -> list[Trace]:
        """Return the samples that are kept, each packet by its own time stamp."""
        firsts = self._samples[bisect_right(self._samples, self._first) :]
        edges = [self._first, *firsts, self._end]
        return [
            self._trace(
                self.data[a - self._first : b - self._first], self._stamped_ns(a)
            )
            for a, b in pairwise(edges)
        ]

    def _retimed(self, clocks: list[Clock], start_ns: int, end_ns: int) -> Trace:
        """Return at least the samples of an interval, at the times of the grid."""
        first = max(self._sample_at(start_ns) - REACH, self._first)
        stop = min(self._sample_at(end_ns) + REACH, self._end)
        clock = _clock_at(clocks, first)
        since = Fraction(_time_ns(clock, first) - self.grid_ns, NS) * self._rate
        place = math.ceil(float(since) - ROUNDING)
        at_ns = self.grid_ns + round(place * NS / self._rate)
        inside = [
            c._replace(first=c.first - first)
            for c in clocks
            if clock.first <= c.first < stop
        ]
        data = self.data[first - self._first : stop - self._first]
        return self._trace(interpolated(data, inside, at_ns, self.rate_hz), at_ns)


def _rate(trace: Trace) -> Fraction:
    """Return the rate of a trace: that of its header, or a measured one."""
    if "header_rate_hz" in trace.stats:
        return Fraction(trace.stats.sampling_rate)
    return exact_rate(trace.stats.sampling_rate)


def _clock_at(clocks: list[Clock], sample: int) -> Clock:
    """Return the clock of a sample; the first one if the sample is before it."""
    return next((c for c in reversed(clocks) if c.first <= sample), clocks[0])


def _time_ns(clock: Clock, sample: int) -> int:
    return clock.start_ns + round((sample - clock.first) / clock.rate_hz * NS)


def _after_jumps(runs: list[TimedRun], counts: np.ndarray) -> list[TimedRun]:
    """Return the runs whose time stamps jump from those of the run before."""
    later = []
    for before, after in pairwise(runs):
        n = int(counts[before.first : before.stop].sum())
        step = (after.start_ns - before.start_ns) / NS * before.rate_hz - n
        is_split = before.beyond_ppm or after.beyond_ppm or before.drift or after.drift
        if is_jump(step, before.rate_hz) and not is_split:
            later.append(after)
    return later
