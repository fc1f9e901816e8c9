"""Candidate windows between the minima of STA/LTA, and their rejection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from seismo_pes.signal._arrays import FloatArray
from seismo_pes.signal.windowing.settings import PickerSettings

__all__ = ["Candidates", "RejectedWindow", "Window", "candidates", "select"]

Indices = NDArray[np.int64]
Flags = NDArray[np.bool_]
# Number of candidates that are compared with all maxima at once; it limits the memory.
_CHUNK = 1000
# Largest decrease of a limit with distance, as a natural logarithm, so that distant
# maxima have a limit above zero.
_LARGEST_FALL = 100.0


@dataclass(frozen=True)
class Window:
    """A window in which the records can be compared.

    Attributes
    ----------
    start_s, end_s
        Seconds after the first sample, both included.
    peak_s
        Time of the maximum of STA/LTA from which it was made; for a given window, its
        middle.
    snr
        Signal-to-noise ratio of the observed window; NaN without an interval of noise.
    cc, dt_s, dlna
        Correlation coefficient at the best shift, T_obs - T_syn, ln(A_obs/A_syn).
    weight
        `cc` times the length in shortest periods.
    """

    start_s: float
    end_s: float
    peak_s: float
    snr: float
    cc: float
    dt_s: float
    dlna: float
    weight: float


@dataclass(frozen=True)
class RejectedWindow:
    """A candidate that was rejected.

    Attributes
    ----------
    start_s, end_s
        Seconds after the first sample.
    stage
        The stage of the method.
    reason
        A few words that are the same for all windows with this defect.
    numbers
        What the criterion compared, with units in the names.
    """

    start_s: float
    end_s: float
    stage: str
    reason: str
    numbers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Candidates:
    """Windows as sample numbers, shape ``(n_candidates,)`` each.

    Attributes
    ----------
    left, seed, right
        First sample, sample of the maximum from which the window was made, and last
        sample.
    """

    left: Indices
    seed: Indices
    right: Indices

    def where(self, keep: Flags) -> Candidates:
        """Return a part of the candidates."""
        return Candidates(self.left[keep], self.seed[keep], self.right[keep])


@dataclass(frozen=True)
class Rejected:
    """Candidates that one stage rejected.

    Attributes
    ----------
    windows
        The candidates.
    stage
        The stage of the method.
    numbers
        What the criterion compared, shape ``(n_candidates,)`` each.
    """

    windows: Candidates
    stage: str
    numbers: Mapping[str, FloatArray]


def candidates(
    ratio: FloatArray, water_level: FloatArray, settings: PickerSettings
) -> Candidates:
    """Return all windows around a maximum that begin and end at minima of STA/LTA.

    Windows that contain a minimum below the internal level are not made: a window ends
    at the first such minimum on each side.

    Parameters
    ----------
    ratio
        STA/LTA, shape ``(n,)``.
    water_level
        Shape ``(n,)``.
    settings
        Options.
    """
    maxima, minima = extrema(ratio)
    seeds = maxima[ratio[maxima] > water_level[maxima]]
    rows: list[tuple[int, int, int]] = []
    for seed in seeds.tolist():
        level = settings.internal_minimum * water_level[seed]
        left = minima[minima < seed][::-1]
        right = minima[minima > seed]
        lefts, rights = (_reachable(ratio, part, level) for part in (left, right))
        rows += [(a, seed, b) for a in lefts for b in rights]
    table = np.array(rows, dtype=np.int64).reshape(-1, 3)
    return Candidates(table[:, 0], table[:, 1], table[:, 2])


def extrema(x: FloatArray) -> tuple[Indices, Indices]:
    """Return the samples of local maxima and minima; the ends count as minima.

    Of equal neighbours the first counts.

    Parameters
    ----------
    x
        Shape ``(n,)``.

    Examples
    --------
    >>> extrema(np.array([0.0, 2.0, 1.0, 1.0, 3.0, 0.0]))
    (array([1, 4]), array([0, 2, 5]))
    """
    changes = np.flatnonzero(np.diff(x) != 0)
    direction = np.sign(np.diff(x)[changes])
    turning = np.flatnonzero(direction[1:] != direction[:-1])
    at = changes[turning] + 1
    is_maximum = direction[turning] > 0
    minima = np.concatenate(([0], at[~is_maximum], [x.size - 1]))
    return at[is_maximum].astype(np.int64), np.unique(minima).astype(np.int64)


def _reachable(ratio: FloatArray, minima: Indices, level: float) -> list[int]:
    """Return minima outward from a maximum, up to the first minimum below a level."""
    low = np.flatnonzero(ratio[minima] < level)
    n = int(low[0]) + 1 if low.size else minima.size
    return [int(k) for k in minima[:n]]


def select(
    found: Candidates,
    ratio: FloatArray,
    water_level: FloatArray,
    period: float,
    settings: PickerSettings,
) -> tuple[Candidates, list[Rejected]]:
    """Reject candidates by prominence, separation and length, and shorten the others.

    Parameters
    ----------
    found
        From `candidates`.
    ratio, water_level
        Shape ``(n,)``.
    period
        Shortest period in samples.
    settings
        Options.

    Returns
    -------
    The other candidates, each pair of ends once, and the rejected ones of each stage.
    """
    maxima, minima = extrema(ratio)
    rejected: list[Rejected] = []

    def keep(
        windows: Candidates, stage: str, is_good: Flags, **numbers: FloatArray
    ) -> Candidates:
        bad = {name: values[~is_good] for name, values in numbers.items()}
        rejected.append(Rejected(windows.where(~is_good), stage, bad))
        return windows.where(is_good)

    rise = _rise(found, ratio, minima) / water_level[found.seed]
    is_good = rise >= settings.prominence
    found = keep(found, "prominence", is_good, rise_water_levels=rise)
    excess = _excess(found, ratio, maxima, minima, period, settings)
    found = keep(found, "separation", excess <= 1, height_over_limit=excess)
    first = maxima[np.searchsorted(maxima, found.left)]
    last = maxima[np.searchsorted(maxima, found.right, side="right") - 1]
    before = np.floor(settings.before_periods * period).astype(np.int64)
    after = np.floor(settings.after_periods * period).astype(np.int64)
    found = Candidates(
        np.maximum(found.left, first - before),
        found.seed,
        np.minimum(found.right, last + after),
    )
    length = (found.right - found.left) / period
    is_good = length >= settings.min_length_periods
    found = keep(found, "length", is_good, length_periods=length)
    ends = np.stack([found.left, found.right])
    return found.where(_first_of_each(ends)), rejected


def _first_of_each(columns: Indices) -> Flags:
    _, first = np.unique(columns, axis=1, return_index=True)
    is_first = np.zeros(columns.shape[1], dtype=bool)
    is_first[first] = True
    return is_first


def _rise(found: Candidates, ratio: FloatArray, minima: Indices) -> FloatArray:
    """Height of each maximum above the higher of the two minima beside it."""
    after = np.searchsorted(minima, found.seed)
    beside = np.maximum(ratio[minima[after - 1]], ratio[minima[after]])
    return ratio[found.seed] - beside


def _excess(
    found: Candidates,
    ratio: FloatArray,
    maxima: Indices,
    minima: Indices,
    period: float,
    settings: PickerSettings,
) -> FloatArray:
    """Largest height of another maximum in the window, divided by its limit.

    Heights are above the lowest minimum inside the window. The limit is a multiple of
    the height of the maximum of the window, and falls with the distance.
    """
    excess = np.zeros(found.seed.size)
    for start in range(0, excess.size, _CHUNK):
        part = slice(start, start + _CHUNK)
        left, right = found.left[part, None], found.right[part, None]
        seed = found.seed[part, None]
        inside = (minima > left) & (minima < right)
        has_minimum = inside.any(axis=1, keepdims=True)
        lowest = np.where(inside, ratio[minima], np.inf).min(axis=1, keepdims=True)
        lowest[~has_minimum] = 0
        distance = np.abs(maxima - seed) / (period * settings.separation_periods)
        fall = np.minimum(np.maximum(distance - 1, 0) ** 2, _LARGEST_FALL)
        limit = np.exp(-fall) * (ratio[seed] - lowest)
        others = (maxima > left) & (maxima < right) & (maxima != seed) & has_minimum
        share = np.where(others, (ratio[maxima] - lowest) / limit, 0.0)
        excess[part] = share.max(axis=1, initial=0.0) / settings.separation_height
    return excess
