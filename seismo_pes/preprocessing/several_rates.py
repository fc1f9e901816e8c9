"""Channels whose sampling rate changes: segments of every rate, without overlaps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from obspy import Trace

from seismo_pes.items.skipped import Skipped
from seismo_pes.preprocessing.retiming import nominal_rate_hz
from seismo_pes.preprocessing.segments import (
    Segment,
    by_channel,
    dominant_rate,
    merge_segments,
)
from seismo_pes.signal.gaps import runs_of

__all__ = ["merge_all_rates"]


def merge_all_rates(
    stream: Iterable[Trace], grid_origin_ns: int
) -> tuple[list[Segment], list[Skipped]]:
    """Join traces into gapless segments; the traces of a channel may differ in rate.

    Parameters
    ----------
    stream : iterable of obspy.Trace
        Any channels, in any order.
    grid_origin_ns : int
        Time of sample 0 of the grids of all rates, nanoseconds since 1970.

    Returns
    -------
    segments : list of Segment
        Sorted by channel and time. At a time with data of two rates, the data of the
        rate with the most samples are kept.
    skipped : list of Skipped
        Entries of `merge_segments`, and the channels with several rates.
    """
    segments: list[Segment] = []
    skipped: list[Skipped] = []
    for channel_id, traces in sorted(by_channel(stream).items()):
        channel, remarks = _merge_channel(channel_id, traces, grid_origin_ns)
        segments += channel
        skipped += remarks
    return segments, skipped


def _merge_channel(
    channel_id: str, traces: list[Trace], grid_origin_ns: int
) -> tuple[list[Segment], list[Skipped]]:
    waiting = traces
    segments: list[Segment] = []
    skipped: list[Skipped] = []
    used: list[float] = []
    while waiting:
        rate_hz = dominant_rate(waiting)
        close = [t for t in waiting if abs(nominal_rate_hz(t) / rate_hz - 1) < 0.01]
        waiting = [t for t in waiting if abs(nominal_rate_hz(t) / rate_hz - 1) >= 0.01]
        merged, remarks = merge_segments(close, grid_origin_ns)
        skipped += remarks
        segments += [part for s in merged for part in _outside(s, segments)]
        used.append(rate_hz)
    if len(used) > 1:
        listing = ", ".join(f"{rate_hz:g}" for rate_hz in used)
        reason = (
            f"its sampling rate changes: {listing} Hz; all are resampled to one rate"
        )
        skipped.append(Skipped("merge", channel_id, reason, len(used)))
    return sorted(segments, key=_start_s), skipped


def _start_s(segment: Segment) -> float:
    """Return the true time of the first sample, seconds from the origin."""
    return segment.first_sample / segment.rate_hz + segment.offset_s


def _outside(segment: Segment, others: list[Segment]) -> list[Segment]:
    """Return the parts of a segment at times without samples of other segments."""
    rate_hz, n = segment.rate_hz, len(segment.data)
    free = np.ones(n, bool)
    for other in others:
        since_s = _start_s(other) - _start_s(segment)
        until_s = since_s + len(other.data) / other.rate_hz
        first, stop = (round(time_s * rate_hz) for time_s in (since_s, until_s))
        free[max(0, first) : max(0, stop)] = False
    if free.all():
        return [segment]
    return [
        replace(
            segment,
            first_sample=segment.first_sample + first,
            data=segment.data[first:stop],
        )
        for first, stop in runs_of(free).tolist()
    ]
