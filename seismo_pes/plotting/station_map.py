"""Maps of stations and pairs, with a scale; without background data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dispel4py.errors import ParameterError
from seismo_pes.plotting.figure import (
    AMOUNT_MAP,
    FAINT,
    GROUND,
    INK,
    NEGATIVE,
    SOFT,
    add_colour_bar,
    add_heading,
    new_figure,
    style,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["map_figure"]

MAX_NAMES = 60  # stations whose names are written; the names of more would overlap
KM_PER_DEGREE = 111.195  # of a great circle on a sphere of 6371 km
MAX_SIDE_INCHES = 8.0  # the longer side of the map


def map_figure(
    latitude: np.ndarray,
    longitude: np.ndarray,
    names: Sequence[str] = (),
    *,
    pairs: np.ndarray | None = None,
    values: np.ndarray | None = None,
    values_label: str = "",
    title: str = "",
    note: str = "",
) -> Figure:
    """Draw stations and the pairs between them.

    In the middle of the map a kilometre has the same length in both directions. A
    network on both sides of the date line is drawn in one piece.

    Parameters
    ----------
    latitude, longitude
        Shape (n,), degrees; NaN for stations without coordinates, which are left out.
    names
        Names of the stations; written if there are no more than 60.
    pairs
        Shape (n_pairs, 2): indices of the stations that a line connects.
    values
        Shape (n_pairs,): values that give the colours of the lines, e.g.
        signal-to-noise ratios. The largest are drawn last.
    values_label
        Label of the colour bar.
    title, note
        Title of the figure, and a line in smaller letters below it.

    Raises
    ------
    ParameterError
        If no station has coordinates.
    """
    latitude, longitude = np.asarray(latitude, float), np.asarray(longitude, float)
    known = np.isfinite(latitude) & np.isfinite(longitude)
    if not known.any():
        raise ParameterError("no map: no station has coordinates")
    longitude = unwrap(longitude, known)
    box = map_box(latitude[known], longitude[known])
    stretch = float(np.cos(np.radians((box[2] + box[3]) / 2)))
    with style():
        figure = new_figure(*map_size(box, stretch, values is not None))
        axes = figure.add_subplot()
        axes.set_facecolor(GROUND)
        drawn = _draw_pairs(axes, latitude, longitude, known, pairs, values)
        axes.plot(
            longitude[known],
            latitude[known],
            "^",
            ms=8 if known.sum() <= 100 else 4,
            color=NEGATIVE,
            mec="white",
            mew=0.8,
            zorder=4,
        )
        axes.set_xlim(box[0], box[1])
        axes.set_ylim(box[2], box[3])
        axes.set_aspect(1 / max(stretch, 0.05))
        if len(names) == len(latitude) and known.sum() <= MAX_NAMES:
            name_stations(axes, latitude, longitude, names, known)
        draw_scale(axes, box, stretch)
        label_axes(axes)
        add_heading(axes, title, note)
        if drawn is not None:
            add_colour_bar(figure, drawn, axes, values_label, shrink=0.8)
        return figure


def unwrap(longitude: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return longitudes from 0 to 360 degrees, if their range is smaller then."""
    shifted = np.where(longitude < 0, longitude + 360, longitude)
    is_smaller = np.ptp(shifted[known]) < np.ptp(longitude[known])
    return shifted if is_smaller else longitude


def map_box(latitude: np.ndarray, longitude: np.ndarray) -> tuple[float, ...]:
    """Return west, east, south, north of the map, with a margin around the stations."""
    middle = float(latitude.min() + latitude.max()) / 2
    stretch = max(float(np.cos(np.radians(middle))), 0.05)
    span = max(float(np.ptp(latitude)), float(np.ptp(longitude)) * stretch, 0.002)
    margin = 0.11 * span
    min_side = 0.35 * span  # the map of a line of stations is not too narrow
    edges: list[float] = []
    for values, scale in ((longitude, stretch), (latitude, 1.0)):
        low, high = float(values.min()), float(values.max())
        extra = max(min_side / scale - (high - low), 0) / 2 + margin / scale
        edges += [low - extra, high + extra]
    return tuple(edges)


