"""Multiply the spectrum of a record padded to twice its length, by short transforms.

A padded record of 2 n samples is cyclic. Its bins at odd frequencies are the bins of
the record mod X^n + 1; its bins at even frequencies are the bins of the record mod X^n
- 1. The second is halved in the same way, until a short record remains. At odd
frequencies a real record of h samples is a complex record of h / 2, shifted by half a
bin. Long records are arranged as a matrix, with short transforms of its columns and
rows that stay in the processor's cache (Bailey 1990, doi:10.1007/BF00162341). Nothing
has to be transposed, because the bins are only multiplied and transformed back in the
same order.
"""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike
from scipy import fft

from seismo_pes.signal._arrays import ComplexArray, FloatArray, as_complex, as_float
from seismo_pes.signal.errors import ParameterError

_SHORT = 131_072  # samples: up to this length a plain transform is as fast
_BLOCK = 32_768  # elements of rows per step


class Transfer(NamedTuple):
    """A transfer function with its bins in the order that `apply` needs.

    Attributes
    ----------
    n
        Longest record, half of the length of the transform.
    odd
        Bins at odd multiples of 1, 2, 4, ..., each a matrix.
    rest
        One-sided bins at the multiples of the next power of two.
    """

    n: int
    odd: tuple[ComplexArray, ...]
    rest: ComplexArray

    @property
    def nbytes(self) -> int:
        """Memory in bytes."""
        return self.rest.nbytes + sum(bins.nbytes for bins in self.odd)


def transfer(bins: ComplexArray) -> Transfer:
    """Put the one-sided bins of a transform of length 2 n into order for `apply`.

    Parameters
    ----------
    bins
        Shape ``(n + 1,)``: frequency 0 to Nyquist.

    Raises
    ------
    ParameterError
        If there are fewer than two, or more than one axis.

    Examples
    --------
    >>> import numpy as np
    >>> transfer(np.ones(5)).rest.shape  # short: transformed at once
    (5,)
    """
    bins = as_complex(bins, "bins")
    if bins.ndim != 1 or bins.size < 2:
        raise ParameterError(f"bins of shape {bins.shape}: needs (n + 1,), n >= 1")
    n, odd = bins.size - 1, []
    while bins.size > _SHORT // 2 and bins.size % 2 == 1:
        odd.append(_odd_bins(bins))
        bins = bins[::2]
    return Transfer(n, tuple(odd), bins.copy())


