"""Adjoint sources of a component: before the filter of a band, and their sums."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from seismo_pes.items.comparison import MeasuredBand
from seismo_pes.measuring.bands import filter_to_band

__all__ = ["before_filter", "sum_adjoints"]


def before_filter(
    band: MeasuredBand, part: np.ndarray, order: int | None
) -> np.ndarray:
    """Return the adjoint source of the unfiltered component.

    Parameters
    ----------
    band : MeasuredBand
    part : numpy.ndarray
        Adjoint source of the filtered synthetic in its common time.
    order : int, optional
        Order of the Butterworth filter, which is its own transpose; None: no filter.
    """
    whole = np.zeros(band.n_whole)
    whole[band.first : band.first + part.size] = part
    return (
        whole
        if order is None
        else filter_to_band(whole, band.delta_s, band.band, order)
    )


def sum_adjoints(
    parts: Iterable[tuple[MeasuredBand, Mapping[str, np.ndarray]]],
) -> dict[str, np.ndarray]:
    """Return the sum of adjoint sources of each component.

    Parameters
    ----------
    parts : iterable of (MeasuredBand, mapping of str to numpy.ndarray)
        Adjoint sources by measure.
    """
    sums: dict[str, np.ndarray] = {}
    for band, adjoints in parts:
        for part in adjoints.values():
            sums[band.component] = sums.get(band.component, 0.0) + part
    return sums
