"""Figures of all pairs by direction: where the noise comes from, and how fast."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dispel4py.errors import ParameterError
from seismo_pes.plotting import (
    MAX_NAMES,
    DirectionBins,
    DistanceBins,
    azimuth_section_figure,
    direction_figure,
    interpolate_over_slowness,
    rose_figure,
    save,
)
from seismo_pes.signal.folding import branch_signal_to_noise
from xcorr_app.pair_subsets import component_note, usable_pairs
from xcorr_app.reporting.axes import lags_within, name_pair, time_and_windows
from xcorr_app.reporting.network_figures import MOST_BINS, MOST_LINES
from xcorr_app.results.stack_names import stack_notes
from xcorr_app.store import Store

__all__ = ["draw_azimuths", "draw_directions", "draw_rose"]

# Lines of an azimuth section; with more pairs, means over azimuth are drawn.
MOST_LINES_BY_AZIMUTH = 80
N_SLOWNESS = 801  # samples of the axis of lag / distance
MOST_BYTES = 16 << 20  # of correlations that are read at once


def located_pairs(
    store: Store, stack: str | None, components: str | None
) -> np.ndarray:
    """Return the indices of the pairs that have windows and a distance above 0.

    Raises
    ------
    ParameterError
        If no distances are known.
    """
    usable = usable_pairs(store, stack, components)
    usable = usable[store.pairs["distance_km"][usable] > 0]
    if not len(usable):
        raise ParameterError(
            f"{store.path}: azimuths need the coordinates of the stations (--inventory)"
        )
    return usable


def draw_directions(
    store: Store,
    path: str | os.PathLike[str],
    *,
    velocities_km_s: Sequence[float] = (),
    max_lag_s: float | None = None,
    stack: str | None = None,
    components: str | None = None,
) -> Path:
    """Draw where the noise comes from: envelopes by direction of travel.

    Parameters
    ----------
    store, path, velocities_km_s, max_lag_s, stack, components
        As for `network_figures.draw_record_section`.

    Raises
    ------
    ParameterError
        If no distances are known.
    """
    usable = located_pairs(store, stack, components)
    notes = time_and_windows(store, stack) + component_note(store, usable)
    if len(usable) > MOST_LINES:
        notes.append(f"{MOST_LINES:,} of {len(usable):,} pairs")
        usable = usable[np.linspace(0, len(usable) - 1, MOST_LINES).astype(int)]
    lags = lags_within(store, max_lag_s)
    end = largest_slowness(store, stack, usable, lags, velocities_km_s)
    bins = DirectionBins(store.lags_s[lags], largest_slowness=end)
    pairs = store.pairs
    for chosen, data in store.blocks(stack, usable, max_bytes=MOST_BYTES):
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


def draw_azimuths(
    store: Store,
    path: str | os.PathLike[str],
    *,
    velocities_km_s: Sequence[float] = (),
    max_lag_s: float | None = None,
    stack: str | None = None,
    components: str | None = None,
) -> Path:
    """Draw all pairs over lag / distance and azimuth.

    Up to 80 pairs are lines; more pairs are averaged over azimuth.

    Parameters
    ----------
    store, path, velocities_km_s, max_lag_s, stack, components
        As for `network_figures.draw_record_section`.

    Raises
    ------
    ParameterError
        If no distances are known.
    """
    usable = located_pairs(store, stack, components)
    notes = time_and_windows(store, stack) + component_note(store, usable)
    lags, pairs = lags_within(store, max_lag_s), store.pairs
    end = largest_slowness(store, stack, usable, lags, velocities_km_s)
    slowness = np.linspace(-end, end, N_SLOWNESS)
    drawn: np.ndarray | DistanceBins = np.zeros((0, N_SLOWNESS))
    if len(usable) > MOST_LINES_BY_AZIMUTH:
        drawn = DistanceBins(360.0, min(len(usable) // 4, MOST_BINS), N_SLOWNESS)
    for chosen, data in store.blocks(stack, usable, max_bytes=MOST_BYTES):
        distance_km = pairs["distance_km"][chosen]
        rows = interpolate_over_slowness(
            data[:, lags], store.lags_s[lags], distance_km, slowness
        )
        if isinstance(drawn, DistanceBins):
            drawn.add(rows, pairs["azimuth_deg"][chosen])
        else:
            drawn = np.concatenate([drawn, rows])
    names = [name_pair(pair) for pair in pairs[usable[: MAX_NAMES + 1]]]
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
    """Return the end of the axis of lag / distance, in s/km.

    At that slowness the lags of half of the pairs are long enough. If velocities are
    given, the axis ends at 3 times the slowness of the slowest one; else at 3 times
    the median slowness of the peaks.
    """
    sample = usable[np.linspace(0, len(usable) - 1, min(len(usable), 300)).astype(int)]
    distance_km = store.pairs["distance_km"][sample]
    end = float(store.lags_s[lags][-1] / np.median(distance_km))
    if velocities_km_s:
        return min(end, 3 / max(min(velocities_km_s), 1e-6))
    peaks = []
    for chosen, data in store.blocks(stack, sample):
        peak_s = np.abs(store.lags_s[lags])[np.abs(data[:, lags]).argmax(axis=1)]
        peaks += (peak_s / store.pairs["distance_km"][chosen]).tolist()
    return min(end, max(3 * float(np.median(peaks)), end / 20))


def draw_rose(
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
        As for `network_figures.draw_record_section`.

    Raises
    ------
    ParameterError
        If no distances are known.
    """
    usable = located_pairs(store, stack, components)
    blocks = store.blocks(stack, usable)
    branches = np.concatenate([branch_signal_to_noise(data) for _, data in blocks])
    azimuth_deg = store.pairs["azimuth_deg"][usable]
    figure = rose_figure(
        branches.T.ravel(),
        np.concatenate([azimuth_deg, azimuth_deg + 180]),
        title=f"Signal-to-noise ratio by direction of travel, {len(usable):,} pairs",
        note=", ".join(
            [
                *stack_notes(store, stack),
                *component_note(store, usable),
                "median over the branches: largest value / RMS of the outer half of "
                "lags",
            ]
        ),
    )
    return save(figure, Path(path))
