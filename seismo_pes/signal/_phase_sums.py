"""Phase cross-correlation of power one, for float32, mostly in integers.

With d the difference of two phases, at most pi, the term of a sample is f(d) =
cos(d/2) - sin(|d|/2). It is the sum of a triangle, with corners at 0 and pi, and a
smooth function:

    f(d) = pi/4 - |d|/2 + sum over odd m of b_m cos(m d),
    b_m = 1 / (2 pi m**2 (m**2 - 1/4))

The sum of |d| is computed with phases of 16 bits, in three passes over the samples for
each lag; an overflow of 16 bits is a full circle. The sum of each cosine is a
correlation by FFT, and eight cosines are enough. (f itself by FFT would need thousands,
because its coefficients decay by m**-2 only.)
"""

import numpy as np
from numpy.typing import NDArray

from seismo_pes.signal._arrays import ComplexArray, FloatArray
from seismo_pes.signal._lags import furthest, lags_from_spectra
from seismo_pes.signal.spectra import fft_length, rfft_windows

FEWEST = 512  # samples: with fewer, rounding errors do not average out
_HALF_CIRCLE = 1 << 15
_MOST = (1 << 32) // _HALF_CIRCLE - 1  # samples: the sum of more exceeds 32 bits
_ORDERS = np.arange(1, 16, 2)


def _weights() -> FloatArray:
    """Return b_m; the last weight includes all higher orders, so that f(0) = 1."""
    b = 1 / (2 * np.pi * _ORDERS**2 * (_ORDERS**2 - 0.25))
    b[-1] += 1 - np.pi / 4 - b.sum()
    return b


def are_many_phases(u: ComplexArray) -> bool:
    """Return whether 16 bits are enough: many phasors, none of them zero."""
    return u.size >= FEWEST and bool((np.abs(u) > 0.5).all())


def first_power_sums(u: ComplexArray, v: ComplexArray, lags: range) -> FloatArray:
    """Sums over the samples of (|u + v| - |u - v|) / 2 for each lag.

    Parameters
    ----------
    u, v
        Phasors of length one, shape ``(n,)``, complex64.
    lags
        Lags within -(n - 1) to n - 1.

    Returns
    -------
    Shape ``(n_lags,)``, float64. The error is up to 6e-5 n if all samples are rounded
    in the same way (a sine of four samples a period), and 2e-5 sqrt(n) for noise.
    """
    n = u.size
    n_fft = fft_length(n, furthest(lags))
    cross = _harmonics(u, n_fft).conj() * _harmonics(v, n_fft)
    total = np.einsum("m,mrf->f", _weights(), cross.reshape(len(_ORDERS), 2, -1))
    smooth = lags_from_spectra(total, n_fft, None, (lags.start, lags.stop - 1))
    overlap = n - np.abs(np.arange(lags.start, lags.stop))
    distance = _distances(_in_16_bits(u), _in_16_bits(v), lags) / _HALF_CIRCLE
    return np.asarray(np.pi / 4 * (overlap - 2 * distance) + smooth)


def _harmonics(u: ComplexArray, n_fft: int) -> ComplexArray:
    """Spectra of cosine and sine of each multiple of the phase, (2 n_orders, bins)."""
    rows = np.empty((len(_ORDERS), 2, u.size), u.real.dtype)
    power, square = u, u * u
    for row in rows:
        row[0], row[1] = power.real, power.imag
        power = power * square
    return rfft_windows(rows.reshape(-1, u.size), n_fft)


def _in_16_bits(u: ComplexArray) -> NDArray[np.int16]:
    """Return phases in units of which 2**15 are half a circle."""
    steps = np.rint(np.angle(u) * (_HALF_CIRCLE / np.pi)).astype(np.int32)
    return steps.astype(
        np.int16
    )  # half a circle overflows to minus half a circle, which is the same angle


def _distances(
    a: NDArray[np.int16], b: NDArray[np.int16], lags: range
) -> NDArray[np.float64]:
    """Sum the distances on the circle over the samples that overlap at each lag."""
    n = a.size
    out = np.empty(len(lags))
    memory = np.empty(n, np.int16)
    unsigned = memory.view(np.uint16)  # here the absolute value of -32768 is 32768
    for row, k in enumerate(lags):
        m = n - abs(k)
        first, second = max(0, -k), max(0, k)
        d = memory[:m]
        np.subtract(a[first : first + m], b[second : second + m], out=d)
        np.abs(d, out=d)
        total = 0
        for i in range(0, m, _MOST):
            piece = unsigned[i : min(i + _MOST, m)]
            total += int(np.add.reduce(piece, dtype=np.uint32))
        out[row] = total
    return out
