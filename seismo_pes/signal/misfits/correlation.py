"""The shift between two tapered windows by their cross-correlation.

Double differences compare two stations in this way, and pyadjoint compares observed and
synthetic records so.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, inf, log, sqrt

import numpy as np
from scipy import fft

from seismo_pes.signal._arrays import FloatArray
from seismo_pes.signal._convolution import convolution
from seismo_pes.signal.errors import Rejected
from seismo_pes.signal.misfits.band_limited import (
    Polynomial,
    delayed,
    polynomial,
)

__all__ = [
    "CorrelationPeak",
    "WholeShift",
    "correlation_peak",
    "overlap",
    "whole_shift",
]


@dataclass(frozen=True)
class CorrelationPeak:
    """The largest correlation of two windows, to fractions of a sample.

    Attributes
    ----------
    shift
        Samples by which the first window is later.
    first_gradient, second_gradient
        Derivatives of the shift by the two windows, shape ``(n,)``.
    """

    shift: float
    first_gradient: FloatArray
    second_gradient: FloatArray


@dataclass(frozen=True)
class WholeShift:
    """The largest correlation of two windows at a whole sample.

    Attributes
    ----------
    shift
        Samples by which the first window is later.
    dlna
        ln of the ratio of their root-mean-square amplitudes.
    error, error_dlna
        Errors of `shift` and `dlna`, from the difference of the windows after
        correction of the shift and the factor.
    """

    shift: int
    dlna: float
    error: float
    error_dlna: float


def correlation_peak(
    first: FloatArray, second: FloatArray, near: float | None = None
) -> CorrelationPeak:
    """Find the shift tau with the largest sum of ``first(t + tau) second(t)``.

    The windows are zero outside, so all shifts shorter than a window are searched.

    Parameters
    ----------
    first, second
        Tapered windows, shape ``(n,)``.
    near
        Search within one sample of this shift only.

    Raises
    ------
    Rejected
        If the correlation has no maximum.

    Examples
    --------
    >>> t = np.arange(200.0)
    >>> pulse = lambda at: np.exp(-(((t - at) / 6) ** 2))
    >>> peak = correlation_peak(pulse(100.3), pulse(96.0))
    >>> round(peak.shift, 9)
    4.3
    """
    n = first.size
    n_fft = int(fft.next_fast_len(2 * n, real=True))
    a, b = polynomial(first, n_fft), polynomial(second, n_fft)
    product = Polynomial(a.spectrum * np.conj(b.spectrum), n_fft)
    low, high = (1.0 - n, n - 1.0) if near is None else (near - 1, near + 1)
    shift = product.maximum(low, high)
    curvature = product.value(shift, 2)
    if not curvature < 0:
        raise Rejected("no maximum of the correlation")
    first_slope = delayed(a.spectrum, n_fft, shift, (1,))[0, :n]
    second_slope = delayed(b.spectrum, n_fft, -shift, (1,))[0, :n]
    return CorrelationPeak(shift, second_slope / curvature, -first_slope / curvature)


def whole_shift(first: FloatArray, second: FloatArray) -> WholeShift:
    """Find the shift with the largest correlation in whole samples.

    Parameters
    ----------
    first, second
        Tapered windows, shape ``(n,)``.

    Examples
    --------
    >>> t = np.arange(200.0)
    >>> pulse = lambda at: np.exp(-(((t - at) / 6) ** 2))
    >>> whole_shift(pulse(100.3), pulse(96.0)).shift
    4
    """
    n = first.size
    shift = int(convolution(first, second[::-1]).argmax()) - n + 1
    dlna = 0.5 * log(float(first @ first) / float(second @ second))
    moved = np.zeros(n)
    later, earlier = overlap(shift, n)
    moved[later] = second[earlier]
    fitted = exp(dlna) * moved
    remaining = float(np.sum((first - fitted) ** 2))
    velocity = np.gradient(fitted)
    return WholeShift(
        shift,
        dlna,
        _ratio(remaining, float(velocity @ velocity)),
        _ratio(remaining, float(moved @ moved)),
    )


def overlap(shift: int, n: int) -> tuple[slice, slice]:
    """Return where two windows overlap if the first is `shift` samples later.

    Parameters
    ----------
    shift
        Samples, with any sign.
    n
        Length of the windows.

    Examples
    --------
    >>> overlap(2, 10)
    (slice(2, 10, None), slice(0, 8, None))
    """
    later = slice(max(shift, 0), n + min(shift, 0))
    return later, slice(later.start - shift, later.stop - shift)


def _ratio(remaining: float, energy: float) -> float:
    return sqrt(remaining / energy) if energy > 0 else inf
