"""Inverse transforms of cross-spectra, in batches that share their memory."""

from math import prod
from typing import Any

import numpy as np
from numpy.typing import DTypeLike
from scipy import fft

from seismo_pes.signal._arrays import (
    ComplexArray,
    FloatArray,
    as_complex,
    batches,
    require_count,
    scratch,
)
from seismo_pes.signal.errors import ParameterError

# Largest lag K for the lags -K..K, or the first and the last lag.
Lags = int | tuple[int, int]

TRANSFORM_BYTES = 1_300_000  # bytes of a batch: 16 rows of 19,440 float32 stay in cache


def lags_from_spectra(
    s: ComplexArray,
    n_fft: int,
    bins: slice | None,
    max_lag: Lags,
    out: FloatArray | None = None,
    dtype: DTypeLike | None = None,
    scale: FloatArray | float = 1.0,
) -> FloatArray:
    """Inverse transforms of cross-spectra, cut to a range of lags.

    Parameters
    ----------
    s
        Cross-spectra, shape ``(..., n_bins)``, complex64 or complex128.
    n_fft
        Length of the transform; with `fft_length` the lags do not wrap around.
    bins
        Bins of the one-sided spectrum that `s` holds; the other bins are zero. None:
        all bins.
    max_lag
        Largest lag K in samples, below ``n_fft / 2``, for the lags -K..K; or the
        first and the last lag.
    out
        Array for the result, which is returned: shape ``(..., n_lags)``, contiguous.
    dtype
        float32 or float64 of a new result; by default the precision of `s`.
    scale
        Factor(s), a number or shape ``(...)``: 1 / n_windows makes a sum a mean.

    Returns
    -------
    Shape ``(..., n_lags)``; ``2 K + 1`` lags, or the lags from the first to the last.

    Raises
    ------
    ParameterError
        If lags, bins or `out` do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> a, b = np.fft.rfft([1.0, 0, 0, 0], 8), np.fft.rfft([0, 0, 3.0, 0], 8)
    >>> lags_from_spectra(a.conj() * b, 8, None, 2).round(12) + 0.0
    array([0., 0., 0., 0., 3.])
    """
    s = as_complex(s, "s")
    inside, lags = check_lags(s, n_fft, bins, max_lag)
    shape = (*s.shape[:-1], len(lags))
    out = check_out(out, shape, dtype or s.real.dtype)
    rows = s.reshape(prod(s.shape[:-1]), s.shape[-1])
    flat = out.reshape(len(rows), shape[-1])
    scales = np.broadcast_to(scale, s.shape[:-1]).reshape(-1)
    unscaled = bool((scales == 1).all())
    full = zero_spectra(n_fft, s.dtype)
    for i, k in batches(0, len(rows), len(full)):
        full[:k, inside] = rows[i : i + k]
        cut_lags(full[:k], n_fft, lags, flat[i : i + k])
        if not unscaled:
            flat[i : i + k] *= scales[i : i + k, None]
    return out


def zero_spectra(n_fft: int, dtype: Any) -> ComplexArray:
    """Return zeros for a batch of full spectra; only the bins in use are written."""
    row_bytes = n_fft * np.dtype(dtype).itemsize // 2
    n = max(1, TRANSFORM_BYTES // row_bytes)
    full = scratch("full", (n, n_fft // 2 + 1), dtype)
    full[:] = 0
    return full


def cut_lags(
    full: ComplexArray,
    n_fft: int,
    lags: range,
    out: FloatArray,
    gain: FloatArray | None = None,
) -> None:
    """Transform a batch, multiply the lags by their gains, and copy them into `out`."""
    if _NUMPY_FFT_HAS_OUT:
        c = scratch("c", (len(full), n_fft), full.real.dtype)
        np.fft.irfft(full, n_fft, axis=-1, out=c)
    else:
        c = fft.irfft(full, n_fft, axis=-1)
    # negative lags are at the end of the cyclic result
    n_negative = max(0, min(0, lags.stop) - lags.start)
    first = n_fft + lags.start
    pieces = [(slice(0, n_negative), slice(first, first + n_negative))]
    if lags.stop > 0:
        pieces.append((slice(n_negative, None), slice(max(0, lags.start), lags.stop)))
    for to, at in pieces:
        if gain is None:
            out[:, to] = c[:, at]
        else:
            np.multiply(c[:, at], gain[to], out=out[:, to])


_NUMPY_FFT_HAS_OUT = int(np.__version__.split(".")[0]) >= 2


def lag_range(max_lag: Lags) -> range:
    """Return the range of lags: -K..K, or from the first to the last.

    Raises
    ------
    ParameterError
        If K is negative, or the last lag comes before the first.

    Examples
    --------
    >>> lag_range(2), lag_range((5, 9))
    (range(-2, 3), range(5, 10))
    """
    if not isinstance(max_lag, tuple):
        half = require_count(max_lag, "max_lag")
        return range(-half, half + 1)
    if len(max_lag) != 2 or any(lag != int(lag) for lag in max_lag):
        raise ParameterError(f"max_lag {max_lag}: needs two whole numbers")
    first, last = int(max_lag[0]), int(max_lag[1])
    if last < first:
        raise ParameterError(f"max_lag {max_lag}: the last lag comes before the first")
    return range(first, last + 1)


def furthest(lags: range) -> int:
    """Largest absolute lag of a range."""
    return max(abs(lags.start), abs(lags.stop - 1))


def check_lags(
    s: ComplexArray, n_fft: int, bins: slice | None, max_lag: Lags
) -> tuple[slice, range]:
    """Return bins with their bounds, and the lags, or raise if they do not fit."""
    n_fft = require_count(n_fft, "n_fft", 2)
    lags = lag_range(max_lag)
    if 2 * furthest(lags) + 1 > n_fft:
        raise ParameterError(
            f"max_lag must be below n_fft / 2 = {n_fft / 2:g}, not {max_lag}"
        )
    inside = range(*(bins or slice(None)).indices(n_fft // 2 + 1))
    if len(inside) != s.shape[-1] or inside.step != 1:
        raise ParameterError(
            f"bins {bins} of n_fft {n_fft} do not fit {s.shape[-1]} bins"
        )
    return slice(inside.start, inside.stop), lags


def check_out(out: FloatArray | None, shape: tuple[int, ...], dtype: Any) -> FloatArray:
    """Return `out` or a new array, or raise if it does not fit."""
    if out is None:
        return np.empty(shape, dtype=dtype)
    if out.shape != shape or not out.flags.c_contiguous:
        raise ParameterError(
            f"out must be contiguous of shape {shape}, not {out.shape}"
        )
    return out
