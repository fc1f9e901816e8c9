"""Continuous traces joined, and their short gaps filled by straight lines."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable
from fractions import Fraction

import numpy as np
from obspy import Stream, Trace, UTCDateTime

from seismo_pes.items.skipped import Skipped
from seismo_pes.items.times import NS
from seismo_pes.preprocessing.joining import Run, in_phase, join
from seismo_pes.preprocessing.retiming import retime
from seismo_pes.preprocessing.segments import (
    by_channel,
    conflict_report,
    dominant_rate,
    on_grid,
    sort_by_rate,
)
from seismo_pes.signal.rates import exact_rate

__all__ = ["join_traces", "merge_stream"]

logger = logging.getLogger(__name__)


def merge_stream(stream: Iterable[Trace], max_gap_s: float = 0.0) -> Stream:
    """Join continuous traces; see `join_traces`, whose remarks are logged.

    Parameters
    ----------
    stream : obspy.Stream or iterable of obspy.Trace
        Any channels, in any order; it is not changed.
    max_gap_s : float
        Longest gap that is interpolated linearly, seconds.
    """
    joined, remarks = join_traces(stream, max_gap_s)
    for remark in remarks:
        logger.warning("%s: %s", remark.what, remark.reason)
    return joined


def join_traces(
    stream: Iterable[Trace], max_gap_s: float = 0.0
) -> tuple[Stream, list[Skipped]]:
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
    stream : obspy.Stream
        New traces with the headers of the first trace of each piece, and its dtype (the
        widest dtype if they differ). Conflicting overlaps are resolved by the rules of
        `segments`. Traces of different rates are not joined.
    remarks : list of Skipped
        Conflicts, and sampling rates that are not true, stage ``"merge"``.
    """
    joined, remarks = Stream(), list[Skipped]()
    for _, traces in sorted(by_channel(stream).items()):
        while traces:
            nominal = dominant_rate(traces)
            fitting, traces = sort_by_rate(traces, nominal)
            joined.extend(_join_one_rate(fitting, nominal, max_gap_s, remarks))
    return joined, remarks


def _join_one_rate(
    traces: list[Trace], nominal: float, max_gap_s: float, remarks: list[Skipped]
) -> list[Trace]:
    first = min(traces, key=lambda trace: trace.stats.starttime.ns)
    origin_ns = first.stats.starttime.ns
    traces, rates = retime(traces, nominal)
    remarks += rates
    runs, conflicts = join(on_grid(traces, origin_ns, nominal), nominal)
    if conflicts.n_traces:
        remarks.append(conflict_report(first.id, conflicts))
    rate = exact_rate(nominal)
    joined = []
    longest = math.floor(max_gap_s * rate + Fraction(1, 1000))
    for run in _fill_gaps(runs, longest, nominal):
        trace = Trace(header=first.stats.copy())
        start_ns = origin_ns + round((run.first + run.offset) / rate * NS)
        trace.stats.starttime = UTCDateTime(ns=start_ns)
        trace.stats.sampling_rate = float(rate)
        trace.stats.pop("header_rate_hz", None)
        trace.data = run.data.copy() if len(run.parts) == 1 else run.data
        joined.append(trace)
    return joined


def _fill_gaps(runs: list[Run], max_samples: int, rate_hz: float) -> list[Run]:
    filled: list[Run] = []
    for run in runs:
        position = run.first + run.offset
        gap = filled[-1].gap_to(position) if filled else max_samples + 1
        if gap > max_samples:
            filled.append(run)
            continue
        late = position - (filled[-1].end + gap) - filled[-1].offset
        data = in_phase(run.data, late, rate_hz)
        before, after = filled[-1].tail(1)[-1], data[0]
        line = np.linspace(float(before), float(after), gap + 2)[1:-1]
        dtype = run.parts[0].dtype
        if np.issubdtype(dtype, np.integer):
            line = np.rint(line)
        filled[-1].add(line.astype(dtype), filled[-1].end, position - gap)
        filled[-1].add(data, filled[-1].end, position)
    return filled
