"""Records of made-up channels, for the tests of live data."""

from __future__ import annotations

import numpy as np
from obspy import Trace, UTCDateTime

from seismo_pes.items.times import NS
from seismo_pes.reading.live.record import Record

START = UTCDateTime(2024, 3, 1)
RATE_HZ = 20.0
CHANNEL = "XX.AAA..BHZ"


def samples(n: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(-9999, 9999, n).astype(np.int32)


def trace_of(
    data: np.ndarray,
    first: int = 0,
    channel_id: str = CHANNEL,
    rate_hz: float = RATE_HZ,
    start: UTCDateTime = START,
) -> Trace:
    """Return a trace whose first sample is number `first` after the start."""
    network, station, location, channel = channel_id.split(".")
    start = UTCDateTime(ns=start.ns + round(first * NS / rate_hz))
    header = {"network": network, "station": station, "location": location}
    header |= {"channel": channel, "starttime": start, "sampling_rate": rate_hz}
    return Trace(data, header)


def record_of(
    data: np.ndarray, first: int, stop: int, arrived_s: float | None = None
) -> Record:
    """Return samples as a record that arrives at its end, or at a time."""
    trace = trace_of(data[first:stop], first)
    record = Record(trace, 0, 0.0)
    arrived_ns = (
        record.end_ns if arrived_s is None else START.ns + round(arrived_s * NS)
    )
    return Record(trace, arrived_ns, arrived_ns / NS)


def joined(traces: list[Trace], n: int, first: int = 0) -> np.ma.MaskedArray:
    """Return the samples of traces in order; fails if one is before another's end."""
    data = np.ma.masked_all(n, np.int32)
    end = 0
    for trace in traces:
        k = round((trace.stats.starttime.ns - START.ns) * RATE_HZ / NS) - first
        assert k >= end, (k, end)
        end = k + trace.stats.npts
        data[k:end] = trace.data
    return data
