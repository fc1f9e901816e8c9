"""Moving-window cross-spectral analysis: delays from the slope of phase."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft

from seismo_pes.signal._arrays import FloatArray, require_band, require_count
from seismo_pes.signal.delays import Delays, pair_of_records, window_starts
from seismo_pes.signal.errors import ParameterError
from seismo_pes.signal.taper import taper


def mwcs_delays(
    reference: ArrayLike,
    current: ArrayLike,
    rate_hz: float,
    low_hz: float,
    high_hz: float,
    window_s: float,
    step_s: float,
    first_lag_s: float = 0.0,
    smooth_bins: int = 5,
) -> Delays:
    """Delays from the phase of the cross-spectrum of short windows.

    Each window is demeaned and tapered over 42.5 % at each side, the cross-spectrum
    and the two power spectra are smoothed over frequency by a Hann window, and
    ``phase = 2 pi f delay`` is fitted through the origin with weights from coherence
    and amplitude. A smoothed phase belongs to the mean frequency of the smoothed bins,
    weighted by amplitude; near the corners of the band this is not the frequency of the
    bin. Phase is not unwrapped from bin to bin, because one noisy bin would shift all
    later bins. Instead, the delay that best aligns the phasors is searched first, and
    the line is fitted to the remaining phases. The search ends at half a period of the
    low corner; a window whose best delay is at the end of the search has no delay, and
    is marked.

    Parameters
    ----------
    reference, current
        Shape ``(n,)``.
    rate_hz
        Sampling rate.
    low_hz, high_hz
        Band, 0 < low < high <= Nyquist, holding at least three frequencies 1/window.
    window_s, step_s
        Length of the windows, and time from the start of a window to the next.
    first_lag_s
        Lag of the first sample, e.g. -max_lag.
    smooth_bins
        Half width of the smoothing, in bins of the window padded to four times its
        length, of 1 / (4 window_s) Hz each; with 0 the coherence has no meaning.

    Returns
    -------
    `Delays`; `coherence` is the mean over the band. The error follows from the scatter
    of the phases about the line, and is at least that of noise with this coherence.

    Raises
    ------
    ParameterError
        If the records differ or a parameter is out of range.

    References
    ----------
    Poupinet, Ellsworth and Frechet (1984), doi:10.1029/JB089iB07p05719; Clarke et
    al. (2011), Geophys. J. Int. 186, 867-882.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(1).standard_normal(4000)
    >>> delays = mwcs_delays(x[1:3001], x[:3000], 10.0, 0.2, 2.0, 30.0, 15.0)
    >>> bool(np.abs(delays.delay_s - 0.1).max() < 0.01)
    True
    """
    before, after = pair_of_records(reference, current)
    size, starts = window_starts(len(before), rate_hz, window_s, step_s)
    smooth_bins = require_count(smooth_bins, "smooth_bins")
    require_band(low_hz, high_hz, rate_hz)
    n_fft = fft.next_fast_len(_PADDING * size, real=True)
    frequency = np.arange(n_fft // 2 + 1) * (rate_hz / n_fft)
    band = np.flatnonzero((frequency >= low_hz) & (frequency <= high_hz))
    if (high_hz - low_hz) * window_s < 3:
        raise ParameterError(
            f"band {low_hz:g} to {high_hz:g} Hz is narrower than 3 / window_s: use a "
            "wider band or a longer window"
        )
    index = starts[:, None] + np.arange(size)
    a, b = (_spectra(x[index], n_fft) for x in (before, after))
    product = a * np.conj(b)
    cross = _smooth(product, smooth_bins)[:, band]
    mean_hz = _mean_frequency(frequency, np.abs(product), smooth_bins)[:, band]
    power = _smooth(np.abs(a) ** 2, smooth_bins) * _smooth(np.abs(b) ** 2, smooth_bins)
    power = power[:, band]
    coherence = np.abs(cross) / np.sqrt(np.where(power == 0, np.inf, power))
    coherence = np.clip(coherence, 0, 1)
    delay, error, at_edge = _phase_slopes(frequency[band], mean_hz, cross, coherence)
    # Neighbouring bins of the padded, tapered window are not independent.
    error = error * np.sqrt(n_fft / (size * _EFFECTIVE))
    # The phases of a few independent bins may lie on a line by chance.
    least = _coherence_error(coherence, frequency[band], _EFFECTIVE * size / rate_hz)
    error = np.maximum(error, least)
    lag = first_lag_s + (starts + (size - 1) / 2) / rate_hz
    return Delays(lag, delay, error, coherence.mean(axis=1), at_edge)


#: Length of the padded windows over that of the windows: with 5 bins on each side the
#: smoothing is narrow enough for strong signals and wide enough for noisy ones.
_PADDING = 4
# mean(w^2)^2 / mean(w^4) of the taper: its effective part of the duration.
_EDGE = 0.425
_EFFECTIVE = 0.58


def _spectra(windows: FloatArray, n_fft: int) -> FloatArray:
    windows = windows - windows.mean(axis=1, keepdims=True)
    edges = round(_EDGE * windows.shape[1])
    return np.asarray(fft.rfft(taper(windows, edges), n_fft, axis=1))


def _smooth(s: FloatArray, n_half: int) -> FloatArray:
    if n_half == 0:
        return s
    kernel = np.hanning(2 * n_half + 3)[1:-1]
    kernel /= kernel.sum()
    padded = np.pad(s, ((0, 0), (n_half, n_half)), mode="edge")
    views = np.lib.stride_tricks.sliding_window_view(padded, 2 * n_half + 1, axis=1)
    return np.asarray(views @ kernel)


def _coherence_error(
    coherence: FloatArray, frequency: FloatArray, duration_s: float
) -> FloatArray:
    """Return the error of a delay in noise, from the mean coherence over the band.

    The variance of a phase is (1 / coherence**2 - 1) / 2 in each independent bin.
    """
    c = np.clip(coherence.mean(axis=1), 1e-6, 1.0)
    n_bins = max(float(np.ptp(frequency)) * duration_s, 1.0)
    omega = 2 * np.pi * np.sqrt((frequency**2).mean())
    return np.asarray(np.sqrt((1 / c**2 - 1) / (2 * n_bins)) / omega)


def _mean_frequency(
    frequency: FloatArray, amplitude: FloatArray, n_half: int
) -> FloatArray:
    """Return the mean frequency of the bins that are smoothed into each bin."""
    total = _smooth(amplitude, n_half)
    mean = _smooth(amplitude * frequency, n_half) / np.where(total > 0, total, 1.0)
    return np.where(total > 0, mean, frequency)


def _phase_slopes(
    frequency: FloatArray,
    mean_hz: FloatArray,
    cross: FloatArray,
    coherence: FloatArray,
) -> tuple[FloatArray, FloatArray, NDArray[np.bool_]]:
    """Fit a weighted line through the origin to each row of cross-spectra.

    Parameters
    ----------
    frequency
        Frequencies of the bins, shape ``(n_bins,)``, Hz: for the first estimate.
    mean_hz
        Frequencies that the phases belong to, shape ``(n_rows, n_bins)``, Hz.
    cross, coherence
        Smoothed cross-spectra and their coherence, shape ``(n_rows, n_bins)``.
    """
    # A coherence of 1 would have infinite weight; the limit is 0.99, as in other codes.
    c = np.minimum(coherence, 0.99)
    weight = c**2 / (1 - c**2) * np.sqrt(np.abs(cross))
    phasors = weight * np.exp(1j * np.angle(cross))
    trials = np.arange(-0.5, 0.5, frequency[0] / (8 * frequency[-1])) / frequency[0]
    aligned = (phasors @ np.exp(-2j * np.pi * np.outer(frequency, trials))).real
    best = np.argmax(aligned, axis=1)
    guess = trials[best]
    omega = 2 * np.pi * mean_hz
    phase = np.angle(cross * np.exp(-1j * guess[:, None] * omega))
    spread = (weight * omega**2).sum(axis=1)
    silent = spread == 0
    spread = np.where(silent, 1.0, spread)
    slope = (weight * omega * phase).sum(axis=1) / spread
    residual = phase - slope[:, None] * omega
    scatter = (residual**2).sum(axis=1) / (len(frequency) - 1)
    error = np.sqrt(scatter * (weight**2 * omega**2).sum(axis=1)) / spread
    slope, error = slope + guess, np.maximum(error, 1e-9)
    at_edge = ((best == 0) | (best == len(trials) - 1)) & ~silent
    slope[silent | at_edge], error[silent] = np.nan, np.nan
    return slope, error, at_edge
