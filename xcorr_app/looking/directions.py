"""Views of the results of a run by direction: what comes from where, and how fast."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dispel4py.errors import ParameterError
from seismo_pes.plotting import (
    MOST_NAMES,
    DirectionBins,
    DistanceBins,
    azimuth_section_figure,
    direction_figure,
    over_slowness,
    rose_figure,
    save,
)
from xcorr_app.looking.plot import MOST_BINS, lags_shown, name_pair, remarks
from xcorr_app.looking.views import MOST_LINES
from xcorr_app.pair_subsets import component_note, usable_pairs
from xcorr_app.results.correlation import branch_ratios
from xcorr_app.store import Store

__all__ = ["azimuth_view", "direction_view", "rose_view"]

MOST_LINES_BESIDE = 80  # whose places have nothing to do with their lags
N_SLOWNESS = 801


def located_pairs(
    store: Store, stack: str | None, components: str | None
) -> np.ndarray:
    """Return which pairs of two places have windows."""
    usable = usable_pairs(store, stack, components)
    usable = usable[store.pairs["distance_km"][usable] > 0]
    if not len(usable):
        raise ParameterError(f"{store.path}: no azimuths without coordinates")
    return usable


def direction_view(
    store: Store,
    path: str | os.PathLike[str],
    *,
    velocities_km_s: Sequence[float] = (),
    max_lag_s: float | None = None,
    stack: str | None = None,
    components: str | None = None,
) -> Path:
    """Draw from where the noise comes: envelopes by direction of travel.

    Parameters
    ----------
    store, path, velocities_km_s, max_lag_s, stack, components
        As of `plot.record_section`.

    Raises
    ------
    ParameterError
        If no distances are known.
    """
    usable, notes = located_pairs(store, stack, components), remarks(store, stack)
    notes += component_note(store, usable)
    if len(usable) > MOST_LINES:
        notes.append(f"{MOST_LINES:,} of {len(usable):,} pairs")
        usable = usable[np.linspace(0, len(usable) - 1, MOST_LINES).astype(int)]
    lags = lags_shown(store, max_lag_s)
    end = largest_slowness(store, stack, usable, lags, velocities_km_s)
    bins = DirectionBins(store.lags_s[lags], largest_slowness=end)
    pairs = store.pairs
    for chosen, data in store.blocks(stack, usable, max_bytes=16 << 20):
        bins.add(
            data[:, lags], pairs["azimuth_deg"][chosen], pairs["distance_km"][chosen]
        )
    figure = direction_figure(
        bins,
        velocities_km_s=velocities_km_s,
        title=f"Direction of travel, {len(usable):,} pairs",
        note=", ".join(notes),
    )
    return save(figure, Path(path))


def azimuth_view(
    store: Store,
    path: str | os.PathLike[str],
    *,
    velocities_km_s: Sequence[float] = (),
    max_lag_s: float | None = None,
    stack: str | None = None,
    components: str | None = None,
) -> Path:
    """Draw all pairs over lag / distance and azimuth: lines, or means of very many.

    Parameters
    ----------
    store, path, velocities_km_s, max_lag_s, stack, components
        As of `plot.record_section`.

    Raises
    ------
    ParameterError
        If no distances are known.
    """
    usable, notes = located_pairs(store, stack, components), remarks(store, stack)
    notes += component_note(store, usable)
    lags, pairs = lags_shown(store, max_lag_s), store.pairs
    end = largest_slowness(store, stack, usable, lags, velocities_km_s)
    slowness = np.linspace(-end, end, N_SLOWNESS)
    drawn: np.ndarray | DistanceBins = np.zeros((0, N_SLOWNESS))
    if len(usable) > MOST_LINES_BESIDE:
        drawn = DistanceBins(360.0, min(len(usable) // 4, MOST_BINS), N_SLOWNESS)
    for chosen, data in store.blocks(stack, usable, max_bytes=16 << 20):
        distance_km = pairs["distance_km"][chosen]
        rows = over_slowness(data[:, lags], store.lags_s[lags], distance_km, slowness)
        if isinstance(drawn, DistanceBins):
            drawn.add(rows, pairs["azimuth_deg"][chosen])
        else:
            drawn = np.concatenate([drawn, rows])
    names = [name_pair(pair) for pair in pairs[usable[: MOST_NAMES + 1]]]
    figure = azimuth_section_figure(
        drawn,
        slowness,
        pairs["azimuth_deg"][usable],
        velocities_km_s=velocities_km_s,
        names=names if len(names) == len(usable) else (),
        title=f"Correlations by azimuth, {len(usable):,} pairs",
        note=", ".join(notes),
    )
    return save(figure, Path(path))


def largest_slowness(
    store: Store,
    stack: str | None,
    usable: np.ndarray,
    lags: slice,
    velocities_km_s: Sequence[float],
) -> float:
    """Return the end of an axis of lag / distance, s/km.

    Not beyond the lags of half of the pairs; and not far beyond the slowest of the
    velocities, or else the usual place of the peaks.
    """
    some = usable[np.linspace(0, len(usable) - 1, min(len(usable), 300)).astype(int)]
    distance_km = store.pairs["distance_km"][some]
    end = float(store.lags_s[lags][-1] / np.median(distance_km))
    if velocities_km_s:
        return min(end, 3 / max(min(velocities_km_s), 1e-6))
    peaks = []
    for chosen, data in store.blocks(stack, some):
        at = np.abs(store.lags_s[lags])[np.abs(data[:, lags]).argmax(axis=1)]
        peaks += (at / store.pairs["distance_km"][chosen]).tolist()
    return min(end, max(3 * float(np.median(peaks)), end / 20))


def rose_view(
    store: Store,
    path: str | os.PathLike[str],
    *,
    stack: str | None = None,
    components: str | None = None,
) -> Path:
    """Draw signal-to-noise ratios by direction of travel.

    Parameters
    ----------
    store, path, stack, components
        As of `plot.record_section`.

    Raises
    ------
    ParameterError
        If no distances are known.
    """
    usable = located_pairs(store, stack, components)
    blocks = store.blocks(stack, usable)
    branches = np.concatenate([branch_ratios(data) for _, data in blocks])
    azimuth_deg = store.pairs["azimuth_deg"][usable]
    figure = rose_figure(
        branches.T.ravel(),
        np.concatenate([azimuth_deg, azimuth_deg + 180]),
        title=f"Signal to noise by direction of travel, {len(usable):,} pairs",
        note="median of branches: largest value over RMS of their outer half",
    )
    return save(figure, Path(path))
