"""First steps on traces: trends, edges, gaps; functions, and the PEs made of them.

Filters are in `filters`, other sampling rates in `resampling`, normalisation in
`normalize`; the main job's own are here by name, too.

Each function leaves its input as it is and returns a new trace. Data become float64
in the first step and stay so until the spectra.
"""

from __future__ import annotations

from typing import Any

from obspy import Stream, Trace, UTCDateTime

from dispel4py.core import GenericPE
from seismo_pes.element import element
from seismo_pes.items.skipped import Skipped
from seismo_pes.items.traces import samples, with_data
from seismo_pes.items.waveforms import Waveforms
from seismo_pes.preprocessing.filters import Bandpass, bandpass
from seismo_pes.preprocessing.normalization import Normalize, normalize
from seismo_pes.preprocessing.resampling import Resample, resample
from seismo_pes.preprocessing.segments import NS, Segment, merge_segments
from seismo_pes.signal import detrend as _detrend
from seismo_pes.signal import taper as _taper
from seismo_pes.signal.gaps import flat_runs
from seismo_pes.signal.rates import exact_rate

__all__ = [
    "Bandpass",
    "Demean",
    "Detrend",
    "DetrendPolynomial",
    "DetrendSpline",
    "Merge",
    "Normalize",
    "Resample",
    "Taper",
    "bandpass",
    "demean",
    "detrend",
    "detrend_polynomial",
    "detrend_spline",
    "normalize",
    "resample",
    "taper",
]


def demean(trace: Trace) -> Trace:
    """Remove the mean."""
    return with_data(trace, _detrend.demean(samples(trace)))


def detrend(trace: Trace, kind: str = "linear") -> Trace:
    """Remove the mean or a straight line.

    Parameters
    ----------
    kind : str
        ``none``, ``demean`` or ``linear``.
    """
    return with_data(trace, _detrend.detrend(samples(trace), kind))


def detrend_polynomial(trace: Trace, order: int) -> Trace:
    """Remove the polynomial that fits best.

    Parameters
    ----------
    order : int
        Degree, 0 to 20.
    """
    return with_data(trace, _detrend.detrend_polynomial(samples(trace), order))


def detrend_spline(trace: Trace, knot_spacing_s: float, order: int = 3) -> Trace:
    """Remove the spline that fits best.

    Parameters
    ----------
    knot_spacing_s : float
        Seconds from knot to knot.
    order : int
        Degree of the pieces, 1 to 5.
    """
    spacing = round(knot_spacing_s * trace.stats.sampling_rate)
    return with_data(trace, _detrend.detrend_spline(samples(trace), spacing, order))


def taper(trace: Trace, seconds: float) -> Trace:
    """Apply a cosine taper at both ends.

    Parameters
    ----------
    seconds : float
        Length of each edge in seconds.
    """
    rate_hz = trace.stats.sampling_rate
    return with_data(trace, _taper.taper_s(samples(trace), seconds, rate_hz))


Demean = element(demean, "Demean")
Detrend = element(detrend, "Detrend")
DetrendPolynomial = element(detrend_polynomial, "DetrendPolynomial")
DetrendSpline = element(detrend_spline, "DetrendSpline")
Taper = element(taper, "Taper")


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
        self._add_input("input", tuple_type=Waveforms)
        self._add_output("output", tuple_type=Waveforms)
        self._add_output("skipped", tuple_type=Skipped)

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
            for start, stop in flat_runs(segment.data, shortest).tolist()
        ]
