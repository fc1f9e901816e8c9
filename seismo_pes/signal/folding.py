"""What is read off a finished correlation: its two sides, and how clear it is."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from seismo_pes.signal._arrays import FloatArray, as_float, require_rate
from seismo_pes.signal.errors import ParameterError


class Sides(NamedTuple):
    """The causal, acausal and symmetric parts, lags 0..K, shape ``(..., K + 1)``."""

    causal: FloatArray
    acausal: FloatArray
    symmetric: FloatArray


def sides(c: ArrayLike) -> Sides:
    """Take a correlation apart: positive lags, negative lags reversed, and their mean.

    Parameters
    ----------
    c
        Shape ``(..., 2 K + 1)``, lags -K..K.

    Raises
    ------
    ParameterError
        If the number of lags is even.

    Examples
    --------
    >>> sides([1.0, 2.0, 5.0]).symmetric
    array([2., 3.])
    """
    c = as_float(c, "c")
    n = c.shape[-1]
    if n % 2 == 0:
        raise ParameterError(f"c has {n} lags, but lags -K..K are an odd number")
    causal = c[..., n // 2 :].copy()
    acausal = c[..., n // 2 :: -1].copy()
    return Sides(causal, acausal, (causal + acausal) / 2)


def signal_to_noise(
    c: ArrayLike,
    rate_hz: float,
    signal_s: tuple[float, float],
    noise_s: tuple[float, float],
) -> FloatArray:
    """Peak in one range of absolute lag over the root mean square in another.

    Parameters
    ----------
    c
        Shape ``(..., 2 K + 1)``, lags -K..K.
    rate_hz
        Sampling rate.
    signal_s, noise_s
        Ranges of ``|lag|`` in seconds, both ends included, both sides of zero used.

    Returns
    -------
    float64 of shape ``(...)``; zero where signal and noise are silent, infinity
    where only the noise is.

    Raises
    ------
    ParameterError
        If a range holds no sample or the number of lags is even.

    Examples
    --------
    >>> float(signal_to_noise([1.0, -1.0, 0.0, 8.0, 1.0], 1.0, (1, 1), (2, 2)))
    8.0
    """
    c = as_float(c, "c")
    rate_hz = require_rate(rate_hz)
    n = c.shape[-1]
    if n % 2 == 0:
        raise ParameterError(f"c has {n} lags, but lags -K..K are an odd number")
    lag = np.abs(np.arange(n) - n // 2) / rate_hz
    slack = 1e-6 / rate_hz
    inside = []
    for name, (low, high) in (("signal_s", signal_s), ("noise_s", noise_s)):
        chosen = (lag >= low - slack) & (lag <= high + slack)
        if not chosen.any():
            raise ParameterError(
                f"{name} {low:g} to {high:g} s holds no lag of a correlation up to "
                f"{lag.max():g} s"
            )
        inside.append(c[..., chosen].astype(np.float64))
    peak = np.abs(inside[0]).max(axis=-1)
    noise = np.sqrt(np.square(inside[1]).mean(axis=-1))
    ratio = peak / np.where(noise == 0, 1.0, noise)
    return np.where((noise == 0) & (peak > 0), np.inf, ratio)
