"""The times of samples that an element removed, and the cause."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from obspy import Trace

from seismo_pes.items.intervals import Interval, difference
from seismo_pes.items.times import NS

__all__ = ["Loss", "covered_times", "samples_lost", "without_samples"]


class Loss(NamedTuple):
    """An interval in which an element removed the samples of a channel.

    Attributes
    ----------
    start_ns, end_ns : int
        Nanoseconds since 1970.
    cause : str
        The cause in one word, a key of `seismo_pes.items.account.CAUSES` or the name of
        an element.
    """

    start_ns: int
    end_ns: int
    cause: str


def covered_times(traces: Iterable[Trace]) -> list[Interval]:
    """Return the intervals that traces cover, each to the end of its last sample.

    >>> covered_times([Trace(np.zeros(3))])
    [(0, 3000000000)]
    """
    return [_times(trace) for trace in traces if trace.stats.npts]


def without_samples(
    intervals: Iterable[Interval], covered: Iterable[Interval], delta_s: float
) -> list[Interval]:
    """Return the parts of intervals in which a sample is missing.

    A part shorter than a sample interval has none: samples lie at any time in it.

    Parameters
    ----------
    intervals : iterable of (int, int)
        Nanoseconds since 1970.
    covered : iterable of (int, int)
        What `covered_times` returned.
    delta_s : float
        Sample interval, seconds.

    Examples
    --------
    >>> without_samples([(0, 10**10)], [(5 * 10**8, 8 * 10**9)], 1.0)
    [(8000000000, 10000000000)]
    """
    return _long(difference(intervals, covered), 0.999 * delta_s * NS)


def samples_lost(
    before: Sequence[Trace], after: Iterable[Trace], cause: str
) -> list[Loss]:
    """Return the intervals of samples that an element removed.

    Differences below a sample interval do not count. Masked samples and NaN count as
    missing.

    Parameters
    ----------
    before, after : sequence of obspy.Trace
        The traces of one channel.
    cause : str
        The cause of the losses.

    Examples
    --------
    >>> samples_lost([Trace(np.zeros(9))], [Trace(np.zeros(5))], "rejected")
    [Loss(start_ns=5000000000, end_ns=9000000000, cause='rejected')]
    """
    present, left = covered_times(before), covered_times(after)
    if present == left:
        return []
    deltas = [trace.stats.delta for trace in (*before, *after)]
    least_ns = 1.001 * max(deltas, default=0.0) * NS
    if not _long(difference(present, left), least_ns):
        return []
    recorded = [times for trace in before for times in _recorded(trace)]
    lost = _long(difference(recorded, left), least_ns)
    return [Loss(start, end, cause) for start, end in lost]


def _long(intervals: Iterable[Interval], least_ns: float) -> list[Interval]:
    return [(start, end) for start, end in intervals if end - start >= least_ns]


def _times(trace: Trace) -> Interval:
    start_ns = trace.stats.starttime.ns
    return start_ns, start_ns + round(trace.stats.npts * NS / trace.stats.sampling_rate)


def _recorded(trace: Trace) -> list[Interval]:
    """Return the intervals of the samples that are not masked and not NaN."""
    if not trace.stats.npts:
        return []
    data = trace.data
    absent = np.ma.getmaskarray(data)
    if data.dtype.kind == "f":
        absent = absent | ~np.isfinite(np.ma.getdata(data))
    if not absent.any():
        return [_times(trace)]
    edges = np.flatnonzero(np.diff(absent)) + 1
    edges = np.concatenate([[0], edges, [len(absent)]])
    start_ns, rate_hz = trace.stats.starttime.ns, trace.stats.sampling_rate
    times = (start_ns + np.round(edges * (NS / rate_hz)).astype(np.int64)).tolist()
    return [
        (times[k], times[k + 1]) for k in range(len(times) - 1) if not absent[edges[k]]
    ]
