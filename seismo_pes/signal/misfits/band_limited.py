"""Values, derivatives and maxima of records between their samples.

A record is interpolated by the trigonometric polynomial through its samples and zeros
after them. The bin at the Nyquist frequency has no phase and is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import fft

from seismo_pes.signal._arrays import ComplexArray, FloatArray

__all__ = ["Polynomial", "delayed", "newton", "polynomial"]

Slope = Callable[[float], tuple[float, float]]
# Searches end when a step is shorter, in samples: phases are rounded at this level.
_SMALLEST_STEP = 1e-13
# Newton's method doubles the number of digits in each step.
_QUICK_STEPS = 8


class Polynomial(NamedTuple):
    """A trigonometric polynomial.

    Attributes
    ----------
    spectrum
        Bins of its real transform, shape ``(n_fft // 2 + 1,)``.
    n_fft
        Its period in samples.
    """

    spectrum: ComplexArray
    n_fft: int

    @property
    def omega(self) -> FloatArray:
        """Angular frequencies of the bins, radians per sample."""
        return 2 * np.pi / self.n_fft * np.arange(self.spectrum.size)

    def value(self, at: float, order: int = 0) -> float:
        """Return the derivative of an order at a time in samples.

        Parameters
        ----------
        at
            Samples after the first one.
        order
            0 or larger.
        """
        phasor = np.exp(1j * self.omega * at) * (1j * self.omega) ** order
        total = 2 * (self.spectrum[1:] * phasor[1:]).real.sum()
        if order == 0:
            total += self.spectrum[0].real
        return float(total / self.n_fft)

    def samples(self, factor: int = 1) -> FloatArray:
        """Return values at `factor` times per sample, shape ``(factor * n_fft,)``.

        Parameters
        ----------
        factor
            1 or larger.
        """
        return np.asarray(fft.irfft(self.spectrum, factor * self.n_fft) * factor)

    def maximum(self, low: float, high: float, factor: int = 4) -> float:
        """Return the time of the largest value between two times.

        Parameters
        ----------
        low, high
            Samples; both may be negative, and at most one period apart.
        factor
            The search begins at this many times per sample, the highest frequency
            has twice as many times per period.

        Returns
        -------
        Samples after the first one: a stationary time, or `low` or `high`.
        """
        values = self.samples(factor)
        steps = np.arange(int(np.ceil(low * factor)), int(np.floor(high * factor)) + 1)
        best = float(steps[values[steps % values.size].argmax()]) / factor
        if best in (steps[0] / factor, steps[-1] / factor):
            return best
        at = newton(
            lambda t: (self.value(t, 1), self.value(t, 2)),
            best,
            best - 1 / factor,
            best + 1 / factor,
        )
        return best if at is None else at


def newton(slope: Slope, start: float, low: float, high: float) -> float | None:
    """Find a maximum by Newton's method; bisect where a step would leave the bracket.

    Parameters
    ----------
    slope
        Returns the first and second derivative.
    start, low, high
        Where the search begins, and its bracket.

    Returns
    -------
    The time, or None if the slope does not fall from `low` to `high`.

    Examples
    --------
    >>> newton(lambda t: (2.0 - t, -1.0), 1.5, 1.0, 3.0)
    2.0
    """
    at = start
    for _ in range(_QUICK_STEPS):
        rising, curvature = slope(at)
        if curvature >= 0:
            break
        step = -rising / curvature
        if abs(step) <= _SMALLEST_STEP * max(1.0, abs(at)):
            return at
        if not low < at + step < high:
            break
        at += step
    return _bisect(slope, low, high)


def _bisect(slope: Slope, low: float, high: float) -> float | None:
    if not slope(low)[0] > 0 > slope(high)[0]:
        return None
    while high - low > _SMALLEST_STEP * max(1.0, abs(low)):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if slope(middle)[0] > 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def polynomial(x: FloatArray, n_fft: int) -> Polynomial:
    """Return the trigonometric polynomial through samples and zeros after them.

    Parameters
    ----------
    x
        Shape ``(n,)``.
    n_fft
        Length with the zeros, at least n.

    Examples
    --------
    >>> t = np.arange(64)
    >>> wave = polynomial(np.sin(2 * np.pi * t / 16), 64)
    >>> round(wave.value(4.0), 6), round(wave.maximum(0.0, 16.0), 6)
    (1.0, 4.0)
    """
    return Polynomial(without_nyquist(fft.rfft(x, n_fft), n_fft), n_fft)


def without_nyquist(spectrum: ComplexArray, n_fft: int) -> ComplexArray:
    """Set the bin at the Nyquist frequency to zero, in place, and return the spectrum.

    Parameters
    ----------
    spectrum
        Real transform, shape ``(..., n_fft // 2 + 1)``.
    n_fft
        Length of the transform.
    """
    if n_fft % 2 == 0:
        spectrum[..., -1] = 0
    return spectrum


def delayed(
    spectrum: ComplexArray, n_fft: int, shift: float, orders: tuple[int, ...]
) -> FloatArray:
    """Evaluate derivatives of a record `shift` samples later.

    Parameters
    ----------
    spectrum
        Real transform of the padded record, shape ``(n_fft // 2 + 1,)``.
    n_fft
        Length of the transform.
    shift
        Samples.
    orders
        Orders of the derivatives, per sample.

    Returns
    -------
    Shape ``(len(orders), n_fft)``.
    """
    omega = 2 * np.pi / n_fft * np.arange(spectrum.size)
    moved = spectrum * np.exp(1j * omega * shift)
    rows = np.stack([moved * (1j * omega) ** order for order in orders])
    return np.asarray(fft.irfft(without_nyquist(rows, n_fft), n_fft, axis=-1))
