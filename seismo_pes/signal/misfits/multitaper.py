"""Measures of time shift and amplitude over frequency by multitapers."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import NamedTuple

import numpy as np
from scipy import fft

from seismo_pes.signal._arrays import FloatArray
from seismo_pes.signal.errors import Rejected
from seismo_pes.signal.misfits.alignment import AlignmentSettings, align, require_cycle
from seismo_pes.signal.misfits.correlation import whole_shift
from seismo_pes.signal.misfits.outcomes import Result
from seismo_pes.signal.misfits.pairs import Pair
from seismo_pes.signal.misfits.settings import setting
from seismo_pes.signal.misfits.shifts import WEIGHTINGS, remaining_error, weighted
from seismo_pes.signal.misfits.tapers import Transfer, slepian_tapers

__all__ = [
    "BandSettings",
    "MultitaperAmplitudeSettings",
    "MultitaperTimeSettings",
    "band_weights",
    "mt_amplitude",
    "mt_time",
    "spectral_band",
]

# In pyadjoint: length of the transform, and the factor above the water level at which
# the spectrum counts again in the search for the end of the band.
_PYADJOINT_N_FFT = 2**15
_PYADJOINT_RECOVERY = 10
_WEIGHTING_HELP = (
    "error: the error of the shift or amplitude of the whole window replaces "
    "sigma if it is larger; the adjoint source treats it as a constant. By default "
    "fixed, and error in the convention of pyadjoint"
)


@dataclass(frozen=True)
class BandSettings(AlignmentSettings):
    """Options of all multitaper measures."""

    min_period_s: float | None = setting(
        None, "shortest period; by default only limited by power", unit="s", above=0
    )
    max_period_s: float | None = setting(
        None, "longest period; by default only limited by power", unit="s", above=0
    )
    nw: float = setting(4.0, "time-bandwidth product of the tapers", least=1)
    n_tapers: int = setting(5, "number of tapers, up to twice nw", least=1)
    water_level: float = setting(
        0.02,
        "part of the largest amplitude of the spectrum at which the band ends",
        above=0,
        most=1,
    )
    min_cycles: float = setting(
        0.5,
        "smallest number of periods in the window (pyadjoint: in the record)",
        least=0,
    )


@dataclass(frozen=True)
class MultitaperTimeSettings(BandSettings):
    """Options of `mt_time` and of `dd_mt`."""

    sigma_s: float = setting(
        1.0, "standard error by which times are divided", unit="s", above=0
    )
    weighting: str | None = setting(None, _WEIGHTING_HELP, choices=WEIGHTINGS)


@dataclass(frozen=True)
class MultitaperAmplitudeSettings(BandSettings):
    """Options of `mt_amplitude`."""

    sigma: float = setting(
        0.5, "standard error by which logarithms are divided", above=0
    )
    weighting: str | None = setting(None, _WEIGHTING_HELP, choices=WEIGHTINGS)


class _Measured(NamedTuple):
    """Transfer function of a pair, and the shift and factor to which it is relative.

    `delay` in samples and `log_amplitude` are those of the whole window, `slope` is the
    derivative of the first window by the delay, and `delay_gradient` the derivative of
    the delay by the samples of the synthetic; both None if the delay is a whole number.
    """

    transfer: Transfer
    weights: FloatArray
    delay: float
    log_amplitude: float
    cc: float
    errors: tuple[float, float]
    slope: FloatArray | None = None
    delay_gradient: FloatArray | None = None


def mt_time(pair: Pair, options: MultitaperTimeSettings) -> Result:
    """Half of the mean squared time shift over frequency, over its error.

    chi = 1/2 int W(f) (dt(f) / sigma)^2 df with int W df = 1. The windows are aligned
    as in `cc_time`; dt(f) is that shift plus -arg T / (2 pi f) with the transfer
    function T = sum_k D_k S_k* / sum_k abs(S_k)^2 of windows tapered by Slepian
    sequences (Laske and Masters 1996, doi:10.1029/96JB00526; Zhou et al. 2004,
    doi:10.1111/j.1365-246X.2004.02404.x). The adjoint source is the derivative without
    the assumption that the waveforms are alike; the ends of the band are constants.

    Parameters
    ----------
    pair
        The windows.
    options
        `MultitaperTimeSettings`.

    Returns
    -------
    `Result` with the means over the band ``dt_s`` and ``dlna``, with ``cc``,
    ``low_hz``, ``high_hz`` and ``sigma_s``; the uncertainty of ``dt_s`` is the
    jackknife error over the tapers.

    Raises
    ------
    Rejected
        If the shift is not known within the limits, or the band is too narrow.
    """
    measured = _measured(pair, options)
    delta_s = pair.delta_s
    times = measured.delay + measured.transfer.delay
    error_s = measured.errors[0] * delta_s
    sigma = weighted(pair, options.weighting, options.sigma_s, error_s) / delta_s
    by_delay = measured.weights * times / sigma**2
    by_first, by_second = measured.transfer.delay_gradients(by_delay)
    adjoint = _adjoint(pair, measured, by_first, by_second, float(by_delay.sum()))
    misfit = 0.5 * float(measured.weights @ (times / sigma) ** 2)
    left_out = measured.transfer.leave_one_out()[0] @ measured.weights
    quantities = {**_quantities(pair, measured), "sigma_s": sigma * delta_s}
    return Result(misfit, adjoint, quantities, _jackknife(left_out) * delta_s)


def mt_amplitude(pair: Pair, options: MultitaperAmplitudeSettings) -> Result:
    """Half of the mean squared logarithm of the amplitude ratio over frequency.

    chi = 1/2 int W(f) (ln A(f) / sigma)^2 df with int W df = 1 and A = abs(T) of the
    transfer function of `mt_time`.

    Parameters
    ----------
    pair
        The windows.
    options
        `MultitaperAmplitudeSettings`.

    Returns
    -------
    `Result` with the quantities of `mt_time`, but ``sigma``; the uncertainty of
    ``dlna`` is the jackknife error over the tapers.

    Raises
    ------
    Rejected
        If the shift is not known within the limits, or the band is too narrow.
    """
    measured = _measured(pair, options)
    logs = measured.log_amplitude + measured.transfer.log_amplitude
    sigma = weighted(pair, options.weighting, options.sigma, measured.errors[1])
    by_log = measured.weights * logs / sigma**2
    by_first, by_second = measured.transfer.amplitude_gradients(by_log)
    adjoint = _adjoint(pair, measured, by_first, by_second, 0.0)
    misfit = 0.5 * float(measured.weights @ (logs / sigma) ** 2)
    left_out = measured.transfer.leave_one_out()[1] @ measured.weights
    quantities = {**_quantities(pair, measured), "sigma": sigma}
    return Result(misfit, adjoint, quantities, _jackknife(left_out))


def spectral_band(
    power: FloatArray, n_fft: int, pair: Pair, options: BandSettings
) -> slice:
    """Return the bins around the largest power that exceed the water level.

    Parameters
    ----------
    power
        Shape ``(n_fft // 2 + 1,)``.
    n_fft
        Length of the transform.
    pair
        The windows.
    options
        Limits of the band.

    Raises
    ------
    Rejected
        If the band is narrower than a quarter of the resolution of the tapers.
    """
    step_hz = 1 / (n_fft * pair.delta_s)
    duration_s = pair.n * pair.delta_s
    low_hz, high_hz = options.min_cycles / duration_s, 0.5 / pair.delta_s
    if options.max_period_s is not None:
        low_hz = max(low_hz, 1 / options.max_period_s)
    if options.min_period_s is not None:
        high_hz = min(high_hz, 1 / options.min_period_s)
    low = max(int(np.ceil(low_hz / step_hz - 1e-9)), 1)
    high = min(int(high_hz / step_hz + 1e-9), power.size - 2)
    if high > low:
        inside = power[low : high + 1]
        weak = np.flatnonzero(inside < options.water_level**2 * inside.max())
        peak = int(inside.argmax())
        below, above = weak[weak < peak], weak[weak > peak]
        high = low + int(above[0]) - 1 if above.size else high
        low = low + int(below[-1]) + 1 if below.size else low
    if (high - low) * step_hz < options.nw / (4 * duration_s):
        raise Rejected(
            "band narrower than the resolution of the tapers",
            {"low_hz": low * step_hz, "high_hz": high * step_hz},
        )
    return slice(low, high + 1)


def band_weights(n: int) -> FloatArray:
    """Return weights over a band that fall to zero at its ends, with sum one.

    They are 1 - cos^10, flat in the middle.

    Parameters
    ----------
    n
        Number of bins, at least 2.

    Examples
    --------
    >>> band_weights(5).round(2)
    array([0.  , 0.33, 0.33, 0.33, 0.  ])
    """
    half = n // 2
    weights = np.ones(n)
    flank = 1 - np.cos(np.pi * np.arange(half) / max(2 * half - 1, 1)) ** 10
    weights[:half] = flank
    weights[n - half :] = flank[::-1]
    return weights / (weights.sum() or 1.0)


def _measured(pair: Pair, options: BandSettings) -> _Measured:
    measure = _aligned if pair.is_exact else _aligned_as_pyadjoint
    key = ("multitaper", *(getattr(options, name) for name in _BAND_OPTIONS))
    measured: _Measured = pair.share(key, lambda: measure(pair, options))
    largest = 2 * np.pi * options.max_shift_periods
    phase = np.abs(measured.transfer.delay * measured.transfer.omega)
    if phase.max() > largest:
        worst = int(phase.argmax())
        omega = float(measured.transfer.omega[worst]) / pair.delta_s
        dt_s = float(measured.delay + measured.transfer.delay[worst]) * pair.delta_s
        raise Rejected("cycle skip", {"dt_s": dt_s, "period_s": 2 * np.pi / omega})
    return measured


_BAND_OPTIONS = tuple(f for f in BandSettings.__dataclass_fields__)


def _aligned(pair: Pair, options: BandSettings) -> _Measured:
    alignment = align(pair, options)
    n_fft = int(fft.next_fast_len(2 * pair.n, real=True))
    tapers = slepian_tapers(pair.n, options.nw, int(options.n_tapers))
    first = fft.rfft(tapers * (pair.weights * alignment.observed), n_fft, axis=-1)
    second = fft.rfft(tapers * pair.synthetic, n_fft, axis=-1)
    power = (np.abs(second) ** 2).sum(axis=0)
    bins = spectral_band(power, n_fft, pair, options)
    transfer = Transfer(tapers, n_fft, bins, first[:, bins], second[:, bins])
    return _Measured(
        transfer,
        band_weights(bins.stop - bins.start),
        alignment.shift,
        0.0,
        alignment.cc,
        remaining_error(pair, alignment),
        pair.weights * alignment.slope,
        alignment.shift_gradient,
    )


def _aligned_as_pyadjoint(pair: Pair, options: BandSettings) -> _Measured:
    whole = whole_shift(pair.observed, pair.synthetic)
    cc = require_cycle(pair, options, whole.shift)
    start, stop = pair.samples.start + whole.shift, pair.samples.stop + whole.shift
    if start < 0 or stop > pair.records.n:
        raise Rejected(
            "shifted window outside the data", {"dt_s": whole.shift * pair.delta_s}
        )
    n_fft = _PYADJOINT_N_FFT
    if pair.n > n_fft:
        raise Rejected("window longer than the transform", {"n_samples": pair.n})
    bins = _pyadjoint_band(pair, options)
    tapers = slepian_tapers(pair.n, options.nw, int(options.n_tapers))
    scale = np.exp(-whole.dlna)
    moved = scale * pair.records.observed[start:stop] * pair.weights
    first = fft.rfft(tapers * moved, n_fft, axis=-1)[:, bins]
    second = fft.rfft(tapers * pair.synthetic, n_fft, axis=-1)[:, bins]
    # Simpson's rule: 4/3 and 2/3 in turn, counted from the bin of frequency zero
    simpson = np.where(np.arange(bins.start, bins.stop) % 2, 4 / 3, 2 / 3)
    return _Measured(
        Transfer(tapers, n_fft, bins, first, second),
        simpson * band_weights(bins.stop - bins.start),
        float(whole.shift),
        whole.dlna,
        cc,
        (whole.error, whole.error_dlna),
    )


def _pyadjoint_band(pair: Pair, options: BandSettings) -> slice:
    """Return the band where the spectrum of the whole synthetic has power."""
    n_fft = _PYADJOINT_N_FFT
    step_hz = 1 / (n_fft * pair.delta_s)
    size = np.abs(fft.rfft(pair.records.synthetic, n_fft))
    peak = int(size.argmax())
    level = options.water_level * float(size[peak])
    above = _end_of_power(size[peak + 1 :], level)
    below = _end_of_power(size[1:peak][::-1], level)
    high = size.size - 1 if above is None else peak + 1 + above
    low = 0 if below is None else peak - 1 - below
    high = min(high, int(0.5 / pair.delta_s / step_hz) - 1)
    if options.min_period_s is not None:
        high = min(high, int(1 / (options.min_period_s * step_hz)))
    duration_s = pair.records.n * pair.delta_s
    low = max(low, int(options.min_cycles / duration_s / step_hz) - 1, 1)
    if options.max_period_s is not None:
        low = max(low, int(1 / (options.max_period_s * step_hz)))
    if (high - low) * step_hz < options.nw / (4 * duration_s):
        raise Rejected(
            "band narrower than the resolution of the tapers",
            {"low_hz": low * step_hz, "high_hz": high * step_hz},
        )
    return slice(low, high)


def _end_of_power(size: FloatArray, level: float) -> int | None:
    """Return where a spectrum finally falls below a level, or last rises again.

    After a fall, only a rise to ten times the level counts.
    """
    end, start, strong = None, 0, True
    while True:
        rest = size[start:]
        hits = rest < level if strong else rest > _PYADJOINT_RECOVERY * level
        if not hits.any():
            return end
        start += int(hits.argmax())
        end, strong = start, not strong


def _adjoint(
    pair: Pair,
    measured: _Measured,
    by_first: FloatArray,
    by_second: FloatArray,
    by_delay: float,
) -> FloatArray:
    """Adjoint source from derivatives by the windows and by the alignment."""
    density = by_second * pair.weights
    if measured.slope is not None and measured.delay_gradient is not None:
        by_delay += float(by_first @ measured.slope)
        density = density + by_delay * measured.delay_gradient
    return pair.place(density / pair.delta_s, tapered=False)


def _quantities(pair: Pair, measured: _Measured) -> dict[str, float]:
    transfer, weights = measured.transfer, measured.weights / measured.weights.sum()
    hertz = transfer.omega / (2 * np.pi * pair.delta_s)
    return {
        "dt_s": float(weights @ (measured.delay + transfer.delay)) * pair.delta_s,
        "dlna": float(weights @ (measured.log_amplitude + transfer.log_amplitude)),
        "cc": measured.cc,
        "low_hz": float(hertz[0]),
        "high_hz": float(hertz[-1]),
    }


def _jackknife(left_out: FloatArray) -> float:
    """Standard error of a mean, from the means without one sample each."""
    n = left_out.size
    if n < 2:
        return float("nan")
    return sqrt((n - 1) / n * float(np.sum((left_out - left_out.mean()) ** 2)))
