"""Preprocessing of traces: functions on obspy traces, and the PEs made of them.

Each function leaves its input as it is and returns a new trace. Data become float64
in the first step and stay so until the spectra.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from obspy import Stream, Trace, UTCDateTime

from dispel4py.core import GenericPE
from dispel4py.errors import DataError
from seismo_pes.element import element
from seismo_pes.merge import NS, Segment, exact_rate, merge_segments
from seismo_pes.signal import detrend as _detrend
from seismo_pes.signal import filter as _filter
from seismo_pes.signal import normalize as _normalize
from seismo_pes.signal import resample as _resample
from seismo_pes.signal import taper as _taper
from seismo_pes.waveforms import Waveforms

__all__ = [
    "Bandpass",
    "Detrend",
    "Merge",
    "Normalize",
    "Resample",
    "Taper",
    "bandpass",
    "detrend",
    "flat_runs",
    "normalize",
    "resample",
    "taper",
]


def _made(trace: Trace, data: np.ndarray, **changes: Any) -> Trace:
    made = Trace(header=trace.stats.copy())
    made.data = data
    for name, value in changes.items():
        setattr(made.stats, name, value)
    return made


def detrend(trace: Trace, kind: str = "linear") -> Trace:
    """Remove the mean or a straight line: ``none``, ``demean`` or ``linear``."""
    return _made(trace, _detrend.detrend(trace.data, kind))


def taper(trace: Trace, seconds: float) -> Trace:
    """Apply a cosine taper of ``seconds`` at both ends."""
    rate_hz = trace.stats.sampling_rate
    return _made(trace, _taper.taper_s(trace.data, seconds, rate_hz))


def bandpass(trace: Trace, low_hz: float, high_hz: float, corners: int = 4) -> Trace:
    """Apply a zero-phase Butterworth band-pass (``corners`` in each direction)."""
    rate_hz = trace.stats.sampling_rate
    return _made(trace, _filter.bandpass(trace.data, rate_hz, low_hz, high_hz, corners))


def resample(trace: Trace, rate_hz: float, origin_ns: int = 0) -> Trace:
    """Change the sampling rate, with an anti-alias filter without delay.

    Samples before the first one that lies on the new grid (``origin_ns`` plus
    multiples of ``1 / rate_hz``, to half an old sample) are left out, so that traces
    of different stations stay simultaneous.
    """
    old_hz = trace.stats.sampling_rate
    if old_hz == rate_hz:
        return trace
    start_ns = trace.stats.starttime.ns
    first = _first_on_grid(start_ns - origin_ns, old_hz, rate_hz)
    if first >= trace.stats.npts:
        raise DataError(f"{trace.stats.npts} samples are too few to resample")
    data = _resample.resample(trace.data[first:], old_hz, rate_hz)
    start_ns += round(first * NS / exact_rate(old_hz))
    return _made(
        trace, data, starttime=UTCDateTime(ns=start_ns), sampling_rate=float(rate_hz)
    )


def _first_on_grid(start_ns: int, old_hz: float, new_hz: float) -> int:
    """Return how many old samples to drop so that the next lies on the new grid."""
    old, new = exact_rate(old_hz), exact_rate(new_hz)
    period = (old / new).numerator  # old samples after which both grids meet again
    offsets = []
    for k in range(min(period, 10_000)):
        at = (start_ns + k * NS / old) * new / NS
        offset = abs(at - round(at)) / new * old  # in old samples
        if offset < 0.5:
            return k
        offsets.append(offset)
    return offsets.index(min(offsets))


def normalize(
    trace: Trace,
    kind: str,
    ram_window_s: float | None = None,
    clip_std: float | None = None,
) -> Trace:
    """Normalise in time: ``none``, ``onebit``, ``ram`` or ``clip``."""
    if kind == "none":
        return trace
    if kind == "onebit":
        return _made(trace, _normalize.onebit(trace.data))
    if kind == "ram":
        n_half = round((ram_window_s or 0.0) * trace.stats.sampling_rate / 2)
        return _made(trace, _normalize.running_absolute_mean(trace.data, n_half))
    if kind == "clip":
        return _made(trace, _normalize.clip(trace.data, clip_std or 3.0))
    raise DataError(f"unknown normalisation {kind!r}")


Detrend = element(detrend, "Detrend")
Taper = element(taper, "Taper")
Bandpass = element(bandpass, "Bandpass")
Resample = element(resample, "Resample")
Normalize = element(normalize, "Normalize")


class Merge(GenericPE):
    """Join traces into gapless pieces on one absolute sample grid.

    Ports
    -----
    input, output : Waveforms
        The output's traces start on the grid (nearest sample).
    skipped : Skipped
        Overlaps in conflict, other sampling rates, starts between samples.

    Parameters
    ----------
    origin_ns : int
        Time of sample 0 of the grid, nanoseconds since 1970.
    flat_s : float
        Runs of equal samples at least so long are noted in `Waveforms.flat`.
    """

    def __init__(self, origin_ns: int, flat_s: float) -> None:
        super().__init__()
        self.origin_ns, self.flat_s = origin_ns, flat_s
        self._add_input("input")
        self._add_output("output")
        self._add_output("skipped")

    def process(self, inputs: dict[str, Any]) -> Any:
        """Merge one span."""
        item: Waveforms = inputs["input"]
        segments, skipped = merge_segments(item.stream, self.origin_ns)
        yield from ({"skipped": one} for one in skipped)
        headers = {trace.id: trace.stats for trace in item.stream}
        stream = Stream()
        flat: list[tuple[int, int]] = []
        for segment in segments:
            stream.append(self._trace(segment, headers[segment.channel_id]))
            flat += self._flat(segment)
        yield {"output": Waveforms(item.span, stream, tuple(flat))}

    def _trace(self, segment: Segment, header: Any) -> Trace:
        trace = Trace(header=header.copy())
        trace.data = segment.data
        trace.stats.sampling_rate = segment.rate_hz
        trace.stats.starttime = UTCDateTime(ns=self._time(segment, 0))
        return trace

    def _time(self, segment: Segment, sample: int) -> int:
        rate = exact_rate(segment.rate_hz)
        return self.origin_ns + round((segment.first_sample + sample) * NS / rate)

    def _flat(self, segment: Segment) -> list[tuple[int, int]]:
        shortest = max(2, int(self.flat_s * segment.rate_hz))
        return [
            (self._time(segment, start), self._time(segment, stop))
            for start, stop in flat_runs(segment.data, shortest)
        ]


def flat_runs(data: np.ndarray, shortest: int) -> Sequence[tuple[int, int]]:
    """Find runs of at least ``shortest`` equal samples.

    Returns
    -------
    list of (int, int)
        First sample, and the sample after the last.

    >>> flat_runs(np.array([1, 0, 0, 0, 2, 2]), 3)
    [(1, 4)]
    """
    if len(data) < shortest:
        return []
    changes = np.flatnonzero(data[1:] != data[:-1]) + 1
    edges = np.concatenate([[0], changes, [len(data)]])
    long = np.flatnonzero(np.diff(edges) >= shortest)
    return [(int(edges[k]), int(edges[k + 1])) for k in long]
