"""The time shift between an observed and a synthetic window, to fractions of a sample.

The observed record is shifted relative to the window and the taper, and the shift with
the largest correlation coefficient is chosen. If the records differ by a shift only,
this coefficient is one, even if the window cuts the signal, so the shift is exact. The
correlation of two tapered windows, without normalisation, has its maximum at a shorter
shift.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import ceil, log, sqrt

import numpy as np
from scipy import fft

from seismo_pes.signal._arrays import ComplexArray, FloatArray
from seismo_pes.signal.errors import Rejected
from seismo_pes.signal.misfits.band_limited import delayed, newton
from seismo_pes.signal.misfits.correlation import overlap
from seismo_pes.signal.misfits.pairs import Pair
from seismo_pes.signal.misfits.settings import Settings, setting
from seismo_pes.signal.taper import taper

__all__ = ["Alignment", "AlignmentSettings", "align", "require_cycle"]

# Largest shift of the search in periods. It must be larger than the largest accepted
# shift: otherwise a neighbouring cycle could be accepted.
_SEARCH_PERIODS = 1.5
# Samples over which the record is faded out beside what shifts can reach: errors of
# interpolation from its ends decay over them.
_FADE = 64
# Products below which sums cost less than transforms.
_DIRECT = 100_000
# A record of opposite polarity has its largest correlation half a period away. Shifts
# shorter than this part of a period are no such case.
_CERTAIN_PERIODS = 0.25
# Of shifts whose coefficients differ by rounding only, the shortest is chosen.
_SAME = 1e-9
# Windows of the observed record with less energy than this part of the largest energy
# are silent: their coefficients are only rounding errors.
_SILENT = 1e-9


@dataclass(frozen=True)
class AlignmentSettings(Settings):
    """Options of all measures that align the windows first."""

    period_s: float | None = setting(
        None,
        "period of the signal that limits shifts; by default that of the synthetic "
        "window, from its root-mean-square frequency",
        unit="s",
        above=0,
    )
    max_shift_periods: float = setting(
        0.5,
        "largest shift in periods; beyond it the cycle is ambiguous",
        above=0,
        most=1,
    )


@dataclass(frozen=True)
class Alignment:
    """The observed window at its best shift.

    Attributes
    ----------
    shift
        T_obs - T_syn in samples.
    cc
        Correlation coefficient there.
    dlna
        ln of the ratio of the root-mean-square amplitudes there.
    observed, slope
        Shifted observed window without taper, and its derivative per sample, shape
        ``(n,)``.
    shift_gradient, dlna_gradient
        Derivatives of `shift` and `dlna` by the samples of the synthetic window
        before its taper, shape ``(n,)``.
    """

    shift: float
    cc: float
    dlna: float
    observed: FloatArray
    slope: FloatArray
    shift_gradient: FloatArray
    dlna_gradient: FloatArray


def align(pair: Pair, options: AlignmentSettings) -> Alignment:
    """Return the alignment of a pair of windows.

    Parameters
    ----------
    pair
        The windows.
    options
        Limits of the shift.

    Raises
    ------
    Rejected
        If no shift has a positive correlation, if a shorter shift has a larger negative
        one, if the shift is longer than allowed, or if the shifted window leaves the
        observed record.
    """
    period_s = options.period_s or pair.period_s
    alignment = pair.share(
        ("align", period_s),
        lambda: _Search(pair, period_s).best(options.max_shift_periods),
    )
    _require_limits(pair, options, alignment.shift, alignment.cc)
    return alignment


def require_cycle(pair: Pair, options: AlignmentSettings, shift: int) -> float:
    """Return the correlation coefficient of the tapered windows at a whole shift.

    Parameters
    ----------
    pair
        The windows.
    options
        Limits of the shift.
    shift
        T_obs - T_syn in samples.

    Raises
    ------
    Rejected
        If the shift is longer than allowed, or the coefficient is not positive.
    """
    d, s = pair.observed, pair.synthetic
    later, earlier = overlap(shift, d.size)
    cc = float(d[later] @ s[earlier]) / sqrt(float(d @ d) * float(s @ s))
    _require_limits(pair, options, shift, cc)
    return cc


def _require_limits(
    pair: Pair, options: AlignmentSettings, shift: float, cc: float
) -> None:
    period_s = options.period_s or pair.period_s
    dt_s = shift * pair.delta_s
    numbers = {"dt_s": dt_s, "period_s": period_s, "cc": cc}
    if cc <= 0:
        raise Rejected("no positive correlation", numbers)
    if abs(dt_s) > options.max_shift_periods * period_s:
        raise Rejected("cycle skip", numbers)


class _Search:
    """Search for the shift with the largest correlation coefficient.

    Only the part of the observed record that shifts can reach is transformed. It is
    faded out on both sides, and its length does not change with small changes of the
    synthetic.
    """

    def __init__(self, pair: Pair, period_s: float) -> None:
        records, self.pair, self.period_s = pair.records, pair, period_s
        self.power = pair.weights**2
        self.synthetic = records.synthetic[pair.samples]
        self.longest = ceil(_SEARCH_PERIODS * period_s / pair.delta_s)
        self.longest = min(self.longest, records.n - 1)
        first, n = pair.samples.start, pair.n
        self.low, self.high = -self.longest, self.longest
        if pair.window_s is not None:
            self.low = max(self.low, -first)
            self.high = min(self.high, records.n - first - n)
        self.before = int(fft.next_fast_len(self.longest + 1)) + _FADE
        reached = records.observed_between(first - self.before, first + n + self.before)
        self.reached = taper(reached, _FADE)
        self.n_fft = int(fft.next_fast_len(reached.size, real=True))
        self._last: tuple[float, FloatArray] | None = None

    @cached_property
    def spectrum(self) -> ComplexArray:
        """Spectrum of the part of the observed record that shifts can reach."""
        return np.asarray(fft.rfft(self.reached, self.n_fft))

    def best(self, max_shift_periods: float) -> Alignment:
        """Return the alignment at the best shift, if the shift can be allowed.

        It lies within a sample of the best shift in whole samples.
        """
        start, cc = self.whole_samples()
        delta_s, period_s = self.pair.delta_s, self.period_s
        numbers = {"dt_s": start * delta_s, "period_s": period_s, "cc": cc}
        if (abs(start) - 1) * delta_s > max_shift_periods * period_s:
            raise Rejected("cycle skip", numbers)
        low, high = max(start - 1, self.low), min(start + 1, self.high)
        at = newton(self.derivatives, float(start), float(low), float(high))
        if at is not None:
            return self.at(at)
        if start in (self.low, self.high):
            raise Rejected("shifted window outside the data", numbers)
        raise Rejected("no maximum of the correlation", numbers)

    def whole_samples(self) -> tuple[int, float]:
        """Return the best shift in whole samples, and its coefficient."""
        low, high, n = self.low, self.high, self.pair.n
        segment = self.reached[self.before + low : self.before + n + high]
        cross = _correlate(segment, self.power * self.synthetic)
        energy = _correlate(segment**2, self.power)
        audible = energy > _SILENT * energy.max()
        coefficient = np.full(energy.size, -np.inf)
        coefficient[audible] = cross[audible] / np.sqrt(energy[audible])
        scale = sqrt(float(self.power @ self.synthetic**2))
        best = np.flatnonzero(coefficient >= coefficient.max() - _SAME * scale) + low
        shift, cc = int(best[np.abs(best).argmin()]), float(coefficient.max() / scale)
        nearer = audible & (np.abs(np.arange(low, high + 1)) < abs(shift))
        opposite = -float(coefficient[nearer].min(initial=0.0)) / scale
        dt_s, period_s = shift * self.pair.delta_s, self.period_s
        if opposite > cc and abs(dt_s) > _CERTAIN_PERIODS * period_s:
            numbers = {"dt_s": dt_s, "period_s": period_s, "cc": cc}
            raise Rejected("opposite polarity", {**numbers, "cc_opposite": -opposite})
        return shift, cc

    def shifted(self, shift: float) -> FloatArray:
        """Observed window at a shift and two derivatives, shape ``(3, n)``."""
        if self._last is not None and self._last[0] == shift:
            return self._last[1]
        window = slice(self.before, self.before + self.pair.n)
        rows = delayed(self.spectrum, self.n_fft, shift, (0, 1, 2))[:, window]
        if shift == round(shift):  # exactly the samples, free of rounding
            start = self.before + int(shift)
            rows[0] = self.reached[start : start + self.pair.n]
        self._last = shift, rows
        return rows

    def derivatives(self, shift: float) -> tuple[float, float]:
        """Slope and curvature of the coefficient, times the same positive number."""
        sums = self.sums(self.shifted(shift))
        return sums[4], sums[5]

    def sums(self, d: FloatArray) -> tuple[float, float, float, float, float, float]:
        """Correlation, energy and half of its slope; slope of the coefficient."""
        weighted, s = self.power * d, self.synthetic
        cross, cross_1, cross_2 = (float(row @ s) for row in weighted)
        energy = float(weighted[0] @ d[0])
        half_1 = float(weighted[1] @ d[0])
        half_2 = float(weighted[1] @ d[1] + weighted[2] @ d[0])
        rising = cross_1 * energy - cross * half_1
        curvature = cross_2 * energy + cross_1 * half_1 - cross * half_2
        return cross, energy, half_1, cross_1, rising, curvature

    def at(self, shift: float) -> Alignment:
        d = self.shifted(shift)
        cross, energy, half_1, _, _, curvature = self.sums(d)
        weighted_s = self.power * self.synthetic
        energy_s = float(weighted_s @ self.synthetic)
        gradient = self.power * (half_1 * d[0] - energy * d[1]) / curvature
        return Alignment(
            shift=shift,
            cc=min(cross / sqrt(energy * energy_s), 1.0),
            dlna=0.5 * log(energy / energy_s),
            observed=d[0],
            slope=d[1],
            shift_gradient=gradient,
            dlna_gradient=half_1 / energy * gradient - weighted_s / energy_s,
        )


def _correlate(x: FloatArray, window: FloatArray) -> FloatArray:
    """Return the sums over the samples of a window at all its places in a record."""
    n_lags = x.size - window.size + 1
    if window.size * n_lags < _DIRECT:
        return np.correlate(x, window, mode="valid")
    n_fft = int(fft.next_fast_len(x.size, real=True))
    product = fft.rfft(x, n_fft) * np.conj(fft.rfft(window, n_fft))
    return np.asarray(fft.irfft(product, n_fft)[:n_lags])
