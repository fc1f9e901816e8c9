"""Maps of an event and the values of its stations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from dispel4py.errors import ParameterError
from seismo_pes.plotting.figure import (
    AMOUNT_MAP,
    COLOUR_MAP,
    GROUND,
    INK,
    SOFT,
    add_colour_bar,
    add_heading,
    new_figure,
    style,
)
from seismo_pes.plotting.station_map import (
    MAX_NAMES,
    draw_scale,
    label_axes,
    map_box,
    map_size,
    name_stations,
    unwrap,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["event_map_figure"]


def event_map_figure(
    event: tuple[float, float] | None,
    latitude: np.ndarray,
    longitude: np.ndarray,
    values: np.ndarray,
    label: str,
    names: Sequence[str] = (),
    *,
    signed: bool = False,
    title: str = "",
    note: str = "",
) -> Figure:
    """Draw an event as a star, and stations in the colours of their values.

    Parameters
    ----------
    event
        Latitude and longitude of the event, degrees.
    latitude, longitude
        Of the stations, shape (n,), degrees; NaN for stations without coordinates,
        which are left out.
    values
        Shape (n,); stations with NaN are drawn without a colour.
    label
        Name and unit of the values.
    names
        Names of the stations; written if there are no more than 60.
    signed
        Whether the colours distinguish positive from negative values.
    title, note
        Title of the figure, and a line in smaller letters below it.

    Raises
    ------
    ParameterError
        If no station has coordinates.
    """
    lat, lon = np.asarray(latitude, float), np.asarray(longitude, float)
    values = np.asarray(values, float)
    known = np.isfinite(lat) & np.isfinite(lon)
    if not known.any():
        raise ParameterError("no map: no station has coordinates")
    n = len(lat)
    star = np.array([event or (np.nan, np.nan)], float)
    all_lat, all_lon = np.append(lat, star[0, 0]), np.append(lon, star[0, 1])
    placed = np.isfinite(all_lat) & np.isfinite(all_lon)
    all_lon = unwrap(all_lon, placed)
    box = map_box(all_lat[placed], all_lon[placed])
    stretch = float(np.cos(np.radians((box[2] + box[3]) / 2)))
    with style():
        figure = new_figure(*map_size(box, stretch, True))
        axes = figure.add_subplot()
        axes.set_facecolor(GROUND)
        size = 90 if known.sum() <= 100 else 28
        measured = known & np.isfinite(values)
        without = known & ~measured
        axes.scatter(all_lon[:n][without], lat[without], size, facecolors="none",
                     edgecolors=SOFT, marker="^", zorder=3)  # fmt: skip
        low, high = _limits(values[measured], signed)
        drawn = axes.scatter(
            all_lon[:n][measured], lat[measured], size, values[measured], marker="^",
            cmap=COLOUR_MAP if signed else AMOUNT_MAP, vmin=low, vmax=high,
            edgecolors=INK, linewidths=0.6, zorder=4,
        )  # fmt: skip
        axes.plot(all_lon[n:], all_lat[n:], "*", ms=18, color="#e69f00", mec=INK,
                  mew=0.8, zorder=5)  # fmt: skip
        axes.set_xlim(box[0], box[1])
        axes.set_ylim(box[2], box[3])
        axes.set_aspect(1 / max(stretch, 0.05))
        if len(names) == n and known.sum() <= MAX_NAMES:
            name_stations(axes, lat, all_lon[:n], names, known)
        draw_scale(axes, box, stretch)
        label_axes(axes)
        add_heading(axes, title, note)
        if measured.any():
            add_colour_bar(figure, drawn, axes, label, shrink=0.8)
        return figure


def _limits(values: np.ndarray, signed: bool) -> tuple[float, float]:
    """Return the values of the first and of the last colour."""
    if not len(values):
        return 0.0, 1.0
    if signed:
        largest = float(np.abs(values).max()) or 1.0
        return -largest, largest
    low, high = float(values.min()), float(values.max())
    return low, high if high > low else low + (abs(low) or 1.0)