def _odd_bins(bins: ComplexArray) -> ComplexArray:
    """Return bins 1, 5, 9, ... of the two-sided spectrum; 3, 7, ... are conjugate."""
    half = (bins.size - 1) // 2
    above = bins[3::4][: half - (half + 1) // 2]
    picked = np.concatenate([bins[1::4], np.conj(above[::-1])])
    n_rows = _n_rows(half)
    return np.ascontiguousarray(picked.reshape(-1, n_rows).T)


@lru_cache(maxsize=64)
def _n_rows(n: int) -> int:
    """Return the largest factor of n that does not exceed its root."""
    return next(rows for rows in range(math.isqrt(n), 0, -1) if n % rows == 0)


def apply(x: ArrayLike, t: Transfer, nyquist_modulus: bool = False) -> FloatArray:
    """Filter a record that is padded with zeros to ``2 n``.

    The result is ``irfft(rfft(x, 2 n) * bins)[:len(x)]``, but the zeros of the padded
    record are not transformed, and long transforms consist of short transforms.

    Parameters
    ----------
    x
        Shape ``(n_samples,)`` with at most n samples. float32 stays float32.
    t
        From `transfer`.
    nyquist_modulus
        At Nyquist, use the modulus of the product, as obspy does, instead of its real
        part (a real record has a real bin there).

    Returns
    -------
    A new array of the same shape.

    Raises
    ------
    ParameterError
        If the record is longer than n or has several axes.

    Examples
    --------
    >>> import numpy as np
    >>> later = np.exp(-2j * np.pi * np.arange(5) / 8)  # by one sample
    >>> apply([1.0, 2.0, 3.0], transfer(later)).round(12) + 0.0
    array([0., 1., 2.])
    """
    x = as_float(x)
    if x.ndim != 1 or x.size > t.n:
        raise ParameterError(f"x of shape {x.shape} does not fit {t.n} samples")
    if x.size == 0:
        return x.copy()
    if not t.odd:
        return np.array(_plain(x, 2 * t.n, t.rest, nyquist_modulus)[: x.size])
    padded = x
    if x.size < t.n:
        padded = np.zeros(t.n, x.dtype)
        padded[: x.size] = x
    out = _cyclic(padded, t.odd[1:], t.rest, nyquist_modulus)
    out += _negacyclic(padded, t.odd[0])
    out *= 0.5
    return out if x.size == t.n else out[: x.size].copy()


def _plain(x: FloatArray, n: int, bins: ComplexArray, modulus: bool) -> FloatArray:
    spectrum = fft.rfft(x, n)
    spectrum *= bins.astype(spectrum.dtype, copy=False)
    if modulus:
        spectrum[-1] = abs(spectrum[-1])
    return fft.irfft(spectrum, n)


def _cyclic(
    x: FloatArray, odd: tuple[ComplexArray, ...], rest: ComplexArray, modulus: bool
) -> FloatArray:
    """Filter a record as one period, mod X^h - 1 and mod X^h + 1 for its halves."""
    if not odd:
        return _plain(x, x.size, rest, modulus)
    half = x.size // 2
    low, high = x[:half], x[half:]
    even = _cyclic(low + high, odd[1:], rest, modulus)
    turned = _negacyclic(low - high, odd[0])
    out = np.empty_like(x)
    np.add(even, turned, out=out[:half])
    np.subtract(even, turned, out=out[half:])
    out *= 0.5
    return out


def _negacyclic(x: FloatArray, bins: ComplexArray) -> FloatArray:
    """Filter mod X^h + 1, where samples wrap around with the opposite sign.

    The record is x[m] - i x[m + h / 2] with phase -pi m / h, row by row.
    """
    n_rows, n_columns = bins.shape
    half = bins.size
    down, twist = _turns(n_rows, n_columns, x.dtype)
    z = np.empty(bins.shape, dtype=twist.dtype)
    z.real = x[:half].reshape(bins.shape)
    np.negative(x[half:].reshape(bins.shape), out=z.imag)
    z *= down
    z = fft.fft(z, axis=0, overwrite_x=True)
    step = max(1, _BLOCK // n_columns)
    for first in range(0, n_rows, step):
        rows = slice(first, first + step)
        part = z[rows] * twist[rows]
        part = fft.fft(part, axis=1, overwrite_x=True)
        part *= bins[rows].astype(part.dtype, copy=False)
        part = fft.ifft(part, axis=1, overwrite_x=True)
        np.multiply(part, np.conj(twist[rows]), out=z[rows])
    z = fft.ifft(z, axis=0, overwrite_x=True)
    z *= np.conj(down)
    out = np.empty_like(x)
    out[:half] = z.real.reshape(-1)
    np.negative(z.imag.reshape(-1), out=out[half:])
    return out


@lru_cache(maxsize=16)
def _turns(
    n_rows: int, n_columns: int, kind: DTypeLike
) -> tuple[ComplexArray, ComplexArray]:
    """Return the phase factors before and after the transforms of the columns."""
    dtype = np.result_type(kind, np.complex64)
    j, k = np.arange(n_rows)[:, None], np.arange(n_columns)
    down = np.exp(-2j * np.pi * j / (4 * n_rows)).astype(dtype)
    quarters = (4 * j + 1) * k  # exact, unlike a product of angles
    twist = np.exp(-2j * np.pi / (4 * n_rows * n_columns) * quarters).astype(dtype)
    for table in (down, twist):
        table.setflags(write=False)
    return down, twist
