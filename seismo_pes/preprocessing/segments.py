"""Join the traces of a channel into gapless segments on one sample grid.

The rules, in the order in which they are applied:

1. Traces without samples are dropped. Masked and non-finite samples (NaN, inf) are
   taken out, and the trace is split there.
2. A sampling rate in the header that differs from the nominal one is taken for nominal
   if over the whole trace it amounts to less than half a sample; a trace with any other
   rate is left out and listed.
3. A trace belongs to the nearest sample of the grid. What starts more than a hundredth
   of a sample off is listed with the fraction, and used.
4. A trace that continues the one before it to less than half a sample is joined to it.
5. Where traces overlap, equal samples are merged silently. Where they differ, the
   samples of the trace that starts earlier are kept, and the conflict is listed.
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from numpy.typing import DTypeLike
from obspy import Stream, Trace, UTCDateTime

from seismo_pes.items.skipped import Skipped
from seismo_pes.items.times import NS
from seismo_pes.signal.rates import exact_rate

__all__ = ["Segment", "grid_index", "merge_segments", "merge_stream"]

logger = logging.getLogger(__name__)

LISTED_FRACTION = 0.01


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
        Samples; may share memory with the trace it came from, so do not write into it.
    offset_s : float
        True time of the first sample minus its time on the grid.
    """

    channel_id: str
    first_sample: int
    rate_hz: float
    data: np.ndarray
    offset_s: float = 0.0

    @property
    def end_sample(self) -> int:
        """Index on the grid after the last sample."""
        return self.first_sample + len(self.data)


@dataclass
class _Piece:
    position: Fraction  # of the first sample, in samples from the origin of the grid
    data: np.ndarray


@dataclass
class _Run:
    """Pieces that follow each other without a gap."""

    first: int
    offset: Fraction
    parts: list[np.ndarray] = field(default_factory=list)
    end: int = 0
    # where the last piece was put, and where it truly lies
    last_index: int = 0
    last_position: Fraction = Fraction(0)

    def tail(self, n: int) -> np.ndarray:
        """Return the last n samples, or all where there are fewer."""
        taken, have = [], 0
        for part in reversed(self.parts):
            taken.append(part)
            have += len(part)
            if have >= n:
                break
        joined = taken[0] if len(taken) == 1 else np.concatenate(taken[::-1])
        return joined[max(0, len(joined) - n) :]


@dataclass
class _Conflicts:
    n_traces: int = 0
    n_samples: int = 0


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
    index = _nearest(position)
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
        Any channels, in any order; left as it is.
    grid_origin_ns : int
        Time of sample 0 of the grid, nanoseconds since 1970.
    rate_hz : float, optional
        Nominal sampling rate. By default, for each channel, that of most samples.
    dtype : numpy dtype, optional
        Of the segments. By default float32 stays float32, all else becomes float64.

    Returns
    -------
    segments : list of Segment
        Sorted by channel and time; those of one channel neither touch nor overlap.
    skipped : list of Skipped
        What was left out or used with a remark, stage ``"merge"``.

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
        runs, conflicts = _join(_pieces(fitting, grid_origin_ns, nominal))
        skipped += _list_fractions(channel_id, fitting, grid_origin_ns, nominal)
        if conflicts.n_traces:
            skipped.append(_conflict(channel_id, conflicts))
        rate = float(exact_rate(nominal))
        segments += [_segment(channel_id, run, rate, dtype) for run in runs]
    return segments, skipped


def merge_stream(stream: Iterable[Trace], max_gap_s: float = 0.0) -> Stream:
    """Join what belongs together; fill short gaps by a straight line.

    Parameters
    ----------
    stream : obspy.Stream or iterable of obspy.Trace
        Any channels, in any order; left as it is.
    max_gap_s : float
        A gap of at most so many seconds is interpolated linearly (integers are
        rounded); at longer ones the stream stays split.

    Returns
    -------
    obspy.Stream
        New traces with the headers of the first trace of each piece, dtype kept (that
        of the widest where they differ). Conflicting overlaps are decided as this
        module says, and logged. Different rates of a channel stay apart.
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
    runs, conflicts = _join(_pieces(traces, origin_ns, nominal))
    if conflicts.n_traces:
        logger.warning("%s: %s", channel_id, _conflict(channel_id, conflicts).reason)
    rate = exact_rate(nominal)
    merged = []
    for run in _fill_gaps(runs, math.floor(max_gap_s * rate + Fraction(1, 1000))):
        trace = Trace(header=first.stats.copy())
        start_ns = origin_ns + round((run.first + run.offset) / rate * NS)
        trace.stats.starttime = UTCDateTime(ns=start_ns)
        trace.stats.sampling_rate = float(rate)
        trace.data = _data(run).copy() if len(run.parts) == 1 else _data(run)
        merged.append(trace)
    return merged


def _fill_gaps(runs: list[_Run], max_samples: int) -> list[_Run]:
    filled: list[_Run] = []
    for run in runs:
        gap = run.first - filled[-1].end if filled else max_samples + 1
        if gap > max_samples:
            filled.append(run)
            continue
        before, after = filled[-1].tail(1)[-1], run.parts[0][0]
        line = np.linspace(float(before), float(after), gap + 2)[1:-1]
        dtype = run.parts[0].dtype
        if np.issubdtype(dtype, np.integer):
            line = np.rint(line)
        filled[-1].parts += [line.astype(dtype), *run.parts]
        filled[-1].end = run.end
    return filled


def _by_channel(stream: Iterable[Trace]) -> dict[str, list[Trace]]:
    channels: dict[str, list[Trace]] = {}
    for trace in stream:
        if trace.stats.npts and trace.stats.sampling_rate > 0:
            channels.setdefault(trace.id, []).append(trace)
    return channels


def _dominant_rate(traces: list[Trace]) -> float:
    """Return the rate of most samples, the higher one where two have as many."""
    samples: Counter[float] = Counter()
    for trace in traces:
        samples[float(trace.stats.sampling_rate)] += trace.stats.npts
    rate_hz = max(samples, key=lambda rate_hz: (samples[rate_hz], rate_hz))
    return float(exact_rate(rate_hz))


def _drift(trace: Trace, nominal: float) -> float:
    """Return by how many samples the header's rate drifts off over the trace."""
    return abs(trace.stats.sampling_rate / nominal - 1) * trace.stats.npts


