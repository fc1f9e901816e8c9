"""Trends and edges of traces: functions and their processing elements.

Each function returns a new trace and does not change its input. Data become float64 in
the first step, and stay float64 until the spectra.
"""

from __future__ import annotations

from obspy import Trace

from seismo_pes.element import element
from seismo_pes.items.waveforms import samples, with_data
from seismo_pes.signal import detrend as _detrend
from seismo_pes.signal import taper as _taper

__all__ = [
    "Demean",
    "Detrend",
    "DetrendPolynomial",
    "DetrendSpline",
    "Taper",
    "demean",
    "detrend",
    "detrend_polynomial",
    "detrend_spline",
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
    """Remove the least-squares polynomial.

    Parameters
    ----------
    order : int
        Degree, 0 to 20.
    """
    return with_data(trace, _detrend.detrend_polynomial(samples(trace), order))


def detrend_spline(trace: Trace, knot_spacing_s: float, order: int = 3) -> Trace:
    """Remove the least-squares spline.

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
Taper = element(taper, "Taper", margin=lambda rate_hz, seconds: seconds)
