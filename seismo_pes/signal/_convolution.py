"""Convolution by FFT.

`scipy.signal` has it, too, but takes half a second to import, in each process of a run.
"""

from __future__ import annotations

import numpy as np
from scipy import fft

from seismo_pes.signal._arrays import FloatArray

__all__ = ["convolution"]


def convolution(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return the sums over k of ``a[k] * b[i - k]``, shape ``(n_a + n_b - 1,)``.

    Examples
    --------
    >>> convolution(np.array([1.0, 2.0]), np.array([1.0, 0.0, 3.0])).round(12)
    array([1., 2., 3., 6.])
    """
    n = a.size + b.size - 1
    n_fft = fft.next_fast_len(n, real=True)
    product = fft.rfft(a, n_fft) * fft.rfft(b, n_fft)
    return np.asarray(fft.irfft(product, n_fft)[:n])