def _sort_by_rate(
    traces: list[Trace], nominal: float
) -> tuple[list[Trace], list[Trace]]:
    fitting: list[Trace] = []
    misfits: list[Trace] = []
    for trace in traces:
        exact = trace.stats.sampling_rate == nominal
        fits = exact or (
            _drift(trace, nominal) < 0.5
            # of a short trace every rate drifts little
            and abs(trace.stats.sampling_rate / nominal - 1) < 0.01
        )
        (fitting if fits else misfits).append(trace)
    return fitting, misfits


def _pieces(
    traces: Iterable[Trace], origin_ns: int, nominal: float
) -> Iterator[_Piece]:
    rate = exact_rate(nominal)
    for trace in traces:
        position = Fraction(trace.stats.starttime.ns - origin_ns, NS) * rate
        for start, data in _usable(trace.data):
            yield _Piece(position + start, data)


def _usable(data: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the runs of samples that are neither masked nor NaN nor infinite."""
    bad = None
    if isinstance(data, np.ma.MaskedArray):
        bad = np.ma.getmaskarray(data)
        data = data.data
    if np.issubdtype(data.dtype, np.inexact):
        finite = np.isfinite(data)
        if not finite.all():
            bad = ~finite if bad is None else bad | ~finite
    if bad is None or not bad.any():
        yield 0, data
        return
    edges = np.flatnonzero(np.diff(np.concatenate(([1], bad.view(np.int8), [1]))))
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        yield int(start), data[start:stop]


def _nearest(position: Fraction) -> int:
    return math.floor(position + Fraction(1, 2))


def _index_after(run: _Run | None, position: Fraction) -> int:
    """Return the sample where a piece goes.

    Placed relative to the piece before it where they touch, because two contiguous
    traces close to half a sample off the grid would else be rounded apart by jitter.
    """
    index = _nearest(position)
    if run is not None:
        beside = run.last_index + _nearest(position - run.last_position)
        if beside <= run.end and abs(position - beside) < 1:
            return beside
    return index


def _join(pieces: Iterable[_Piece]) -> tuple[list[_Run], _Conflicts]:
    runs: list[_Run] = []
    conflicts = _Conflicts()
    for piece in sorted(pieces, key=lambda p: (p.position, -len(p.data))):
        run = runs[-1] if runs else None
        index = _index_after(run, piece.position)
        data = piece.data
        if run is None or index > run.end:
            run = _Run(first=index, offset=piece.position - index, end=index)
            runs.append(run)
        elif index < run.end:
            kept = run.tail(run.end - index)[: len(data)]
            n_different = int(np.count_nonzero(kept != data[: len(kept)]))
            conflicts.n_traces += bool(n_different)
            conflicts.n_samples += n_different
            data = data[run.end - index :]
        if len(data):
            run.parts.append(data)
            run.end += len(data)
            run.last_index, run.last_position = index, piece.position
    return runs, conflicts


def _data(run: _Run) -> np.ndarray:
    return run.parts[0] if len(run.parts) == 1 else np.concatenate(run.parts)


def _segment(
    channel_id: str, run: _Run, rate_hz: float, dtype: DTypeLike | None
) -> Segment:
    data = _data(run)
    if dtype is None:
        dtype = np.float32 if data.dtype == np.float32 else np.float64
    data = np.ascontiguousarray(data, dtype=dtype)
    return Segment(channel_id, run.first, rate_hz, data, float(run.offset) / rate_hz)


def _conflict(channel_id: str, conflicts: _Conflicts) -> Skipped:
    return Skipped(
        "merge",
        channel_id,
        f"overlapping traces differ in {conflicts.n_samples} samples; those of the "
        "trace that starts earlier are kept",
        conflicts.n_traces,
    )


def _list_rates(
    channel_id: str, misfits: list[Trace], nominal: float
) -> Iterator[Skipped]:
    rates = Counter(float(trace.stats.sampling_rate) for trace in misfits)
    for rate, count in sorted(rates.items()):
        reason = f"left out: sampled at {rate:g} Hz where {nominal:g} Hz is expected"
        if abs(rate / nominal - 1) < 1e-3:
            worst = max(
                _drift(t, nominal) for t in misfits if t.stats.sampling_rate == rate
            )
            reason = (
                f"left out: its rate of {rate:.9g} Hz drifts {worst:.1f} samples from "
                f"{nominal:g} Hz over the trace; resample it first"
            )
        yield Skipped("merge", channel_id, reason, count)


def _list_fractions(
    channel_id: str, traces: list[Trace], origin_ns: int, nominal: float
) -> Iterator[Skipped]:
    fractions = []
    for trace in traces:
        _, offset_s = grid_index(trace.stats.starttime.ns, origin_ns, nominal)
        fractions.append(offset_s * nominal)
    listed = [fraction for fraction in fractions if abs(fraction) > LISTED_FRACTION]
    if listed:
        worst = max(listed, key=abs)
        yield Skipped(
            "merge",
            channel_id,
            f"starts {worst:+.2f} sample off the grid; used at the nearest sample",
            len(listed),
        )
