"""Change the sampling rate, without aliasing and without moving the first sample."""

from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy import fft

from seismo_pes.signal._arrays import (
    FloatArray,
    as_float,
    require_count,
)
from seismo_pes.signal.errors import ParameterError
from seismo_pes.signal.rates import exact_rate

_KAISER_BETA = 10.06  # 100 dB: 0.1102 (100 - 8.7), Kaiser (1974)
HALF_LENGTH = 33  # samples at the lower rate: the transition is 0.2 Nyquist wide
_LARGEST_TRANSFORM = (
    2**22
)  # points: longer transforms are computed only for the needed bins
_LARGEST_PRODUCT = 2**20  # weights: with more weights transforms are faster
_PIECE = 2**15  # samples per step: they stay in cache
LARGEST_TERM = 10_000


def rate_ratio(rate_in_hz: float, rate_out_hz: float) -> Fraction:
    """Return rate_out / rate_in as a fraction of terms up to 10,000.

    Raises
    ------
    ParameterError
        If the ratio is not such a fraction; `interpolate_lanczos` takes any ratio.

    Examples
    --------
    >>> rate_ratio(40.0, 25.0)
    Fraction(5, 8)
    """
    ratio = exact_rate(rate_out_hz, "rate_out_hz") / exact_rate(
        rate_in_hz, "rate_in_hz"
    )
    if max(ratio.numerator, ratio.denominator) > LARGEST_TERM:
        raise ParameterError(
            f"rate_out_hz {rate_out_hz:.9g} is not a ratio p/q of rate_in_hz "
            f"{rate_in_hz:.9g} with p and q up to {LARGEST_TERM}; interpolate it by "
            "a Lanczos kernel"
        )
    return ratio


