"""Join the traces of a channel into gapless segments on one sample grid.

The rules, in the order in which they are applied:

1. Traces without samples are dropped. Masked and non-finite samples (NaN, inf) are
   removed, and the trace is split there.
2. A sampling rate in the header that differs from the nominal one counts as nominal if
   the difference is less than half a sample over the whole trace; a trace with any
   other rate is left out and listed.
3. Where time stamps contradict the sampling rate, or jump by a part of a sample,
   samples are interpolated at their true times (`retiming.retime`). Any other trace
   belongs to the nearest sample of the grid; the fraction of a sample between both is
   kept exactly. A fraction below a hundredth of a sample is zero.
4. A trace that begins less than half a sample from the end of the trace before it is
   joined to that trace.
5. Where traces overlap, equal samples are merged silently. Where they differ, the
   samples of the trace that starts earlier are kept, and the conflict is listed.

The windows of a run have their places in the segments (`window_places`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike
from obspy import Trace, UTCDateTime

from dispel4py.errors import DataError
from seismo_pes.items.skipped import Skipped
from seismo_pes.items.times import NS
from seismo_pes.items.waveforms import with_data
from seismo_pes.preprocessing.joining import (
    SAME_TIME,
    Conflicts,
    Piece,
    Run,
    finite_runs,
    join,
    nearest,
)
from seismo_pes.preprocessing.retiming import nominal_rate_hz, retime
from seismo_pes.signal.rates import exact_rate

__all__ = [
    "Segment",
    "WindowPlaces",
    "finite_pieces",
    "grid_index",
    "merge_segments",
    "place_segments",
    "sort_by_rate",
    "window_places",
]


@dataclass(frozen=True)
class Segment:
    """A gapless piece of one channel on the sample grid.

    Attributes
    ----------
    channel_id : str
        ``NET.STA.LOC.CHA``.
    first_sample : int
        Index of the first sample on the grid, counted from the grid's origin.
    rate_hz : float
        Nominal sampling rate.
    data : numpy.ndarray
        Samples; do not write into them, because they may share memory with a trace.
    offset_s : float
        True time of the first sample minus its time on the grid, up to half a sample
        interval; 0 if it is less than a hundredth of it.
    """

    channel_id: str
    first_sample: int
    rate_hz: float
    data: np.ndarray
    offset_s: float = 0.0

    @property
    def offset(self) -> float:
        """``offset_s`` in samples."""
        return self.offset_s * self.rate_hz

    @property
    def end_sample(self) -> int:
        """Index on the grid after the last sample."""
        return self.first_sample + len(self.data)


def grid_index(t_ns: int, origin_ns: int, rate_hz: float) -> tuple[int, float]:
    """Return the nearest sample of the grid, and how far ``t_ns`` is from it.

    Parameters
    ----------
    t_ns, origin_ns : int
        Nanoseconds since 1970.
    rate_hz : float
        Sampling rate of the grid.

    Returns
    -------
    index : int
        Sample index; a time halfway between two samples belongs to the later one.
    offset_s : float
        Time minus the sample's time, seconds.

    Examples
    --------
    >>> grid_index(1_000_000_000, 0, 40.0)
    (40, 0.0)
    >>> grid_index(1_010_000_000, 0, 40.0)
    (40, 0.01)
    """
    rate = exact_rate(rate_hz)
    position = Fraction(int(t_ns) - int(origin_ns), NS) * rate
    index = nearest(position)
    return index, float((position - index) / rate)


def merge_segments(
    stream: Iterable[Trace],
    grid_origin_ns: int,
    rate_hz: float | None = None,
    dtype: DTypeLike | None = None,
) -> tuple[list[Segment], list[Skipped]]:
    """Join traces into gapless segments on the grid, by the rules of this module.

    Parameters
    ----------
    stream : obspy.Stream or iterable of obspy.Trace
        Any channels, in any order; it is not changed.
    grid_origin_ns : int
        Time of sample 0 of the grid, nanoseconds since 1970.
    rate_hz : float, optional
        Nominal sampling rate. By default, for each channel, the rate of most samples.
    dtype : numpy dtype, optional
        Type of the segments. By default float32 stays float32, other types become
        float64.

    Returns
    -------
    segments : list of Segment
        Sorted by channel and time; segments of one channel neither touch nor overlap.
    skipped : list of Skipped
        Data that were left out or used with a remark, stage ``"merge"``.

    Examples
    --------
    >>> from obspy import Trace
    >>> a = Trace(np.arange(5.0), {"station": "A", "sampling_rate": 1.0})
    >>> b = Trace(np.arange(3.0, 8.0), {"station": "A", "sampling_rate": 1.0,
    ...                                 "starttime": UTCDateTime(3)})
    >>> (segment,), skipped = merge_segments([a, b], 0)
    >>> segment.data
    array([0., 1., 2., 3., 4., 5., 6., 7.])
    """
    segments: list[Segment] = []
    skipped: list[Skipped] = []
    for channel_id, traces in sorted(by_channel(stream).items()):
        nominal = rate_hz or dominant_rate(traces)
        fitting, misfits = sort_by_rate(traces, nominal)
        skipped += _list_rates(channel_id, misfits, nominal)
        fitting, remarks = retime(fitting, nominal)
        skipped += remarks
        runs, conflicts = join(on_grid(fitting, grid_origin_ns, nominal), nominal)
        if conflicts.n_traces:
            skipped.append(conflict_report(channel_id, conflicts))
        rate = float(exact_rate(nominal))
        segments += [_segment(channel_id, run, rate, dtype) for run in runs]
    return segments, skipped


def place_segments(
    traces: Iterable[Trace], grid_origin_ns: int, rate_hz: float | None = None
) -> tuple[list[Segment], list[Skipped]]:
    """Place the merged traces of one channel on the sample grid.

    Traces that touch are joined: resampling can close a gap that is shorter than the
    new sampling interval.

    Parameters
    ----------
    traces : iterable of obspy.Trace
        Traces of one channel without overlaps and non-finite samples, as `Merge` emits
        them.
    grid_origin_ns : int
        Time of sample 0 of the grid, nanoseconds since 1970.
    rate_hz : float, optional
        Nominal sampling rate. By default the rate of most samples.

    Returns
    -------
    segments : list of Segment
        Ascending in time.
    skipped : list of Skipped
        Traces of other sampling rates, stage ``"merge"``.

    Raises
    ------
    DataError
        If traces overlap.
    """
    merged = [trace for trace in traces if trace.stats.npts]
    if not merged:
        return [], []
    channel_id, nominal = merged[0].id, rate_hz or dominant_rate(merged)
    fitting, misfits = sort_by_rate(merged, nominal)
    rate, runs = exact_rate(nominal), list[Run]()
    for trace in sorted(fitting, key=lambda trace: trace.stats.starttime.ns):
        position = Fraction(trace.stats.starttime.ns - grid_origin_ns, NS) * rate
        gap = runs[-1].gap_to(position) if runs else 1
        if gap < 0:
            raise DataError(f"{channel_id}: traces overlap; merge them before (Merge)")
        if gap > 0:
            first = nearest(position)
            runs.append(Run(first, position - first, end=first))
        runs[-1].add(trace.data, runs[-1].end, position)
    segments = [_segment(channel_id, run, float(rate), None) for run in runs]
    return segments, list(_list_rates(channel_id, misfits, nominal))


def finite_pieces(trace: Trace) -> list[Trace]:
    """Return a trace, or its pieces between masked samples, NaN and infinities.

    Examples
    --------
    >>> [piece.data for piece in finite_pieces(Trace(np.array([1.0, np.nan, 3.0])))]
    [array([1.]), array([3.])]
    """
    pieces = list(finite_runs(trace.data))
    if len(pieces) == 1 and pieces[0][1] is trace.data:
        return [trace]
    rate, start_ns = exact_rate(trace.stats.sampling_rate), trace.stats.starttime.ns
    return [
        with_data(
            trace,
            data.copy(),
            starttime=UTCDateTime(ns=start_ns + round(first * NS / rate)),
        )
        for first, data in pieces
    ]


class WindowPlaces(NamedTuple):
    """The samples of each window in the segments of one channel.

    Attributes
    ----------
    covered : numpy.ndarray
        Shape (n,), bool: which windows a segment covers wholly; the other attributes
        have no meaning for other windows.
    segment : numpy.ndarray
        Shape (n,), int64: index of this segment.
    first : numpy.ndarray
        Shape (n,), int64: the first sample in the segment, counted from its first.
    offset : numpy.ndarray
        Shape (n,), float64: true time of this sample minus the time of the window's
        first sample on the grid, in samples, between -1 and 1.
    """

    covered: np.ndarray
    segment: np.ndarray
    first: np.ndarray
    offset: np.ndarray


def window_places(
    segments: Sequence[Segment], first: np.ndarray, stop: np.ndarray
) -> WindowPlaces:
    """Find the samples of windows in the segments of a channel.

    The samples of a channel may lie between those of the grid. A window begins with the
    first sample at or after its first sample on the grid. If the segment ends before
    the last sample of the window, the window begins one sample earlier, less than one
    sampling interval before its time.

    Parameters
    ----------
    segments : sequence of Segment
        Of one channel, ascending in time.
    first, stop : numpy.ndarray
        Shape (n,), int64: samples of the windows on the grid.

    Returns
    -------
    WindowPlaces

    Examples
    --------
    A record that begins 0.8 samples after the start of the first window:

    >>> segment = Segment("XX.AAA..HHZ", 1, 1.0, np.zeros(20), -0.2)
    >>> first = np.array([0, 10])
    >>> places = window_places([segment], first, first + 10)
    >>> places.covered, places.first, places.offset
    (array([ True,  True]), array([ 0, 10]), array([0.8, 0.8]))
    """
    if not segments:
        none = np.zeros(len(first), np.int64)
        return WindowPlaces(none > 0, none, none, none.astype(np.float64))
    # offsets from the grid sample at or before each sample
    offsets = np.array([s.offset for s in segments])
    late = offsets < -float(SAME_TIME)
    begins = np.array([s.first_sample for s in segments], np.int64) - late
    ends = np.array([s.end_sample for s in segments], np.int64) - late
    offsets = offsets + late
    segment = np.maximum(np.searchsorted(begins, first, side="right") - 1, 0)
    begin, end, offset = begins[segment], ends[segment], offsets[segment]
    between = np.abs(offset) >= float(SAME_TIME)
    early = between & (stop == end + 1) & (first > begin)
    covered = (first >= begin) & ((stop <= end) | early)
    return WindowPlaces(covered, segment, first - begin - early, offset - early)


def by_channel(stream: Iterable[Trace]) -> dict[str, list[Trace]]:
    channels: dict[str, list[Trace]] = {}
    for trace in stream:
        if trace.stats.npts and trace.stats.sampling_rate > 0:
            channels.setdefault(trace.id, []).append(trace)
    return channels


def dominant_rate(traces: list[Trace]) -> float:
    """Return the rate of most samples, the higher rate if two have as many."""
    samples: Counter[float] = Counter()
    for trace in traces:
        samples[nominal_rate_hz(trace)] += trace.stats.npts
    rate_hz = max(samples, key=lambda rate_hz: (samples[rate_hz], rate_hz))
    return float(exact_rate(rate_hz))


def _drift(trace: Trace, nominal: float) -> float:
    """Return the drift of the header's rate over the trace, in samples."""
    return abs(nominal_rate_hz(trace) / nominal - 1) * trace.stats.npts


