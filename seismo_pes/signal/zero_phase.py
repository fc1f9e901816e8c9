"""A band-pass without phase that equals its own transpose."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy import fft

from seismo_pes.signal._arrays import FloatArray
from seismo_pes.signal.errors import ParameterError

__all__ = ["symmetric_bandpass"]


def symmetric_bandpass(
    x: ArrayLike, rate_hz: float, low_hz: float, high_hz: float, corners: int = 4
) -> FloatArray:
    """Multiply the spectrum by the power response of a Butterworth band-pass.

    This is a Butterworth filter applied forward and backward to a record with zeros
    before and after it. As a matrix it is symmetric: with the same filter, the adjoint
    source of a filtered record becomes that of the record before the filter.

    Parameters
    ----------
    x
        Shape ``(..., n)``.
    rate_hz
        Sampling rate.
    low_hz, high_hz
        Corners, where the amplitude is one half.
    corners
        Order of the Butterworth filter.

    Returns
    -------
    float64, shape ``(..., n)``.

    Raises
    ------
    ParameterError
        If the corners do not rise, or the upper one is not below the Nyquist frequency.

    Examples
    --------
    >>> t = np.arange(1000) / 10
    >>> y = symmetric_bandpass(np.sin(2 * np.pi * t), 10.0, 0.25, 4.0)
    >>> bool(np.abs(y - np.sin(2 * np.pi * t))[200:800].max() < 1e-3)
    True
    """
    x = np.asarray(x, dtype=np.float64)
    if not 0 < low_hz < high_hz < rate_hz / 2:
        raise ParameterError(
            f"corners {low_hz:g} and {high_hz:g} Hz: needs 0 < low < high < "
            f"{rate_hz / 2:g} Hz, the Nyquist frequency"
        )
    n = x.shape[-1]
    # The zeros are as long as the response needs to fall to 1e-6 at the lower corner.
    n_zeros = max(n, int(2 * corners * rate_hz / low_hz))
    n_fft = fft.next_fast_len(n + n_zeros, real=True)
    power = _power(n_fft, rate_hz, low_hz, high_hz, corners)
    return fft.irfft(fft.rfft(x, n_fft) * power, n_fft)[..., :n]


@lru_cache(maxsize=16)  # stations and components share the few bands of a run
def _power(
    n_fft: int, rate_hz: float, low_hz: float, high_hz: float, corners: int
) -> FloatArray:
    """Return the power response at the frequencies of a real transform."""
    frequency = fft.rfftfreq(n_fft, 1 / rate_hz)
    power = np.zeros(frequency.size)
    inside = frequency > 0
    # the bilinear transform of the analogue filter, as in scipy.signal.butter
    warped, low, high = (
        np.tan(np.pi * np.minimum(f, 0.4999999 * rate_hz) / rate_hz)
        for f in (frequency[inside], low_hz, high_hz)
    )
    detuning = (warped**2 - low * high) / (warped * (high - low))
    power[inside] = 1 / (1 + detuning ** (2 * corners))
    power.setflags(write=False)
    return power
