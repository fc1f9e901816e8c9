"""Power spectral densities and amplitudes of windows: the level of noise."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike

from seismo_pes.signal._arrays import (
    FloatArray,
    as_float,
    require_count,
    require_rate,
)
from seismo_pes.signal.errors import ParameterError

__all__ = ["Psd", "decibel", "octave_mean", "percentiles", "welch_psd", "window_rms"]


class Psd(NamedTuple):
    """Power spectral density.

    Attributes
    ----------
    frequency_hz
        Shape ``(n_bins,)``, from zero to Nyquist.
    density
        Shape ``(..., n_bins)``, the square of the record's unit per hertz, one-sided.
    """

    frequency_hz: FloatArray
    density: FloatArray


def welch_psd(
    x: ArrayLike, rate_hz: float, n_segment: int, overlap: float = 0.5
) -> Psd:
    """Power spectral density by Welch's method: Hann segments, linear trend removed.

    Its integral over frequency is the variance of the record about the segments' lines.

    Parameters
    ----------
    x
        Records, shape ``(..., n)``. float32 stays float32, anything else becomes
        float64. NaN in a record makes its density NaN.
    rate_hz
        Sampling rate.
    n_segment
        Samples of a segment, from 2 to n.
    overlap
        Fraction of a segment that the next segment shares, from 0 to below 1.

    Raises
    ------
    ParameterError
        If a parameter is out of range, or the record shorter than one segment.

    References
    ----------
    Welch (1967), doi:10.1109/TAU.1967.1161901.

    Examples
    --------
    >>> n = np.arange(10_000)
    >>> f, p = welch_psd(np.sin(2 * np.pi * 5 * n / 100), 100.0, 1000)
    >>> float(f[p.argmax()]), round(float(p.sum() * f[1]), 3)
    (5.0, 0.5)
    """
    from scipy.signal import welch

    x = as_float(x)
    rate_hz = require_rate(rate_hz)
    n_segment = require_count(n_segment, "n_segment", 2)
    if not 0 <= overlap < 1:
        raise ParameterError(f"overlap must be from 0 to below 1, not {overlap}")
    if x.shape[-1] < n_segment:
        raise ParameterError(
            f"n_segment {n_segment} is longer than the record of {x.shape[-1]} samples"
        )
    bad = np.asarray(~np.isfinite(x).all(axis=-1))
    if bad.any():
        x = np.where(bad[..., None], x.dtype.type(0), x)
    frequency, density = welch(
        x,
        rate_hz,
        "hann",
        n_segment,
        min(int(overlap * n_segment), n_segment - 1),
        detrend="linear",
    )
    density = np.where(bad[..., None], np.nan, density).astype(x.dtype, copy=False)
    return Psd(frequency, density)


def decibel(power: ArrayLike) -> FloatArray:
    """Return 10 log10 of a power; minus infinity for zero, NaN for negative values.

    Examples
    --------
    >>> decibel([1.0, 100.0, 0.0])
    array([  0.,  20., -inf])
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(10 * np.log10(as_float(power, "power")))


