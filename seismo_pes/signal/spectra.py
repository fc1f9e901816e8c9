"""Spectra of windows for the correlation."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import fft

from seismo_pes.signal._arrays import (
    ComplexArray,
    FloatArray,
    as_complex,
    as_float,
    require_count,
)
from seismo_pes.signal.errors import ParameterError


def fft_length(n_samples: int, n_lags: int) -> int:
    """Return the shortest fast length that keeps lags -n_lags..n_lags from wrapping.

    Circular lag k is the sum of lags k and k - n_fft. The correlation of two records of
    `n_samples` ends at lag ``n_samples - 1``, so ``n_samples + n_lags`` is enough, or
    ``2 n_lags + 1`` if that is more.

    Raises
    ------
    ParameterError
        If `n_samples` is below 1 or `n_lags` negative.

    Examples
    --------
    >>> fft_length(14_400, 5_000)
    19440
    """
    n_samples = require_count(n_samples, "n_samples", 1)
    n_lags = require_count(n_lags, "n_lags")
    length = max(n_samples + n_lags, 2 * n_lags + 1, 2)
    return fft.next_fast_len(length, real=True)


def rfft_windows(
    windows: ArrayLike, n_fft: int, bins: slice | None = None, workers: int = 1
) -> ComplexArray:
    """Spectra of windows padded with zeros to `n_fft`.

    Parameters
    ----------
    windows
        Shape ``(..., n)``, n <= n_fft; float32 gives complex64, else complex128.
    n_fft
        See `fft_length`.
    bins
        Keep a copy of these bins only; None: all bins.
    workers
        Threads of the transform.

    Returns
    -------
    Shape ``(..., n_bins)``.

    Raises
    ------
    ParameterError
        If the windows are longer than `n_fft`: their ends would be cut off.

    Examples
    --------
    >>> rfft_windows([[1.0, 0.0]], 4).real
    array([[1., 1., 1.]])
    """
    windows = as_float(windows, "windows")
    n_fft = require_count(n_fft, "n_fft", 2)
    if windows.shape[-1] > n_fft:
        raise ParameterError(
            f"n_fft must be at least the window's {windows.shape[-1]}, not {n_fft}"
        )
    n_bins = n_fft // 2 + 1
    shape = (*windows.shape[:-1], len(range(*(bins or slice(None)).indices(n_bins))))
    if windows.size == 0:
        kind = np.complex64 if windows.dtype == np.float32 else np.complex128
        return np.zeros(shape, dtype=kind)
    spectra: ComplexArray = fft.rfft(windows, n_fft, axis=-1, workers=workers)
    return spectra if bins is None else spectra[..., bins].copy()


def energy(x: ArrayLike) -> FloatArray:
    """Sum of squares along the last axis, accumulated in float64.

    Examples
    --------
    >>> float(energy([3.0, 4.0]))
    25.0
    """
    x = as_float(x)
    y = x.astype(np.float64, copy=False)
    return np.asarray(np.einsum("...n,...n->...", y, y))


def energy_of_spectrum(
    spectrum: ComplexArray, n_fft: int, bins: slice | None = None
) -> FloatArray:
    """Energy of the windows of given spectra, by Parseval's theorem.

    Parameters
    ----------
    spectrum
        One-sided, shape ``(..., n_bins)``, the given bins of ``rfft``.
    n_fft
        Length of the transform.
    bins
        Bins that `spectrum` holds; None: all bins.

    Returns
    -------
    float64 of shape ``(...)``: 2 sum |S|**2 / n_fft, where zero frequency and, for even
    `n_fft`, Nyquist count once.

    Raises
    ------
    ParameterError
        If the number of bins does not fit.

    Examples
    --------
    >>> import numpy as np
    >>> float(energy_of_spectrum(np.fft.rfft([3.0, 4.0]), 2))
    25.0
    """
    spectrum = as_complex(spectrum, "spectrum")
    inside = range(*(bins or slice(None)).indices(n_fft // 2 + 1))
    if len(inside) != spectrum.shape[-1] or inside.step != 1:
        raise ParameterError(
            f"bins {bins} of n_fft {n_fft} do not fit {spectrum.shape[-1]} bins"
        )
    count = np.full(len(inside), 2.0)
    if inside and inside[0] == 0:
        count[0] = 1.0
    if inside and n_fft % 2 == 0 and inside[-1] == n_fft // 2:
        count[-1] = 1.0
    power = np.square(spectrum.real, dtype=np.float64)
    power += np.square(spectrum.imag, dtype=np.float64)
    return np.asarray(power @ count) / n_fft
