"""Figures of one pair: its correlation, its substacks over time, its components."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dispel4py.errors import ParameterError
from seismo_pes.items.correlation import Correlation
from seismo_pes.plotting import (
    Substacks,
    components_figure,
    pair_figure,
    save,
    time_figure,
)
from xcorr_app.reporting.axes import lags_within
from xcorr_app.results.stack_names import add_missing, over_time, split, stack_notes
from xcorr_app.store import Store, UnknownPair

__all__ = ["draw_components", "draw_pair", "draw_substacks"]

MOST_ROWS = 4000  # of an image of substacks; more substacks are averaged
MINUTE_NS = 60_000_000_000


def draw_pair(
    store: Store,
    first: str,
    second: str,
    path: str | os.PathLike[str],
    *,
    velocities_km_s: Sequence[float] = (),
    max_lag_s: float | None = None,
    stack: str | None = None,
) -> Path:
    """Draw one pair: its correlation, the two branches folded, and its substacks.

    Parameters
    ----------
    store
        Open results.
    first, second
        Two channels, as for `Store.get`.
    path
        The figure: .png, .pdf or .svg.
    velocities_km_s
        Velocities, in km/s, whose arrivals are marked.
    max_lag_s
        Longest lag that is drawn; by default the longest of the results.
    stack
        Name of the stack; by default ``"all"``.

    Returns
    -------
    pathlib.Path
        ``path``.
    """
    correlation = store.get(first, second, stack)
    lags = lags_within(store, max_lag_s)
    if np.isfinite(correlation.distance_km):
        geometry = (
            f"{correlation.distance_km:.3f} km, "
            f"azimuth {correlation.azimuth_deg:.1f}°, "
            f"back azimuth {correlation.back_azimuth_deg:.1f}°"
        )
    else:
        geometry = "distance unknown"
    start, end = (
        str(np.datetime64(time_ns // MINUTE_NS, "m")).replace("T", " ")
        for time_ns in (int(correlation.start_ns), int(correlation.end_ns))
    )
    lag_s, value = correlation.peak()
    figure = pair_figure(
        correlation.data[lags],
        correlation.lags_s[lags],
        distance_km=correlation.distance_km,
        velocities_km_s=velocities_km_s,
        title=f"{correlation.first} – {correlation.second}",
        note=f"{geometry}, peak {value:+.4g} at {lag_s:+.3f} s\n"
        + ", ".join(
            [
                *stack_notes(store, stack),
                f"{correlation.n_windows} windows",
                f"{start} to {end}",
            ]
        ),
        substacks=read_substacks(store, first, second, correlation.stack, lags),
    )
    return save(figure, Path(path))


def draw_substacks(
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
        As for `draw_pair`; each substack is compared with ``stack``.
    first, second
        Two channels, as for `Store.get`.

    Raises
    ------
    ParameterError
        If the results have no substacks.
    """
    stacked = store.get(first, second, stack)
    lags = lags_within(store, max_lag_s)
    substacks = read_substacks(store, first, second, stacked.stack, lags)
    if substacks is None:
        raise ParameterError(
            f"{store.path}: the results have no substacks; "
            "correlate with --substack day"
        )
    windows = f"{stacked.n_windows} windows in total"
    note = ", ".join([*stack_notes(store, stack), windows])
    if np.isfinite(stacked.distance_km):
        note = f"{stacked.distance_km:.3f} km, {note}"
    figure = time_figure(
        substacks,
        stacked.lags_s[lags],
        stacked.data[lags],
        title=f"{stacked.first} – {stacked.second} over time",
        note=note,
    )
    return save(figure, Path(path))


