"""The search of a velocity change: its range of lags, and its largest change.

Delays of more than half a period look like delays by the neighbouring cycle, and
windows at equal lags of two records hold different waves. So records are first
stretched back by their best change, and the methods measure the change that remains.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seismo_pes.items.correlation import Correlation
from seismo_pes.signal.delays import VelocityChange
from seismo_pes.signal.stretching import Stretch, stretch

__all__ = ["Aligned", "Search", "align", "have_equal_phases"]

# Least correlation coefficient at a measured change, as a part of the coefficient at
# the best stretch: at 0.8 delays at the longest lags are off by a fifth of a period.
LEAST_COEFFICIENT = 0.8


@dataclass(frozen=True)
class Search:
    """Where a change is searched: a range of absolute lag, and the largest change."""

    low_s: float
    high_s: float
    max_dvv: float

    def contains(self, lag_s: np.ndarray) -> np.ndarray:
        """Return which lags are in the range, on both sides."""
        return (np.abs(lag_s) >= self.low_s) & (np.abs(lag_s) <= self.high_s)


@dataclass(frozen=True, eq=False)
class Aligned:
    """Records that are stretched back by their best change.

    Parameters
    ----------
    rows : numpy.ndarray
        Shape (n_windows, n_lags), zero where a record has no data.
    last_s : numpy.ndarray
        Shape (n_windows,): largest lag with data, in seconds.
    best : Stretch
        The best changes.
    """

    correlation: Correlation
    trace: np.ndarray
    search: Search
    rows: np.ndarray
    last_s: np.ndarray
    best: Stretch

    def totals(
        self, rests: Sequence[VelocityChange]
    ) -> tuple[list[VelocityChange], np.ndarray]:
        """Return the sums of the best changes and the changes that remain.

        A sum outside of the search, or far from the best change, has no value and is
        marked. The second array has the correlation coefficients at the sums.
        """
        from scipy.interpolate import CubicSpline  # slow to import

        lag = self.correlation.lags_s
        use = self.search.contains(lag)
        reference = CubicSpline(lag, self.trace)
        changes, coefficients = [], np.array(self.best.coefficient)
        for row, rest in enumerate(rests):
            first = float(np.nan_to_num(self.best.dvv[row]))
            dvv = (1 + first) * (1 + rest.dvv) - 1
            is_outside = rest.at_edge or bool(self.best.at_edge[row])
            is_outside |= abs(dvv) >= self.search.max_dvv
            if np.isfinite(dvv) and not is_outside:
                stretched = reference(lag[use] * (1 + dvv))
                record = self.correlation.data[row, use]
                norm = np.linalg.norm(stretched) * np.linalg.norm(record)
                coefficients[row] = stretched @ record / (norm or 1.0)
                least = LEAST_COEFFICIENT * self.best.coefficient[row]
                is_outside = bool(coefficients[row] < least)
            lost = VelocityChange(np.nan, np.nan, rest.n_used, at_edge=True)
            changes.append(lost if is_outside else rest._replace(dvv=dvv))
        return changes, coefficients


def align(c: Correlation, trace: np.ndarray, search: Search) -> Aligned:
    """Stretch the rows of a correlation back by their best change."""
    from scipy.interpolate import CubicSpline  # slow to import

    lag = c.lags_s
    best = stretch(trace, c.data, lag, search.low_s, search.high_s, search.max_dvv)
    change = np.nan_to_num(best.dvv)
    rows = np.zeros(c.data.shape)
    for row, dvv in enumerate(change):
        at = lag / (1 + dvv)
        inside = (at >= lag[0]) & (at <= lag[-1])
        rows[row, inside] = CubicSpline(lag, c.data[row])(at[inside])
    last_s = min(-lag[0], lag[-1]) * (1 + np.minimum(change, 0.0))
    return Aligned(c, trace, search, rows, last_s, best)


def have_equal_phases(
    first: np.ndarray, second: np.ndarray, frequency_hz: np.ndarray, lag_s: np.ndarray
) -> np.ndarray:
    """Return where two changes give about equal phases at a frequency.

    >>> lag_s = np.arange(10.0, 50.0)
    >>> others = np.array([0.0015, 0.007])
    >>> have_equal_phases(np.array([0.001, 0.001]), others, np.array([1, 1]), lag_s)
    array([ True, False])
    """
    phase_per_s = 2 * np.pi * frequency_hz * (first - second)
    cosine = np.cos(phase_per_s[..., None] * lag_s).mean(axis=-1)
    return np.asarray(cosine >= LEAST_COEFFICIENT)
