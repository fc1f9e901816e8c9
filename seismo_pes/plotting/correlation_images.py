"""Images of many correlations: all pairs of a network, or one pair over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from seismo_pes.plotting.figure import (
    FAINT,
    INK,
    LINES_OVER_IMAGE,
    POSITIVE,
    add_colour_bar,
    add_heading,
    add_legend,
    check_velocities,
    draw_image,
    new_figure,
    style,
    style_side_panel,
)
from seismo_pes.plotting.pair import Substacks, draw_counts, draw_substacks
from seismo_pes.plotting.section import normalise_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["matrix_figure", "time_figure"]

MAX_NAMES = 45  # pairs whose names are written; the names of more would overlap


def matrix_figure(
    data: np.ndarray,
    lags_s: np.ndarray,
    distance_km: np.ndarray | None = None,
    *,
    names: Sequence[str] = (),
    velocities_km_s: Sequence[float] = (),
    title: str = "",
    note: str = "",
) -> Figure:
    """Draw correlations as an image, a row for each pair, each scaled by its peak.

    Parameters
    ----------
    data
        Shape (n, n_lags); the first row is on top.
    lags_s
        Shape (n_lags,), seconds.
    distance_km
        Shape (n,): drawn beside the image, and needed for velocities.
    names
        Names of the rows; written if there are no more than 45.
    velocities_km_s
        Velocities whose lags, distance / velocity, are drawn over the rows.
    title, note
        Title of the figure, and a line in smaller letters below it.

    Raises
    ------
    ParameterError
        If a velocity is not above 0.
    """
    check_velocities(velocities_km_s)
    n, has_distances = len(data), distance_km is not None
    has_names = 0 < len(names) == n <= MAX_NAMES
    with style():
        figure = new_figure(9.6, float(np.clip(2.6 + 0.2 * n, 4.5, 8.6)))
        grid = figure.add_gridspec(1, 2, width_ratios=[12, 1.6])
        axes = figure.add_subplot(grid[0, 0] if has_distances else grid[0, :])
        rows = normalise_rows(data)[::-1]
        drawn = draw_image(axes, rows, lags_s, (n - 0.5, -0.5), 1.0)
        axes.set_xlim(lags_s[0], lags_s[-1])
        axes.set_xlabel("lag (s)")
        if has_names:
            axes.set_yticks(range(n), list(names), fontsize=8)
        else:
            axes.set_ylabel("pair")
        add_heading(axes, title, note)
        shown = [axes]
        if distance_km is not None:
            _draw_velocities(axes, velocities_km_s, distance_km)
            panel = figure.add_subplot(grid[0, 1], sharey=axes)
            _draw_distances(panel, distance_km)
            shown.append(panel)
        add_colour_bar(figure, drawn, shown, "correlation, each scaled by its peak")
        return figure


def _draw_velocities(
    axes: Axes, velocities_km_s: Sequence[float], distance_km: np.ndarray
) -> None:
    from matplotlib.patheffects import withStroke

    for i, velocity in enumerate(velocities_km_s):
        lag_s = np.asarray(distance_km) / velocity
        for side, label in ((-1, ""), (1, f"{velocity:g} km/s")):
            axes.plot(
                side * lag_s,
                range(len(lag_s)),
                color=LINES_OVER_IMAGE[i % len(LINES_OVER_IMAGE)],
                lw=1.2,
                ls=(0, (4, 3)),
                label=label,
                path_effects=[withStroke(linewidth=2.4, foreground="white")],
            )
    add_legend(axes)


def _draw_distances(axes: Axes, distance_km: np.ndarray) -> None:
    axes.plot(distance_km, range(len(distance_km)), color=POSITIVE, lw=1.4)
    axes.set_xlim(left=0)
    style_side_panel(axes, "distance (km)")


# ------------------------------------------------------------------ over time


def time_figure(
    substacks: Substacks,
    lags_s: np.ndarray,
    reference: np.ndarray | None = None,
    *,
    title: str = "",
    note: str = "",
) -> Figure:
    """Draw the substacks of a pair over time, and their correlation with a reference.

    Parameters
    ----------
    substacks
        The substacks; the first row is on top.
    lags_s
        Shape (n_lags,), seconds.
    reference
        Shape (n_lags,): the stack with which the substacks are compared, by default
        their mean.
    title, note
        Title of the figure, and a line in smaller letters below it.
    """
    n = len(substacks.names)
    data = np.asarray(substacks.data)
    if reference is None:
        reference = np.nan_to_num(data).mean(axis=0) if n else np.zeros(len(lags_s))
    with style():
        figure = new_figure(9.6, float(np.clip(3.6 + 0.12 * n, 4.8, 9.5)))
        grid = figure.add_gridspec(
            2, 3, height_ratios=[1, 3.2], width_ratios=[10, 1.5, 1.1]
        )
        top = figure.add_subplot(grid[0, 0])
        top.axhline(0, color=FAINT, lw=0.5)
        top.plot(lags_s, reference, color=INK, lw=0.9)
        top.set_ylabel("stack")
        add_heading(top, title, note)
        below = figure.add_subplot(grid[1, 0], sharex=top)
        top.tick_params(labelbottom=False)
        draw_substacks(below, substacks, lags_s, 24)
        panel = figure.add_subplot(grid[1, 1], sharey=below)
        _draw_coefficients(panel, data, reference)
        draw_counts(figure.add_subplot(grid[1, 2], sharey=below), substacks)
        return figure


def _draw_coefficients(axes: Axes, data: np.ndarray, reference: np.ndarray) -> None:
    """Draw the correlation coefficient of each row with the reference."""
    clean = np.nan_to_num(data)
    scale = np.linalg.norm(clean, axis=1) * np.linalg.norm(reference)
    with np.errstate(divide="ignore", invalid="ignore"):
        coefficient = np.where(scale > 0, clean @ reference / scale, np.nan)
    axes.plot(coefficient, range(len(data)), "o-", color=POSITIVE, ms=3, lw=0.8)
    low = float(np.nanmin(coefficient, initial=0))
    axes.set_xlim(min(low - 0.05, -0.05), 1.05)
    axes.axvline(0, color=FAINT, lw=0.5)
    style_side_panel(axes, "correlation\ncoefficient")
