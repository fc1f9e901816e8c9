"""Views of the results of a run: image of all pairs, map, noise, components, time."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dispel4py.errors import ParameterError
from seismo_pes.plotting import (
    Substacks,
    components_figure,
    map_figure,
    matrix_figure,
    save,
    snr_figure,
    time_figure,
)
from xcorr_app.looking.plot import (
    lags_shown,
    name_pair,
    remarks,
    substacks_of,
)
from xcorr_app.pair_subsets import component_note, usable_pairs
from xcorr_app.results.correlation import Correlation, signal_to_noise
from xcorr_app.store import Store, UnknownPair

__all__ = [
    "components_view",
    "map_view",
    "matrix_view",
    "snr_view",
    "time_view",
]

MOST_ROWS = 3000
MOST_LINES = 20_000


def matrix_view(
    store: Store,
    path: str | os.PathLike[str],
    *,
    velocities_km_s: Sequence[float] = (),
    max_lag_s: float | None = None,
    stack: str | None = None,
    components: str | None = None,
) -> Path:
    """Draw all pairs as an image, the closest above, each row scaled by its peak.

    Of more than 3000 pairs, 3000 are drawn, evenly chosen by distance.

    Parameters
    ----------
    store, path, velocities_km_s, max_lag_s, stack, components
        As of `plot.record_section`.
    """
    usable, notes = usable_pairs(store, stack, components), remarks(store, stack)
    notes += component_note(store, usable)
    distance_km = store.pairs["distance_km"][usable]
    located = bool(np.isfinite(distance_km).all())
    if located:
        usable = usable[np.argsort(distance_km, kind="stable")]
    if len(usable) > MOST_ROWS:
        notes.append(f"{MOST_ROWS:,} of {len(usable):,} pairs")
        usable = usable[np.linspace(0, len(usable) - 1, MOST_ROWS).astype(int)]
    lags = lags_shown(store, max_lag_s)
    data = np.concatenate([rows[:, lags] for _, rows in store.blocks(stack, usable)])
    figure = matrix_figure(
        data,
        store.lags_s[lags],
        store.pairs["distance_km"][usable] if located else None,
        names=[name_pair(store.pairs[index]) for index in usable],
        velocities_km_s=velocities_km_s,
        title=f"All pairs, {len(usable):,}",
        note=", ".join(notes),
    )
    return save(figure, Path(path))


def ratios(store: Store, stack: str | None, usable: np.ndarray) -> np.ndarray:
    """Return the signal-to-noise ratio of each pair."""
    blocks = [signal_to_noise(data) for _, data in store.blocks(stack, usable)]
    return np.concatenate([np.zeros(0), *blocks])


def map_view(
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
        As of `plot.record_section`.

    Raises
    ------
    ParameterError
        If no coordinates are known.
    """
    usable = usable_pairs(store, stack, components)
    notes = component_note(store, usable)
    if len(usable) > MOST_LINES:
        notes.append(f"{MOST_LINES:,} of {len(usable):,} pairs drawn")
        usable = usable[np.linspace(0, len(usable) - 1, MOST_LINES).astype(int)]
    pairs = np.stack([store.pairs["first"], store.pairs["second"]], axis=1)[usable]
    channels = store.channels
    unknown = int(np.sum(~np.isfinite(channels["latitude"])))
    if unknown:
        notes.append(f"{unknown} channels without coordinates left out")
    stations = [str(one).split(".")[1] for one in channels["id"]]
    once = [
        name if stations.index(name) == i else "" for i, name in enumerate(stations)
    ]
    figure = map_figure(
        channels["latitude"],
        channels["longitude"],
        once,
        pairs=pairs,
        values=ratios(store, stack, usable),
        values_label="signal-to-noise ratio of the pair",
        title=f"{len(set(stations)):,} stations",
        note=", ".join([f"pairs: {len(usable):,}", *notes]),
    )
    return save(figure, Path(path))


def snr_view(
    store: Store,
    path: str | os.PathLike[str],
    *,
    stack: str | None = None,
    components: str | None = None,
) -> Path:
    """Draw the distribution of signal-to-noise ratios, and over distance.

    Parameters
    ----------
    store, path, stack, components
        As of `plot.record_section`.
    """
    usable = usable_pairs(store, stack, components)
    figure = snr_figure(
        ratios(store, stack, usable),
        store.pairs["distance_km"][usable],
        title=f"Signal to noise, {len(usable):,} pairs",
        note="largest value over RMS of the outer half of the lags",
    )
    return save(figure, Path(path))


