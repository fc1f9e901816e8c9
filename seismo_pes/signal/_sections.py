"""Butterworth filters as second-order sections: those of `scipy.signal`, without it."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seismo_pes.signal._arrays import FloatArray

_RATE = 2.0  # of the bilinear transform
_ROUNDING = 100 * np.finfo(np.float64).eps  # of an imaginary part that should be 0

ComplexArray = NDArray[Any]


def butterworth(
    kind: str, corners_hz: tuple[float, ...], rate_hz: float, order: int
) -> FloatArray:
    """Design a filter by the bilinear transform of the analogue one.

    Parameters
    ----------
    kind
        ``"lowpass"``, ``"highpass"``, ``"bandpass"`` or ``"bandstop"``.
    corners_hz
        One corner or two, rising, below Nyquist.
    rate_hz
        Sampling rate.
    order
        Of the prototype; a band has twice that.

    Returns
    -------
    Shape ``(n_sections, 6)``, numerators and denominators; the sections whose poles are
    closest to the unit circle come last.

    References
    ----------
    Oppenheim, A. V. and Schafer, R. W. (2010), Discrete-Time Signal Processing, 7.2.
    """
    prototype = -np.exp(1j * np.pi * np.arange(1 - order, order, 2) / (2 * order))
    warped = 2 * _RATE * np.tan(np.pi * (np.array(corners_hz) / (rate_hz / 2)) / _RATE)
    zeros, poles, gain = _analogue(kind, prototype, warped.tolist())
    twice = 2 * _RATE
    gain *= np.real(np.prod(twice - zeros) / np.prod(twice - poles))
    zeros_z, poles_z = ((twice + one) / (twice - one) for one in (zeros, poles))
    at_nyquist = -np.ones(len(poles) - len(zeros))
    return _paired(np.concatenate((zeros_z, at_nyquist)), poles_z, float(gain))


def _analogue(
    kind: str, poles: ComplexArray, corners: list[float]
) -> tuple[ComplexArray, ComplexArray, float]:
    """Return zeros, poles and gain of a low-pass moved to where it is wanted."""
    order = len(poles)
    if kind == "lowpass":
        return np.zeros(0), corners[0] * poles, corners[0] ** order
    if kind == "highpass":
        gain = float(np.real(1 / np.prod(-poles)))
        return np.zeros(order), corners[0] / poles, gain
    width, middle = corners[1] - corners[0], float(np.sqrt(corners[0] * corners[1]))
    zeros: ComplexArray = np.zeros(order)
    gain, half = width**order, poles * width / 2
    if kind == "bandstop":
        zeros = 1j * np.repeat((middle, -middle), order)
        gain, half = float(np.real(1 / np.prod(-poles))), (width / 2) / poles
    root = np.sqrt(half**2 - middle**2)
    return zeros, np.concatenate((half + root, half - root)), gain


def _paired(zeros: ComplexArray, poles: ComplexArray, gain: float) -> FloatArray:
    """Put the pole closest to the unit circle with its nearest zeros, then the next."""
    if len(poles) % 2:
        zeros, poles = np.append(zeros, 0), np.append(poles, 0)
    free, left = _upper(zeros), _upper(poles)
    sections = []
    while left:
        sections.append(_section(free, left))
    found = np.array(sections[::-1])
    found[0, :3] *= gain
    return found


def _upper(roots: ComplexArray) -> list[complex]:
    """Return one of each conjugate pair, then the real roots, each by their place."""
    found = []
    for root in map(complex, roots):
        if abs(root.imag) <= _ROUNDING * abs(root):
            found.append(complex(root.real))
        elif root.imag > 0:
            found.append(root)
    return sorted(found, key=lambda root: (root.imag == 0, root.real, root.imag))


def _section(zeros: list[complex], poles: list[complex]) -> list[float]:
    """Take a pair of poles and a pair of zeros; return their coefficients."""

    def off_circle(pole: complex) -> float:
        return abs(1 - abs(pole))

    def away(zero: complex) -> float:
        return abs(zero - first)

    first = _taken(poles, off_circle)
    second = first.conjugate() if first.imag else _taken(poles, off_circle, True)
    near = _taken(zeros, away)
    other = near.conjugate() if near.imag else _taken(zeros, away, True)
    return [*_polynomial(near, other), *_polynomial(first, second)]


def _taken(
    roots: list[complex], key: Callable[[complex], float], real: bool = False
) -> complex:
    found = min((root for root in roots if not (real and root.imag)), key=key)
    roots.remove(found)
    return found


def _polynomial(first: complex, second: complex) -> list[float]:
    product = np.convolve((1, -first), (1, -second))
    return [float(one) for one in product.real]
