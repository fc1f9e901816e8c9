"""Join the traces of a channel into gapless segments on one sample grid.

The rules, in the order in which they are applied:

1. Traces without samples are dropped. Masked and non-finite samples (NaN, inf) are
   removed, and the trace is split there.
2. A sampling rate in the header that differs from the nominal one counts as nominal if
the difference is less than half a sample over the whole trace; a trace with any other
   rate is left out and listed.
3. Where time stamps contradict the sampling rate, samples are interpolated to the
   nominal rate at their true times (`timing`). Any other trace belongs to the nearest
   sample of the grid; the fraction of a sample between both is kept exactly. A fraction
   below a hundredth of a sample is zero.
4. A trace that begins less than half a sample from the end of the trace before it is
joined to that trace. 5. Where traces overlap, equal samples are merged silently. Where
they differ, the
   samples of the trace that starts earlier are kept, and the conflict is listed.
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import DTypeLike
from obspy import Stream, Trace, UTCDateTime

from dispel4py.errors import DataError
from seismo_pes.items.skipped import Skipped
from seismo_pes.items.times import NS
from seismo_pes.items.traces import with_data
from seismo_pes.preprocessing.joining import (
    SAME_TIME,
    Conflicts,
    Piece,
    Run,
    finite_runs,
    join,
    nearest,
)
from seismo_pes.preprocessing.timing import nominal_rate_hz, retime
from seismo_pes.signal.rates import exact_rate

__all__ = [
    "Segment",
    "finite_pieces",
    "grid_index",
    "merge_segments",
    "merge_stream",
    "place_segments",
]

logger = logging.getLogger(__name__)


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
    for channel_id, traces in sorted(_by_channel(stream).items()):
        nominal = rate_hz or _dominant_rate(traces)
        fitting, misfits = _sort_by_rate(traces, nominal)
        skipped += _list_rates(channel_id, misfits, nominal)
        fitting, remarks = retime(fitting, nominal)
        skipped += remarks
        runs, conflicts = join(_pieces(fitting, grid_origin_ns, nominal))
        if conflicts.n_traces:
            skipped.append(_conflict(channel_id, conflicts))
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
    channel_id, nominal = merged[0].id, rate_hz or _dominant_rate(merged)
    fitting, misfits = _sort_by_rate(merged, nominal)
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


def merge_stream(stream: Iterable[Trace], max_gap_s: float = 0.0) -> Stream:
    """Join continuous traces; fill short gaps by a straight line.

    Parameters
    ----------
    stream : obspy.Stream or iterable of obspy.Trace
        Any channels, in any order; it is not changed.
    max_gap_s : float
        Longest gap that is interpolated linearly (integers are rounded), seconds;
        at longer gaps the stream stays split.

    Returns
    -------
    obspy.Stream
        New traces with the headers of the first trace of each piece, and its dtype (the
        widest dtype if they differ). Conflicting overlaps are resolved by the rules of
        this module, and logged. Traces of different rates are not joined.
    """
    merged = Stream()
    for channel_id, traces in sorted(_by_channel(stream).items()):
        while traces:
            nominal = _dominant_rate(traces)
            fitting, traces = _sort_by_rate(traces, nominal)
            merged.extend(_merge_one_rate(channel_id, fitting, nominal, max_gap_s))
    return merged


def _merge_one_rate(
    channel_id: str, traces: list[Trace], nominal: float, max_gap_s: float
) -> list[Trace]:
    first = min(traces, key=lambda trace: trace.stats.starttime.ns)
    origin_ns = first.stats.starttime.ns
    traces, _ = retime(traces, nominal)
    runs, conflicts = join(_pieces(traces, origin_ns, nominal))
    if conflicts.n_traces:
        logger.warning("%s: %s", channel_id, _conflict(channel_id, conflicts).reason)
    rate = exact_rate(nominal)
    merged = []
    for run in _fill_gaps(runs, math.floor(max_gap_s * rate + Fraction(1, 1000))):
        trace = Trace(header=first.stats.copy())
        start_ns = origin_ns + round((run.first + run.offset) / rate * NS)
        trace.stats.starttime = UTCDateTime(ns=start_ns)
        trace.stats.sampling_rate = float(rate)
        trace.data = run.data.copy() if len(run.parts) == 1 else run.data
        merged.append(trace)
    return merged


def _fill_gaps(runs: list[Run], max_samples: int) -> list[Run]:
    filled: list[Run] = []
    for run in runs:
        position = run.first + run.offset
        gap = filled[-1].gap_to(position) if filled else max_samples + 1
        if gap > max_samples:
            filled.append(run)
            continue
        before, after = filled[-1].tail(1)[-1], run.parts[0][0]
        line = np.linspace(float(before), float(after), gap + 2)[1:-1]
        dtype = run.parts[0].dtype
        if np.issubdtype(dtype, np.integer):
            line = np.rint(line)
        filled[-1].add(line.astype(dtype), filled[-1].end, position - gap)
        filled[-1].add(run.data, filled[-1].end, position)
    return filled


def _by_channel(stream: Iterable[Trace]) -> dict[str, list[Trace]]:
    channels: dict[str, list[Trace]] = {}
    for trace in stream:
        if trace.stats.npts and trace.stats.sampling_rate > 0:
            channels.setdefault(trace.id, []).append(trace)
    return channels


def _dominant_rate(traces: list[Trace]) -> float:
    """Return the rate of most samples, the higher rate if two have as many."""
    samples: Counter[float] = Counter()
    for trace in traces:
        samples[nominal_rate_hz(trace)] += trace.stats.npts
    rate_hz = max(samples, key=lambda rate_hz: (samples[rate_hz], rate_hz))
    return float(exact_rate(rate_hz))


def _drift(trace: Trace, nominal: float) -> float:
    """Return the drift of the header's rate over the trace, in samples."""
    return abs(nominal_rate_hz(trace) / nominal - 1) * trace.stats.npts


def _sort_by_rate(
    traces: list[Trace], nominal: float
) -> tuple[list[Trace], list[Trace]]:
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


def _pieces(traces: Iterable[Trace], origin_ns: int, nominal: float) -> Iterator[Piece]:
    rate = exact_rate(nominal)
    for trace in traces:
        position = Fraction(trace.stats.starttime.ns - origin_ns, NS) * rate
        for start, data in finite_runs(trace.data):
            yield position + start, data


def _segment(
    channel_id: str, run: Run, rate_hz: float, dtype: DTypeLike | None
) -> Segment:
    data = run.data
    if dtype is None:
        dtype = np.float32 if data.dtype == np.float32 else np.float64
    data = np.ascontiguousarray(data, dtype=dtype)
    offset = float(run.offset) if abs(run.offset) >= SAME_TIME else 0.0
    return Segment(channel_id, run.first, rate_hz, data, offset / rate_hz)


def _conflict(channel_id: str, conflicts: Conflicts) -> Skipped:
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
        reason = f"left out: sampled at {rate:g} Hz where {nominal:g} Hz is expected"
        if abs(rate / nominal - 1) < 1e-3:
            worst = max(
                _drift(t, nominal) for t in misfits if nominal_rate_hz(t) == rate
            )
            reason = (
                f"left out: its rate of {rate:.9g} Hz drifts {worst:.1f} samples from "
                f"{nominal:g} Hz over the trace; resample it first"
            )
        yield Skipped("merge", channel_id, reason, count)
