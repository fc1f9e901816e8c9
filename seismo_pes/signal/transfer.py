"""Multiply the spectrum of a record, padded to twice its length, at half the price."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike

from seismo_pes.signal._arrays import FloatArray, as_float
from seismo_pes.signal.errors import ParameterError
from seismo_pes.signal.whiten import ComplexArray, as_complex


class Transfer(NamedTuple):
    """A transfer function, its bins in the order in which `apply` needs them.

    Attributes
    ----------
    n
        Longest record, half of the length of the transform.
    even
        Bins 0, 2, 4, ..., n; all bins if `n` is odd.
    odd
        Bins 1, 5, 9, ... of the two-sided spectrum, shape ``(n // 2,)``; empty if `n`
        is odd.
    """

    n: int
    even: ComplexArray
    odd: ComplexArray

    @property
    def nbytes(self) -> int:
        """Memory that it takes."""
        return self.even.nbytes + self.odd.nbytes


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
    >>> transfer(np.arange(5.0)).odd
    array([1.+0.j, 3.-0.j])
    """
    bins = as_complex(bins, "bins")
    if bins.ndim != 1 or bins.size < 2:
        raise ParameterError(f"bins of shape {bins.shape}: needs (n + 1,), n >= 1")
    n = bins.size - 1
    if n % 2:
        return Transfer(n, bins.copy(), np.empty(0, bins.dtype))
    above = bins[3::4][: n // 2 - (n // 2 + 1) // 2]
    odd = np.concatenate([bins[1::4], np.conj(above[::-1])])
    return Transfer(n, bins[::2].copy(), odd)


def apply(x: ArrayLike, t: Transfer, nyquist_modulus: bool = False) -> FloatArray:
    """Filter a record that is padded with zeros to ``2 n``.

    The result is ``irfft(rfft(x, 2 n) * bins)[:len(x)]``, but the half of the padded
    record that is zero is never transformed: the even bins are a real transform of
    length n, the odd ones a complex one of length n / 2. That is exact, and on long
    records takes little more than half of the time.

    Parameters
    ----------
    x
        Shape ``(n_samples,)`` with at most n samples. float32 stays float32.
    t
        From `transfer`.
    nyquist_modulus
        At Nyquist, where a real record has a real bin, take the product's modulus, as
        obspy does, not its real part.

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
    if t.n % 2:
        spectrum = scipy.fft.rfft(x, 2 * t.n)
        spectrum *= t.even.astype(spectrum.dtype, copy=False)
        if nyquist_modulus:
            spectrum[-1] = abs(spectrum[-1])
        return np.array(scipy.fft.irfft(spectrum, 2 * t.n)[: x.size])
    out = _even_half(x, t, nyquist_modulus)
    half = t.n // 2
    turned = _odd_half(x, t)
    out[:half] += turned.real
    out[half:] -= turned.imag
    out *= 0.5
    return out if x.size == t.n else out[: x.size].copy()


def _even_half(x: FloatArray, t: Transfer, nyquist_modulus: bool) -> FloatArray:
    spectrum = scipy.fft.rfft(x, t.n)
    spectrum *= t.even.astype(spectrum.dtype, copy=False)
    if nyquist_modulus:
        spectrum[-1] = abs(spectrum[-1])
    return np.asarray(scipy.fft.irfft(spectrum, t.n, overwrite_x=True))


def _odd_half(x: FloatArray, t: Transfer) -> ComplexArray:
    """Transform at half-odd frequencies: x[m] - i x[m + n/2] turned by -pi m / n.

    The bins 2 k + 1/2 of a real record have all there is: the others are conjugate.
    """
    half = t.n // 2
    turn = _turn(t.n, x.dtype.char)
    z = np.zeros(half, dtype=turn.dtype)
    z.real[: x.size] = x[:half]
    if x.size > half:
        np.negative(x[half:], out=z.imag[: x.size - half])
    z *= turn
    z = scipy.fft.fft(z, overwrite_x=True)
    z *= t.odd.astype(z.dtype, copy=False)
    z = scipy.fft.ifft(z, overwrite_x=True)
    z *= np.conj(turn)
    return z


@lru_cache(maxsize=2)
def _turn(n: int, kind: str) -> ComplexArray:
    turn = np.exp(-1j * np.pi / n * np.arange(n // 2))
    turn = turn.astype(np.result_type(kind, np.complex64), copy=False)
    turn.setflags(write=False)
    return turn
