"""A picker of windows in stages: noise, arrivals, sliding correlation, peaks, energy.

It follows the stages that Krischer et al. (2015) describe for their LASIF: times at
which the records are not alike are left out, and what remains are the windows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf, log

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seismo_pes.signal._arrays import FloatArray
from seismo_pes.signal.errors import ParameterError, Rejected
from seismo_pes.signal.misfits.pairs import Records
from seismo_pes.signal.misfits.settings import Settings, setting
from seismo_pes.signal.windowing.flexwin import Arrivals, Picks
from seismo_pes.signal.windowing.quality import Interval, Quality
from seismo_pes.signal.windowing.selection import RejectedWindow, Window, extrema
from seismo_pes.signal.windowing.settings import PickerSettings
from seismo_pes.signal.windowing.stalta import sta_lta

__all__ = ["StageSettings", "pick_windows_in_stages"]

# Shifts of the sliding correlation, in periods: more than can be accepted.
_SEARCH_PERIODS = 0.5


@dataclass(frozen=True)
class StageSettings(Settings):
    """Options of `pick_windows_in_stages`."""

    max_record_noise: float = setting(
        0.1,
        "largest amplitude before the first arrival, as a part of that after it",
        least=0,
    )
    max_window_noise: float = setting(
        0.4,
        "largest amplitude before the first arrival, as a part of that of the window",
        least=0,
    )
    min_record_cc: float = setting(
        0.1, "least correlation coefficient of the whole records", least=-1, most=1
    )
    sliding_periods: float = setting(
        2.0, "length of the sliding window, in shortest periods", above=0
    )
    max_shift_periods: float = setting(
        0.3,
        "largest shift of the sliding window, in shortest periods",
        above=0,
        most=0.5,
    )
    min_cc: float = setting(
        0.75, "least correlation coefficient of the sliding window", least=-1, most=1
    )
    min_length_periods: float = setting(
        1.5, "least length of a window, in shortest periods", least=0
    )
    min_peaks: int = setting(
        2, "least number of peaks, and of troughs, of both records in a window", least=0
    )
    max_energy_ratio: float = setting(
        10.0, "largest ratio of the energies of both records, either way", least=1
    )


def pick_windows_in_stages(
    observed: ArrayLike,
    synthetic: ArrayLike,
    delta_s: float,
    period_s: float,
    arrivals: Arrivals,
    settings: StageSettings | None = None,
) -> Picks:
    """Pick the windows in which a sliding window finds the records alike.

    Parameters
    ----------
    observed, synthetic
        Records on one axis of time, filtered to one band, shape ``(n,)``.
    delta_s
        Sampling interval.
    period_s
        Shortest period of the band.
    arrivals
        Expected times; noise is what comes before the first one.
    settings
        Options.

    Returns
    -------
    `Picks`; rejected are also the intervals in which the sliding window fails.

    Raises
    ------
    ParameterError
        If a parameter is not allowed, or there is no arrival.

    References
    ----------
    Krischer et al. (2015), doi:10.1785/0220140248.

    Examples
    --------
    >>> t = np.arange(1200) * 0.1
    >>> pulse = lambda at: np.exp(-(((t - at) / 3) ** 2)) * np.cos(2 * (t - at))
    >>> picks = pick_windows_in_stages(
    ...     pulse(60.3), pulse(60), 0.1, 2.0, Arrivals((50.0,))
    ... )
    >>> [round(window.dt_s, 2) for window in picks.windows]
    [0.3]
    """
    if not period_s > 0:
        raise ParameterError(f"period_s must be above 0 s, not {period_s}")
    if len(arrivals.times_s) == 0:
        raise ParameterError("arrivals: at least one time is needed")
    try:
        records = Records(observed, synthetic, delta_s)
    except Rejected as rejected:
        end_s = max((np.size(observed) - 1) * delta_s, 0.0)
        row = RejectedWindow(0.0, end_s, "data", rejected.reason, rejected.numbers)
        return Picks((), (row,), np.zeros(0))
    return _Stages(records, period_s, arrivals, settings or StageSettings()).picks()


class _Stages:
    """The stages, and what they reject."""

    def __init__(
        self,
        records: Records,
        period_s: float,
        arrivals: Arrivals,
        settings: StageSettings,
    ) -> None:
        self.records, self.period_s, self.settings = records, period_s, settings
        self.arrivals = arrivals
        self.first_s = float(min(arrivals.times_s))
        before = records.observed[: max(self._sample(self.first_s - period_s), 0)]
        self.noise = float(np.abs(before).max()) if before.size else 0.0
        self.rejected: list[RejectedWindow] = []

    def picks(self) -> Picks:
        ratio = sta_lta(self.records.synthetic, self.records.delta_s, self.period_s)
        windows: list[Window] = []
        if self._is_usable():
            for interval in self._alike():
                outcome = self._judge(interval)
                if isinstance(outcome, Window):
                    windows.append(outcome)
                else:
                    self.rejected.append(outcome)
        return Picks(tuple(windows), tuple(self.rejected), ratio)

    def _sample(self, at_s: float) -> int:
        return min(max(round(at_s / self.records.delta_s), 0), self.records.n)

    def _seconds(self, start: int, stop: int) -> Interval:
        return start * self.records.delta_s, (stop - 1) * self.records.delta_s

    def _is_usable(self) -> bool:
        """Whether noise and correlation of the whole records allow windows."""
        settings, whole = self.settings, (0.0, self.records.duration_s)
        after = self.records.observed[self._sample(self.first_s - self.period_s) :]
        largest = float(np.abs(after).max()) if after.size else 0.0
        noise = self.noise / largest if largest > 0 else inf
        d, s = self.records.observed, self.records.synthetic
        longest = round(_SEARCH_PERIODS * self.period_s / self.records.delta_s)
        cc = _largest_correlation(d, s, longest)
        if noise > settings.max_record_noise:
            numbers = {"noise": noise, "max_record_noise": settings.max_record_noise}
            self.rejected.append(RejectedWindow(*whole, "data", "noise", numbers))
        elif cc < settings.min_record_cc:
            numbers = {"cc": cc, "min_record_cc": settings.min_record_cc}
            self.rejected.append(RejectedWindow(*whole, "data", "correlation", numbers))
        else:
            return True
        return False

    def _alike(self) -> list[Interval]:
        """Return the intervals in which the sliding window finds the records alike."""
        records, settings = self.records, self.settings
        period = self.period_s / records.delta_s
        lags, cc = sliding_correlation(
            records.observed,
            records.synthetic,
            max(round(settings.sliding_periods * period), 3),
            max(round(_SEARCH_PERIODS * period), 1),
        )
        is_late = np.abs(lags) > settings.max_shift_periods * period
        is_weak = cc < settings.min_cc
        expected = np.zeros(records.n, dtype=bool)
        start = self._sample(self.first_s - 0.5 * self.period_s)
        latest_s = min(self.arrivals.latest_s, records.duration_s)
        expected[start : self._sample(latest_s) + 1] = True
        for reason, bad in (
            ("correlation", expected & is_weak),
            ("time shift", expected & is_late & ~is_weak),
        ):
            for a, b in _runs(bad):
                numbers = {
                    "cc": float(np.median(cc[a:b])),
                    "dt_s": float(np.median(lags[a:b])) * records.delta_s,
                }
                row = RejectedWindow(*self._seconds(a, b), "sliding", reason, numbers)
                self.rejected.append(row)
        good = _runs(expected & ~is_weak & ~is_late)
        return [self._seconds(a, b) for a, b in good if b - a >= 2]

    def _judge(self, window_s: Interval) -> Window | RejectedWindow:
        """Judge an interval by length, peaks, noise, energy, and its shift."""
        settings = self.settings
        length = (window_s[1] - window_s[0]) / self.period_s
        if length < settings.min_length_periods:
            return RejectedWindow(
                *window_s, "shape", "length", {"length_periods": length}
            )
        first, n = self.records.window(window_s, "native")
        d, s = (
            x[first : first + n]
            for x in (self.records.observed, self.records.synthetic)
        )
        n_peaks = min(_number_of_peaks(d), _number_of_peaks(s))
        if n_peaks < settings.min_peaks:
            return RejectedWindow(*window_s, "shape", "peaks", {"n_peaks": n_peaks})
        noise = self.noise / float(np.abs(d).max() or 1e-300)
        if noise > settings.max_window_noise:
            return RejectedWindow(*window_s, "quality", "noise", {"noise": noise})
        chosen = PickerSettings(
            min_cc=settings.min_cc,
            max_shift_s=settings.max_shift_periods * self.period_s,
            max_dlna=0.5 * log(settings.max_energy_ratio),
        )
        outcome = Quality(self.records, self.period_s, chosen, None, {}).judge(window_s)
        if isinstance(outcome, Window):
            return replace(outcome, snr=1 / noise if noise > 0 else inf)
        return outcome


def sliding_correlation(
    d: FloatArray, s: FloatArray, n_window: int, longest: int
) -> tuple[NDArray[np.int64], FloatArray]:
    """Return the best shift of a sliding window and its correlation coefficient.

    Parameters
    ----------
    d, s
        Shape ``(n,)``; zero outside.
    n_window
        Samples of the window around each sample.
    longest
        Largest shift that is tried, in samples.

    Returns
    -------
    Shift in samples, positive if d is late, and the coefficient, shape ``(n,)`` each.

    Examples
    --------
    >>> wave = np.sin(0.3 * np.arange(200))
    >>> lags, cc = sliding_correlation(np.roll(wave, 2), wave, 40, 5)
    >>> int(lags[100]), round(float(cc[100]), 6)
    (2, 1.0)
    """
    n = d.size
    padded = np.pad(d, longest)
    energy_d = _running_sum(padded**2, n_window)
    energy_s = _running_sum(s**2, n_window)
    lags, best = np.zeros(n, dtype=np.int64), np.full(n, -1.0)
    floor = _running_floor(energy_d, energy_s)
    for lag in sorted(range(-longest, longest + 1), key=abs):
        part = slice(longest + lag, longest + lag + n)
        cross = _running_sum(padded[part] * s, n_window)
        cc = cross / np.sqrt(np.maximum(energy_d[part] * energy_s, floor))
        better = cc > best
        lags[better], best[better] = lag, cc[better]
    return lags, np.minimum(best, 1.0)


def _largest_correlation(d: FloatArray, s: FloatArray, longest: int) -> float:
    """Return the largest correlation coefficient of whole records."""
    padded = np.pad(d, longest)
    cross = [padded[k : k + s.size] @ s for k in range(2 * longest + 1)]
    return float(max(cross) / np.sqrt((d @ d) * (s @ s)))


def _running_floor(energy_d: FloatArray, energy_s: FloatArray) -> float:
    """Product of energies below which the records are silent."""
    product = float(energy_d.max()) * float(energy_s.max())
    return max(1e-12 * product, float(np.finfo(np.float64).tiny))


def _running_sum(x: FloatArray, n: int) -> FloatArray:
    """Sum over n samples around each sample."""
    total = np.concatenate(([0.0], np.cumsum(x)))
    at = np.arange(x.size)
    start = np.maximum(at - n // 2, 0)
    stop = np.minimum(at - n // 2 + n, x.size)
    return total[stop] - total[start]


def _runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return start and stop of the runs of true values."""
    edges = np.diff(np.concatenate(([0], flags.astype(np.int8), [0])))
    starts, stops = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return list(zip(starts.tolist(), stops.tolist(), strict=True))


def _number_of_peaks(x: FloatArray) -> int:
    """Return the smaller one of the numbers of peaks and of troughs."""
    maxima, minima = extrema(x)
    troughs = minima[(minima > 0) & (minima < x.size - 1)]
    return min(int(maxima.size), int(troughs.size))
