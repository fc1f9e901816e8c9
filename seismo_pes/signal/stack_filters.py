"""Stacks that filter first: adaptive covariance, SVD-Wiener, time-frequency phase.

Shapes as in `stack`: ``(n_windows, n)``, one pair at a time.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike
from scipy import fft

from seismo_pes.signal._arrays import (
    ComplexArray,
    FloatArray,
    as_float,
    require_band,
    require_count,
)
from seismo_pes.signal.errors import ParameterError
from seismo_pes.signal.stack import linear


def adaptive_covariance(x: ArrayLike, power: float = 1.0) -> FloatArray:
    """Mean of the windows after a filter that passes their coherent part.

    At each frequency the factor is the ratio of the mean cross-covariance between
    different windows to the mean autocovariance, between 0 (incoherent, or of opposite
    sign) and 1 (equal windows), raised to `power`.

    Parameters
    ----------
    x
        Shape ``(n_windows, n)``. float32 stays float32. One window does not change.
    power
        Strength g, >= 0; 0 is the linear stack.

    Raises
    ------
    ParameterError
        If `x` has not two axes or `power` is negative.

    References
    ----------
    Nakata et al. (2015), J. Geophys. Res. 120, 1159-1173.

    Examples
    --------
    >>> adaptive_covariance([[1.0, 0.0, -1.0]] * 3).round(12) + 0.0
    array([ 1.,  0., -1.])
    """
    x = _two_axes(x)
    if not (np.isfinite(power) and power >= 0):
        raise ParameterError(f"power must be at least 0, not {power}")
    n_windows, n = x.shape
    if n_windows < 2 or n == 0:
        return linear(x)
    # Twice the length, so that the response of the filter does not wrap around.
    n_fft = fft.next_fast_len(2 * n, real=True)
    spectra = fft.rfft(x, n_fft, axis=-1)
    total = spectra.sum(axis=0)
    auto = np.square(np.abs(spectra), dtype=np.float64).sum(axis=0)
    cross = np.square(np.abs(total), dtype=np.float64) - auto
    ratio = cross / np.where(auto == 0, np.inf, (n_windows - 1) * auto)
    factor = np.clip(ratio, 0, 1) ** power
    out = fft.irfft(total * (factor / n_windows), n_fft)[:n]
    return np.asarray(out, dtype=x.dtype)


def wiener(
    x: ArrayLike,
    n_components: int | None = None,
    n_half_windows: int = 2,
    n_half_samples: int = 5,
) -> FloatArray:
    """Windows cleaned by singular values and local Wiener filters, then their mean.

    The matrix of windows is split into singular components. Each of the first
    components is smoothed by an adaptive Wiener filter of its neighbourhood, and the
    smoothed components are summed. `wiener_windows` returns the windows themselves.

    Parameters
    ----------
    x
        Shape ``(n_windows, n)``. float32 stays float32.
    n_components
        Components to keep; those above the mean singular value if None.
    n_half_windows, n_half_samples
        Half widths of the neighbourhood, across windows and along samples.

    Raises
    ------
    ParameterError
        If `x` has not two axes or a count is out of range.

    References
    ----------
    Moreau et al. (2017), Geophys. J. Int. 211, 418-426.

    Examples
    --------
    >>> import numpy as np
    >>> t = np.arange(200.0)
    >>> wave = np.exp(-(((t - 90) / 12) ** 2)) * np.cos(0.5 * t)
    >>> x = wave + np.random.default_rng(1).standard_normal((40, 200))
    >>> plain, cleaned = x.mean(axis=0) - wave, wiener(x) - wave
    >>> bool(np.linalg.norm(cleaned) < 0.75 * np.linalg.norm(plain))
    True
    """
    return linear(wiener_windows(x, n_components, n_half_windows, n_half_samples))


def wiener_windows(
    x: ArrayLike,
    n_components: int | None = None,
    n_half_windows: int = 2,
    n_half_samples: int = 5,
) -> FloatArray:
    """Return the cleaned windows of `wiener`, same shape as `x`.

    Raises
    ------
    ParameterError
        If there are not two axes, or a number is out of range.

    Examples
    --------
    >>> wiener_windows([[0.0, 0.0], [0.0, 0.0]]).tolist()
    [[0.0, 0.0], [0.0, 0.0]]
    """
    x = _two_axes(x)
    size = (
        2 * require_count(n_half_windows, "n_half_windows") + 1,
        2 * require_count(n_half_samples, "n_half_samples") + 1,
    )
    if n_components is not None:
        n_components = require_count(n_components, "n_components", 1)
    if x.size == 0:
        return x.copy()
    y = x.astype(np.float64, copy=False)
    if not np.isfinite(y).all():
        return np.full_like(x, np.nan)
    u, s, v = np.linalg.svd(y, full_matrices=False)
    if n_components is None:
        n_components = max(1, int((s > s.mean()).sum()))
    out = np.zeros_like(y)
    for k in range(min(n_components, len(s))):
        out += _local_wiener(s[k] * np.outer(u[:, k], v[k]), size)
    return out.astype(x.dtype)


def _local_wiener(x: FloatArray, size: tuple[int, int]) -> FloatArray:
    """Lim's adaptive filter: the local mean if the variance is that of noise."""
    from scipy.ndimage import uniform_filter  # slow to import, for one stack only

    mean = uniform_filter(x, size, mode="nearest")
    variance = uniform_filter(np.square(x), size, mode="nearest") - mean**2
    variance = np.maximum(variance, 0)
    noise = np.median(variance)
    gain = np.maximum(variance - noise, 0) / np.maximum(variance, noise or 1.0)
    return np.asarray(mean + gain * (x - mean))


