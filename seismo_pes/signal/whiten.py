"""Spectral whitening: equal amplitudes at all frequencies of a band."""

import numpy as np
from numpy.typing import DTypeLike

from seismo_pes.signal._arrays import (
    ComplexArray,
    FloatArray,
    as_complex,
    require_count,
    require_rate,
)
from seismo_pes.signal.errors import ParameterError
from seismo_pes.signal.normalize import running_mean


def band_weights(
    n_fft: int,
    rate_hz: float,
    low_hz: float,
    high_hz: float,
    taper_octaves: float = 1 / 3,
    dtype: DTypeLike = np.float32,
) -> tuple[FloatArray, slice]:
    """Weights of a band over the bins of ``rfft``: one inside, cosine edges outside.

    The edges are Hann flanks from ``low_hz / 2**taper_octaves`` up to `low_hz` and
    from `high_hz` up to ``high_hz * 2**taper_octaves``, or to Nyquist if that comes
    first. A third of an octave is close to the fixed 100 bins of MSNoise and NoisePy at
    0.1 Hz for windows of half an hour, but it does not depend on the length of the FFT.

    Parameters
    ----------
    n_fft
        Length of the real transform, >= 2.
    rate_hz
        Sampling rate.
    low_hz, high_hz
        Band, 0 <= low < high <= rate / 2.
    taper_octaves
        Width of the edges, 0 to 4 octaves.
    dtype
        float32 or float64 of the weights.

    Returns
    -------
    weights
        Shape ``(n_fft // 2 + 1,)``.
    bins
        The slice outside which all weights are zero.

    Raises
    ------
    ParameterError
        If the band is empty, beyond Nyquist, or narrower than the transform resolves.

    Examples
    --------
    >>> weights, bins = band_weights(100, 10.0, 1.0, 2.0, taper_octaves=0)
    >>> bins, weights[bins].tolist() == [1.0] * 11
    (slice(10, 21, None), True)
    """
    n_fft = require_count(n_fft, "n_fft", 2)
    rate_hz = require_rate(rate_hz)
    nyquist = rate_hz / 2
    if not 0 <= low_hz < high_hz <= nyquist:
        raise ParameterError(
            f"whitening band {low_hz:g} to {high_hz:g} Hz: needs 0 <= low < high <= "
            f"{nyquist:g} Hz, the Nyquist frequency of {rate_hz:g} Hz data"
        )
    if not 0 <= taper_octaves <= 4:
        raise ParameterError(f"taper_octaves must be from 0 to 4, not {taper_octaves}")
    frequency = np.arange(n_fft // 2 + 1) * (rate_hz / n_fft)
    below = low_hz / 2**taper_octaves
    above = min(high_hz * 2**taper_octaves, nyquist)
    weights = _rise(frequency, below, low_hz) * _rise(-frequency, -above, -high_hz)
    weights = weights.astype(dtype)
    inside = np.flatnonzero(weights)
    if inside.size == 0:
        raise ParameterError(
            f"whitening band {low_hz:g} to {high_hz:g} Hz falls between two bins of "
            f"{rate_hz / n_fft:g} Hz: use a longer window or a wider band"
        )
    return weights, slice(int(inside[0]), int(inside[-1]) + 1)


def _rise(f: FloatArray, start: float, stop: float) -> FloatArray:
    """Hann flank from 0 at `start` to 1 at `stop`; a step, 1 at `stop`, if equal."""
    # A bin on the corner, to rounding, belongs to the band.
    slack = 1e-9 * abs(stop)
    if stop - start <= slack:
        return (f >= stop - slack).astype(np.float64)
    u = np.clip((f - start) / (stop - start), 0, 1)
    return np.where(f >= stop - slack, 1.0, np.sin(np.pi / 2 * u) ** 2)


def whiten(
    spectrum: ComplexArray,
    weights: FloatArray,
    smooth_bins: int = 0,
    across_components: bool = False,
) -> ComplexArray:
    """Divide a spectrum by its amplitude and multiply by weights.

    The result is zero where the amplitude is at most ``eps`` (1.2e-7 for complex64,
    2.2e-16 for complex128) times the largest of its spectrum: such bins hold only
    rounding noise, whose phase has no meaning.

    Parameters
    ----------
    spectrum
        Shape ``(..., n_bins)``; complex64 stays complex64, other types become
        complex128. A silent window stays zero. NaN stays NaN.
    weights
        Shape ``(n_bins,)``: `band_weights`, cut to the same bins.
    smooth_bins
        Half width of the running mean over ``|spectrum|``, which is the divisor: 0
        divides by the amplitude itself ("brutal" whitening), 20 preserves details finer
        than 41 bins.
    across_components
        If True, the last axis but one holds components. All are divided by the mean of
        their amplitudes, which preserves their ratios.

    Returns
    -------
    A new array of the same shape.

    Raises
    ------
    ParameterError
        If the shapes do not fit or `smooth_bins` is negative.

    Examples
    --------
    >>> import numpy as np
    >>> whiten(np.array([3 + 4j, 0, -2j]), np.ones(3))
    array([0.6+0.8j, 0. +0.j , 0. -1.j ])
    """
    spectrum = as_complex(spectrum, "spectrum")
    _check_weights(spectrum, weights)
    smooth_bins = require_count(smooth_bins, "smooth_bins")
    if spectrum.shape[-1] == 0:
        return spectrum.copy()
    amplitude = np.abs(spectrum)
    if across_components:
        if spectrum.ndim < 2:
            raise ParameterError("across_components needs an axis of components")
        amplitude = amplitude.mean(axis=-2, keepdims=True)
    if smooth_bins:
        amplitude = running_mean(amplitude, smooth_bins).astype(amplitude.dtype)
    return _flatten(spectrum, amplitude, weights)


def whiten_psd(
    spectrum: ComplexArray, weights: FloatArray, smooth_bins: int = 50
) -> ComplexArray:
    """Whiten by the root of a smoothed power spectrum, mean over the windows.

    The divisor is real and common to all windows (the last axis but one), so phases and
    the ratios between windows do not change.

    Parameters
    ----------
    spectrum
        Shape ``(..., n_windows, n_bins)``; complex64 stays complex64.
    weights
        Shape ``(n_bins,)``.
    smooth_bins
        Half width of the running mean over the power, in bins.

    Raises
    ------
    ParameterError
        If there is no axis of windows or the shapes do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> whiten_psd(np.array([[2 + 0j, 2j, -2]]), np.ones(3), 1)
    array([[ 1.+0.j,  0.+1.j, -1.+0.j]])
    """
    spectrum = as_complex(spectrum, "spectrum")
    _check_weights(spectrum, weights)
    if spectrum.ndim < 2:
        raise ParameterError("whiten_psd needs an axis of windows before the bins")
    if spectrum.size == 0:
        return spectrum.copy()
    power = np.square(np.abs(spectrum), dtype=np.float64).mean(axis=-2, keepdims=True)
    amplitude = np.sqrt(running_mean(power, smooth_bins))
    return _flatten(spectrum, amplitude.astype(spectrum.real.dtype), weights)


def _flatten(
    spectrum: ComplexArray, amplitude: FloatArray, weights: FloatArray
) -> ComplexArray:
    floor = np.finfo(amplitude.dtype).eps * amplitude.max(axis=-1, keepdims=True)
    quiet = amplitude <= floor
    if quiet.any():
        amplitude = np.where(quiet, np.inf, amplitude)
    return spectrum * np.divide(weights, amplitude, dtype=amplitude.dtype)


def _check_weights(spectrum: ComplexArray, weights: FloatArray) -> None:
    if np.shape(weights) != spectrum.shape[-1:]:
        raise ParameterError(
            f"weights of shape {np.shape(weights)} do not fit {spectrum.shape[-1]} bins"
        )
