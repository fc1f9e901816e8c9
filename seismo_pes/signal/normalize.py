"""Time-domain normalisation, so that earthquakes do not dominate the stack.

Bensen et al. (2007), doi:10.1111/j.1365-246X.2007.03374.x, compares most of these.
"""

from collections.abc import Sequence
from math import prod

import numpy as np
from numpy.typing import ArrayLike

from seismo_pes.signal._arrays import FloatArray, as_float, require_count, scratch
from seismo_pes.signal.errors import ParameterError
from seismo_pes.signal.filter import bandpass

_CHUNK = 8192  # sums per step: 64 kB stay in the processor's cache


def onebit(x: ArrayLike) -> FloatArray:
    """Replace each sample by its sign: -1, 0 or 1 (NaN stays NaN).

    Examples
    --------
    >>> onebit([-3.0, 0.0, 0.5])
    array([-1.,  0.,  1.])
    """
    return np.asarray(np.sign(as_float(x)))


def running_absolute_mean(
    x: ArrayLike, n_half: int, across_components: bool = False
) -> FloatArray:
    """Divide each sample by the mean of ``|x|`` over ``2 n_half + 1`` samples.

    At the edges the mean is over the samples that exist. Where the weight is zero the
    result is zero.

    Parameters
    ----------
    x
        Records, shape ``(..., n)``. float32 stays float32, anything else becomes
        float64. Sums are float64. A NaN makes the `n_half` samples on both sides NaN;
        empty stays empty.
    n_half
        Half width, >= 0; 0 is one-bit.
    across_components
        If True, the last axis but one holds components. All are divided by one weight,
        the mean over the components, which preserves their ratios.

    Raises
    ------
    ParameterError
        If `n_half` is negative or there is no axis of components.

    References
    ----------
    Bensen et al. (2007), doi:10.1111/j.1365-246X.2007.03374.x, equation 1.

    Examples
    --------
    >>> running_absolute_mean([2.0, -2.0, 2.0], 1)
    array([ 1., -1.,  1.])
    """
    x = as_float(x)
    weight = running_mean(np.abs(x), n_half)
    if across_components:
        weight = _over_components(weight)
    return _divide(x, weight)


def multiband_running_absolute_mean(
    x: ArrayLike,
    rate_hz: float,
    bands_hz: Sequence[tuple[float, float]],
    n_half: int,
    corners: int = 4,
    zero_phase: bool = True,
) -> FloatArray:
    """Sum of the running absolute mean normalisations of several bands.

    Each band gets its own weight, so that an earthquake at long periods does not
    suppress the noise at short periods.

    Parameters
    ----------
    x
        Records, shape ``(..., n)``.
    rate_hz
        Sampling rate.
    bands_hz
        Pairs of corners, see `filter.bandpass`.
    n_half
        Half width of the running mean in samples.
    corners
        Order of the filters.
    zero_phase
        Filter forward and backward; otherwise causal.

    Raises
    ------
    ParameterError
        If there is no band, or a band exceeds Nyquist.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.sin(2 * np.pi * 0.1 * np.arange(600))
    >>> y = multiband_running_absolute_mean(x, 1.0, [(0.05, 0.2)], 50)
    >>> bool(abs(np.abs(y[200:400]).mean() - 1) < 0.01)
    True
    """
    if not bands_hz:
        raise ParameterError("bands_hz holds no band")
    x = as_float(x)
    out = np.zeros_like(x)
    for low, high in bands_hz:
        band = bandpass(x, rate_hz, low, high, corners, zero_phase)
        out += running_absolute_mean(band, n_half)
    return out


def running_mean(x: ArrayLike, n_half: int) -> FloatArray:
    """Mean over ``2 n_half + 1`` samples, at the edges over fewer; float64.

    Each sum is made from sums of 1, 2, 4, 8 ... neighbours. Nothing is subtracted, so
    the precision of a mean depends only on its own samples, zeros give exactly zero,
    and a NaN affects only the means that include it.

    Raises
    ------
    ParameterError
        If `n_half` is negative.

    Examples
    --------
    >>> running_mean([0.0, 3.0, 6.0], 1)
    array([1.5, 3. , 4.5])
    """
    x = as_float(x)
    n_half = require_count(n_half, "n_half")
    n = x.shape[-1]
    n_half = min(n_half, n)  # more samples than the record has make no difference
    width = 2 * n_half + 1
    if n_half == 0 or n == 0:
        return x.astype(np.float64)
    padded = np.zeros((*x.shape[:-1], n + 2 * n_half))
    padded[..., n_half : n_half + n] = x
    mean = np.empty(x.shape)
    _running_sums(padded, width, mean)
    if n < width:
        first = np.maximum(np.arange(n) - n_half, 0)
        stop = np.minimum(np.arange(n) + n_half + 1, n)
        mean /= stop - first
        return mean
    mean[..., n_half : n - n_half] /= width
    counts = np.arange(n_half + 1, width)
    mean[..., :n_half] /= counts
    mean[..., n - n_half :] /= counts[::-1]
    return mean