def read_substacks(
    store: Store, first: str, second: str, stack: str, lags: slice
) -> Substacks | None:
    """Return the substacks of a pair in the order of time, missing ones as NaN.

    If there are more than 4000, neighbours are averaged. None if there are none.
    """
    index = store.pair_index(first, second)
    stored = {
        name
        for name in over_time(store.stacks, stack)
        if store.window(index, name)["n_windows"] > 0
    }
    if not stored:
        return None
    names = add_missing(sorted(stored))
    group_size = -(-len(names) // MOST_ROWS)
    groups = [names[i : i + group_size] for i in range(0, len(names), group_size)]
    data = np.full((len(groups), lags.stop - lags.start), np.nan)
    n_windows = np.zeros(len(groups), np.int64)
    for row, group in enumerate(groups):
        members = [store.get(first, second, name) for name in group if name in stored]
        counts = [member.n_windows for member in members]
        if members:
            data[row] = np.average([member.data[lags] for member in members], 0, counts)
            n_windows[row] = sum(counts)
    labels = [_format_start(group[0]) for group in groups]
    if all(label.endswith(" 00:00") for label in labels):
        labels = [label.removesuffix(" 00:00") for label in labels]
    return Substacks(labels, data, n_windows)


def _format_start(name: str) -> str:
    """Return the start of a substack, as its label in a figure.

    >>> _format_start("2022-05-17T06:30:00@1-2Hz"), _format_start("2022-05-17T06")
    ('2022-05-17 06:30', '2022-05-17 06:00')
    >>> _format_start("2022-05-17T00:00:00~86400s"), _format_start("2022-05-17")
    ('2022-05-17 00:00', '2022-05-17')
    """
    day, _, time = split(name)[0].partition("~")[0].partition("T")
    hour, minute, second = (*time.split(":"), "00", "00")[:3]
    clock = f"{hour}:{minute}" + ("" if second == "00" else f":{second}")
    return f"{day} {clock}" if time else day


def draw_components(
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
        As for `draw_pair`.
    first, second
        Two stations or instruments: ``NET.STA`` or ``NET.STA.LOC.HH``.

    Raises
    ------
    ParameterError
        If the results have no correlation of these two stations.
    """
    lags = lags_within(store, max_lag_s)
    correlations = correlations_by_components(store, first, second, stack)
    if not correlations:
        raise ParameterError(
            f"{store.path}: no correlations of components of {first} and {second}"
        )
    codes = {code for key in correlations for code in key}
    components = "ZRT" if codes & set("RT") else "ZNE"
    if any(set(key) <= set(components) for key in correlations):
        correlations = {
            key: correlation
            for key, correlation in correlations.items()
            if set(key) <= set(components)
        }
    else:
        components = "".join(sorted(codes))
    example = next(iter(correlations.values()))
    stations = [
        ".".join(name.split(".")[:2]) for name in (example.first, example.second)
    ]
    figure = components_figure(
        {key: correlation.data[lags] for key, correlation in correlations.items()},
        store.lags_s[lags],
        components=components,
        distance_km=example.distance_km,
        velocities_km_s=velocities_km_s,
        title=" – ".join(stations),
        note=f"{example.distance_km:.3f} km, azimuth {example.azimuth_deg:.1f}°, "
        + ", ".join([*stack_notes(store, stack), f"{example.n_windows} windows"]),
    )
    return save(figure, Path(path))


def correlations_by_components(
    store: Store, first: str, second: str, stack: str | None
) -> dict[tuple[str, str], Correlation]:
    """Return the correlations of two stations or instruments by their components."""
    first_channels, second_channels = (
        [name for name in store.channels["id"].tolist() if _belongs_to(name, text)]
        for text in (first, second)
    )
    correlations: dict[tuple[str, str], Correlation] = {}
    for a, b in itertools.product(first_channels, second_channels):
        with contextlib.suppress(UnknownPair):
            correlations.setdefault((a[-1], b[-1]), store.get(a, b, stack))
    return correlations


def _belongs_to(channel: str, text: str) -> bool:
    """Return whether a channel belongs to a station or an instrument.

    >>> _belongs_to("CI.CCA.00.BHZ", "CCA"), _belongs_to("CI.CCA.00.BHZ", "CI.CCA")
    (True, True)
    >>> _belongs_to("CI.CCA.00.BHZ", "CI.CCA.00.BH")
    True
    >>> _belongs_to("CI.CCA.00.BHZ", "CI.C")
    False
    """
    codes, wanted = channel.split("."), text.split(".")
    if len(wanted) == 1:
        return codes[1] == text
    return codes[: len(wanted)] == wanted or (
        len(wanted) == 4 and codes[:3] == wanted[:3] and codes[3][:-1] == wanted[3][:2]
    )