def components_view(
    store: Store,
    first: str,
    second: str,
    path: str | os.PathLike[str],
    *,
    velocities_km_s: Sequence[float] = (),
    max_lag_s: float | None = None,
    stack: str | None = None,
) -> Path:
    """Draw the correlations of all components of two stations.

    Parameters
    ----------
    store, path, velocities_km_s, max_lag_s, stack
        As of `plot.record_section`.
    first, second
        Two stations, or instruments: ``NET.STA`` or ``NET.STA.LOC.HH``.

    Raises
    ------
    ParameterError
        If there is no correlation of two components.
    """
    lags = lags_shown(store, max_lag_s)
    found = component_pairs(store, first, second, stack)
    if not found:
        raise ParameterError(
            f"{store.path}: no correlations of components of {first} and {second}"
        )
    components = "ZRT" if any(c in "RT" for key in found for c in key) else "ZNE"
    shown = {
        key: one for key, one in found.items() if set(key) <= set(components)
    } or found
    if shown is found:
        components = "".join(sorted({c for key in found for c in key}))
    one = next(iter(shown.values()))
    stations = [".".join(name.split(".")[:2]) for name in (one.first, one.second)]
    figure = components_figure(
        {key: one.data[lags] for key, one in shown.items()},
        store.lags_s[lags],
        components=components,
        distance_km=one.distance_km,
        velocities_km_s=velocities_km_s,
        title=" – ".join(stations),
        note=f"{one.distance_km:.3f} km, azimuth {one.azimuth_deg:.1f}°, "
        f"{one.n_windows} windows",
    )
    return save(figure, Path(path))


def component_pairs(
    store: Store, first: str, second: str, stack: str | None
) -> dict[tuple[str, str], Correlation]:
    """Return the correlations of two instruments by their components."""
    sides = [
        [name for name in store.channels["id"].tolist() if _is_of(name, text)]
        for text in (first, second)
    ]
    found: dict[tuple[str, str], Correlation] = {}
    for one in sides[0]:
        for other in sides[1]:
            with contextlib.suppress(UnknownPair):
                found.setdefault((one[-1], other[-1]), store.get(one, other, stack))
    return found


def _is_of(channel: str, text: str) -> bool:
    """Tell whether a channel is one of a station or instrument.

    >>> [_is_of("CI.CCA.00.BHZ", t) for t in ("CI.CCA", "CCA", "CI.CCA.00.BH", "CI.C")]
    [True, True, True, False]
    """
    parts = text.split(".")
    whole = channel.split(".")
    if len(parts) == 1:
        return whole[1] == text
    return whole[: len(parts)] == parts or (
        len(parts) == 4 and whole[:3] == parts[:3] and whole[3][:-1] == parts[3][:2]
    )


def time_view(
    store: Store,
    first: str,
    second: str,
    path: str | os.PathLike[str],
    *,
    max_lag_s: float | None = None,
    stack: str | None = None,
) -> Path:
    """Draw the substacks of a pair over time.

    Parameters
    ----------
    store, path, max_lag_s, stack
        As of `plot.record_section`; substacks are compared with ``stack``.
    first, second
        Two channels, as for `Store.get`.

    Raises
    ------
    ParameterError
        If the run kept no substacks.
    """
    whole = store.get(first, second, stack)
    lags = lags_shown(store, max_lag_s)
    found: Substacks | None = substacks_of(store, first, second, whole.stack, lags)
    if found is None:
        raise ParameterError(
            f"{store.path}: keeps no stacks over time; correlate with --substack day"
        )
    where: dict[str, Any] = {"note": f"{whole.n_windows} windows in all"}
    if np.isfinite(whole.distance_km):
        where["note"] = f"{whole.distance_km:.3f} km, {where['note']}"
    figure = time_figure(
        found,
        whole.lags_s[lags],
        whole.data[lags],
        title=f"{whole.first} – {whole.second} over time",
        **where,
    )
    return save(figure, Path(path))