def _running_sums(x: FloatArray, width: int, out: FloatArray) -> None:
    """Write the sums of `width` neighbours to `out`, in steps that stay in cache."""
    n_out = out.shape[-1]
    n_together = max(_CHUNK // max(1, prod(x.shape[:-1])), 2 * width)
    shape = (*x.shape[:-1], min(n_together, n_out) + width)
    work = [scratch(name, shape, np.float64) for name in ("sums", "other sums")]
    for first in range(0, n_out, n_together):
        sums = out[..., first : first + n_together]
        n = sums.shape[-1]
        powers = x[..., first : first + n + width - 1]  # sums of 2**k neighbours
        n_summed = 0
        for k in range(width.bit_length()):
            if width >> k & 1:
                part = powers[..., n_summed : n_summed + n]
                if n_summed:
                    sums += part
                else:
                    sums[...] = part
                n_summed += 1 << k
            if width >> k > 1:
                left, right = powers[..., : -(1 << k)], powers[..., 1 << k :]
                powers = np.add(left, right, out=work[k % 2][..., : left.shape[-1]])


def clip(x: ArrayLike, n_std: float) -> FloatArray:
    """Limit each record to `n_std` times its root mean square.

    The root mean square ignores NaN. NaN stays NaN, and empty stays empty.

    Raises
    ------
    ParameterError
        If `n_std` is not positive.

    Examples
    --------
    >>> clip([0.0, 0.0, 0.0, 2.0], 1.0)
    array([0., 0., 0., 1.])
    """
    x = as_float(x)
    bound = _positive(n_std, "n_std") * _rms(x)
    return np.clip(x, -bound, bound, dtype=x.dtype)


def clip_at(x: ArrayLike, level: float) -> FloatArray:
    """Limit records to a level in the unit of the record.

    The output sample depends only on the input sample, so records may arrive in pieces.
    NaN stays NaN.

    Raises
    ------
    ParameterError
        If `level` is not positive.

    Examples
    --------
    >>> clip_at([-3.0, 0.5, 2.0], 1.0)
    array([-1. ,  0.5,  1. ])
    """
    x = as_float(x)
    level = _positive(level, "level")
    return np.clip(x, -level, level, dtype=x.dtype)


def winsorize(x: ArrayLike, n_rms: float, n_passes: int = 10) -> FloatArray:
    """Clip repeatedly at `n_rms` times the root mean square of the clipped record.

    Outliers raise the bound of `clip`. Here the bound is computed again from the
    clipped record, until it decreases by less than 1e-6, or after `n_passes` passes.
    For `n_rms` below 1 the bound would always decrease, so this is refused.

    Raises
    ------
    ParameterError
        If `n_rms` is below 1 or `n_passes` below 1.

    Examples
    --------
    >>> x = [1.0, -1.0] * 20 + [100.0]
    >>> bool(winsorize(x, 3.0)[-1] < clip(x, 3.0)[-1] / 4)
    True
    """
    x = as_float(x)
    if not n_rms >= 1:
        raise ParameterError(f"n_rms must be at least 1, not {n_rms}")
    bound = n_rms * _rms(x)
    y = x
    for _ in range(require_count(n_passes, "n_passes", 1)):
        y = np.clip(x, -bound, bound, dtype=x.dtype)
        smaller = n_rms * _rms(y)
        if (smaller >= bound * (1 - 1e-6)).all():
            break
        bound = np.minimum(bound, smaller)
    return y


def envelope(x: ArrayLike, n: int) -> FloatArray:
    """Divide by the mean of ``|x|`` over `n` samples before and `n` after each sample.

    The mean does not include the sample itself. The first and last `n` samples take the
    mean of the nearest sample with all its neighbours. This is the envelope
    normalisation of the dispel4py workflow of 2015. Where the mean is zero the result
    is zero. A record of at most ``2 n`` samples is divided by its mean absolute value.

    Raises
    ------
    ParameterError
        If `n` is below 1.

    Examples
    --------
    >>> envelope([2.0, 4.0, 2.0], 1)
    array([1., 2., 1.])
    """
    x = as_float(x)
    n = require_count(n, "n", 1)
    size = x.shape[-1]
    if size == 0:
        return x.copy()
    magnitude = np.abs(x)
    if size <= 2 * n:
        return _divide(x, magnitude.mean(axis=-1, dtype=np.float64, keepdims=True))
    weight = np.empty(x.shape)
    sums = np.empty((*x.shape[:-1], size - n + 1))  # of n neighbours
    _running_sums(np.asarray(magnitude, np.float64), n, sums)
    np.add(sums[..., : size - 2 * n], sums[..., n + 1 :], out=weight[..., n : size - n])
    weight[..., n : size - n] /= 2 * n
    weight[..., :n] = weight[..., n : n + 1]
    weight[..., size - n :] = weight[..., size - n - 1 : size - n]
    return _divide(x, weight)


def agc(x: ArrayLike, n_half: int, across_components: bool = False) -> FloatArray:
    """Automatic gain control: divide by the running root mean square.

    Like `running_absolute_mean`, but the weight is the root of the mean square over ``2
    n_half + 1`` samples.

    Raises
    ------
    ParameterError
        If `n_half` is negative or there is no axis of components.

    Examples
    --------
    >>> agc([3.0, -3.0, 3.0], 1)
    array([ 1., -1.,  1.])
    """
    x = as_float(x)
    square = running_mean(np.square(x, dtype=np.float64), n_half)
    if across_components:
        square = _over_components(square)
    return _divide(x, np.sqrt(square))


def gain(x: ArrayLike, n_half: int) -> FloatArray:
    """Gain control with triangular weights of half width `n_half` on the square.

    The weight at distance d is 1 - d / (n_half + 1); the result is x rms / (rms**2 +
    1e-12 max(rms)**2), which stays finite where the record is silent.

    Raises
    ------
    ParameterError
        If `n_half` is negative.

    Examples
    --------
    >>> gain([3.0, -3.0, 3.0], 0).round(6)
    array([ 1., -1.,  1.])
    """
    x = as_float(x)
    n_half = require_count(n_half, "n_half")
    if x.size == 0:
        return x.copy()
    square = np.square(x, dtype=np.float64)
    # A triangle is a boxcar applied twice. Beyond the ends are zeros, so divide by the
    # sum of the weights within the record.
    total = _boxcar_twice(square, n_half)
    weight = _boxcar_twice(np.ones(x.shape[-1]), n_half)
    rms = np.sqrt(np.maximum(total / weight, 0))
    level = 1e-12 * rms.max(axis=-1, keepdims=True) ** 2
    return _divide(x * rms, rms**2 + level).astype(x.dtype)


def mean_normalize(x: ArrayLike) -> FloatArray:
    """Divide each record by its mean absolute value; silent records stay zero.

    Examples
    --------
    >>> mean_normalize([1.0, -3.0])
    array([ 0.5, -1.5])
    """
    x = as_float(x)
    if x.shape[-1] == 0:
        return x.copy()
    return _divide(x, np.abs(x).mean(axis=-1, dtype=np.float64, keepdims=True))


def water_level(x: ArrayLike, level: float, n_passes: int = 100) -> FloatArray:
    """Divide samples above `level` times the mean of ``|x|`` by ten, repeatedly.

    Each pass computes the mean again, and changes only the samples above the level,
    until no sample exceeds it. An earthquake is reduced to the level of the noise, and
    the noise does not change.

    Parameters
    ----------
    x
        Records, shape ``(..., n)``.
    level
        Multiple of the mean absolute value, above 1.
    n_passes
        Largest number of passes.

    Raises
    ------
    ParameterError
        If `level` is not above 1 or `n_passes` is below 1.

    References
    ----------
    Bensen et al. (2007), doi:10.1111/j.1365-246X.2007.03374.x, method d.

    Examples
    --------
    >>> water_level([1.0, -1.0, 1.0, 1000.0], 3.0)
    array([ 1., -1.,  1.,  1.])
    """
    x = as_float(x)
    if not (np.isfinite(level) and level > 1):
        raise ParameterError(f"level must be above 1, not {level}")
    y = x.copy()
    for _ in range(require_count(n_passes, "n_passes", 1)):
        magnitude = np.abs(y)
        if x.shape[-1] == 0:
            break
        mean = magnitude.mean(axis=-1, dtype=np.float64, keepdims=True)
        above = magnitude > level * mean
        if not above.any():
            break
        y[above] /= 10
    return y


def _rms(x: FloatArray) -> FloatArray:
    if x.shape[-1] == 0:
        return np.zeros((*x.shape[:-1], 1))
    finite = np.isfinite(x)
    if finite.all():
        return np.sqrt(np.square(x, dtype=np.float64).mean(axis=-1, keepdims=True))
    square = np.where(finite, np.square(x, dtype=np.float64), 0)
    count = np.maximum(finite.sum(axis=-1, keepdims=True), 1)
    return np.asarray(np.sqrt(square.sum(axis=-1, keepdims=True) / count))


def _divide(x: FloatArray, weight: FloatArray) -> FloatArray:
    out = np.zeros(x.shape, dtype=x.dtype)
    np.divide(x, weight, out=out, where=weight != 0, casting="same_kind")
    return out


def _over_components(weight: FloatArray) -> FloatArray:
    if weight.ndim < 2:
        raise ParameterError("across_components needs an axis of components before n")
    return np.asarray(weight.mean(axis=-2, keepdims=True))


def _boxcar_twice(x: FloatArray, n_half: int) -> FloatArray:
    n = x.shape[-1]
    width = n_half + 1
    y = np.concatenate([x, np.zeros((*x.shape[:-1], 2 * width))], axis=-1)
    for _ in range(2):
        total = np.cumsum(y, axis=-1)
        y = total.copy()
        y[..., width:] -= total[..., :-width]
    return y[..., n_half : n_half + n]


def _positive(value: float, name: str) -> float:
    if not (np.isfinite(value) and value > 0):
        raise ParameterError(f"{name} must be positive, not {value}")
    return float(value)
