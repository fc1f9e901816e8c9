"""Morlet wavelets: delays and velocity change as a function of frequency."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import fft

from seismo_pes.signal._arrays import (
    ComplexArray,
    FloatArray,
    as_float,
    require_count,
    require_rate,
)
from seismo_pes.signal.delays import VelocityChange, pair_of_records, velocity_change
from seismo_pes.signal.errors import ParameterError
from seismo_pes.signal.stretching import Stretch, stretch


def morlet(
    x: ArrayLike, rate_hz: float, frequency_hz: ArrayLike, n_cycles: float = 6.0
) -> ComplexArray:
    """Continuous wavelet transform with the complex Morlet wavelet.

    Scaled so that a sine of amplitude one has modulus one at its frequency. The
    transform assumes zeros outside the record, which affects it within ``n_cycles / (2
    pi f)`` of the ends.

    Parameters
    ----------
    x
        Records, shape ``(..., n)``. float32 gives complex64.
    rate_hz
        Sampling rate.
    frequency_hz
        Shape ``(n_frequencies,)``, each above 0 and at most Nyquist.
    n_cycles
        Angular frequency of the mother wavelet, 3 to 50: radians in one standard
        deviation of its envelope.

    Returns
    -------
    Shape ``(..., n_frequencies, n)``.

    Raises
    ------
    ParameterError
        If a parameter is out of range.

    References
    ----------
    Torrence and Compo (1998), doi:10.1175/1520-0477(1998)079<0061:APGTWA>2.0.CO;2.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.cos(2 * np.pi * 0.5 * np.arange(1000) / 10)
    >>> abs(morlet(x, 10.0, [0.5])[0, 500]).round(6)
    np.float64(1.0)
    """
    x = as_float(x)
    rate_hz = require_rate(rate_hz)
    f = _frequencies(frequency_hz, rate_hz)
    if not 3 <= n_cycles <= 50:
        raise ParameterError(f"n_cycles must be from 3 to 50, not {n_cycles}")
    n = x.shape[-1]
    kind = np.complex64 if x.dtype == np.float32 else np.complex128
    out = np.zeros((*x.shape[:-1], len(f), n), dtype=kind)
    if x.size == 0:
        return out
    longest = 5 * n_cycles / (2 * np.pi * f.min()) * rate_hz
    n_fft = fft.next_fast_len(n + min(n, int(longest)) + 1)
    spectrum = fft.rfft(x, n_fft, axis=-1)
    nu = np.arange(spectrum.shape[-1]) * (rate_hz / n_fft)
    full = np.zeros((*x.shape[:-1], n_fft), dtype=kind)
    for k, f_k in enumerate(f):
        window = 2 * np.exp(-0.5 * (n_cycles * (nu / f_k - 1)) ** 2)
        full[..., : len(nu)] = spectrum * window.astype(x.dtype)
        out[..., k, :] = fft.ifft(full, axis=-1)[..., :n]
    return out


class WaveletDelays(NamedTuple):
    """Delays over frequency and lag, arrays of shape ``(n_frequencies, n)``.

    `amplitude` is the modulus of the smoothed cross-spectrum; delays are known up to a
    multiple of the period, ``1 / frequency_hz``, and NaN without amplitude. `n_alike`,
    of shape ``(n_frequencies,)``, is the number of neighbours that carry the
    information of one measurement.
    """

    delay_s: FloatArray
    frequency_hz: FloatArray
    coherence: FloatArray
    amplitude: FloatArray
    n_alike: FloatArray


def wavelet_delays(
    reference: ArrayLike,
    current: ArrayLike,
    rate_hz: float,
    frequency_hz: ArrayLike,
    n_cycles: float = 6.0,
    smooth_frequencies: int = 3,
) -> WaveletDelays:
    """Delays from the phase of the wavelet cross-spectrum.

    Cross-spectrum and powers are smoothed in time by a Gaussian as long as the
    wavelet, and over `smooth_frequencies` neighbouring frequencies. The phase is
    divided by the frequency of the records, measured in the same way, not by the
    frequency of the wavelet: they may differ by a tenth.

    Parameters
    ----------
    reference, current
        Shape ``(n,)``.
    rate_hz, frequency_hz, n_cycles
        See `morlet`; the frequencies should be equally spaced in logarithm.
    smooth_frequencies
        Odd number of frequencies, 1 for none.

    Returns
    -------
    `WaveletDelays`, positive if the current record is later.

    Raises
    ------
    ParameterError
        If the records differ or a parameter is out of range.

    References
    ----------
    Mao et al. (2020), doi:10.1093/gji/ggz495.

    Examples
    --------
    >>> import numpy as np
    >>> t = np.arange(1000) / 10
    >>> delays = wavelet_delays(np.sin(3 * t), np.sin(3 * (t - 0.2)), 10.0, [0.48])
    >>> bool(abs(delays.delay_s[0, 500] - 0.2) < 0.005)
    True
    """
    first, second = pair_of_records(reference, current)
    f = _frequencies(frequency_hz, require_rate(rate_hz))
    smooth_frequencies = require_count(smooth_frequencies, "smooth_frequencies", 1)
    if smooth_frequencies % 2 == 0:
        raise ParameterError(f"smooth_frequencies must be odd: {smooth_frequencies}")
    w = morlet(first, rate_hz, f, n_cycles)
    v = morlet(second, rate_hz, f, n_cycles)
    sigma = n_cycles / (2 * np.pi * f) * rate_hz
    cross = _smooth(w * np.conj(v), sigma, smooth_frequencies)
    power = _smooth(np.abs(w) ** 2, sigma, smooth_frequencies)
    power = power * _smooth(np.abs(v) ** 2, sigma, smooth_frequencies)
    amplitude = np.abs(cross)
    coherence = amplitude / np.sqrt(np.where(power > 0, power, np.inf))
    turn = _turn(w) + _turn(v)
    omega = np.angle(_smooth(turn, sigma, smooth_frequencies)) * rate_hz
    delay = np.angle(cross) / np.where(omega > 0, omega, np.nan)
    delay[amplitude == 0] = np.nan
    # length of two wavelets, each of sigma / sqrt 2, and of the smoothing by sigma
    n_alike = np.maximum(2 * np.sqrt(1.5 * np.pi) * sigma, 1)
    frequency = np.where(omega > 0, omega, np.nan) / (2 * np.pi)
    coherence = np.clip(coherence, 0, 1)
    return WaveletDelays(delay, frequency, coherence, amplitude, n_alike)


def wavelet_velocity_change(
    delays: WaveletDelays,
    lag_s: ArrayLike,
    low_s: float,
    high_s: float,
    least_coherence: float = 0.5,
    max_dvv: float = 0.02,
) -> list[VelocityChange]:
    """Velocity change at each frequency from the delays between two lags.

    Delays are known up to a multiple of the period. So the change between -max_dvv and
    max_dvv that best aligns the phases is searched first, and a line is fitted to the
    remaining delays, which are below half a period.

    Weights are coherence times the logarithm of one plus the amplitude over its
    median; samples below `least_coherence` are left out. The error follows from the
    scatter; dependent neighbours count once.

    Parameters
    ----------
    delays
        From `wavelet_delays`.
    lag_s
        Lags of the samples, shape ``(n,)``.
    low_s, high_s
        Range of ``|lag|``, both sides.
    least_coherence
        Smallest coherence of a sample, 0 to 1.
    max_dvv
        Largest relative change that is searched, above 0.

    Returns
    -------
    One `VelocityChange` for each frequency; if the best change lies at the edge of the
    search, or no change aligns the phases, it has no value and is marked.

    Raises
    ------
    ParameterError
        If shapes do not fit or the range of lags is empty.

    Examples
    --------
    >>> import numpy as np
    >>> lag = np.arange(1, 600) / 10
    >>> wave = lambda t: np.sin(3 * t)
    >>> delays = wavelet_delays(wave(lag), wave(1.002 * lag), 10.0, [0.48])
    >>> bool(abs(wavelet_velocity_change(delays, lag, 10, 50)[0].dvv - 0.002) < 1e-4)
    True
    """
    lag = np.asarray(lag_s, dtype=np.float64)
    if lag.shape != delays.delay_s.shape[1:]:
        raise ParameterError(f"lag_s {lag.shape} does not fit {delays.delay_s.shape}")
    inside = (np.abs(lag) >= low_s) & (np.abs(lag) <= high_s)
    if not inside.any():
        raise ParameterError(f"low_s {low_s:g} to high_s {high_s:g} holds no lag")
    changes = []
    for row in range(len(delays.delay_s)):
        use = inside & (delays.coherence[row] >= least_coherence)
        amplitude = delays.amplitude[row, use]
        median = np.median(amplitude) if amplitude.size else 1.0
        weight = delays.coherence[row, use] * np.log1p(amplitude / (median or 1.0))
        omega = 2 * np.pi * delays.frequency_hz[row, use]
        phase = omega * delays.delay_s[row, use]
        guess, at_edge = _aligning_change(lag[use], omega, phase, weight, max_dvv)
        residual = np.angle(np.exp(1j * (phase + guess * lag[use] * omega))) / omega
        change = velocity_change(
            lag[use],
            residual,
            1 / np.sqrt(np.maximum(weight, 1e-12)),
            relative_errors=True,
            n_dependent=float(delays.n_alike[row]),
        )
        dvv = guess + change.dvv
        if at_edge or abs(dvv) > max_dvv:
            changes.append(VelocityChange(np.nan, np.nan, change.n_used, True))
        else:
            changes.append(change._replace(dvv=dvv))
    return changes


# Least mean cosine of the phases that remain after the best change of a search. In
# synthetic codas it is larger if the true change is within the search, and smaller if
# not.
_LEAST_ALIGNED = 0.6


def _aligning_change(
    lag: FloatArray,
    omega: FloatArray,
    phase: FloatArray,
    weight: FloatArray,
    max_dvv: float,
) -> tuple[float, bool]:
    """Return the change that best aligns the phases, and whether it is at the edge.

    It also counts as at the edge if no change aligns the phases.

    Parameters
    ----------
    lag, omega, phase, weight
        For each delay: lag in seconds, angular frequency, phase in radians, and weight,
        shape ``(n,)``.
    max_dvv
        Range of the search: changes from -max_dvv to max_dvv, in steps of an eighth of
        a cycle at the longest lag.
    """
    known = np.isfinite(phase) & np.isfinite(omega)
    if not known.any():
        return 0.0, False
    lag, omega, phase, weight = (x[known] for x in (lag, omega, phase, weight))
    turns = float(np.abs(lag * omega).max()) / (2 * np.pi) * max_dvv
    trials = np.linspace(-max_dvv, max_dvv, 2 * max(1, int(np.ceil(8 * turns))) + 1)
    aligned = np.cos(phase + trials[:, None] * (lag * omega)) @ weight
    best = int(aligned.argmax())
    is_outside = best in (0, len(trials) - 1)
    is_outside |= aligned[best] < _LEAST_ALIGNED * weight.sum()
    return float(trials[best]), bool(is_outside)


def wavelet_stretch(
    reference: ArrayLike,
    current: ArrayLike,
    lag_s: ArrayLike,
    frequency_hz: ArrayLike,
    low_s: float,
    high_s: float,
    max_dvv: float = 0.02,
    n_cycles: float = 6.0,
) -> Stretch:
    """Stretching at each frequency, on records filtered by the wavelet.

    Parameters
    ----------
    reference
        Shape ``(n,)``.
    current
        Shape ``(..., n)``.
    lag_s
        Shape ``(n,)``, equally spaced.
    frequency_hz, n_cycles
        As in `morlet`.
    low_s, high_s, max_dvv
        As in `stretching.stretch`.

    Returns
    -------
    `Stretch` with arrays of shape ``(..., n_frequencies)``. The errors are for a band
    as wide as the power spectrum of the wavelet.

    Raises
    ------
    ParameterError
        If shapes do not fit or a parameter is out of range.

    References
    ----------
    Yuan, Bryan and Denolle (2021), Geophys. J. Int. 226, 828-846.

    Examples
    --------
    >>> import numpy as np
    >>> lag = np.arange(-600, 601) / 10
    >>> wave = lambda t: np.sin(3 * t)
    >>> stretches = wavelet_stretch(wave(lag), wave(1.002 * lag), lag, [0.48], 10, 40)
    >>> bool(abs(stretches.dvv[0] - 0.002) < 1e-4)
    True
    """
    first = as_float(reference, "reference").astype(np.float64)
    second = as_float(current, "current").astype(np.float64)
    t = np.asarray(lag_s, dtype=np.float64)
    if t.shape != first.shape or second.shape[-1:] != first.shape or len(t) < 4:
        raise ParameterError(
            f"lag_s {t.shape} does not fit records {first.shape} and {second.shape}"
        )
    rate_hz = (len(t) - 1) / (t[-1] - t[0])
    stretches = []
    for f in _frequencies(frequency_hz, rate_hz).tolist():
        w, v = (
            morlet(x, rate_hz, [f], n_cycles)[..., 0, :].real for x in (first, second)
        )
        half = np.sqrt(np.pi) / (2 * n_cycles) * f
        band_hz = (f - half, f + half)
        stretches.append(stretch(w, v, t, low_s, high_s, max_dvv, band_hz=band_hz))
    return Stretch(*(np.stack(part, axis=-1) for part in zip(*stretches, strict=True)))


def _turn(w: ComplexArray) -> ComplexArray:
    """Phasors from sample to sample, at unit total power."""
    turn = np.zeros_like(w)
    turn[:, 1:] = w[:, 1:] * np.conj(w[:, :-1])
    return turn * (1 / (np.square(np.abs(w)).sum() or 1.0))


def _smooth(s: FloatArray, sigma: FloatArray, n_frequencies: int) -> FloatArray:
    # slow to import, and only delays need it
    from scipy.ndimage import gaussian_filter1d, uniform_filter1d

    out = np.empty_like(s)
    for k, width in enumerate(sigma):
        out[k] = gaussian_filter1d(s[k], width, mode="constant", truncate=3.0)
    if n_frequencies > 1:
        out = uniform_filter1d(
            out, min(n_frequencies, len(out)), axis=0, mode="nearest"
        )
    return out


def _frequencies(frequency_hz: ArrayLike, rate_hz: float) -> FloatArray:
    f = np.asarray(frequency_hz, dtype=np.float64)
    if f.ndim != 1 or f.size == 0 or not ((f > 0) & (f <= rate_hz / 2)).all():
        raise ParameterError(
            f"frequency_hz must be a list of frequencies above 0 up to Nyquist, "
            f"{rate_hz / 2:g} Hz"
        )
    return f
