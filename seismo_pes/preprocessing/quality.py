"""Rules for bad data: functions on obspy traces and their processing elements.

Each function leaves its input unchanged, and returns new traces and a list of remarks.
No rule is applied unless an option asks for it. Samples that a rule removes leave a
gap: the trace is split there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any

import numpy as np
from obspy import Stream, Trace, UTCDateTime

import seismo_pes.preprocessing.margins as margins
from dispel4py.errors import DataError, ParameterError
from seismo_pes.element import Element, FunctionElement, dated, element
from seismo_pes.items.skipped import Skipped
from seismo_pes.items.times import NS
from seismo_pes.preprocessing.gap_filling import join_traces
from seismo_pes.preprocessing.segments import finite_pieces, grid_index
from seismo_pes.signal import gaps as _gaps
from seismo_pes.signal import resample as _resample
from seismo_pes.signal import shift as _shift
from seismo_pes.signal import spikes as _spikes
from seismo_pes.signal.rates import exact_rate

__all__ = [
    "AlignSamples",
    "Despike",
    "DropClipped",
    "DropDuplicates",
    "DropFlat",
    "DropTransients",
    "FillGaps",
    "RestoreRate",
    "WithRemarks",
    "align_samples",
    "despike",
    "drop_clipped",
    "drop_duplicates",
    "drop_flat",
    "drop_transients",
    "fill_gaps",
    "restore_rate",
    "with_remarks",
    "without_runs",
]

Checked = tuple[Stream, list[Skipped]]


class WithRemarks(Element):
    """An element that reports remarks on the traces that it emits.

    Override `check`, which returns a stream and a list of `Skipped`.
    """

    stage = "quality"
    cause = ""

    def check(self, part: Any) -> Checked:
        """Return new traces made from one trace, and remarks."""
        raise NotImplementedError

    def transform(self, part: Any) -> Stream:
        """Check, and keep the remarks."""
        stream, remarks = self.check(part)
        self._remarks += [dated(remark, part) for remark in remarks]
        return stream

    def _transformed(self, stream: Iterable[Trace], skipped: list[Skipped]) -> Stream:
        self._remarks: list[Skipped] = []
        stream_out = super()._transformed(stream, skipped)
        skipped += self._remarks
        return stream_out


class _FunctionWithRemarks(WithRemarks, FunctionElement):
    def check(self, part: Any) -> Checked:
        checked: Checked = type(self).function(part, **self.parameters)
        return checked


def with_remarks(
    function: Callable[..., Checked],
    name: str,
    per: str = "trace",
    margin: Callable[..., float] | None = None,
    cause: str = "",
) -> type[FunctionElement]:
    """Make the PE of a function that returns a Stream and a list of `Skipped`.

    Like `element`; the remarks are emitted on the port ``skipped``. ``cause`` is
    that of `Element`.
    """
    base: Any = element(function, name, per, margin)
    members = {"__doc__": base.__doc__, "__module__": base.__module__}
    members |= {"stage": WithRemarks.stage, "cause": cause}
    return type(name, (_FunctionWithRemarks, base), members)


def without_runs(trace: Trace, runs: np.ndarray) -> Stream:
    """Return a trace without some runs of its samples.

    Parameters
    ----------
    trace : obspy.Trace
        The trace; it is not changed.
    runs : numpy.ndarray
        Shape (n, 2), first sample and the sample after the last, sorted.

    Returns
    -------
    obspy.Stream
        New traces with copies of the samples.
    """
    rate = exact_rate(trace.stats.sampling_rate)
    pieces = Stream()
    position = 0
    for start, stop in [*np.asarray(runs).tolist(), (len(trace.data), None)]:
        if start > position:
            part = Trace(header=trace.stats.copy())
            start_ns = trace.stats.starttime.ns + round(position * NS / rate)
            part.stats.starttime = UTCDateTime(ns=start_ns)
            part.data = trace.data[position:start].copy()
            pieces.append(part)
        position = max(position, stop or 0)
    return pieces


def _remark(trace: Trace, reason: str, count: int = 1) -> Skipped:
    return Skipped("quality", trace.id, reason, count)


def _n_samples(seconds: float, rate_hz: float, name: str) -> int:
    if not (math.isfinite(seconds) and seconds > 0):
        raise ParameterError(f"{name} must be a positive number of s, not {seconds}")
    return max(1, round(seconds * rate_hz))


# -- gaps and duplicates ---------------------------------------------------------------


def fill_gaps(stream: Stream, max_gap_s: float) -> Checked:
    """Join traces; fill short gaps by straight lines.

    Masked samples and NaN count as gaps. Longer gaps stay, and are counted. With a
    length of 0 s, traces that touch are joined, and no gap is filled.

    Parameters
    ----------
    stream : obspy.Stream
        Any channels.
    max_gap_s : float
        Longest gap that is filled, seconds.

    Raises
    ------
    ParameterError
        If ``max_gap_s`` is negative.
    """
    if not (math.isfinite(max_gap_s) and max_gap_s >= 0):
        raise ParameterError(f"max_gap_s must be at least 0 s, not {max_gap_s}")
    joined, remarks = join_traces(stream)
    filled, _ = join_traces(stream, max_gap_s)
    for channel_id in dict.fromkeys(trace.id for trace in joined):
        parts = [sum(t.id == channel_id for t in traces) for traces in (joined, filled)]
        if parts[0] > parts[1]:
            reason = f"gaps of up to {max_gap_s:g} s filled by straight lines"
            remarks.append(Skipped("quality", channel_id, reason, parts[0] - parts[1]))
        if parts[1] > 1 and max_gap_s > 0:
            reason = f"gaps of more than {max_gap_s:g} s stay"
            remarks.append(Skipped("quality", channel_id, reason, parts[1] - 1))
    return filled, remarks


def drop_duplicates(stream: Stream) -> Checked:
    """Leave out records that occur twice: same channel, times and samples."""
    originals: dict[tuple[Any, ...], list[Trace]] = {}
    unique, remarks = Stream(), []
    for trace in stream:
        stats = trace.stats
        key = (trace.id, stats.starttime.ns, stats.sampling_rate, stats.npts)
        twins = originals.setdefault(key, [])
        if any(_same(trace.data, twin.data) for twin in twins):
            remarks.append(_remark(trace, "a record occurs twice; the first is kept"))
            continue
        twins.append(trace)
        unique.append(trace.copy())
    return unique, _counted(remarks)


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    floats = a.dtype.kind == b.dtype.kind == "f"
    return bool(np.ma.allequal(a, b)) if not floats else _same_floats(a, b)


def _same_floats(a: np.ndarray, b: np.ndarray) -> bool:
    a, b = (np.ma.filled(x, np.nan) for x in (a, b))
    return bool(np.array_equal(a, b, equal_nan=True))


def _counted(remarks: list[Skipped]) -> list[Skipped]:
    counts: dict[Skipped, int] = {}
    for remark in remarks:
        counts[remark] = counts.get(remark, 0) + 1
    return [Skipped(r.stage, r.what, r.reason, n) for r, n in counts.items()]


# -- samples that cannot be true ----------------------------------------------------


def drop_flat(trace: Trace, shortest_s: float, value: float | None = None) -> Checked:
    """Remove runs of equal samples: a dead channel, or gaps filled with a constant.

    Parameters
    ----------
    trace : obspy.Trace
        One trace.
    shortest_s : float
        Shorter runs stay, seconds.
    value : float, optional
        Only runs of this value: 0 for gaps filled with zeros.
    """
    rate_hz = trace.stats.sampling_rate
    shortest = max(2, _n_samples(shortest_s, rate_hz, "shortest_s"))
    description = "flat" if value is None else f"equal to {value:g}"
    return _each(
        trace,
        lambda data: _gaps.flat_runs(data, shortest, value),
        f"{description}, removed",
    )


def drop_clipped(
    trace: Trace, level: float | None = None, shortest: int = 3, pad_s: float = 0.0
) -> Checked:
    """Remove clipped samples, and some time before and after them.

    See `signal.gaps.clipped_runs`.

    Parameters
    ----------
    trace : obspy.Trace
        One trace.
    level : float, optional
        Limit of the recorder, in the unit of the data; by default the largest and the
        smallest sample of the trace.
    shortest : int
        Number of samples in a row at the limit that count as clipped.
    pad_s : float
        Time that is removed with them on both sides, seconds.

    Raises
    ------
    ParameterError
        If ``pad_s`` is negative.
    """
    if not (math.isfinite(pad_s) and pad_s >= 0):
        raise ParameterError(f"pad_s must be at least 0 s, not {pad_s}")
    n_more = round(pad_s * trace.stats.sampling_rate)

    def clipped(data: np.ndarray) -> np.ndarray:
        runs = _gaps.clipped_runs(data, shortest, level)
        return _gaps.widened(runs, n_more, len(data))

    return _each(trace, clipped, "clipped, removed")


def drop_transients(trace: Trace, k: float, window_s: float) -> Checked:
    """Remove windows with a peak far above the median of the trace.

    See `signal.spikes.loud_windows`.

    Parameters
    ----------
    trace : obspy.Trace
        One trace.
    k : float
        Threshold in median absolute deviations (MAD), scaled to the standard deviation
        of normal noise.
    window_s : float
        Length of the windows, counted from the first sample, seconds.
    """
    rate_hz = trace.stats.sampling_rate
    n_window = _n_samples(window_s, rate_hz, "window_s")

    def loud(data: np.ndarray) -> np.ndarray:
        runs = _gaps.runs_of(_spikes.loud_windows(data, n_window, k)) * n_window
        return runs.clip(max=len(data))

    return _each(trace, loud, f"louder than {k:g} MAD, removed")


def despike(trace: Trace, k: float, window_s: float) -> Checked:
    """Replace samples far from the median of their neighbourhood by this median.

    See `signal.spikes.spikes`. Integers stay integers.

    Parameters
    ----------
    trace : obspy.Trace
        One trace.
    k : float
        Threshold in MAD of the neighbourhood.
    window_s : float
        Width of the neighbourhood, seconds; no spike is longer than half of it.
    """
    rate_hz = trace.stats.sampling_rate
    n_half = max(1, round(_n_samples(window_s, rate_hz, "window_s") / 2))
    stream, n_spikes = Stream(), 0
    for part in finite_pieces(trace):
        clean = _spikes.despike(part.data, n_half, k)
        spiky = clean != part.data
        cleaned = Trace(header=part.stats.copy())
        cleaned.data = part.data.copy()
        if spiky.any():
            clean = clean[spiky]
            cleaned.data[spiky] = (
                np.rint(clean) if cleaned.data.dtype.kind in "iu" else clean
            )
        n_spikes += int(spiky.sum())
        stream.append(cleaned)
    reason = f"samples beyond {k:g} MAD replaced by the median around them"
    return stream, [_remark(trace, reason, n_spikes)] if n_spikes else []


def _each(
    trace: Trace, find: Callable[[np.ndarray], np.ndarray], description: str
) -> Checked:
    """Remove the runs that `find` returns from each gapless piece of a trace."""
    stream, n_runs, n_samples = Stream(), 0, 0
    for part in finite_pieces(trace):
        runs = find(part.data)
        n_runs += len(runs)
        n_samples += int((runs[:, 1] - runs[:, 0]).sum())
        stream += without_runs(part, runs)
    seconds = n_samples / trace.stats.sampling_rate
    return stream, [
        _remark(trace, f"{seconds:g} s {description}", n_runs)
    ] if n_runs else []


# -- times --------------------------------------------------------------------------


def align_samples(trace: Trace, origin_ns: int = 0, tolerance: float = 1e-4) -> Checked:
    """Move samples that lie between two samples of the common grid onto the grid.

    The grid is an origin plus multiples of the sampling interval. A trace off the grid
    is evaluated at the nearest times of the grid by a phase shift
    (`signal.shift.phase_shift`); its samples become floats.

    Parameters
    ----------
    trace : obspy.Trace
        One trace.
    origin_ns : int
        Time of a sample of the grid, nanoseconds since 1970.
    tolerance : float
        Largest distance from the grid at which a trace does not change, samples.
    """
    rate_hz = trace.stats.sampling_rate
    start_ns = trace.stats.starttime.ns
    index, offset_s = grid_index(start_ns, origin_ns, rate_hz)
    fraction = offset_s * rate_hz
    if abs(fraction) <= tolerance:
        return Stream([trace]), []
    stream = Stream()
    for part in finite_pieces(trace):
        index, offset_s = grid_index(part.stats.starttime.ns, origin_ns, rate_hz)
        aligned = Trace(header=part.stats.copy())
        at_ns = origin_ns + round(Fraction(index * NS) / exact_rate(rate_hz))
        aligned.stats.starttime = UTCDateTime(ns=at_ns)
        aligned.data = _shift.phase_shift(part.data, -offset_s * rate_hz)
        stream.append(aligned)
    return stream, [_remark(trace, f"moved by {-fraction:+.4f} samples onto the grid")]


def restore_rate(trace: Trace, rate_hz: float) -> Checked:
    """Change a wrong sampling rate of a trace to the right rate.

    The method is resampling by a rational factor with an anti-alias filter
    (`signal.resample.resample`). For rates within 1 % that are not a ratio of small
    numbers, for example of a fast clock, it is Lanczos interpolation. The first sample
    keeps its time. A trace does not change if the rates differ by less than half a
    sample over the trace.

    Parameters
    ----------
    trace : obspy.Trace
        One trace.
    rate_hz : float
        The right sampling rate, Hz.

    Raises
    ------
    DataError
        If neither method applies.
    """
    old_hz, n = trace.stats.sampling_rate, trace.stats.npts
    if not (math.isfinite(rate_hz) and rate_hz > 0):
        raise ParameterError(f"rate_hz must be a positive number of Hz, not {rate_hz}")
    ratio = old_hz / rate_hz
    if abs(ratio - 1) < 0.01 and abs(ratio - 1) * n < 0.5:
        restored = trace.copy()
        restored.stats.sampling_rate = rate_hz
        return Stream([restored]), []
    stream = Stream()
    for part in finite_pieces(trace):
        restored = Trace(header=part.stats.copy())
        restored.data = _at_rate(part, old_hz, rate_hz)
        restored.stats.sampling_rate = rate_hz
        stream.append(restored)
    return stream, [_remark(trace, f"resampled from {old_hz:.9g} Hz to {rate_hz:g} Hz")]


def _at_rate(trace: Trace, old_hz: float, rate_hz: float) -> np.ndarray:
    ratio = old_hz / rate_hz
    if abs(ratio - 1) < 0.01:
        n_out = math.floor((trace.stats.npts - 1) / ratio + 1e-9) + 1
        return _resample.interpolate_lanczos(trace.data, 0.0, ratio, n_out)
    exact = exact_rate(rate_hz) / exact_rate(old_hz)
    if max(exact.numerator, exact.denominator) > _resample.LARGEST_TERM:
        raise DataError(
            f"{trace.id}: its rate of {old_hz:.9g} Hz is not near {rate_hz:g} Hz, and "
            f"the terms of their ratio exceed {_resample.LARGEST_TERM}: use "
            "ResampleLanczos"
        )
    old_hz, rate_hz = float(exact_rate(old_hz)), float(exact_rate(rate_hz))
    return _resample.resample(trace.data, old_hz, rate_hz)


FillGaps = with_remarks(fill_gaps, "FillGaps", per="stream", margin=margins.fill_margin)
DropDuplicates = with_remarks(drop_duplicates, "DropDuplicates", per="stream")
DropFlat = with_remarks(drop_flat, "DropFlat", margin=margins.flat_margin, cause="flat")
DropClipped = with_remarks(
    drop_clipped, "DropClipped", margin=margins.clipped_margin, cause="clipped"
)
DropTransients = with_remarks(drop_transients, "DropTransients", cause="transient")
Despike = with_remarks(despike, "Despike", margin=margins.despike_margin)
AlignSamples = with_remarks(align_samples, "AlignSamples", margin=margins.align_margin)
RestoreRate = with_remarks(restore_rate, "RestoreRate", margin=margins.rate_margin)
