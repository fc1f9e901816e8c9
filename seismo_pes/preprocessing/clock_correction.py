"""Correction of wrong clocks by a table of their offsets; see `clock_table`."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from obspy import Stream, Trace, UTCDateTime

from seismo_pes.items.skipped import Skipped
from seismo_pes.items.times import NS
from seismo_pes.items.waveforms import with_data
from seismo_pes.preprocessing.clock_table import ClockCurve, read_clock_table
from seismo_pes.preprocessing.quality import WithRemarks
from seismo_pes.preprocessing.retiming import KERNEL, nominal_rate_hz
from seismo_pes.preprocessing.segments import finite_pieces
from seismo_pes.signal.rates import HALF_SAMPLE, exact_rate
from seismo_pes.signal.resample import lanczos_at

__all__ = ["CorrectClock", "correct_clock"]

#: Samples over a record: for a smaller drift a new start time is enough.
LEAST_DRIFT = 0.01
#: Steps in which a curve is straight enough, seconds: a cubic drift of 1 s in a day
#: bends by less than 0.01 microseconds.
STRAIGHT_S = 10.0
#: Samples that are interpolated at once: their positions take 8 MB.
BLOCK = 2**20


def correct_clock(
    records: Trace | Iterable[Trace], table: Iterable[ClockCurve]
) -> tuple[Stream, list[Skipped]]:
    """Correct the times of the samples.

    A constant offset changes the start time. If the clock drifts by more than a
    hundredth of a sample over a record, its samples are interpolated to even true
    times by a Lanczos kernel. Traces of a channel that follow each other within half a
    sample are one record. It is cut where the offset jumps, and where it begins and
    ends.

    Parameters
    ----------
    records : obspy.Trace or iterable of obspy.Trace
        Records of any channels; they are not changed.
    table : iterable of ClockCurve
        The offsets, of any channels; see `read_clock_table`. If several curves hold for
        a channel at a time, the first of them is used.
    """
    channels: dict[str, list[Trace]] = {}
    for trace in [records] if isinstance(records, Trace) else records:
        channels.setdefault(trace.id, []).append(trace)
    curves = tuple(table)
    corrected, remarks = Stream(), []
    for channel_id, traces in channels.items():
        of_channel = [curve for curve in curves if curve.means(channel_id)]
        stream, of_stream = _correct_channel(traces, of_channel)
        corrected += stream
        remarks += of_stream
    return corrected, remarks


def _correct_channel(
    traces: list[Trace], curves: list[ClockCurve]
) -> tuple[Stream, list[Skipped]]:
    if not curves:
        return Stream(traces), []
    corrected, remarks = Stream(), []
    parts: list[tuple[Trace, ClockCurve | None]] = []
    for trace in sorted(traces, key=lambda trace: trace.stats.starttime.ns):
        parts += _cut(trace, curves)
    for curve, chain in _chains(parts):
        if curve is None:
            corrected += Stream(chain)
            remarks += [_unknown(part, curves) for part in chain]
            continue
        corrected += _corrected(chain, curve)
        remarks.append(_remark(chain, curve))
    return corrected, [remark for remark in remarks if remark is not None]


def _cut(
    trace: Trace, curves: list[ClockCurve]
) -> Iterator[tuple[Trace, ClockCurve | None]]:
    """Yield the pieces of a trace, each with its curve."""
    start_ns, rate = trace.stats.starttime.ns, exact_rate(trace.stats.sampling_rate)

    def sample(time_ns: int) -> int:
        index = math.ceil(Fraction(time_ns - start_ns, NS) * rate)
        return min(max(index, 0), trace.stats.npts)

    edges = {0, trace.stats.npts}
    for curve in curves:
        edges |= {sample(curve.start_ns), sample(curve.end_ns)}
    for low, high in itertools.pairwise(sorted(edges)):
        at_ns = start_ns + round(low * NS / rate)
        data, starts = trace.data[low:high].copy(), UTCDateTime(ns=at_ns)
        part = with_data(trace, data, starttime=starts)
        yield part, next((c for c in curves if c.start_ns <= at_ns < c.end_ns), None)


def _chains(
    parts: Iterable[tuple[Trace, ClockCurve | None]],
) -> Iterator[tuple[ClockCurve | None, list[Trace]]]:
    """Yield the parts of one curve that follow each other to within half a sample."""
    chain: list[Trace] = []
    last: ClockCurve | None = None
    for part, curve in parts:
        if chain and not (curve is last and _continues(chain[-1], part)):
            yield last, chain
            chain = []
        chain.append(part)
        last = curve
    if chain:
        yield last, chain


def _continues(before: Trace, after: Trace) -> bool:
    rate_hz = before.stats.sampling_rate
    if after.stats.sampling_rate != rate_hz:
        return False
    apart_s = (after.stats.starttime.ns - before.stats.starttime.ns) / NS
    return abs(apart_s * rate_hz - before.stats.npts) < HALF_SAMPLE


def _corrected(chain: list[Trace], curve: ClockCurve) -> Stream:
    first_ns, last_ns = _ends_ns(chain)
    knots_ns = [t for t in curve.time_ns if first_ns < t < last_ns]
    middle_ns = (first_ns + last_ns) // 2
    offset_s = curve.at([first_ns, *knots_ns, middle_ns, last_ns])
    rate_hz = nominal_rate_hz(chain[0])
    if np.ptp(offset_s) * rate_hz < LEAST_DRIFT:
        return Stream([_shifted(part, curve) for part in chain])
    pieces = [(piece, curve) for part in chain for piece in finite_pieces(part)]
    return Stream([_retimed(record, curve) for _, record in _chains(pieces)])


def _ends_ns(chain: Sequence[Trace]) -> tuple[int, int]:
    """Return the recorded times of the first and the last sample."""
    return chain[0].stats.starttime.ns, chain[-1].stats.endtime.ns


def _shifted(trace: Trace, curve: ClockCurve) -> Trace:
    start_ns = trace.stats.starttime.ns
    true_ns = start_ns - round(float(curve.at(start_ns)) * NS)
    return with_data(trace, trace.data, starttime=UTCDateTime(ns=true_ns))


def _retimed(chain: list[Trace], curve: ClockCurve) -> Trace:
    """Evaluate a record without gaps at even true times, from its first sample on."""
    data = np.concatenate([part.data for part in chain])
    if data.dtype != np.float32:
        data = data.astype(np.float64)
    rate = exact_rate(nominal_rate_hz(chain[0]))
    sample, true_s = _nodes(chain, curve)
    # a thousandth of a sample before its time counts as at its time
    n_out = math.floor(true_s[-1] * float(rate) + 1e-3) + 1
    outputs = []
    for begin in range(0, n_out, BLOCK):
        time_s = np.arange(begin, min(begin + BLOCK, n_out)) / float(rate)
        at = np.interp(time_s, true_s, sample)
        low = max(0, math.floor(at[0]) - KERNEL - 1)
        high = math.ceil(at[-1]) + KERNEL + 2
        outputs.append(lanczos_at(data[low:high], at - low, KERNEL))
    first = _shifted(chain[0], curve)
    first.stats.pop("header_rate_hz", None)
    return with_data(first, np.concatenate(outputs), sampling_rate=float(rate))


def _nodes(chain: list[Trace], curve: ClockCurve) -> tuple[np.ndarray, np.ndarray]:
    """Return samples of a record, and their true times since the first, in seconds.

    In between, true time is a straight line.
    """
    samples, times_ns, n_before = [], [], 0
    for part in chain:
        start_ns, n = part.stats.starttime.ns, part.stats.npts
        rate = exact_rate(part.stats.sampling_rate)
        step = max(int(STRAIGHT_S * rate), 1)
        knots = [round((t - start_ns) * rate / NS) for t in curve.time_ns]
        knots = [k for k in knots if 0 < k < n]
        inside = np.unique([*range(0, n, step), *knots, n - 1])
        samples.append(n_before + inside)
        times_ns.append(start_ns + np.rint(inside * (NS / float(rate))).astype("i8"))
        n_before += n
    all_ns = np.concatenate(times_ns)
    offset_s = curve.at(all_ns)
    true_s = (all_ns - all_ns[0]) / NS - (offset_s - offset_s[0])
    return np.concatenate(samples).astype(float), true_s


def _remark(chain: list[Trace], curve: ClockCurve) -> Skipped:
    first_ns, last_ns = _ends_ns(chain)
    first_s, last_s = curve.at([first_ns, last_ns]).tolist()
    reason = f"clock corrected by {-first_s:+.6g} s"
    if last_s != first_s:
        drift = (last_s - first_s) / (last_ns - first_ns) * NS
        reason += f", drift {drift * 1e6:+.4g} parts per million"
    return Skipped("quality", chain[0].id, reason)


def _unknown(part: Trace, curves: Iterable[ClockCurve]) -> Skipped | None:
    """Remark that a clock is not known at the time of a record."""
    points = [curve for curve in curves if curve.from_points]
    if not points:
        return None
    start_ns = part.stats.starttime.ns
    after = all(start_ns >= curve.end_ns for curve in points)
    where = "after the last" if after else "before the first"
    reason = f"clock not corrected {where} offset of its table"
    return Skipped("quality", part.id, reason)


class CorrectClock(WithRemarks):
    """Correct the times of the samples: `correct_clock` as a processing element.

    Parameters
    ----------
    table : str, Path or tuple of ClockCurve
        The offsets, of any channels; a path is read when the run starts, by
        `read_clock_table`.

    Ports
    -----
    input : obspy.Stream, obspy.Trace or Waveforms
        The input stays unchanged.
    output : the same type
        New traces at true times.
    skipped : Skipped
        Remarks on the corrections, stage ``"quality"``.
    """

    per = "stream"
    stage = "quality"
    cause = ""

    def __init__(self, table: str | Path | Iterable[ClockCurve]) -> None:
        super().__init__()
        self.table: str | Path | None = None
        self._curves: tuple[ClockCurve, ...] = ()
        if isinstance(table, str | Path):
            self.table = table
        else:
            self._curves = tuple(table)

    def _preprocess(self) -> None:
        if self.table is not None:
            self._curves = read_clock_table(self.table)

    def margin_s(self, rate_hz: float) -> float:
        """Return the largest offset of the table, and the reach of the interpolation.

        Parameters
        ----------
        rate_hz : float
            Sampling rate of the input.

        Raises
        ------
        ParameterError
            If the table cannot be read.
        """
        table = self._curves if self.table is None else read_clock_table(self.table)
        extremes_s = [extreme for curve in table for extreme in curve.extremes_s()]
        return max(map(abs, extremes_s), default=0.0) + (KERNEL + 1) / rate_hz

    def check(self, part: Stream) -> tuple[Stream, list[Skipped]]:
        """Correct the traces of all channels."""
        return correct_clock(part, self._curves)
