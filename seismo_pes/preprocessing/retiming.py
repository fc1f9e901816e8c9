"""Records brought to their true times, which their time stamps give.

The true rate of a record is measured from the time stamps of its pieces. For miniSEED
records the reader measures it and sets it as the rate of the trace; for files and
traces this module does. Where the rate differs from the nominal rate, or where time
stamps jump by a part of a sample, samples are interpolated; pieces that follow each
other without a gap are interpolated together.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from obspy import Trace, UTCDateTime

from seismo_pes.items.skipped import Skipped
from seismo_pes.items.times import NS
from seismo_pes.preprocessing.joining import finite_runs
from seismo_pes.signal.rates import (
    HALF_SAMPLE,
    MAX_PPM,
    SIGNIFICANCE,
    TimedRun,
    exact_rate,
    is_jump,
    measure_timing,
)
from seismo_pes.signal.resample import interpolate_lanczos

__all__ = ["JUMPS", "KERNEL", "Clock", "interpolated", "nominal_rate_hz", "retime"]

#: Half width of the interpolation in samples: error below 1e-3 up to 90 % of Nyquist.
KERNEL = 40
#: Steps between pieces may be gaps if they differ by less from a whole number, samples.
WHOLE = 0.01
#: Longer steps between files, in millionths of a file, are gaps if the data do not
#: decide: 500 are 1.8 s in an hour.
LEAST_GAP_PPM = 500
#: Remark on a record whose time stamps jump by a part of a sample.
JUMPS = "time stamps jump by a part of a sample; interpolated at their true times"


def nominal_rate_hz(trace: Trace) -> float:
    """Return the rate in the header of a trace, which may differ from the true rate."""
    return float(trace.stats.get("header_rate_hz", trace.stats.sampling_rate))


@dataclass(frozen=True)
class _TimedPiece:
    """Samples with their rate and the time of the first sample.

    `is_measured`: the time stamps contradict the rate of the header.
    `beyond_ppm`: they do so by more than `MAX_PPM`.
    `jumps`: they jump by a part of a sample from those of the piece before it.
    `n_pieces`: pieces of the record that are joined in this one.
    `jitter`: scatter of the time stamps inside the piece, if the reader measured it.
    """

    trace: Trace
    data: np.ndarray
    start_ns: int
    rate_hz: float
    is_measured: bool = False
    beyond_ppm: float = 0.0
    jumps: bool = False
    n_pieces: int = 1
    jitter: float | None = None

    @property
    def end_ns(self) -> int:
        """Time of the sample after the last."""
        return self.start_ns + round(len(self.data) / self.rate_hz * NS)


def retime(traces: list[Trace], nominal_hz: float) -> tuple[list[Trace], list[Skipped]]:
    """Interpolate the traces of a channel to the nominal rate, at their true times.

    Parameters
    ----------
    traces : list of obspy.Trace
        Traces of one channel in any order, with rates within `MAX_PPM` of the nominal
        rate.
    nominal_hz : float
        Nominal sampling rate.

    Returns
    -------
    traces : list of obspy.Trace
        The same objects if no time stamp contradicts the nominal rate, and none jumps
        (see `signal.rates.measure_timing`). Otherwise interpolated traces, which begin
        at the true time of their first sample.
    remarks : list of Skipped
        The measured rates and the jumps, stage ``"merge"``.
    """
    pieces = _measured(sorted(traces, key=lambda trace: trace.stats.starttime.ns))
    drifting = [piece for piece in pieces if piece.is_measured]
    jumping = [piece for piece in pieces if piece.jumps]
    remarks = [*_remarks(drifting, nominal_hz), *_jumps(jumping), *_splits(pieces)]
    if not (drifting or jumping):
        return traces, remarks
    retimed: list[Trace] = []
    for chain in _chains(pieces):
        if any(piece.is_measured or piece.jumps for piece in chain):
            retimed.append(_interpolated(chain, nominal_hz))
        else:
            retimed += [_trace(piece, nominal_hz) for piece in chain]
    return retimed, remarks


def _measured(traces: list[Trace]) -> list[_TimedPiece]:
    """Return the pieces of traces in order of time, with rates from their starts."""
    pieces: list[_TimedPiece] = []
    for trace in traces:
        rate_hz = float(trace.stats.sampling_rate)
        for first, data in finite_runs(trace.data):
            start_ns = trace.stats.starttime.ns + round(first / rate_hz * NS)
            jitter = trace.stats.get("stamp_jitter")
            piece = _TimedPiece(trace, data, start_ns, rate_hz, jitter=jitter)
            pieces.append(piece)
    pieces.sort(key=lambda piece: piece.start_ns)
    by_header: dict[float, list[_TimedPiece]] = {}
    measured: list[_TimedPiece] = []
    for piece in pieces:
        if "header_rate_hz" in piece.trace.stats:
            measured.append(replace(piece, is_measured=True))
        elif piece.jitter is not None:
            measured.append(piece)
        else:
            by_header.setdefault(piece.rate_hz, []).append(piece)
    for rate_hz, group in by_header.items():
        starts = [piece.start_ns for piece in group]
        runs = measure_timing(starts, [len(p.data) for p in group], rate_hz)
        jumps = _runs_after_jumps(runs, group)
        for k, run in enumerate(runs):
            inside = group[run.first : run.stop]
            drifts = bool(run.drift) and not _has_gaps(inside)
            if drifts or jumps & {k, k + 1}:
                measured.append(_united(inside, run, drifts, k in jumps))
            else:
                beyond_ppm = run.beyond_ppm
                measured += [replace(p, beyond_ppm=beyond_ppm) for p in inside]
    return _with_jumps(sorted(measured, key=lambda piece: piece.start_ns))


def _with_jumps(pieces: list[_TimedPiece]) -> list[_TimedPiece]:
    """Mark the jumps beside pieces whose time stamps the reader has measured.

    No line is fitted through the starts of such pieces: the stamps inside agree with
    the rate of the header, so steps between pieces show no other rate.
    """
    marked = pieces[:1]
    for before, after in itertools.pairwise(pieces):
        known = [p.jitter for p in (before, after) if p.jitter is not None]
        step = (after.start_ns - before.end_ns) * before.rate_hz / NS
        is_inside = known and abs(step) < HALF_SAMPLE
        if is_inside and abs(step) > SIGNIFICANCE * max(known):
            after = replace(after, jumps=is_jump(step, before.rate_hz))
        marked.append(after)
    return marked


def _runs_after_jumps(runs: list[TimedRun], group: list[_TimedPiece]) -> set[int]:
    """Return the numbers of the runs that begin with a jump, without a gap."""
    after_jumps = set[int]()
    for k, (before, after) in enumerate(itertools.pairwise(runs), start=1):
        n = sum(len(piece.data) for piece in group[before.first : before.stop])
        passed = (after.start_ns - before.start_ns) / NS * before.rate_hz
        is_split = before.beyond_ppm or after.beyond_ppm or before.drift or after.drift
        if abs(passed - n) < HALF_SAMPLE and not is_split:
            after_jumps |= {k} if is_jump(passed - n, before.rate_hz) else set()
    return after_jumps


def _united(
    inside: list[_TimedPiece], run: TimedRun, drifts: bool, jumps: bool
) -> _TimedPiece:
    """Return the pieces of a run as one piece."""
    data = [piece.data for piece in inside]
    return replace(
        inside[0],
        data=data[0] if len(data) == 1 else np.concatenate(data),
        start_ns=run.start_ns,
        rate_hz=run.rate_hz,
        is_measured=drifts,
        jumps=jumps,
        n_pieces=len(inside),
    )


def _has_gaps(pieces: list[_TimedPiece]) -> bool:
    """Return whether steps of whole samples between pieces are gaps.

    The alternative is a wrong rate. The data decide: across a gap, samples differ as
    much as samples at that distance in a piece; with a wrong rate, as much as
    neighbours. If both differences are similar, a step of more than `LEAST_GAP_PPM` of
    the piece is a gap.
    """
    rate_hz = pieces[0].rate_hz
    steps = [
        (after.start_ns - before.end_ns) * rate_hz / NS
        for before, after in itertools.pairwise(pieces)
    ]
    step = float(np.median(steps))
    if abs(step) < HALF_SAMPLE or abs(step - round(step)) > WHOLE:
        return False
    apart = abs(round(step)) + 1
    jumps = [
        after.data[0] - before.data[-1]
        for before, after in itertools.pairwise(
            [replace(piece, data=piece.data.astype(np.float64)) for piece in pieces]
        )
    ]
    data = pieces[0].data.astype(np.float64)
    near, far = _mean_square_change(data, 1), _mean_square_change(data, apart)
    jump = float(np.mean(np.square(jumps)))
    if not (near > 0 and jump > 0 and far > 2 * near):
        return abs(step) * 1e6 > LEAST_GAP_PPM * len(pieces[0].data)
    return jump > math.sqrt(near * far)


def _mean_square_change(data: np.ndarray, apart: int) -> float:
    if len(data) <= apart:
        return 0.0
    return float(np.mean(np.square(data[apart:] - data[:-apart])))


def _chains(pieces: list[_TimedPiece]) -> Iterator[list[_TimedPiece]]:
    """Yield pieces that follow each other to within half a sample."""
    chain: list[_TimedPiece] = []
    for piece in pieces:
        if chain:
            apart = (piece.start_ns - chain[-1].end_ns) * piece.rate_hz / NS
            if abs(apart) >= HALF_SAMPLE:
                yield chain
                chain = []
        chain.append(piece)
    if chain:
        yield chain


def _interpolated(chain: list[_TimedPiece], nominal_hz: float) -> Trace:
    """Evaluate a chain at the nominal rate, from its first sample on."""
    data = np.concatenate([piece.data for piece in chain])
    firsts = np.cumsum([0, *(len(piece.data) for piece in chain)]).tolist()
    clocks = [
        Clock(first, piece.start_ns, piece.rate_hz)
        for first, piece in zip(firsts, chain, strict=False)
    ]
    start_ns = chain[0].start_ns
    trace = Trace(header=chain[0].trace.stats.copy())
    trace.data = interpolated(data, clocks, start_ns, nominal_hz)
    trace.stats.starttime = UTCDateTime(ns=start_ns)
    trace.stats.sampling_rate = float(exact_rate(nominal_hz))
    trace.stats.pop("header_rate_hz", None)
    return trace


class Clock(NamedTuple):
    """The times of the samples of a record from one sample on.

    Attributes
    ----------
    first : int
        The sample, counted from the first of the record.
    start_ns : int
        Its time, nanoseconds since 1970.
    rate_hz : float
        True sampling rate.
    """

    first: int
    start_ns: int
    rate_hz: float


def interpolated(
    data: np.ndarray, clocks: Sequence[Clock], start_ns: int, nominal_hz: float
) -> np.ndarray:
    """Interpolate the samples of a record at the nominal rate, from a time on.

    Parameters
    ----------
    data : numpy.ndarray
        The samples, shape ``(n,)``, without a gap.
    clocks : sequence of Clock
        The times of the samples; the first clock begins at sample 0 or before.
    start_ns : int
        Time of the first sample of the result, not before that of sample 0,
        nanoseconds since 1970.
    nominal_hz : float
        Sampling rate of the result.

    Returns
    -------
    numpy.ndarray
        Shape ``(m,)``, to the last sample at most; float32 if the samples are, else
        float64.
    """
    if data.dtype != np.float32:
        data = data.astype(np.float64)
    rate, sample = exact_rate(nominal_hz), 0
    outputs = [data[:0]]
    ends = [clock.first - 1e-9 for clock in clocks[1:]] + [len(data) - 1]
    for clock, end in zip(clocks, ends, strict=True):
        # index in the record of the next output sample, by this clock
        since_start = sample / rate - Fraction(clock.start_ns - start_ns, NS)
        first = max(clock.first + float(since_start) * clock.rate_hz, 0.0)
        n_out = math.floor((end - first) * nominal_hz / clock.rate_hz) + 1
        if n_out > 0:
            step = clock.rate_hz / nominal_hz
            outputs.append(_cut_and_interpolate(data, first, step, n_out))
            sample += n_out
    return np.concatenate(outputs)


def _cut_and_interpolate(
    data: np.ndarray, first: float, step: float, n_out: int
) -> np.ndarray:
    low = max(0, math.floor(first) - KERNEL - 1)
    last = first + step * (n_out - 1)
    high = min(len(data), math.ceil(last) + KERNEL + 2)
    first = min(first, len(data) - 1 - step * (n_out - 1))
    return interpolate_lanczos(data[low:high], first - low, step, n_out, KERNEL)


def _trace(piece: _TimedPiece, nominal_hz: float) -> Trace:
    """Return a piece without drift as a trace of the nominal rate."""
    trace = Trace(header=piece.trace.stats.copy())
    trace.data = piece.data
    trace.stats.starttime = UTCDateTime(ns=piece.start_ns)
    trace.stats.sampling_rate = nominal_hz
    trace.stats.pop("header_rate_hz", None)
    return trace


def _remarks(drifting: list[_TimedPiece], nominal_hz: float) -> Iterator[Skipped]:
    rates: Counter[str] = Counter()
    for piece in drifting:
        rates[f"{piece.rate_hz:.9g}"] += piece.n_pieces
    ids = {piece.trace.id for piece in drifting}
    for rate, count in sorted(rates.items()):
        ppm = (float(rate) / nominal_hz - 1) * 1e6
        reason = (
            f"sampled at {rate} Hz by its time stamps ({ppm:+.2f} ppm from "
            f"{nominal_hz:g} Hz); interpolated to {nominal_hz:g} Hz at its true times"
        )
        yield Skipped("merge", min(ids), reason, count)


def _jumps(jumping: list[_TimedPiece]) -> Iterator[Skipped]:
    """List the jumps of time stamps by a part of a sample."""
    if jumping:
        yield Skipped("merge", jumping[0].trace.id, JUMPS, len(jumping))


def _splits(pieces: list[_TimedPiece]) -> Iterator[Skipped]:
    """List the pieces that are split because their rate is beyond the bound."""
    counts = Counter(round(piece.beyond_ppm) for piece in pieces if piece.beyond_ppm)
    for ppm, count in sorted(counts.items()):
        reason = (
            f"time stamps contradict the rate of the header by {ppm:+d} ppm, more than "
            f"{MAX_PPM:g}: split, each piece begins at its own time; if the header is "
            "wrong, give the true rate (--recorded-hz)"
        )
        yield Skipped("merge", pieces[0].trace.id, reason, count)
