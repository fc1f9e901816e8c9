"""The search of a velocity change: its range of lags, and its largest change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seismo_pes.items.correlation import Correlation
from seismo_pes.signal.delays import VelocityChange
from seismo_pes.signal.stretching import stretch

__all__ = ["Search", "best_of_search"]

# Least correlation coefficient at a fitted change, as a part of the coefficient at the
# best stretch: at 0.8 delays at the longest lags are off by about a fifth of a period.
LEAST_COEFFICIENT = 0.8


@dataclass(frozen=True)
class Search:
    """Where a change is searched: a range of absolute lag, and the largest change."""

    low_s: float
    high_s: float
    max_dvv: float

    def contains(self, lag_s: np.ndarray) -> np.ndarray:
        """Tell which lags are in the range, on either side."""
        return (np.abs(lag_s) >= self.low_s) & (np.abs(lag_s) <= self.high_s)


def best_of_search(
    c: Correlation,
    trace: np.ndarray,
    changes: Sequence[VelocityChange],
    search: Search,
) -> list[VelocityChange]:
    """Return the fitted changes, marked and without a value outside of the search.

    A delay of more than half a period looks like a delay by the neighbouring cycle, and
    the line through such delays is wrong although the windows are coherent. So each
    change is compared with the best stretch of the reference in the range of lags.
    """
    from scipy.interpolate import CubicSpline

    lag, max_dvv = c.lags_s, search.max_dvv
    best = stretch(trace, c.data, lag, search.low_s, search.high_s, max_dvv)
    use = search.contains(lag)
    reference = CubicSpline(lag, trace)
    inside = []
    for row, change in enumerate(changes):
        is_outside = change.at_edge or abs(change.dvv) >= max_dvv
        if np.isfinite(change.dvv) and not is_outside:
            stretched = reference(lag[use] * (1 + change.dvv))
            norm = np.linalg.norm(stretched) * np.linalg.norm(c.data[row, use])
            coefficient = stretched @ c.data[row, use] / (norm or 1.0)
            least = LEAST_COEFFICIENT * best.coefficient[row]
            is_outside = bool(best.at_edge[row] or coefficient < least)
        lost = VelocityChange(np.nan, np.nan, change.n_used, at_edge=True)
        inside.append(lost if is_outside else change)
    return inside
