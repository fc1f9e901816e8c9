"""The picker of windows of Maggi et al. (2009)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from seismo_pes.signal._arrays import FloatArray
from seismo_pes.signal.errors import ParameterError, Rejected
from seismo_pes.signal.misfits.pairs import TAPER_FRACTION, Records
from seismo_pes.signal.windowing.quality import LEVELS, Interval, Quality
from seismo_pes.signal.windowing.schedule import merge, schedule
from seismo_pes.signal.windowing.selection import (
    Candidates,
    RejectedWindow,
    Window,
    candidates,
    select,
)
from seismo_pes.signal.windowing.settings import PickerSettings
from seismo_pes.signal.windowing.stalta import sta_lta

__all__ = ["Arrivals", "Picks", "noise_before", "pick_windows"]


class Arrivals(NamedTuple):
    """Times at which signal is expected, in seconds after the first sample.

    Attributes
    ----------
    times_s
        Arrival times of the phases for which windows are picked, in any order.
    latest_s
        Arrival of the slowest surface wave; windows must begin before it.
    """

    times_s: Sequence[float] = ()
    latest_s: float = np.inf


@dataclass(frozen=True)
class Picks:
    """The windows of a record.

    Attributes
    ----------
    windows
        Windows that do not overlap, in the order of time.
    rejected
        All rejected candidates, in the order of the stages.
    ratio
        STA/LTA of the synthetic, shape ``(n,)``; empty without data.
    """

    windows: tuple[Window, ...]
    rejected: tuple[RejectedWindow, ...]
    ratio: FloatArray

    @property
    def reasons(self) -> dict[str, int]:
        """Number of rejected candidates for each stage and reason."""
        return dict(Counter(f"{row.stage}: {row.reason}" for row in self.rejected))


def pick_windows(
    observed: ArrayLike,
    synthetic: ArrayLike,
    delta_s: float,
    period_s: float,
    settings: PickerSettings | None = None,
    arrivals: Arrivals | None = None,
    noise_s: Interval | None = None,
    levels: Mapping[str, ArrayLike] | None = None,
    taper_fraction: float = TAPER_FRACTION,
) -> Picks:
    """Pick windows in which both records have signal and are similar.

    Candidates lie between minima of the STA/LTA of the synthetic and contain a maximum
    above the water level. They are rejected by prominence, separation of phases,
    length, arrivals, signal-to-noise ratio, correlation, time shift and amplitude; of
    overlapping windows, the best are kept.

    Parameters
    ----------
    observed, synthetic
        Records with the same times, filtered to the same band, shape ``(n,)``.
    delta_s
        Sampling interval.
    period_s
        Shortest period of the band.
    settings
        Options.
    arrivals
        Expected times; without them, windows at all times are accepted.
    noise_s
        Interval without signal, for the signal-to-noise ratio; without it, or if it is
        shorter than a sample, from the first sample to one period before the first
        arrival.
    levels
        Options of `quality.LEVELS` for each sample, shape ``(n,)`` each.
    taper_fraction
        Length of the two tapers of a window together, as a part of the window: that of
        the measures, so that they find the same shift.

    Returns
    -------
    `Picks`, which may have no window; `Picks.reasons` has the reasons.

    Raises
    ------
    ParameterError
        If a parameter is not allowed.

    References
    ----------
    Maggi, Tape, Chen, Chao and Tromp (2009), doi:10.1111/j.1365-246X.2009.04234.x.

    Examples
    --------
    >>> t = np.arange(1200) * 0.1
    >>> pulse = lambda at: np.exp(-(((t - at) / 3) ** 2)) * np.cos(2 * (t - at))
    >>> synthetic = pulse(30) + 2 * pulse(80)
    >>> observed = pulse(30.4) + 2 * pulse(79.5)
    >>> picks = pick_windows(observed, synthetic, 0.1, 2.0)
    >>> [round(window.dt_s, 2) for window in picks.windows]
    [0.4, -0.5]
    """
    settings = settings or PickerSettings()
    arrivals = arrivals or Arrivals()
    if not period_s > 0:
        raise ParameterError(f"period_s must be above 0 s, not {period_s}")
    try:
        records = Records(observed, synthetic, delta_s)
    except Rejected as rejected:
        end_s = max((np.size(observed) - 1) * delta_s, 0.0)
        row = RejectedWindow(0.0, end_s, "data", rejected.reason, rejected.numbers)
        return Picks((), (row,), np.zeros(0))
    noise_s = noise_s or noise_before(arrivals, period_s, delta_s)
    checked = _checked_levels(levels or {}, records.n)
    quality = Quality(records, period_s, settings, noise_s, checked, taper_fraction)
    return _Picker(quality, arrivals).picks()


def noise_before(
    arrivals: Arrivals, period_s: float, delta_s: float
) -> Interval | None:
    """Return the interval of noise before the first arrival, or None.

    Parameters
    ----------
    arrivals
        Expected times.
    period_s
        Shortest period; the interval ends so long before the first arrival.
    delta_s
        Sampling interval.

    Examples
    --------
    >>> noise_before(Arrivals((40.0, 70.0)), 5.0, 0.1)
    (0.0, 35.0)
    """
    if len(arrivals.times_s) == 0:
        return None
    end_s = min(arrivals.times_s) - period_s
    return (0.0, end_s) if end_s >= 4 * delta_s else None


def _checked_levels(levels: Mapping[str, ArrayLike], n: int) -> dict[str, FloatArray]:
    checked = {}
    for name, values in levels.items():
        array = np.asarray(values, dtype=np.float64)
        if name not in LEVELS or array.shape != (n,):
            raise ParameterError(
                f"levels: {name} of shape {array.shape}; it must be one of "
                f"{', '.join(LEVELS)}, of shape ({n},)"
            )
        checked[name] = array
    return checked


class _Picker:
    """The stages, and the candidates that they reject."""

    def __init__(self, quality: Quality, arrivals: Arrivals) -> None:
        self.quality, self.arrivals = quality, arrivals
        self.settings, self.delta_s = quality.settings, quality.records.delta_s
        self.rejected: list[RejectedWindow] = []

    def picks(self) -> Picks:
        records = self.quality.records
        period_s, noise_level = self.quality.period_s, self.settings.noise_level
        ratio = sta_lta(records.synthetic, self.delta_s, period_s, noise_level)
        good: list[Window] = []
        refused = self.quality.judge_record()
        if refused is not None:
            return Picks((), (refused,), ratio)
        judged: set[Interval] = set()
        for shape_s, peak_s in self._by_shape(ratio):
            window_s = self._after_first_arrival(shape_s, peak_s)
            if window_s is None or window_s in judged or not self._is_timely(window_s):
                continue
            judged.add(window_s)
            outcome = self.quality.judge(window_s, peak_s)
            if isinstance(outcome, Window):
                good.append(outcome)
            else:
                self.rejected.append(outcome)
        if self.settings.overlap == "merge":
            windows, overlapping = merge(good, self.quality)
        else:
            windows, overlapping = schedule(good)
        return Picks(tuple(windows), (*self.rejected, *overlapping), ratio)

    def _by_shape(self, ratio: FloatArray) -> list[tuple[Interval, float]]:
        """Return windows by STA/LTA alone, with their maxima."""
        level = self.quality.levels.get("water_level")
        if level is None:
            level = np.full(ratio.size, self.settings.water_level)
        found = candidates(ratio, level, self.settings)
        if found.seed.size == 0:
            end_s = self.quality.records.duration_s
            numbers = {"largest": float(ratio.max())}
            self._reject((0.0, end_s), "candidates", "below the water level", numbers)
        period = self.quality.period_s / self.delta_s
        kept, stages = select(found, ratio, level, period, self.settings)
        for stage in stages:
            for k, window_s in enumerate(self._seconds(stage.windows)):
                numbers = {name: float(x[k]) for name, x in stage.numbers.items()}
                self._reject(window_s, "shape", stage.stage, numbers)
        peaks = (kept.seed * self.delta_s).tolist()
        return list(zip(self._seconds(kept), peaks, strict=True))

    def _seconds(self, found: Candidates) -> list[Interval]:
        starts = (found.left * self.delta_s).tolist()
        return list(zip(starts, (found.right * self.delta_s).tolist(), strict=True))

    def _after_first_arrival(
        self, window_s: Interval, peak_s: float
    ) -> Interval | None:
        """Return the part of a window in which signal can be, or None."""
        if len(self.arrivals.times_s) == 0:
            return window_s
        settings, period_s = self.settings, self.quality.period_s
        before_s = settings.max_before_arrival_s
        if before_s is None:
            before_s = settings.before_periods * period_s
        earliest_s = min(self.arrivals.times_s) - before_s
        first = max(ceil(earliest_s / self.delta_s), 0)
        start_s, end_s = max(window_s[0], first * self.delta_s), window_s[1]
        is_short = end_s - start_s < settings.min_length_periods * period_s
        if peak_s < earliest_s or (is_short and start_s > window_s[0]):
            numbers = {"earliest_s": earliest_s}
            self._reject(window_s, "arrivals", "before the first arrival", numbers)
            return None
        return start_s, end_s

    def _is_timely(self, window_s: Interval) -> bool:
        """Return whether a window is before the last arrival and has an arrival."""
        start_s, end_s = window_s
        times_s = np.asarray(self.arrivals.times_s, dtype=np.float64)
        if start_s > self.arrivals.latest_s:
            numbers = {"latest_s": self.arrivals.latest_s}
            self._reject(window_s, "arrivals", "after the last arrival", numbers)
        elif self.settings.needs_arrival and not np.any(
            (times_s >= start_s) & (times_s <= end_s)
        ):
            self._reject(window_s, "arrivals", "without an arrival", {})
        else:
            return True
        return False

    def _reject(
        self, window_s: Interval, stage: str, reason: str, numbers: Mapping[str, float]
    ) -> None:
        self.rejected.append(RejectedWindow(*window_s, stage, reason, numbers))