def octave_mean(
    frequency_hz: ArrayLike,
    density: ArrayLike,
    width: float = 1.0,
    steps_per_octave: int = 8,
) -> Psd:
    """Average a density over bands of full octaves, evenly spaced in log frequency.

    Parameters
    ----------
    frequency_hz, density
        Results of `welch_psd`; zero frequency is left out.
    width
        Octaves of a band, positive.
    steps_per_octave
        Centres per octave.

    Returns
    -------
    Centres of the bands within the frequencies, and the mean of the bins in each band
    (NaN for a band without bins).

    Raises
    ------
    ParameterError
        If the width is not positive, or the numbers of frequencies and densities
        differ.

    References
    ----------
    McNamara and Buland (2004), doi:10.1785/012003001.

    Examples
    --------
    >>> octave_mean([0.0, 1.0, 2.0, 4.0], [0.0, 3.0, 3.0, 3.0], 1.0, 1).density
    array([3., 3.])
    """
    frequency = as_float(frequency_hz, "frequency_hz").astype(np.float64)
    density = as_float(density, "density")
    steps = require_count(steps_per_octave, "steps_per_octave", 1)
    if not (np.isfinite(width) and width > 0):
        raise ParameterError(f"width must be a positive number of octaves, not {width}")
    if frequency.shape != density.shape[-1:]:
        raise ParameterError(
            f"{density.shape[-1]} densities do not fit {frequency.size} frequencies"
        )
    positive = frequency > 0
    frequency, density = frequency[positive], density[..., positive]
    if frequency.size == 0:
        return Psd(frequency, density)
    half = 2.0 ** (width / 2)
    octaves = np.log2(frequency[-1] / frequency[0]) - width
    n = int(np.floor(octaves * steps + 1e-9)) + 1
    centres = frequency[0] * half * 2.0 ** (np.arange(max(n, 0)) / steps)
    first = np.searchsorted(frequency, centres / half * (1 - 1e-12))
    stop = np.searchsorted(frequency, centres * half * (1 + 1e-12), side="right")
    zero = np.zeros((*density.shape[:-1], 1))
    total = np.concatenate((zero, np.cumsum(density, axis=-1, dtype=np.float64)), -1)
    with np.errstate(invalid="ignore"):
        mean = (total[..., stop] - total[..., first]) / (stop - first)
    return Psd(centres, mean.astype(density.dtype, copy=False))


def percentiles(densities: ArrayLike, ranks: ArrayLike) -> FloatArray:
    """Percentiles over windows of spectra, bin by bin.

    Parameters
    ----------
    densities
        Shape ``(n_windows, n_bins)``, linear or in dB; windows with a NaN are left out.
    ranks
        Shape ``(n_ranks,)``, percent. A percentile is the value of one of the windows,
        the nearest in rank.

    Returns
    -------
    Shape ``(n_ranks, n_bins)``; NaN if there is no window.

    Raises
    ------
    ParameterError
        If a rank is not from 0 to 100 or there is one window without an axis.

    Examples
    --------
    >>> percentiles([[1.0], [2.0], [3.0]], [50, 100])
    array([[2.],
           [3.]])
    """
    values = as_float(densities, "densities")
    levels = np.atleast_1d(np.asarray(ranks, dtype=np.float64))
    if values.ndim != 2:
        raise ParameterError(f"densities: {values.ndim} dimensions, two are needed")
    if not ((levels >= 0) & (levels <= 100)).all():
        raise ParameterError(f"ranks must be from 0 to 100 percent, not {levels}")
    values = values[~np.isnan(values).any(axis=-1)]
    if values.size == 0:
        return np.full((levels.size, values.shape[-1]), np.nan, dtype=values.dtype)
    # between -inf dB (silent windows) and a number, interpolation gives NaN
    return np.asarray(np.percentile(values, levels, axis=0, method="nearest"))


def window_rms(x: ArrayLike, n_window: int, n_step: int | None = None) -> FloatArray:
    """Root mean square about the mean, window by window.

    Parameters
    ----------
    x
        Records, shape ``(..., n)``. float32 stays float32, anything else becomes
        float64; sums are float64.
    n_window
        Samples of a window.
    n_step
        Samples from the start of a window to the start of the next; by default the
        length.

    Returns
    -------
    Shape ``(..., n_windows)``, only whole windows; NaN for a window with a NaN.

    Raises
    ------
    ParameterError
        If a length is below 1.

    Examples
    --------
    >>> window_rms([1.0, -1.0, 5.0, 5.0, 7.0], 2)
    array([1., 0.])
    """
    x = as_float(x)
    n_window = require_count(n_window, "n_window", 1)
    n_step = n_window if n_step is None else require_count(n_step, "n_step", 1)
    if x.shape[-1] < n_window:
        return np.zeros((*x.shape[:-1], 0), dtype=x.dtype)
    windows = sliding_window_view(x, n_window, axis=-1)[..., ::n_step, :]
    with np.errstate(invalid="ignore"):
        rms = windows.std(axis=-1, dtype=np.float64)
    return np.asarray(rms.astype(x.dtype))