def sort_by_rate(
    traces: list[Trace], nominal: float
) -> tuple[list[Trace], list[Trace]]:
    """Divide traces into those that have a sampling rate, and the others.

    Parameters
    ----------
    traces : list of obspy.Trace
    nominal : float
        The rate. A rate that makes a difference of less than half a sample over the
        trace counts as equal.
    """
    fitting: list[Trace] = []
    misfits: list[Trace] = []
    for trace in traces:
        exact = nominal_rate_hz(trace) == nominal
        fits = exact or (
            _drift(trace, nominal) < 0.5
            # in a short trace the drift of any rate is small
            and abs(nominal_rate_hz(trace) / nominal - 1) < 0.01
        )
        (fitting if fits else misfits).append(trace)
    return fitting, misfits


def on_grid(traces: Iterable[Trace], origin_ns: int, nominal: float) -> Iterator[Piece]:
    rate = exact_rate(nominal)
    for trace in traces:
        position = Fraction(trace.stats.starttime.ns - origin_ns, NS) * rate
        for start, data in finite_runs(trace.data):
            yield position + start, data


def _segment(
    channel_id: str, run: Run, rate_hz: float, dtype: DTypeLike | None
) -> Segment:
    if dtype is None:
        of_parts = np.result_type(*run.parts)
        dtype = np.float32 if of_parts == np.float32 else np.float64
    if len(run.parts) == 1:
        data = np.ascontiguousarray(run.parts[0], dtype=dtype)
    else:  # joined and converted at once
        data = np.concatenate(run.parts, dtype=dtype, casting="unsafe")
    offset = float(run.offset) if abs(run.offset) >= SAME_TIME else 0.0
    return Segment(channel_id, run.first, rate_hz, data, offset / rate_hz)


def conflict_report(channel_id: str, conflicts: Conflicts) -> Skipped:
    return Skipped(
        "merge",
        channel_id,
        f"overlapping traces differ in {conflicts.n_samples} samples; the samples of "
        "the trace that starts earlier are kept",
        conflicts.n_traces,
    )


def _list_rates(
    channel_id: str, misfits: list[Trace], nominal: float
) -> Iterator[Skipped]:
    rates = Counter(nominal_rate_hz(trace) for trace in misfits)
    for rate, count in sorted(rates.items()):
        reason = (
            f"left out: sampled at {rate:g} Hz where {nominal:g} Hz is expected: bring "
            "all data to one rate (--sampling-rate-hz) or, if headers are wrong, give "
            "the true rate (--recorded-hz)"
        )
        if abs(rate / nominal - 1) < 1e-3:
            worst = max(
                _drift(t, nominal) for t in misfits if nominal_rate_hz(t) == rate
            )
            reason = (
                f"left out: its rate of {rate:.9g} Hz drifts {worst:.1f} samples from "
                f"{nominal:g} Hz over the trace: bring all data to one rate "
                "(--sampling-rate-hz)"
            )
        yield Skipped("merge", channel_id, reason, count)
