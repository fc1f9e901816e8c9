"""Record sections: correlations over lag and distance, or over azimuth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from seismo_pes.plotting.figure import (
    DASHES,
    FAINT,
    INK,
    LINES,
    LINES_OVER_IMAGE,
    SOFT,
    add_colour_bar,
    add_heading,
    add_legend,
    check_velocities,
    draw_image,
    new_figure,
    style,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "DistanceBins",
    "azimuth_section_figure",
    "interpolate_over_slowness",
    "normalise_rows",
    "record_section_figure",
]

MAX_NAMES = 15  # rows whose names are written; the names of more would overlap
# Steps of an axis of azimuth: the smallest one that gives at most seven intervals.
STEPS_DEG = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30)


class DistanceBins:
    """Means of normalised correlations in bins of distance (or of azimuth).

    Correlations are added in blocks.

    Parameters
    ----------
    max_km : float
        Upper edge of the last bin, km (or degrees).
    n_bins : int
        How many bins from 0 to ``max_km``.
    n_lags : int
        Length of a row.

    Examples
    --------
    >>> bins = DistanceBins(10.0, 2, 3)
    >>> bins.add(np.array([[0.0, 2.0, 0.0], [0.0, -4.0, 4.0]]), np.array([1.0, 2.0]))
    >>> bins.mean()
    array([[0. , 0. , 0.5],
           [nan, nan, nan]])
    """

    def __init__(self, max_km: float, n_bins: int, n_lags: int) -> None:
        self.edges_km = np.linspace(0, max_km or 1.0, n_bins + 1)
        self.count = np.zeros(n_bins, np.int64)
        self._sum = np.zeros((n_bins, n_lags))
        self._missing = np.zeros((n_bins, n_lags))

    def add(self, data: np.ndarray, distance_km: np.ndarray) -> None:
        """Add rows, each divided by its largest absolute value; NaN is left out."""
        index = np.searchsorted(self.edges_km, distance_km, side="right") - 1
        index = np.clip(index, 0, len(self.count) - 1)
        np.add.at(self.count, index, 1)
        add_rows(self._sum, index, normalise_rows(data))
        missing = ~np.isfinite(data)
        if missing.any():
            add_rows(self._missing, index, missing.astype(float))

    def mean(self) -> np.ndarray:
        """Return the means, shape (n_bins, n_lags); NaN without data."""
        count = self.count[:, None] - self._missing
        return self._sum / np.where(count > 0, count, np.nan)


def add_rows(total: np.ndarray, index: np.ndarray, rows: np.ndarray) -> None:
    """Add each row to the row of ``total`` with its index.

    The same as ``np.add.at(total, index, rows)``, but ten times faster for long rows.

    >>> total = np.zeros((3, 1))
    >>> add_rows(total, np.array([2, 0, 2]), np.array([[1.0], [2.0], [3.0]]))
    >>> total.ravel()
    array([2., 0., 4.])
    """
    if not len(index):
        return
    order = np.argsort(index, kind="stable")
    targets, first = np.unique(index[order], return_index=True)
    total[targets] += np.add.reduceat(rows[order], first, axis=0)


def normalise_rows(data: np.ndarray) -> np.ndarray:
    """Divide each row by its largest absolute value; NaN and infinity become 0."""
    clean = np.where(np.isfinite(data), data, 0)
    largest = np.max(np.abs(clean), axis=1, keepdims=True, initial=0)
    return clean / np.where(largest > 0, largest, 1)


def record_section_figure(
    data: np.ndarray | DistanceBins,
    lags_s: np.ndarray,
    distance_km: np.ndarray | None = None,
    *,
    velocities_km_s: Sequence[float] = (),
    names: Sequence[str] = (),
    title: str = "",
    note: str = "",
) -> Figure:
    """Draw correlations over lag and distance.

    Parameters
    ----------
    data
        Shape (n, n_lags): each row is drawn as a line, scaled by its peak. Or
        `DistanceBins`, whose means are drawn as an image.
    lags_s
        Shape (n_lags,), seconds.
    distance_km
        Shape (n,), for rows; without distances the rows have equal spacing.
    velocities_km_s
        Velocities whose moveout, distance / velocity, is drawn on both sides.
    names
        Names of the rows; written at their ends if there are no more than 15.
    title, note
        Title of the figure, and a line in smaller letters below it.

    Raises
    ------
    ParameterError
        If a velocity is not above 0.
    """
    check_velocities(velocities_km_s)
    is_image = isinstance(data, DistanceBins)
    with style():
        figure, axes = _new_panel(lags_s)
        if isinstance(data, DistanceBins):
            _draw_bins(figure, axes, data, lags_s)
        else:
            heights = _heights(data, distance_km)
            _draw_traces(axes, data, lags_s, heights, names)
            is_near = len(heights) > 0 and heights.min() < 0.3 * heights.max()
            if distance_km is not None and is_near:
                # show distance 0, where the moveouts begin
                axes.set_ylim(bottom=min(axes.get_ylim()[0], 0.0))
        add_heading(axes, title, note)
        if is_image or distance_km is not None:
            axes.set_ylabel("distance (km)")
            top_km = axes.get_ylim()[1]
            _draw_moveouts(axes, velocities_km_s, top_km, float(lags_s[-1]), is_image)
        else:
            axes.set_ylabel("number of the pair (distances are not known)")
        return figure


def interpolate_over_slowness(
    data: np.ndarray, lags_s: np.ndarray, distance_km: np.ndarray, slowness: np.ndarray
) -> np.ndarray:
    """Interpolate correlations at the lags slowness times distance of their pairs.

    Parameters
    ----------
    data
        Shape (n, n_lags).
    lags_s
        Shape (n_lags,), seconds.
    distance_km
        Shape (n,).
    slowness
        Shape (m,), s/km.

    Returns
    -------
    numpy.ndarray
        Shape (n, m); NaN beyond the lags.

    Examples
    --------
    >>> rows = np.array([[0.0, 0.0, 0.0, 3.0, 0.0]])
    >>> lags_s, distance_km = np.arange(-2, 3), np.array([4.0])
    >>> interpolate_over_slowness(rows, lags_s, distance_km, np.array([0.25, 1.0]))
    array([[ 3., nan]])
    """
    edges = {"left": np.nan, "right": np.nan}
    rows = [
        np.interp(slowness * km, lags_s, row, **edges)
        for row, km in zip(data, distance_km, strict=True)
    ]
    return np.array(rows).reshape(len(data), len(slowness))


def azimuth_section_figure(
    data: np.ndarray | DistanceBins,
    slowness: np.ndarray,
    azimuth_deg: np.ndarray | None = None,
    *,
    velocities_km_s: Sequence[float] = (),
    names: Sequence[str] = (),
    title: str = "",
    note: str = "",
) -> Figure:
    """Draw correlations over lag / distance and azimuth.

    Waves with the same velocity arrive at the same slowness, at any distance. If the
    arrivals vary with azimuth, then the velocity depends on the direction, or the noise
    comes from some directions only.

    Parameters
    ----------
    data
        Shape (n, n_slowness), from `interpolate_over_slowness`: each row is drawn as a
        line, scaled by its peak. Or `DistanceBins` in degrees, whose means are drawn as
        an image.
    slowness
        Shape (n_slowness,), s/km; negative for waves from the second station to the
        first.
    azimuth_deg
        Shape (n,), for rows: azimuth from the first station to the second.
    velocities_km_s
        Velocities that are marked on both sides.
    names
        Names of the rows; written at their ends if there are no more than 15.
    title, note
        Title of the figure, and a line in smaller letters below it.

    Raises
    ------
    ParameterError
        If a velocity is not above 0.
    """
    check_velocities(velocities_km_s)
    with style():
        figure, axes = _new_panel(slowness)
        axes.set_xlabel("lag / distance (s/km)")
        if isinstance(data, DistanceBins):
            _draw_bins(figure, axes, data, slowness)
        else:
            _draw_traces(axes, data, slowness, _heights(data, azimuth_deg), names)
            axes.axvline(0, color=FAINT, lw=0.5)
        add_heading(axes, title, note)
        _draw_slownesses(axes, velocities_km_s, isinstance(data, DistanceBins))
        _degree_ticks(axes)
        axes.set_ylabel("azimuth from first to second station (°)")
        return figure


def _draw_slownesses(
    axes: Axes, velocities_km_s: Sequence[float], over_image: bool
) -> None:
    colours = LINES_OVER_IMAGE if over_image else LINES
    for i, velocity in enumerate(velocities_km_s):
        for side in (-1, 1):
            axes.axvline(
                side / velocity,
                color=colours[i % len(colours)],
                lw=1.1 if over_image else 1.6,
                ls=DASHES,
                label=f"{velocity:g} km/s" if side > 0 else None,
            )
    add_legend(axes)


def _degree_ticks(axes: Axes) -> None:
    low, high = axes.get_ylim()
    step = next((s for s in STEPS_DEG if high - low <= 7 * s), 45)
    axes.set_yticks(np.arange(np.ceil(low / step), high // step + 1) * step)
    axes.set_ylim(low, high)


def _new_panel(lags_s: np.ndarray) -> tuple[Figure, Axes]:
    figure = new_figure(8.6, 7.2)
    axes = figure.add_subplot()
    axes.set_xlim(lags_s[0], lags_s[-1])
    axes.set_xlabel("lag (s)")
    return figure, axes


def _heights(data: np.ndarray, values: np.ndarray | None) -> np.ndarray:
    """Return the vertical coordinates of rows: their values, else 1, 2, 3 ..."""
    return np.arange(len(data)) + 1.0 if values is None else np.asarray(values, float)


def _draw_traces(
    axes: Axes,
    data: np.ndarray,
    lags_s: np.ndarray,
    heights: np.ndarray,
    names: Sequence[str],
) -> None:
    """Draw rows as lines, each at its height."""
    n = len(data)
    if not n:
        axes.text(0.5, 0.5, "no correlations", transform=axes.transAxes, ha="center")
        return
    span = float(np.ptp(heights)) or max(float(heights.max()), 1.0)
    amplitude = span * float(np.clip(0.6 / np.sqrt(n), 0.02, 0.12))
    alpha = float(np.clip(12 / np.sqrt(n), 0.45, 0.95))
    width = float(np.clip(3 / np.sqrt(n), 0.55, 1.0))
    scaled = np.where(np.isfinite(data), normalise_rows(data), np.nan)
    for height, row in zip(heights, scaled, strict=True):
        axes.plot(lags_s, height + amplitude * row, color=INK, lw=width, alpha=alpha)
    bottom = float(heights.min()) - 1.4 * amplitude
    top = float(heights.max()) + 1.4 * amplitude
    axes.set_ylim(bottom, top)
    if len(names) == n <= MAX_NAMES:
        _name_rows(axes, names, heights, (top - bottom) * 0.035)


def _name_rows(
    axes: Axes, names: Sequence[str], heights: np.ndarray, spacing: float
) -> None:
    """Write names beside the rows, with at least ``spacing`` between them."""
    order = np.argsort(heights, kind="stable")
    label_heights = heights[order].astype(float)
    for i in range(1, len(label_heights)):
        label_heights[i] = max(label_heights[i], label_heights[i - 1] + spacing)
    for index, height in zip(order, label_heights, strict=True):
        axes.annotate(
            names[index],
            (1, height),
            (6, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color=SOFT,
            annotation_clip=False,
        )


def _draw_bins(
    figure: Figure, axes: Axes, bins: DistanceBins, lags_s: np.ndarray
) -> None:
    """Draw means in bins as an image."""
    mean = bins.mean()
    finite = np.abs(mean[np.isfinite(mean)])
    limit = float(np.percentile(finite, 99.5)) if len(finite) else 1.0
    edges = float(bins.edges_km[0]), float(bins.edges_km[-1])
    drawn = draw_image(axes, mean, lags_s, edges, limit or 1.0)
    axes.set_xlim(lags_s[0], lags_s[-1])
    add_colour_bar(figure, drawn, axes, "mean of correlations, each scaled by its peak")


def _draw_moveouts(
    axes: Axes,
    velocities_km_s: Sequence[float],
    top_km: float,
    max_lag_s: float,
    over_image: bool,
) -> None:
    """Draw the moveout of each velocity on both sides."""
    colours = LINES_OVER_IMAGE if over_image else LINES
    for i, velocity in enumerate(velocities_km_s):
        end_km = min(top_km, velocity * max_lag_s)
        axes.plot(
            [-end_km / velocity, 0, end_km / velocity],
            [end_km, 0, end_km],
            color=colours[i % len(colours)],
            lw=1.1 if over_image else 1.6,
            ls=DASHES,
            zorder=5,
            label=f"{velocity:g} km/s",
        )
    add_legend(axes)
