"""Pictures of the results of a run: the record section, and a pair."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from seismo_pes.plotting import (
    MOST_NAMES,
    DistanceBins,
    Substacks,
    pair_figure,
    record_section_figure,
    save,
)
from xcorr_app.looking.info import describe
from xcorr_app.pair_subsets import component_note, of_components
from xcorr_app.results.stacks import over_time, split, unit_of
from xcorr_app.store import Store

__all__ = ["pair_plot", "record_section"]

MOST_TRACES = 300
MOST_BINS = 200
MOST_PERIODS = 4000
MINUTE_NS = 60_000_000_000


def record_section(
    store: Store,
    path: str | os.PathLike[str],
    *,
    velocities_km_s: Sequence[float] = (),
    max_lag_s: float | None = None,
    stack: str | None = None,
    components: str | None = None,
) -> Path:
    """Draw all pairs over lag and distance.

    Up to 300 pairs are lines, each scaled by its peak; more are averaged in bins of
    distance and shown as an image. Correlations of a channel with itself are left out.
    Where no distance is known, pairs stand in their order.

    Parameters
    ----------
    store
        Open results.
    path
        The picture: .png, .pdf or .svg.
    velocities_km_s
        Velocities whose moveout is drawn.
    max_lag_s
        Lags that are drawn; by default all.
    stack
        Name of the stack; by default ``"all"``.
    components
        Only pairs of these, e.g. ``RR``; by default ``ZZ`` if there are any.

    Returns
    -------
    pathlib.Path
        ``path``.
    """
    lags = lags_shown(store, max_lag_s)
    pairs, n_windows = store.pairs, store.windows(stack)["n_windows"]
    usable = np.flatnonzero((n_windows > 0) & (pairs["first"] != pairs["second"]))
    usable = of_components(store, usable, components)
    known = usable[np.isfinite(pairs["distance_km"][usable])]
    notes = remarks(store, stack) + component_note(store, usable)
    if len(known) and len(known) < len(usable):
        notes.append(f"{len(usable) - len(known):,} pairs without distance left out")
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
        if len(chosen) <= MOST_NAMES
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
    """Return the rows of chosen pairs, or means of very many by distance."""
    n_lags = lags.stop - lags.start
    if len(chosen) <= MOST_TRACES:
        blocks = [data[:, lags] for _, data in store.blocks(stack, chosen)]
        return np.concatenate([np.zeros((0, n_lags)), *blocks])
    end_km = float(distance_km[chosen].max())
    bins = DistanceBins(end_km, min(len(chosen) // 4, MOST_BINS), n_lags)
    for block, data in store.blocks(stack, chosen):
        bins.add(data[:, lags], distance_km[block])
    return bins


def lags_shown(store: Store, max_lag_s: float | None) -> slice:
    """Return which lags lie within ``max_lag_s``, at least one on either side."""
    half = len(store.lags_s) // 2
    wanted = half
    if max_lag_s is not None:
        steps = round(max_lag_s * store.sampling_rate_hz)
        wanted = min(max(steps, min(half, 1)), half)
    return slice(half - wanted, half + wanted + 1)


def remarks(store: Store, stack: str | None) -> list[str]:
    about = describe(store, stack)
    if not about["start"]:
        return ["no windows"]
    least, most = about["n_windows"]
    count = f"{most}" if least == most else f"{least} to {most}"
    times = [about[edge][:16].replace("T", " ") for edge in ("start", "end")]
    return [" to ".join(times), f"{count} windows a pair"]


def name_pair(pair: np.void) -> str:
    """Return station codes where they tell the pair, else more of the identifiers."""
    first, second = str(pair["first_id"]), str(pair["second_id"])
    one, other = first.split("."), second.split(".")
    if one[1] != other[1]:
        return f"{one[1]}–{other[1]}"
    return f"{first}–{second}"


def pair_plot(
    store: Store,
    first: str,
    second: str,
    path: str | os.PathLike[str],
    *,
    velocities_km_s: Sequence[float] = (),
    max_lag_s: float | None = None,
    stack: str | None = None,
) -> Path:
    """Draw one pair: the correlation, both branches folded, and its substacks.

    Parameters
    ----------
    store
        Open results.
    first, second
        Two channels, as for `Store.get`.
    path
        The picture: .png, .pdf or .svg.
    velocities_km_s
        Velocities that are marked.
    max_lag_s
        Lags that are drawn; by default all.
    stack
        Name of the stack; by default ``"all"``.

    Returns
    -------
    pathlib.Path
        ``path``.
    """
    found = store.get(first, second, stack)
    lags = lags_shown(store, max_lag_s)
    if np.isfinite(found.distance_km):
        where = (
            f"{found.distance_km:.3f} km, azimuth {found.azimuth_deg:.1f}°, "
            f"back {found.back_azimuth_deg:.1f}°"
        )
    else:
        where = "distance not known"
    start, end = (
        str(np.datetime64(time_ns // MINUTE_NS, "m")).replace("T", " ")
        for time_ns in (found.start_ns, found.end_ns)
    )
    lag_s, value = found.peak()
    figure = pair_figure(
        found.data[lags],
        found.lags_s[lags],
        distance_km=found.distance_km,
        velocities_km_s=velocities_km_s,
        title=f"{found.first} – {found.second}",
        note=f"{where}, peak {value:+.4g} at {lag_s:+.3f} s\n"
        f"{found.n_windows} windows, {start} to {end}",
        substacks=substacks_of(store, first, second, found.stack, lags),
    )
    return save(figure, Path(path))


def substacks_of(
    store: Store, first: str, second: str, whole: str, lags: slice
) -> Substacks | None:
    """Return the stacks of a pair over time, each in its place, gaps as NaN.

    Of more than 4000 neighbours are averaged.
    """
    index = store.pair_index(first, second)
    there = {
        name
        for name in over_time(store.stacks, whole)
        if store.window(index, name)["n_windows"] > 0
    }
    if not there:
        return None
    names = _with_gaps(sorted(there))
    at_once = -(-len(names) // MOST_PERIODS)
    groups = [names[i : i + at_once] for i in range(0, len(names), at_once)]
    data = np.full((len(groups), lags.stop - lags.start), np.nan)
    n_windows = np.zeros(len(groups), np.int64)
    for row, group in enumerate(groups):
        found = [store.get(first, second, name) for name in group if name in there]
        counts = [one.n_windows for one in found]
        if found:
            data[row] = np.average([one.data[lags] for one in found], 0, counts)
            n_windows[row] = sum(counts)
    labels = [_label(group[0]) for group in groups]
    if all(label.endswith(" 00:00") for label in labels):
        labels = [label.removesuffix(" 00:00") for label in labels]
    return Substacks(labels, data, n_windows)


def _label(name: str) -> str:
    """Return what is written of the period of a stack.

    >>> _label("2022-05-17T06:30:00@1-2Hz"), _label("2022-05-17T00:00:00~86400s")
    ('2022-05-17 06:30', '2022-05-17 00:00')
    >>> _label("2022-05-17T06"), _label("2022-05-17")
    ('2022-05-17 06:00', '2022-05-17')
    """
    day, _, time = split(name)[0].partition("~")[0].partition("T")
    hour, minute, second = (*time.split(":"), "00", "00")[:3]
    clock = f"{hour}:{minute}" + ("" if second == "00" else f":{second}")
    return f"{day} {clock}" if time else day


def _with_gaps(names: list[str]) -> list[str]:
    """Return names of stacks over time, sorted, with those between that are not there.

    >>> _with_gaps(["2022-05-17", "2022-05-19"])
    ['2022-05-17', '2022-05-18', '2022-05-19']
    >>> _with_gaps(["2022-05-17T22@1-2Hz", "2022-05-18T00@1-2Hz"])
    ['2022-05-17T22@1-2Hz', '2022-05-17T23@1-2Hz', '2022-05-18T00@1-2Hz']
    """
    unit = {"day": "D", "hour": "h"}.get(unit_of(names[0]))
    if unit is None or len(names) < 2:
        return names
    band = names[0][len(split(names[0])[0]) :]
    starts = np.array([split(name)[0] for name in names], f"datetime64[{unit}]")
    every = np.arange(starts[0], starts[-1] + 1)
    # stacks of a few days in several years are no series
    return names if len(every) > 50 * len(names) else [f"{t}{band}" for t in every]
