"""Spikes and transients, by the median absolute deviation (MAD).

The MAD is scaled by 1.4826, so that it equals the standard deviation for normal noise.
A few large samples do not change it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seismo_pes.signal._arrays import FloatArray, as_float, require_count
from seismo_pes.signal.errors import ParameterError
from seismo_pes.signal.gaps import interpolate_gaps

__all__ = ["despike", "level_jumps", "loud_windows", "mad", "spikes"]

# Samples of a block, blocks on either side, and least ratio: see `level_jumps`.
_BLOCK, _N_BESIDE, _LEAST_RATIO = 100, 5, 10.0
TO_SIGMA = 1.482602218505602  # 1 / quantile of the normal distribution at 3/4


def mad(x: ArrayLike) -> FloatArray:
    """Return 1.4826 times the median distance from the median, along the last axis.

    NaN are left out; the result is NaN if all samples are NaN. float64.

    Examples
    --------
    >>> round(float(mad([1.0, 2.0, 3.0, 4.0, 1000.0])), 4)
    1.4826
    """
    values = as_float(x).astype(np.float64, copy=False)
    if values.shape[-1] == 0:
        return np.full(values.shape[:-1], np.nan)
    away = np.abs(values - _median(values)[..., None])
    return np.asarray(_median(away) * TO_SIGMA)


def spikes(x: ArrayLike, n_half: int, k: float) -> NDArray[np.bool_]:
    """Find samples that are far from their neighbourhood (Hampel filter).

    A sample is a spike if it is further than ``k`` MAD from the median, where MAD and
    median are those of the ``2 n_half + 1`` samples around it. If more than half of
    these samples are equal, the MAD is zero and every other value is a spike.

    Parameters
    ----------
    x
        Records, shape ``(..., n)``. NaN are never spikes.
    n_half
        Half width of the neighbourhood, at least 1; beyond its ends the record is
        mirrored.
    k
        Threshold, positive; Hampel uses 3, and 6 to 10 does not remove earthquakes.

    Returns
    -------
    Booleans of the same shape.

    Raises
    ------
    ParameterError
        If `n_half` or `k` is out of range.

    References
    ----------
    Hampel (1974), The influence curve and its role in robust estimation,
    doi:10.1080/01621459.1974.10482962.

    Examples
    --------
    >>> x = np.sin(0.2 * np.arange(100))
    >>> x[40] += 5.0
    >>> spikes(x, 5, 5.0).nonzero()[0].tolist()
    [40]
    """
    is_spike, _ = _hampel(as_float(x), n_half, k)
    return is_spike


def despike(x: ArrayLike, n_half: int, k: float) -> FloatArray:
    """Replace spikes by the median of their neighbourhood; see `spikes`.

    Raises
    ------
    ParameterError
        If `n_half` is below 1 or `k` is not positive.

    Examples
    --------
    >>> x = np.sin(0.2 * np.arange(100))
    >>> x[40] += 5.0
    >>> round(float(despike(x, 5, 5.0)[40] - np.sin(0.2 * 40)), 3)
    -0.135
    """
    x = as_float(x)
    is_spike, median = _hampel(x, n_half, k)
    return np.where(is_spike, median, x).astype(x.dtype, copy=False)


def loud_windows(x: ArrayLike, n_window: int, k: float) -> NDArray[np.bool_]:
    """Find windows with a transient: a peak above ``k`` MAD of the whole record.

    Parameters
    ----------
    x
        One record, shape ``(n,)``. NaN are left out.
    n_window
        Samples of a window. Windows follow each other from the first sample; the last
        window may be shorter.
    k
        Threshold, positive. The largest of n normal samples is about sqrt(2 ln n) MAD:
        4.6 for 36,000 samples. If more than half of the record is one value, its MAD is
        zero and no window is loud.

    Returns
    -------
    Shape ``(ceil(n / n_window),)``.

    Raises
    ------
    ParameterError
        If a parameter is out of range or `x` is not one record.

    Examples
    --------
    >>> loud_windows([1.0, -1.0, 1.0, 2.0, 90.0, 1.0, 0.0], 2, 10.0).tolist()
    [False, False, True, False]
    """
    x = as_float(x)
    n_window = require_count(n_window, "n_window", 1)
    k = _threshold(k)
    if x.ndim != 1:
        raise ParameterError(f"x: {x.ndim} dimensions, but one record is needed")
    if x.size == 0:
        return np.zeros(0, dtype=np.bool_)
    limit = k * float(mad(x))
    away = np.abs(x - _median(x.astype(np.float64, copy=False)))
    away[np.isnan(away)] = 0.0
    peaks = np.maximum.reduceat(away, np.arange(0, x.size, n_window))
    return peaks > limit if limit > 0 else np.zeros(peaks.size, dtype=np.bool_)


def _hampel(
    x: FloatArray, n_half: int, k: float
) -> tuple[NDArray[np.bool_], FloatArray]:
    from scipy.ndimage import rank_filter  # slow to import, and few runs remove spikes

    n_half = require_count(n_half, "n_half", 1)
    n_half = min(n_half, max(x.shape[-1] - 1, 1))  # more adds only mirrored samples
    k = _threshold(k)
    if x.size == 0:
        return np.zeros(x.shape, dtype=np.bool_), x
    filled = np.nan_to_num(interpolate_gaps(x, x.shape[-1]))
    around = {"size": [1] * (x.ndim - 1) + [2 * n_half + 1], "mode": "mirror"}
    median = rank_filter(filled, n_half, **around)
    low = rank_filter(filled, n_half // 2, **around)
    high = rank_filter(filled, 2 * n_half - n_half // 2, **around)
    away = np.abs(filled - median)
    # the MAD is at least the distance of the nearer quartile from the median: it is
    # computed only for samples that exceed the threshold with this lower bound
    is_spike = away > k * TO_SIGMA * np.minimum(high - median, median - low)
    is_spike &= ~np.isnan(x)
    is_spike[is_spike] = away[is_spike] > k * TO_SIGMA * _mad_around(
        filled, median[is_spike], np.nonzero(is_spike), n_half
    )
    return is_spike, median


def _mad_around(
    x: FloatArray, median: FloatArray, at: tuple[NDArray[np.int64], ...], n_half: int
) -> FloatArray:
    """Return the unscaled MAD of the neighbourhoods of some samples."""
    mads = np.empty(median.size, dtype=x.dtype)
    last = x.shape[-1] - 1
    offsets = np.arange(-n_half, n_half + 1)
    chunk = max(1, 4_000_000 // offsets.size)
    for begin in range(0, median.size, chunk):
        part = slice(begin, begin + chunk)
        columns = (at[-1][part, None] + offsets) % max(2 * last, 1)
        columns = np.minimum(columns, 2 * last - columns)
        rows = tuple(index[part, None] for index in at[:-1])
        values = np.abs(x[(*rows, columns)] - median[part, None])
        mads[part] = np.partition(values, n_half, axis=-1)[:, n_half]
    return mads


def _median(values: FloatArray) -> FloatArray:
    bad = np.isnan(values)
    if not bad.any():
        return np.asarray(np.median(values, axis=-1))
    # NaN are sorted to the end: take the middle of the samples before them
    n = values.shape[-1] - bad.sum(axis=-1)
    ordered = np.sort(values, axis=-1)
    low, high = np.maximum(n - 1, 0) // 2, n // 2
    high = np.minimum(high, values.shape[-1] - 1)
    middle = [
        np.take_along_axis(ordered, i[..., None], -1)[..., 0] for i in (low, high)
    ]
    return np.asarray(np.where(n > 0, (middle[0] + middle[1]) / 2, np.nan))


def _threshold(k: float) -> float:
    if not (np.isfinite(k) and k > 0):
        raise ParameterError(f"k must be a positive number of MAD, not {k}")
    return float(k)


def level_jumps(x: ArrayLike) -> NDArray[np.int64]:
    """Find steps of the level of a record that are larger than its amplitude.

    The record is cut into blocks of 100 samples. The level changes in a block if the
    means of the five blocks before and of the five blocks after it differ by more than
    ten times the ranges of the means of these blocks, and by more than the root mean
    square amplitude about them. The step is where the means on both sides differ most
    significantly.

    Parameters
    ----------
    x
        One record, shape ``(n,)``; NaN is no jump.

    Returns
    -------
    The sample after each step, shape ``(n_jumps,)``.

    Raises
    ------
    ParameterError
        If `x` is not one record.

    Examples
    --------
    >>> x = np.random.default_rng(1).standard_normal(5000)
    >>> x[3210:] += 50
    >>> level_jumps(x)
    array([3210])
    """
    x = np.asarray(x)
    if x.ndim != 1:
        raise ParameterError(f"x must be one record, not of shape {x.shape}")
    n_blocks = len(x) // _BLOCK
    if n_blocks < 2 * _N_BESIDE + 1:
        return np.empty(0, np.int64)
    blocks = as_float(x[: n_blocks * _BLOCK]).reshape(n_blocks, _BLOCK)
    means = blocks @ np.full(_BLOCK, 1 / _BLOCK, blocks.dtype)
    size = _N_BESIDE
    level = np.convolve(means, np.full(size, 1 / size), "valid")
    beside = [means[k : k + len(level)] for k in range(size)]
    spread = np.maximum.reduce(beside) - np.minimum.reduce(beside)
    jump = np.abs(level[size + 1 :] - level[: -size - 1])
    scatter = np.maximum(spread[size + 1 :], spread[: -size - 1])
    candidates = np.flatnonzero(jump > _LEAST_RATIO * scatter)
    jumps = []
    for k in candidates.tolist():
        block = k + _N_BESIDE
        near = blocks[block - _N_BESIDE : block + _N_BESIDE + 1].astype(np.float64)
        outer = np.delete(near, _N_BESIDE, axis=0)
        rms = np.sqrt(np.square(outer - outer.mean(axis=1, keepdims=True)).mean())
        if jump[k] > rms > 0:
            jumps.append((block - _N_BESIDE) * _BLOCK + _step(near.ravel()))
    return np.unique(np.array(jumps, np.int64))


def _step(x: FloatArray) -> int:
    """Return the first sample after the most significant step of a record."""
    n = len(x)
    after = np.arange(1, n)
    sums = np.cumsum(x - x.mean())[:-1]
    return int(after[np.argmax(sums**2 / (after * (n - after)))])
