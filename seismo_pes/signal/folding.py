"""A finished correlation: its two sides, its peak, its signal-to-noise ratio."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from seismo_pes.signal._arrays import FloatArray, as_float, require_rate
from seismo_pes.signal.errors import ParameterError

_FEWEST_LAGS = (
    16  # lags of a correlation, 8 of a branch: the noise of fewer has no estimate
)


class Sides(NamedTuple):
    """The causal, acausal and symmetric parts, lags 0..K, shape ``(..., K + 1)``."""

    causal: FloatArray
    acausal: FloatArray
    symmetric: FloatArray


def sides(c: ArrayLike) -> Sides:
    """Split a correlation into positive lags, reversed negative lags, and their mean.

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
    float64 of shape ``(...)``; zero where signal and noise are silent, infinity where
    only the noise is silent.

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


def outer_signal_to_noise(c: ArrayLike) -> FloatArray:
    """Peak of a correlation over the root mean square of the outer half of its lags.

    Arrivals are expected in the inner half, ``|lag| <= K / 2``; the outer half is
    noise.

    Parameters
    ----------
    c
        Shape ``(..., 2 K + 1)``, lags -K..K.

    Returns
    -------
    float64 of shape ``(...)``; NaN where there are fewer than 16 lags or the outer half
    is silent.

    Examples
    --------
    >>> row = np.ones(41)
    >>> row[25] = -6.0
    >>> float(outer_signal_to_noise(row))
    6.0
    """
    c = as_float(c, "c")
    half = c.shape[-1] // 2
    if c.shape[-1] < _FEWEST_LAGS:
        return np.full(c.shape[:-1], np.nan)
    ratio = signal_to_noise(c, 1.0, (0, half), (half // 2 + 1, half))
    return np.where((ratio > 0) & np.isfinite(ratio), ratio, np.nan)


def branch_signal_to_noise(c: ArrayLike) -> FloatArray:
    """Peak over noise of each branch: positive and negative lags.

    The largest absolute value of the inner half of a branch over the root mean square
    of its outer half.

    Parameters
    ----------
    c
        Shape ``(..., 2 K + 1)``, lags -K..K.

    Returns
    -------
    float64 of shape ``(..., 2)``; NaN where a branch has fewer than 8 lags or its outer
    half is silent.

    Examples
    --------
    >>> row = np.r_[np.ones(20), np.zeros(19), 0, np.zeros(19), 2 * np.ones(20)]
    >>> row[[30, 48]] = 5, 6
    >>> branch_signal_to_noise(row)
    array([3., 5.])
    """
    c = as_float(c, "c")
    half = c.shape[-1] // 2
    if half < _FEWEST_LAGS // 2:
        return np.full((*c.shape[:-1], 2), np.nan)
    ratios = []
    for branch in sides(c)[:2]:
        # a branch and its mirror image have the peak and the noise of the branch
        both = np.concatenate([branch[..., :0:-1], branch], axis=-1)
        ratio = signal_to_noise(both, 1.0, (0, half // 2), (half // 2 + 1, half))
        silent = (both[..., -(half - half // 2) :] == 0).all(axis=-1)
        ratios.append(np.where(silent, np.nan, ratio))
    return np.stack(ratios, axis=-1)


def peaks(c: ArrayLike, lags_s: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Lag and value of the largest absolute value of each row.

    Parameters
    ----------
    c
        Shape ``(n, n_lags)``.
    lags_s
        Shape ``(n_lags,)``, seconds.

    Returns
    -------
    Lags in seconds and values, shapes ``(n,)``; NaN for a row with NaN in it.

    Examples
    --------
    >>> lag_s, value = peaks(np.array([[0.1, -0.9, 0.3]]), np.array([-1.0, 0.0, 1.0]))
    >>> float(lag_s[0]), float(value[0])
    (0.0, -0.9)
    """
    c, lags_s = as_float(c, "c"), np.asarray(lags_s, np.float64)
    if not len(c):
        return np.zeros(0), np.zeros(0)
    place = np.argmax(np.abs(c), axis=1)
    value = c[np.arange(len(c)), place].astype(np.float64)
    return np.where(np.isnan(value), np.nan, lags_s[place]), value