def resample(x: ArrayLike, rate_in_hz: float, rate_out_hz: float) -> FloatArray:
    """Resample the last axis by the rational factor p/q, zero phase, alias-free.

    The filter is a Kaiser-windowed sinc (100 dB): within 0.01 % of unity up to 80 %
    of the lower Nyquist frequency, -6 dB at 90 %, and aliases are below -90 dB. The
    first sample keeps its time. The filter assumes zeros outside the record, which
    affects the first and last 33 samples (of the lower rate), so demean or taper the
    record before. Only samples of the new rate are computed, by matrix products, or by
    Fourier transforms if the terms of the ratio are large (1001 to 1000).

    Parameters
    ----------
    x
        Records, shape ``(..., n)``. float32 stays float32 (rounding error about 1e-6
        of the largest sample), anything else becomes float64. NaN spreads to its
        neighbours, at most over its record; empty stays empty.
    rate_in_hz, rate_out_hz
        Sampling rates; their ratio must be a fraction (see `rate_ratio`).

    Returns
    -------
    A new array of shape ``(..., ceil(n * p / q))``.

    Raises
    ------
    ParameterError
        If a rate is not positive or the ratio is not rational.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.sin(2 * np.pi * 0.5 * np.arange(4000) / 40)
    >>> y = resample(x, 40, 4)
    >>> t = np.arange(400) / 4
    >>> bool(np.abs(y - np.sin(2 * np.pi * 0.5 * t))[50:350].max() < 1e-4)
    True
    """
    x = as_float(x)
    ratio = rate_ratio(rate_in_hz, rate_out_hz)
    p, q = ratio.numerator, ratio.denominator
    n = x.shape[-1]
    if p == q or x.size == 0:
        return x.copy()
    n_out = -(-n * p // q)
    with np.errstate(invalid="ignore", over="ignore"):  # NaN and infinity spread
        if has_finite_reach(ratio):
            records = x.reshape(-1, n)
            return _by_products(records, p, q)[:, :n_out].reshape(*x.shape[:-1], n_out)
        return _by_transforms(x, p, q, n_out)


def has_finite_reach(ratio: Fraction) -> bool:
    """Return whether each sample of `resample` depends only on its neighbours.

    The neighbours are within `HALF_LENGTH` samples of the lower rate. For large terms
    of the ratio, Fourier transforms use all samples of the record.

    Examples
    --------
    >>> has_finite_reach(Fraction(1, 5)), has_finite_reach(Fraction(1000, 1001))
    (True, False)
    """
    return _n_weights(ratio.numerator, ratio.denominator) <= _LARGEST_PRODUCT


def _by_products(x: FloatArray, p: int, q: int) -> FloatArray:
    """Resample records, shape ``(n_records, n)``; the result ends with some zeros.

    A block of samples contributes to three blocks of new samples: at its time, before
    and after. The filter is not longer.
    """
    weights = _weights(p, q, x.dtype.char)
    n_in, n_new = weights.shape[0], weights.shape[1] // 3
    n_records, n = x.shape
    n_whole = n // n_in
    out = np.zeros((n_records, n_whole + 3, n_new), x.dtype)

    def add(blocks: FloatArray, first: int) -> None:
        parts = (blocks @ weights).reshape(*blocks.shape[:2], 3, n_new)
        for i in range(3):
            out[:, first + i : first + i + blocks.shape[1]] += parts[:, :, i]

    whole = x[:, : n_whole * n_in].reshape(n_records, n_whole, n_in)
    at_once = max(1, _PIECE // (n_in * n_records))
    for first in range(0, n_whole, at_once):
        add(whole[:, first : first + at_once], first)
    last = np.zeros((n_records, 1, n_in), x.dtype)
    last[:, 0, : n - n_whole * n_in] = x[:, n_whole * n_in :]
    add(last, n_whole)
    return out[:, 1:].reshape(n_records, -1)


def _periods(p: int, q: int) -> int:
    """Return the number of periods of the two rates in a block, the filter's length."""
    return -(-HALF_LENGTH // min(p, q))


def _n_weights(p: int, q: int) -> int:
    return 3 * p * q * _periods(p, q) ** 2


@lru_cache(maxsize=8)
def _weights(p: int, q: int, dtype: str) -> FloatArray:
    """Return the weights of each sample of a block in three blocks, a row per sample.

    A block is at least as long as one side of the filter, and holds a whole number of
    periods of the two rates.
    """
    periods = _periods(p, q)
    # times of new samples, in units of 1 / (p times the old rate)
    times = np.arange(-periods * p, 2 * periods * p) * q
    away = times - np.arange(periods * q)[:, None] * p
    taps = _taps(p, q)
    half = len(taps) // 2
    near = np.abs(away) <= half
    weights = np.where(near, taps[np.where(near, away, 0) + half] * p, 0).astype(dtype)
    weights.setflags(write=False)
    return weights


def _taps(p: int, q: int) -> FloatArray:
    """Return the anti-alias filter at p times the input rate, of unit sum."""
    half = HALF_LENGTH * max(p, q)
    at = np.arange(-half, half + 1)
    taps = np.sinc(0.9 / max(p, q) * at) * np.kaiser(2 * half + 1, _KAISER_BETA)
    return np.asarray(taps / taps.sum())


def _by_transforms(x: FloatArray, p: int, q: int, n_out: int) -> FloatArray:
    """Resample in the frequency domain, whose cost does not depend on the ratio."""
    pad = HALF_LENGTH * max(p, q)  # samples at p times the input rate
    units = fft.next_fast_len(-(-(x.shape[-1] * p + pad) // (p * q)), real=True)
    n_bins = min(p, q) * units // 2 + 1
    spectrum = fft.rfft(x, q * units, axis=-1)[..., :n_bins]
    spectrum *= _response(p, q, units).astype(x.dtype)
    y = fft.irfft(spectrum, p * units, axis=-1)
    return np.ascontiguousarray(y[..., :n_out])


def decimate(x: ArrayLike, factor: int) -> FloatArray:
    """Keep every `factor`-th sample after a zero-phase filter; see `resample`.

    Raises
    ------
    ParameterError
        If `factor` is not a whole number from 1 to 10,000.

    Examples
    --------
    >>> decimate([0.0] * 21, 10).shape
    (3,)
    """
    factor = require_count(factor, "factor", 1)
    if factor > LARGEST_TERM:
        raise ParameterError(f"factor must be from 1 to {LARGEST_TERM}, not {factor}")
    return resample(x, float(factor), 1.0)


@lru_cache(maxsize=8)
def _response(p: int, q: int, units: int) -> FloatArray:
    """Response of the anti-alias filter, times p/q, from 0 to the lower Nyquist."""
    # only the first of the p q units bins (p times the input rate) are needed
    n, n_bins = p * q * units, min(p, q) * units // 2 + 1
    response = _bins(_taps(p, q), n, n_bins) * (p / q)
    if min(p, q) * units % 2 == 0:
        response[-1] = 0.0
    response.setflags(write=False)
    return response


def _bins(taps: FloatArray, n: int, n_bins: int) -> FloatArray:
    """Return the first bins of a transform of length n of taps centred on time zero."""
    if n <= _LARGEST_TRANSFORM:
        at = np.arange(len(taps)) - len(taps) // 2
        record = np.bincount(at % n, taps, n)
        return np.asarray(fft.rfft(record)[:n_bins].real)
    from scipy.signal import zoom_fft  # slow to import, for unusual rates only

    band = zoom_fft(taps, (0.0, n_bins / n), n_bins, fs=1.0)
    centred = np.exp(2j * np.pi * (len(taps) // 2) / n * np.arange(n_bins))
    return np.asarray((band * centred).real)


def resample_fourier(x: ArrayLike, n_out: int) -> FloatArray:
    """Resample the last axis to `n_out` samples as one period of a periodic signal.

    The spectrum is cut or padded with zeros, which is exact for band-limited periodic
    records; other records ring at their ends. Sample m lies at input index m * n /
    n_out.

    Raises
    ------
    ParameterError
        If `n_out` is not a whole number of at least 1, or the record is empty.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.cos(2 * np.pi * np.arange(8) / 8)
    >>> bool(np.allclose(resample_fourier(x, 4), x[::2]))
    True
    """
    x = as_float(x)
    n_out = require_count(n_out, "n_out", 1)
    n = x.shape[-1]
    if n == 0:
        raise ParameterError("x: an empty record has no period to resample")
    spectrum = fft.rfft(x, axis=-1)
    result = np.zeros((*x.shape[:-1], n_out // 2 + 1), dtype=spectrum.dtype)
    m = min(n, n_out)
    result[..., : m // 2 + 1] = spectrum[..., : m // 2 + 1]
    if m % 2 == 0 and n != n_out:
        # The bin at Nyquist is the sum of two bins of the longer grid.
        result[..., m // 2] *= 0.5 if n_out > n else 2.0
        if n_out < n:
            result[..., m // 2] = result[..., m // 2].real
    y: FloatArray = fft.irfft(result, n_out, axis=-1)
    y *= n_out / n
    return y


def interpolate_lanczos(
    x: ArrayLike, first: float, step: float, n_out: int, half_width: int = 20
) -> FloatArray:
    """Interpolate the last axis at indices ``first + step * m`` by a Lanczos kernel.

    It serves for shifts by a fraction of a sample, and for any ratio of rates. The
    kernel is sinc(t) sinc(t / a) with a = `half_width`. Its weights have unit sum, so a
    constant stays constant; samples outside the record have no weight. There is no
    anti-alias filter: filter first if `step` exceeds 1.

    Parameters
    ----------
    x
        Records, shape ``(..., n)``. float32 stays float32, anything else becomes
        float64.
    first, step
        Index of the first output sample, and the distance between output samples, in
        input samples, step > 0.
    n_out
        Number of output samples; all must lie within ``[0, n - 1]``.
    half_width
        Half width a of the kernel, 2 to 200 samples; with 20 the error is below 1e-3 up
        to about 80 % of Nyquist.

    Raises
    ------
    ParameterError
        If a parameter is out of range or an output sample outside the record.

    References
    ----------
    Burger, W. and Burge, M. J. (2009), Principles of Digital Image Processing: Core
    Algorithms, Springer, 231-232.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.sin(0.3 * np.arange(200))
    >>> y = interpolate_lanczos(x, 50.25, 1.0, 100)
    >>> bool(np.abs(y - np.sin(0.3 * (50.25 + np.arange(100)))).max() < 1e-3)
    True
    """
    x = as_float(x)
    n_out = require_count(n_out, "n_out")
    half_width = require_lanczos(step, half_width)
    n = x.shape[-1]
    if n_out and not (first >= -1e-9 and first + step * (n_out - 1) <= n - 1 + 1e-9):
        raise ParameterError(
            f"{n_out} samples from index {first:g} at step {step:g} leave the record "
            f"of {n} samples"
        )
    return lanczos_at(x, first + step * np.arange(n_out), half_width)


def require_lanczos(step: float, half_width: int) -> int:
    """Return `half_width` as an int, or raise unless it and the step are in range.

    Raises
    ------
    ParameterError
        If the step is not positive, or the half width not from 2 to 200.
    """
    half_width = require_count(half_width, "half_width", 2)
    if half_width > 200:
        raise ParameterError(f"half_width must be from 2 to 200, not {half_width}")
    if not (np.isfinite(step) and step > 0):
        raise ParameterError(f"step must be positive, not {step}")
    return half_width


def lanczos_at(x: FloatArray, at: FloatArray, half_width: int) -> FloatArray:
    """Interpolate the last axis at fractional indices; see `interpolate_lanczos`."""
    out = np.empty((*x.shape[:-1], len(at)), dtype=x.dtype)
    for i in range(0, len(at), _PIECE):
        part = at[i : i + _PIECE]
        out[..., i : i + _PIECE] = _interpolated(x, part, half_width)
    return out


def _interpolated(x: FloatArray, at: FloatArray, a: int) -> FloatArray:
    n = x.shape[-1]
    base = np.rint(at).astype(np.int64)
    part = at - base  # -1/2 to 1/2
    # the sines of the kernel's taps follow from three of them by rotation
    sine = np.sin(np.pi * part) * (a / np.pi**2)
    sine_a, cosine_a = np.sin(np.pi / a * part), np.cos(np.pi / a * part)
    inner = base.min() >= a and base.max() < n - a
    total, norm = np.zeros((*x.shape[:-1], at.size)), np.zeros(at.size)
    for k in range(-a, a + 1):
        turned = sine_a * np.cos(np.pi * k / a) - cosine_a * np.sin(np.pi * k / a)
        away = part - k
        near = np.abs(away) < 1e-8  # only where k = 0
        weight = sine * turned / np.where(near, 1.0, away * away)
        weight = np.where(near, 1.0, -weight if k % 2 else weight)
        if abs(k) == a:
            weight[np.abs(away) >= a] = 0.0
        index = base + k
        if not inner:
            weight *= (index >= 0) & (index < n)
            index = index.clip(0, n - 1)
        total += weight * x[..., index]
        norm += weight
    return (total / norm).astype(x.dtype)