def time_frequency_phase_weighted(
    x: ArrayLike,
    rate_hz: float,
    low_hz: float,
    high_hz: float,
    power: float = 2.0,
    width: float = 1.0,
) -> FloatArray:
    """Linear stack weighted by the coherence of phase in time and frequency.

    The S-transform of each window, at each frequency of the band, gives its phase. The
    length of the mean phasor, raised to `power`, is the weight of the S-transform of
    the linear stack, whose sum over time is the spectrum of the result. Frequencies
    outside the band are left out. One frequency is in memory at a time.

    Parameters
    ----------
    x
        Shape ``(n_windows, n)``. float32 stays float32.
    rate_hz
        Sampling rate.
    low_hz, high_hz
        Band, 0 < low < high <= Nyquist.
    power
        Exponent of the coherence, >= 0.
    width
        Standard deviation of the Gaussian window in periods, > 0.

    Returns
    -------
    Shape ``(n,)``.

    Raises
    ------
    ParameterError
        If `x` has not two axes or a parameter is out of range.

    References
    ----------
    Schimmel and Gallart (2007), doi:10.1029/2006JB004680;
    Schimmel, Stutzmann and Gallart (2011), doi:10.1111/j.1365-246X.2010.04861.x.

    Examples
    --------
    >>> import numpy as np
    >>> wave = np.sin(2 * np.pi * 0.1 * np.arange(200))
    >>> y = time_frequency_phase_weighted([wave] * 3, 1.0, 0.05, 0.2)
    >>> bool(np.abs(y - wave).max() < 0.01)
    True
    """
    x = _two_axes(x)
    require_band(low_hz, high_hz, rate_hz)
    if not power >= 0 or not width > 0:
        raise ParameterError(f"power {power} must be >= 0 and width {width} > 0")
    n_windows, n = x.shape
    if n_windows == 0 or n == 0:
        return linear(x)
    out = np.zeros(n // 2 + 1, dtype=np.complex128)
    spectra = fft.fft(x, axis=-1)
    first = int(np.ceil(low_hz * n / rate_hz - 1e-9))
    last = int(np.floor(high_hz * n / rate_hz + 1e-9))
    for k, row in _s_transform(spectra, range(max(1, first), last + 1), width):
        amplitude = np.abs(row)
        floor = np.finfo(amplitude.dtype).eps * amplitude.max()
        phasors = row * (1 / np.where(amplitude <= floor, np.inf, amplitude))
        weight = np.abs(phasors.mean(axis=0)) ** power
        # The sum over time of the S-transform of the stack is its spectrum at k.
        out[k] = (weight * row.mean(axis=0)).sum()
    if n % 2 == 0:
        out[-1] = out[-1].real
    return np.asarray(fft.irfft(out, n), dtype=x.dtype)


def _s_transform(
    spectra: ComplexArray, bins: range, width: float
) -> Iterator[tuple[int, ComplexArray]]:
    """Rows (windows, time) of the S-transform, one frequency bin after another."""
    n = spectra.shape[-1]
    offset = np.fft.fftfreq(n, 1 / n)
    for k in bins:
        gauss = np.exp(-2 * (np.pi * width * offset / k) ** 2)
        shifted = np.roll(spectra, -k, axis=-1) * gauss.astype(spectra.real.dtype)
        yield k, fft.ifft(shifted, axis=-1, overwrite_x=True)


def _two_axes(x: ArrayLike) -> FloatArray:
    array = as_float(x)
    if array.ndim != 2:
        raise ParameterError(f"x must be (n_windows, n), not of shape {array.shape}")
    return array
