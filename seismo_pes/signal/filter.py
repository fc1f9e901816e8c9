"""Butterworth filters, zero-phase or causal, that refuse corners beyond Nyquist."""

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from seismo_pes.signal._arrays import (
    FloatArray,
    as_float,
    require_count,
    require_rate,
)
from seismo_pes.signal._recursive import filtered
from seismo_pes.signal.errors import ParameterError

SETTLED = 1e-9  # amplitude of an impulse response, of its first, that counts as zero


def bandpass(
    x: ArrayLike,
    rate_hz: float,
    low_hz: float,
    high_hz: float,
    corners: int = 4,
    zero_phase: bool = True,
) -> FloatArray:
    """Butterworth band-pass along the last axis.

    Second-order sections and their state are float64 for any input, so a float32 record
    keeps its seven digits even in a narrow band far below Nyquist. Zero phase runs the
    filter forward and backward: the amplitude response is squared, -6 dB at the
    corners. The filter assumes zeros before the first sample, so taper the record
    first.

    Parameters
    ----------
    x
        Records, shape ``(..., n)``. float32 stays float32, anything else becomes
        float64. NaN spreads over the rest of its record; empty stays empty.
    rate_hz
        Sampling rate.
    low_hz, high_hz
        Corners, 0 < low < high < rate / 2.
    corners
        Order of the Butterworth prototype, 1 to 20 (the band-pass has twice that).
    zero_phase
        Filter forward and backward; otherwise causal.

    Returns
    -------
    A new array of the same shape.

    Raises
    ------
    ParameterError
        If a corner is at or above Nyquist; the kind of filter never changes.

    Examples
    --------
    >>> import numpy as np
    >>> t = np.arange(2000) / 20
    >>> y = bandpass(np.sin(2 * np.pi * t), 20, 0.5, 2)
    >>> bool(abs(np.abs(y[500:1500]).max() - 1) < 0.01)
    True
    """
    return _apply(x, "bandpass", (low_hz, high_hz), rate_hz, corners, zero_phase)


def bandstop(
    x: ArrayLike,
    rate_hz: float,
    low_hz: float,
    high_hz: float,
    corners: int = 4,
    zero_phase: bool = True,
) -> FloatArray:
    """Butterworth band-stop along the last axis; parameters as `bandpass`.

    Raises
    ------
    ParameterError
        If a corner is at or above Nyquist.

    Examples
    --------
    >>> import numpy as np
    >>> t = np.arange(4000) / 20
    >>> y = bandstop(np.sin(2 * np.pi * t), 20, 0.5, 2)
    >>> bool(np.abs(y[1500:2500]).max() < 0.01)
    True
    """
    return _apply(x, "bandstop", (low_hz, high_hz), rate_hz, corners, zero_phase)


def lowpass(
    x: ArrayLike,
    rate_hz: float,
    corner_hz: float,
    corners: int = 4,
    zero_phase: bool = True,
) -> FloatArray:
    """Butterworth low-pass along the last axis; parameters as `bandpass`.

    Raises
    ------
    ParameterError
        If a corner is at or above Nyquist.

    Examples
    --------
    >>> import numpy as np
    >>> bool(abs(lowpass(np.ones(2000), 10, 1)[1000] - 1) < 1e-6)
    True
    """
    return _apply(x, "lowpass", (corner_hz,), rate_hz, corners, zero_phase)


def highpass(
    x: ArrayLike,
    rate_hz: float,
    corner_hz: float,
    corners: int = 4,
    zero_phase: bool = True,
) -> FloatArray:
    """Butterworth high-pass along the last axis; parameters as `bandpass`.

    Raises
    ------
    ParameterError
        If a corner is at or above Nyquist.

    Examples
    --------
    >>> import numpy as np
    >>> bool(abs(highpass(np.ones(2000), 10, 1)[1000]) < 1e-6)
    True
    """
    return _apply(x, "highpass", (corner_hz,), rate_hz, corners, zero_phase)


def _apply(
    x: ArrayLike,
    kind: str,
    corner_hz: tuple[float, ...],
    rate_hz: float,
    corners: int,
    zero_phase: bool,
) -> FloatArray:
    x = as_float(x)
    sections = butterworth(kind, corner_hz, rate_hz, corners)
    if x.size == 0:
        return x.copy()
    return filtered(sections, x, zero_phase)


def butterworth(
    kind: str, corners_hz: tuple[float, ...], rate_hz: float, corners: int = 4
) -> FloatArray:
    """Design a Butterworth filter as second-order sections.

    Parameters
    ----------
    kind
        ``"lowpass"``, ``"highpass"``, ``"bandpass"`` or ``"bandstop"``.
    corners_hz
        One corner, or the lower and the upper corner of a band, below Nyquist.
    rate_hz
        Sampling rate.
    corners
        Order of the prototype, 1 to 20; a band has twice that.

    Returns
    -------
    Shape ``(n_sections, 6)``: numerators and denominators.

    Raises
    ------
    ParameterError
        If a corner is at or above Nyquist, or the order out of range.

    Examples
    --------
    >>> butterworth("bandpass", (0.1, 2.0), 20.0).shape
    (4, 6)
    """
    corners = require_count(corners, "corners", 1)
    if corners > 20:
        raise ParameterError(f"corners must be from 1 to 20, not {corners}")
    nyquist = require_rate(rate_hz) / 2
    for corner in corners_hz:
        if not 0 < corner < nyquist:
            raise ParameterError(
                f"{kind} corner {corner:g} Hz is outside 0 to {nyquist:g} Hz, "
                f"the Nyquist frequency of {rate_hz:g} Hz data"
            )
    if len(corners_hz) == 2 and corners_hz[0] >= corners_hz[1]:
        raise ParameterError(
            f"{kind} low_hz {corners_hz[0]:g} must be below high_hz {corners_hz[1]:g}"
        )
    return _design(kind, tuple(corners_hz), float(rate_hz), corners)


def settling_s(
    kind: str, corners_hz: tuple[float, ...], rate_hz: float, corners: int = 4
) -> float:
    """Return how long the impulse response of a Butterworth filter lasts, seconds.

    After this time its slowest part has fallen to a billionth of its amplitude.

    Parameters
    ----------
    kind
        ``"lowpass"``, ``"highpass"``, ``"bandpass"`` or ``"bandstop"``.
    corners_hz
        One corner, or the lower and the upper one of a band, below Nyquist.
    rate_hz
        Sampling rate.
    corners
        Order of the prototype, 1 to 20.

    Raises
    ------
    ParameterError
        If a corner is at or above Nyquist, or the order out of range.

    Examples
    --------
    >>> round(settling_s("highpass", (0.1,), 20.0, 1), 1)
    33.0
    """
    sections = butterworth(kind, corners_hz, rate_hz, corners)
    poles = np.concatenate([np.roots(section[3:]) for section in sections])
    radius = min(float(np.abs(poles).max()), 1 - 1e-12)
    if radius == 0:
        return 0.0
    return float(np.log(SETTLED) / np.log(radius) / rate_hz)


@lru_cache(maxsize=64)
def _design(
    kind: str, corners_hz: tuple[float, ...], rate_hz: float, order: int
) -> FloatArray:
    from scipy.signal import butter  # here because it takes half a second

    corners = corners_hz if len(corners_hz) == 2 else corners_hz[0]
    sections = butter(order, corners, kind, output="sos", fs=rate_hz)
    sections.setflags(write=False)
    return sections
