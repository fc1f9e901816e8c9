"""Figures of all pairs of a run: record section, image, map, signal-to-noise ratio."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from seismo_pes.plotting import (
    MAX_NAMES,
    DistanceBins,
    map_figure,
    matrix_figure,
    record_section_figure,
    save,
    snr_figure,
)
from seismo_pes.signal.folding import outer_signal_to_noise
from xcorr_app.pair_subsets import component_note, of_components, usable_pairs
from xcorr_app.reporting.axes import lags_within, name_pair, time_and_windows
from xcorr_app.results.stack_names import stack_notes
from xcorr_app.store import Store

__all__ = ["draw_map", "draw_matrix", "draw_record_section", "draw_snr"]

MOST_TRACES = 300  # lines of a record section; with more pairs, means are drawn
MOST_BINS = 200  # of distance or azimuth, for these means
MOST_ROWS = 3000  # of the image of all pairs: more than a page has pixels
MOST_LINES = 20_000  # pairs on a map, or in the figure of directions


def draw_record_section(
    store: Store,
    path: str | os.PathLike[str],
    *,
    velocities_km_s: Sequence[float] = (),
    max_lag_s: float | None = None,
    stack: str | None = None,
    components: str | None = None,
) -> Path:
    """Draw all pairs over lag and distance.

    Up to 300 pairs are lines, each scaled by its peak; more pairs are averaged in bins
    of distance and drawn as an image. Autocorrelations are left out. If no distance is
    known, the first 300 pairs are drawn in the order of the results.

    Parameters
    ----------
    store
        Open results.
    path
        The figure: .png, .pdf or .svg.
    velocities_km_s
        Velocities, in km/s, whose moveout is drawn.
    max_lag_s
        Longest lag that is drawn; by default the longest of the results.
    stack
        Name of the stack; by default ``"all"``.
    components
        Only pairs of these components, e.g. ``RR``; by default ``ZZ``, if the results
        have it.

    Returns
    -------
    pathlib.Path
        ``path``.
    """
    lags = lags_within(store, max_lag_s)
    pairs, n_windows = store.pairs, store.windows(stack)["n_windows"]
    usable = np.flatnonzero((n_windows > 0) & (pairs["first"] != pairs["second"]))
    usable = of_components(store, usable, components)
    known = usable[np.isfinite(pairs["distance_km"][usable])]
    notes = time_and_windows(store, stack) + component_note(store, usable)
    if len(known) and len(known) < len(usable):
        notes.append(f"{len(usable) - len(known):,} pairs of unknown distance left out")
    chosen = known if len(known) else usable
    distance_km = pairs["distance_km"] if len(known) else np.arange(len(pairs)) + 1.0
    if not len(known):
        chosen = chosen[:MOST_TRACES]
    drawn = rows_or_bins(store, stack, chosen, lags, distance_km)
    if len(chosen) < len(usable) and not len(known):
        notes.append(f"the first {len(chosen)} of {len(usable):,} pairs")
    figure = record_section_figure(
        drawn,
        store.lags_s[lags],
        distance_km[chosen] if len(known) else None,
        velocities_km_s=velocities_km_s,
        names=[name_pair(pair) for pair in pairs[chosen]]
        if len(chosen) <= MAX_NAMES
        else (),
        title=f"Record section, {len(chosen):,} pairs",
        note=", ".join(notes),
    )
    return save(figure, Path(path))


def rows_or_bins(
    store: Store,
    stack: str | None,
    chosen: np.ndarray,
    lags: slice,
    distance_km: np.ndarray,
) -> np.ndarray | DistanceBins:
    """Return the correlations of the chosen pairs, or means in bins of distance."""
    n_lags = lags.stop - lags.start
    if len(chosen) <= MOST_TRACES:
        blocks = [data[:, lags] for _, data in store.blocks(stack, chosen)]
        return np.concatenate([np.zeros((0, n_lags)), *blocks])
    end_km = float(distance_km[chosen].max())
    bins = DistanceBins(end_km, min(len(chosen) // 4, MOST_BINS), n_lags)
    for block, data in store.blocks(stack, chosen):
        bins.add(data[:, lags], distance_km[block])
    return bins


def draw_matrix(
    store: Store,
    path: str | os.PathLike[str],
    *,
    velocities_km_s: Sequence[float] = (),
    max_lag_s: float | None = None,
    stack: str | None = None,
    components: str | None = None,
) -> Path:
    """Draw all pairs as an image: one row per pair, scaled by its peak, nearest on top.

    If there are more than 3000 pairs, 3000 of them are drawn, spread over distance.

    Parameters
    ----------
    store, path, velocities_km_s, max_lag_s, stack, components
        As for `draw_record_section`.
    """
    usable = usable_pairs(store, stack, components)
    notes = time_and_windows(store, stack) + component_note(store, usable)
    distance_km = store.pairs["distance_km"][usable]
    located = bool(np.isfinite(distance_km).all())
    if located:
        usable = usable[np.argsort(distance_km, kind="stable")]
    if len(usable) > MOST_ROWS:
        notes.append(f"{MOST_ROWS:,} of {len(usable):,} pairs")
        usable = usable[np.linspace(0, len(usable) - 1, MOST_ROWS).astype(int)]
    lags = lags_within(store, max_lag_s)
    data = np.concatenate([rows[:, lags] for _, rows in store.blocks(stack, usable)])
    figure = matrix_figure(
        data,
        store.lags_s[lags],
        store.pairs["distance_km"][usable] if located else None,
        names=[name_pair(store.pairs[index]) for index in usable],
        velocities_km_s=velocities_km_s,
        title=f"Correlations of {len(usable):,} pairs",
        note=", ".join(notes),
    )
    return save(figure, Path(path))


def signal_to_noise_ratios(
    store: Store, stack: str | None, usable: np.ndarray
) -> np.ndarray:
    """Return the signal-to-noise ratio of each pair of ``usable``."""
    blocks = [outer_signal_to_noise(data) for _, data in store.blocks(stack, usable)]
    return np.concatenate([np.zeros(0), *blocks])


def draw_map(
    store: Store,
    path: str | os.PathLike[str],
    *,
    stack: str | None = None,
    components: str | None = None,
) -> Path:
    """Draw the stations and their pairs, coloured by signal-to-noise ratio.

    Parameters
    ----------
    store, path, stack, components
        As for `draw_record_section`.

    Raises
    ------
    ParameterError
        If no coordinates are known.
    """
    usable = usable_pairs(store, stack, components)
    notes = stack_notes(store, stack) + component_note(store, usable)
    if len(usable) > MOST_LINES:
        notes.append(f"{MOST_LINES:,} of {len(usable):,} pairs drawn")
        usable = usable[np.linspace(0, len(usable) - 1, MOST_LINES).astype(int)]
    pairs = np.stack([store.pairs["first"], store.pairs["second"]], axis=1)[usable]
    channels = store.channels
    unknown = int(np.sum(~np.isfinite(channels["latitude"])))
    if unknown:
        notes.append(f"{unknown:,} channels without coordinates left out")
    stations = [str(channel).split(".")[1] for channel in channels["id"]]
    labels = [  # each station once, at its first channel
        name if stations.index(name) == i else "" for i, name in enumerate(stations)
    ]
    figure = map_figure(
        channels["latitude"],
        channels["longitude"],
        labels,
        pairs=pairs,
        values=signal_to_noise_ratios(store, stack, usable),
        values_label="signal-to-noise ratio of the pair",
        title=f"{len(set(stations)):,} stations",
        note=", ".join([f"pairs: {len(usable):,}", *notes]),
    )
    return save(figure, Path(path))


def draw_snr(
    store: Store,
    path: str | os.PathLike[str],
    *,
    stack: str | None = None,
    components: str | None = None,
) -> Path:
    """Draw the signal-to-noise ratios: a histogram, and over distance.

    Parameters
    ----------
    store, path, stack, components
        As for `draw_record_section`.
    """
    usable = usable_pairs(store, stack, components)
    figure = snr_figure(
        signal_to_noise_ratios(store, stack, usable),
        store.pairs["distance_km"][usable],
        title=f"Signal-to-noise ratio, {len(usable):,} pairs",
        note=", ".join(
            [
                *stack_notes(store, stack),
                *component_note(store, usable),
                "largest value / RMS of the outer half of the lags",
            ]
        ),
    )
    return save(figure, Path(path))
