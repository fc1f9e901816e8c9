"""Measures of the difference between two stations (Yuan, Simons and Tromp 2016).

Errors that both stations share, such as those of the source, cancel. The windows of
both stations must have the same length; they may begin at different times.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import fft

from seismo_pes.signal._arrays import FloatArray
from seismo_pes.signal.errors import Rejected
from seismo_pes.signal.misfits.alignment import AlignmentSettings
from seismo_pes.signal.misfits.band_limited import delayed
from seismo_pes.signal.misfits.correlation import (
    CorrelationPeak,
    correlation_peak,
    whole_shift,
)
from seismo_pes.signal.misfits.multitaper import (
    MultitaperTimeSettings,
    band_weights,
    spectral_band,
)
from seismo_pes.signal.misfits.outcomes import Result
from seismo_pes.signal.misfits.pairs import Pair
from seismo_pes.signal.misfits.settings import Settings
from seismo_pes.signal.misfits.shifts import TimeSettings, weighted
from seismo_pes.signal.misfits.tapers import Transfer, slepian_tapers

__all__ = ["dd_cc", "dd_mt", "dd_waveform"]


def dd_waveform(pair: Pair, other: Pair, options: Settings) -> Result:
    """Half of the squared double difference of the waveforms.

    chi = 1/2 int ((s_i - s_j) - (d_i - d_j))^2 dt (Yuan, Simons and Tromp 2016,
    doi:10.1093/gji/ggw233).

    Parameters
    ----------
    pair, other
        The windows of both stations.
    options
        None.

    Returns
    -------
    `Result` with ``difference_rms`` in the unit of the records, and the adjoint sources
    of both synthetics.

    Raises
    ------
    Rejected
        If the windows have different lengths.
    """
    _require_one_length(pair, other)
    change = pair.synthetic - pair.observed
    difference = change - (other.synthetic - other.observed)
    return Result(
        0.5 * pair.integral(difference**2),
        pair.place(difference),
        {"difference_rms": float(np.sqrt(np.mean(difference**2)))},
        adjoint_other=other.place(-difference),
    )


def dd_cc(pair: Pair, other: Pair, options: TimeSettings) -> Result:
    """Half of the squared double difference of the times by cross-correlation.

    chi = 1/2 ((Dd - Ds) / sigma)^2; Dd is the shift with the largest correlation of the
    two observed windows, Ds that of the two synthetic windows (Yuan, Simons and Tromp
    2016, doi:10.1093/gji/ggw233). In the convention of pyadjoint both are whole
    samples, and the adjoint sources are those of the maximum between samples.

    Parameters
    ----------
    pair, other
        The windows of both stations.
    options
        `TimeSettings`.

    Returns
    -------
    `Result` with ``dt_s`` = Dd - Ds, ``dt_observed_s`` = Dd, ``dt_synthetic_s`` = Ds,
    positive if the window of the first station is later in its window, and ``sigma_s``;
    the uncertainty is that of Dd, from the difference of the observed windows.

    Raises
    ------
    Rejected
        If the windows have different lengths, or the difference is longer than allowed.
    """
    _require_one_length(pair, other)
    delta_s = pair.delta_s
    observed = whole_shift(pair.observed, other.observed)
    if pair.is_exact:
        peak = correlation_peak(pair.synthetic, other.synthetic)
        shift_d = correlation_peak(pair.observed, other.observed).shift
        shift_s = peak.shift
    else:
        shift_d = float(observed.shift)
        shift_s = float(whole_shift(pair.synthetic, other.synthetic).shift)
        peak = correlation_peak(pair.synthetic, other.synthetic, near=shift_s)
    dt_s = (shift_d - shift_s) * delta_s
    _require_cycle(pair, options, dt_s)
    error_s = observed.error * delta_s
    sigma_s = weighted(pair, options.weighting, options.sigma_s, error_s)
    by_shift = -dt_s / sigma_s**2
    return Result(
        0.5 * (dt_s / sigma_s) ** 2,
        pair.place(by_shift * peak.first_gradient),
        {
            "dt_s": dt_s,
            "dt_observed_s": shift_d * delta_s,
            "dt_synthetic_s": shift_s * delta_s,
            "sigma_s": sigma_s,
        },
        error_s,
        adjoint_other=other.place(by_shift * peak.second_gradient),
    )


def dd_mt(pair: Pair, other: Pair, options: MultitaperTimeSettings) -> Result:
    """Half of the mean squared double difference of the times over frequency.

    chi = 1/2 int W(f) ((Dd(f) - Ds(f)) / sigma)^2 df with int W df = 1. Both times come
    from transfer functions of two stations, as in `mt_time`, after alignment by the
    shifts of `dd_cc`. The band is that of the synthetics.

    Parameters
    ----------
    pair, other
        The windows of both stations.
    options
        `MultitaperTimeSettings`.

    Returns
    -------
    `Result` with the means over the band ``dt_s`` = Dd - Ds, ``dt_observed_s`` and
    ``dt_synthetic_s``, with ``low_hz``, ``high_hz`` and ``sigma_s``; the uncertainty is
    that of `dd_cc`.

    Raises
    ------
    Rejected
        If the windows have different lengths, the band is too narrow, or the difference
        is longer than allowed.
    """
    _require_one_length(pair, other)
    delta_s = pair.delta_s
    synthetic = _Stations.of(pair.synthetic, other.synthetic, options)
    observed = _Stations.of(pair.observed, other.observed, options)
    power = np.sqrt(
        (np.abs(synthetic.first) ** 2).sum(axis=0)
        * (np.abs(synthetic.second) ** 2).sum(axis=0)
    )
    bins = spectral_band(power, synthetic.n_fft, pair, options)
    weights = band_weights(bins.stop - bins.start)
    transfer = synthetic.transfer(bins)
    delay_s = synthetic.peak.shift + transfer.delay
    delay_d = observed.peak.shift + observed.transfer(bins).delay
    times = delay_d - delay_s
    worst = int(np.abs(times * transfer.omega).argmax())
    _require_cycle(
        pair, options, float(times[worst]) * delta_s, 2 * np.pi / transfer.omega[worst]
    )
    error_s = whole_shift(pair.observed, other.observed).error * delta_s
    sigma = weighted(pair, options.weighting, options.sigma_s, error_s) / delta_s
    by_first, by_second = synthetic.gradients(transfer, -weights * times / sigma**2)
    hertz = transfer.omega / (2 * np.pi * delta_s)
    quantities = {
        "dt_s": float(weights @ times) * delta_s,
        "dt_observed_s": float(weights @ delay_d) * delta_s,
        "dt_synthetic_s": float(weights @ delay_s) * delta_s,
        "low_hz": float(hertz[0]),
        "high_hz": float(hertz[-1]),
        "sigma_s": sigma * delta_s,
    }
    return Result(
        0.5 * float(weights @ (times / sigma) ** 2),
        pair.place(by_first / delta_s),
        quantities,
        error_s,
        adjoint_other=other.place(by_second / delta_s),
    )


class _Stations(NamedTuple):
    """Windows of two stations, the first one aligned with the second.

    `slope` is the derivative of the aligned window by the shift of its alignment.
    """

    tapers: FloatArray
    n_fft: int
    peak: CorrelationPeak
    slope: FloatArray
    first: FloatArray
    second: FloatArray

    @classmethod
    def of(
        cls, first: FloatArray, second: FloatArray, options: MultitaperTimeSettings
    ) -> _Stations:
        """Align two tapered windows, and transform them."""
        n = first.size
        n_fft = int(fft.next_fast_len(2 * n, real=True))
        tapers = slepian_tapers(n, options.nw, int(options.n_tapers))
        peak = correlation_peak(first, second)
        spectrum = fft.rfft(first, n_fft)
        aligned, slope = delayed(spectrum, n_fft, peak.shift, (0, 1))[:, :n]
        a, b = (fft.rfft(tapers * x, n_fft, axis=-1) for x in (aligned, second))
        return cls(tapers, n_fft, peak, slope, a, b)

    def transfer(self, bins: slice) -> Transfer:
        """Return the transfer function in a band."""
        first, second = self.first[:, bins], self.second[:, bins]
        return Transfer(self.tapers, self.n_fft, bins, first, second)

    def gradients(
        self, transfer: Transfer, by_delay: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Derivatives by both tapered windows from that by the delays."""
        by_aligned, by_second = transfer.delay_gradients(by_delay)
        by_shift = float(by_delay.sum()) + float(by_aligned @ self.slope)
        spectrum = fft.rfft(by_aligned, self.n_fft)
        back = delayed(spectrum, self.n_fft, -self.peak.shift, (0,))[
            0, : self.slope.size
        ]
        return (
            back + by_shift * self.peak.first_gradient,
            by_second + by_shift * self.peak.second_gradient,
        )


def _require_one_length(pair: Pair, other: Pair) -> None:
    if pair.n != other.n:
        raise Rejected(
            "windows of different length",
            {"n_samples": pair.n, "n_samples_other": other.n},
        )


def _require_cycle(
    pair: Pair,
    options: AlignmentSettings,
    dt_s: float,
    period_samples: float | None = None,
) -> None:
    period_s = options.period_s or pair.period_s
    if period_samples is not None:
        period_s = float(period_samples) * pair.delta_s
    if abs(dt_s) > options.max_shift_periods * period_s:
        raise Rejected("cycle skip", {"dt_s": dt_s, "period_s": period_s})