def map_size(box: tuple[float, ...], stretch: float, bar: bool) -> tuple[float, float]:
    """Return width and height of the figure in inches, from the shape of the map."""
    wide, high = (box[1] - box[0]) * stretch, box[3] - box[2]
    scale = MAX_SIDE_INCHES / max(wide, high)
    width = max(wide * scale + 1.2 + (1.1 if bar else 0), 5.6)
    return width, max(high * scale + 1.3, 4.0)


def _draw_pairs(
    axes: Axes,
    latitude: np.ndarray,
    longitude: np.ndarray,
    known: np.ndarray,
    pairs: np.ndarray | None,
    values: np.ndarray | None,
) -> Any:
    from matplotlib.collections import LineCollection

    if pairs is None or not len(pairs):
        return None
    shown = known[pairs].all(axis=1) & (pairs[:, 0] != pairs[:, 1])
    if values is not None:
        shown &= np.isfinite(values)
    if not shown.any():
        return None
    order = np.flatnonzero(shown)
    if values is not None:
        order = order[np.argsort(values[order], kind="stable")]
    ends = np.stack([longitude[pairs[order]], latitude[pairs[order]]], axis=-1)
    n = len(order)
    lines = LineCollection(
        list(ends),
        linewidths=float(np.clip(18 / np.sqrt(n), 0.3, 1.8)),
        alpha=float(np.clip(12 / np.sqrt(n), 0.25, 0.95)),
        zorder=2,
    )
    if values is None:
        lines.set_color(FAINT)
    else:
        lines.set_array(values[order])
        lines.set_cmap(AMOUNT_MAP)
        low, high = np.percentile(values[order], [2, 98])
        lines.set_clim(low, high if high > low else low + 1)
    axes.add_collection(lines)
    return None if values is None else lines


def name_stations(
    axes: Axes,
    latitude: np.ndarray,
    longitude: np.ndarray,
    names: Sequence[str],
    known: np.ndarray,
) -> None:
    from matplotlib.patheffects import withStroke

    for index in np.flatnonzero(known).tolist():
        axes.annotate(
            names[index],
            (longitude[index], latitude[index]),
            (0, 7),
            textcoords="offset points",
            ha="center",
            fontsize=8,
            color=INK,
            zorder=5,
            path_effects=[withStroke(linewidth=2.5, foreground="white")],
        )


def draw_scale(axes: Axes, box: tuple[float, ...], stretch: float) -> None:
    """Draw a scale bar at the lower left, a round number up to a fifth of the width."""
    max_km = (box[1] - box[0]) * stretch * KM_PER_DEGREE / 5
    power = 10.0 ** np.floor(np.log10(max_km))
    length_km = max(k * power for k in (1, 2, 5) if k * power <= max_km)
    length = length_km / (KM_PER_DEGREE * max(stretch, 1e-6))
    left = box[0] + 0.04 * (box[1] - box[0])
    low = box[2] + 0.035 * (box[3] - box[2])
    axes.plot([left, left + length], [low, low], color=INK, lw=3, zorder=6,
              solid_capstyle="butt")  # fmt: skip
    axes.annotate(
        f"{length_km:g} km" if length_km >= 1 else f"{1000 * length_km:g} m",
        (left + length / 2, low),
        (0, 4),
        textcoords="offset points",
        ha="center",
        fontsize=9,
        color=INK,
        zorder=6,
    )


def label_axes(axes: Axes) -> None:
    def east(value: float, _: Any = None) -> str:
        return f"{(value + 180) % 360 - 180:.6g}°"

    axes.xaxis.set_major_formatter(east)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.6g}°")
    axes.locator_params(nbins=6)
    axes.grid(color="white", lw=0.8, zorder=0)
    axes.tick_params(colors=SOFT, labelsize=9)
    axes.set_xlabel("longitude")
    axes.set_ylabel("latitude")
