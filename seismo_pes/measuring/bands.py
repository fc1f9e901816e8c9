"""Both records of a component in a period band, cut to their common time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from seismo_pes.items.comparison import ComparedComponent
from seismo_pes.signal.zero_phase import symmetric_bandpass

__all__ = ["Cut", "RejectedBand", "cut_to_band", "filter_to_band"]

Band = tuple[float, float]


@dataclass(frozen=True)
class Cut:
    """The samples that both records have, in one band.

    Attributes
    ----------
    observed, synthetic : numpy.ndarray
        Shape ``(n,)``.
    delta_s : float
        Sampling interval.
    start_s : float
        Time of the first sample after the origin time.
    first : int
        The first sample, counted on the whole synthetic.
    """

    observed: np.ndarray
    synthetic: np.ndarray
    delta_s: float
    start_s: float
    first: int

    @cached_property
    def duration_s(self) -> float:
        """Time from the first to the last sample."""
        return (self.observed.size - 1) * self.delta_s


class RejectedBand(Exception):
    """A trace has no value in a band.

    Parameters
    ----------
    stage, reason : str
        Where and why, in words that are the same for all traces with this defect.
    numbers : mapping of str to object
        What the step measured.
    """

    def __init__(self, stage: str, reason: str, numbers: Mapping[str, Any]) -> None:
        super().__init__(reason)
        self.stage, self.reason, self.numbers = stage, reason, numbers


def cut_to_band(
    component: ComparedComponent, delta_s: float, band: Band, order: int | None
) -> Cut:
    """Filter both records to a band and cut them to their common time.

    Parameters
    ----------
    component : ComparedComponent
    delta_s : float
        Sampling interval.
    band : (float, float)
        Shortest and longest period, seconds.
    order : int, optional
        Order of the Butterworth filter; None if the records are filtered already.

    Raises
    ------
    RejectedBand
        If the records have no samples, or too few, in the band.
    """
    observed, synthetic = component.observed, component.synthetic
    if not (np.isfinite(observed).all() and np.isfinite(synthetic).all()):
        raise RejectedBand("data", "samples that are not finite numbers", {})
    if order is not None:
        observed, synthetic = (
            filter_to_band(x, delta_s, band, order) for x in (observed, synthetic)
        )
    late_s = component.observed_start_s - component.synthetic_start_s
    late = round(late_s / delta_s)
    first, last = max(late, 0), min(late + observed.size, synthetic.size)
    duration_s = (last - first - 1) * delta_s
    if duration_s < band[1] and order is not None:
        numbers = {"common_s": max(duration_s, 0.0), "max_period_s": band[1]}
        raise RejectedBand(
            "common axis", "common time shorter than the longest period", numbers
        )
    if last - first < 2:
        raise RejectedBand("common axis", "no common time", {})
    start_s = component.synthetic_start_s + first * delta_s
    cut = observed[first - late : last - late], synthetic[first:last]
    return Cut(*cut, delta_s, start_s, first)


def filter_to_band(x: np.ndarray, delta_s: float, band: Band, order: int) -> np.ndarray:
    """Filter samples to a period band, without a phase shift.

    Parameters
    ----------
    x : numpy.ndarray
        Shape ``(n,)``.
    delta_s : float
        Sampling interval.
    band : (float, float)
        Shortest and longest period, seconds.
    order : int
        Order of the Butterworth filter.

    Raises
    ------
    RejectedBand
        If the shortest period is above the Nyquist frequency.
    """
    rate_hz = 1 / delta_s
    if 1 / band[0] >= rate_hz / 2:
        numbers = {"min_period_s": band[0], "sampling_interval_s": delta_s}
        raise RejectedBand("filter", "the band ends above Nyquist", numbers)
    return symmetric_bandpass(x, rate_hz, 1 / band[1], 1 / band[0], order)
