"""Overlapping traces with different samples: rules for which samples are used."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
from obspy import Stream, Trace

from dispel4py.errors import ParameterError
from seismo_pes.items.skipped import Skipped
from seismo_pes.items.times import NS
from seismo_pes.preprocessing.joining import in_phase, is_same_record
from seismo_pes.preprocessing.quality import with_remarks, without_runs
from seismo_pes.preprocessing.segments import finite_pieces
from seismo_pes.signal.gaps import runs_of
from seismo_pes.signal.rates import exact_rate, is_jump

__all__ = ["RULES", "ResolveOverlaps", "resolve_overlaps"]

RULES = {
    "first": "the samples of the trace that starts earlier are kept",
    "last": "the samples of the trace that starts later are kept",
    "mean": "the mean of the samples is used",
    "drop": "the samples are removed",
}


def resolve_overlaps(
    stream: Stream, rule: str = "first"
) -> tuple[Stream, list[Skipped]]:
    """Join overlapping traces of a channel; a rule decides where their samples differ.

    Equal samples are merged without a remark. If traces have different fractions of a
    sample, and are not the same record, the later trace is interpolated at the times of
    the earlier trace. Traces that only touch do not change, nor do traces of different
    sampling rates.

    Parameters
    ----------
    stream : obspy.Stream
        Any channels.
    rule : str
        ``first`` or ``last``: the samples of the trace that starts earlier or later;
        ``mean``: the mean of all traces (integers that differ become floats); ``drop``:
        a gap.

    Raises
    ------
    ParameterError
        If there is no such rule.
    """
    if rule not in RULES:
        raise ParameterError(f"rule {rule!r}: not one of {', '.join(RULES)}")
    resolved, remarks = Stream(), []
    for channel_id, traces in _groups(stream):
        n_different = 0
        for cluster in _clusters(traces):
            if len(cluster) == 1:
                resolved.append(cluster[0][1].copy())
                continue
            trace, different = _join(cluster, rule)
            n_different += int(different.sum())
            dropped = runs_of(different if rule == "drop" else np.zeros(0, bool))
            resolved += without_runs(trace, dropped)
        if n_different:
            reason = (
                f"overlapping traces differ in {n_different} samples; {RULES[rule]}"
            )
            remarks.append(Skipped("quality", channel_id, reason))
    return resolved, remarks


def _groups(stream: Stream) -> Iterator[tuple[str, list[Trace]]]:
    groups: dict[tuple[str, Fraction], list[Trace]] = {}
    for trace in stream:
        if trace.stats.npts and trace.stats.sampling_rate > 0:
            key = (trace.id, exact_rate(trace.stats.sampling_rate))
            groups.setdefault(key, []).extend(finite_pieces(trace))
    for (channel_id, _), traces in sorted(groups.items()):
        yield channel_id, traces


def _clusters(traces: list[Trace]) -> Iterator[list[tuple[Fraction, Trace]]]:
    """Yield traces that overlap, with their offsets in samples from the first trace."""
    ordered = sorted(traces, key=lambda t: (t.stats.starttime.ns, -t.stats.npts))
    cluster: list[tuple[Fraction, Trace]] = []
    origin_ns = end = 0
    for trace in ordered:
        start_ns = trace.stats.starttime.ns
        rate = exact_rate(trace.stats.sampling_rate)
        position = Fraction(start_ns - origin_ns, NS) * rate
        if cluster and round(position) < end:
            cluster.append((position, trace))
            end = max(end, round(position) + trace.stats.npts)
            continue
        if cluster:
            yield cluster
        cluster, origin_ns, end = [(Fraction(0), trace)], start_ns, trace.stats.npts
    if cluster:
        yield cluster


def _join(cluster: list[tuple[Fraction, Trace]], rule: str) -> tuple[Trace, np.ndarray]:
    """Return the joined trace, and which of its samples differ between traces."""
    n = max(round(position) + trace.stats.npts for position, trace in cluster)
    rate_hz = float(cluster[0][1].stats.sampling_rate)
    dtype = np.result_type(*(trace.data for _, trace in cluster))
    if any(is_jump(float(first - round(first)), rate_hz) for first, _ in cluster):
        dtype = np.result_type(dtype, np.float32)  # samples may be interpolated
    data, count = np.zeros(n, dtype), np.zeros(n, np.int32)
    total = np.zeros(n if rule == "mean" else 0)
    different = np.zeros(n, np.bool_)
    for position, trace in cluster:
        first, samples = round(position), trace.data
        part = slice(first, first + trace.stats.npts)
        covered = count[part] > 0
        different[part] |= covered & (data[part] != samples)
        if not is_same_record(data[part][covered], samples[covered]):
            samples = in_phase(samples, position - first, rate_hz)
        if rule == "mean":
            total[part] += samples
        data[part] = np.where(covered & (rule != "last"), data[part], samples)
        count[part] += 1
    if rule == "mean" and different.any():
        mean = total / count
        kind = dtype if dtype.kind == "f" else np.float64
        data = np.where(different, mean, data).astype(kind)
    joined = Trace(data, cluster[0][1].stats.copy())
    return joined, different


ResolveOverlaps = with_remarks(
    resolve_overlaps, "ResolveOverlaps", per="stream", cause="overlap"
)
