"""Many correlations as an image: all pairs of a network, or one pair over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from seismo_pes.plotting.figure import (
    FAINT,
    INK,
    LINES_OVER_IMAGE,
    POSITIVE,
    beside,
    check_velocities,
    colour_bar,
    heading,
    image,
    legend,
    new_figure,
    style,
)
from seismo_pes.plotting.pair import Substacks, draw_counts, draw_substacks
from seismo_pes.plotting.section import normalised

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["matrix_figure", "time_figure"]

MOST_NAMES = 45


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
    """Draw correlations as an image, one row a pair, each scaled by its peak.

    Parameters
    ----------
    data
        Shape (n, n_lags); rows stand in their order, the first above.
    lags_s
        Shape (n_lags,), seconds.
    distance_km
        Shape (n,): drawn beside the image; velocities need it.
    names
        Of the rows; written if there are no more than 45.
    velocities_km_s
        The lag of each velocity is drawn over the rows, on both sides.
    title, note
        Over the picture, and smaller below the title.

    Raises
    ------
    ParameterError
        If a velocity is not above 0.
    """
    check_velocities(velocities_km_s)
    n, known = len(data), distance_km is not None
    named = 0 < len(names) == n <= MOST_NAMES
    with style():
        figure = new_figure(9.6, float(np.clip(2.6 + 0.2 * n, 4.5, 8.6)))
        grid = figure.add_gridspec(1, 2, width_ratios=[12, 1.6])
        axes = figure.add_subplot(grid[0, 0] if known else grid[0, :])
        drawn = image(axes, normalised(data)[::-1], lags_s, (n - 0.5, -0.5), 1.0)
        axes.set_xlim(lags_s[0], lags_s[-1])
        axes.set_xlabel("lag (s)")
        if named:
            axes.set_yticks(range(n), list(names), fontsize=8)
        else:
            axes.set_ylabel("pair")
        heading(axes, title, note)
        shown = [axes]
        if distance_km is not None:
            _draw_velocities(axes, velocities_km_s, distance_km)
            panel = figure.add_subplot(grid[0, 1], sharey=axes)
            _draw_distances(panel, distance_km)
            shown.append(panel)
        colour_bar(figure, drawn, shown, "correlation, each scaled by its peak")
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
    legend(axes)


def _draw_distances(axes: Axes, distance_km: np.ndarray) -> None:
    axes.plot(distance_km, range(len(distance_km)), color=POSITIVE, lw=1.4)
    axes.set_xlim(left=0)
    beside(axes, "distance (km)")


# ------------------------------------------------------------------ over time


def time_figure(
    substacks: Substacks,
    lags_s: np.ndarray,
    reference: np.ndarray | None = None,
    *,
    title: str = "",
    note: str = "",
) -> Figure:
    """Draw the substacks of a pair over time, and how much they are like the whole.

    Parameters
    ----------
    substacks
        One row for each, the first above.
    lags_s
        Shape (n_lags,), seconds.
    reference
        Shape (n_lags,): what substacks are compared with, by default their mean.
    title, note
        Over the picture, and smaller below the title.
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
        top.set_ylabel("all of it")
        heading(top, title, note)
        below = figure.add_subplot(grid[1, 0], sharex=top)
        top.tick_params(labelbottom=False)
        draw_substacks(below, substacks, lags_s, 24)
        _draw_likeness(figure.add_subplot(grid[1, 1], sharey=below), data, reference)
        draw_counts(figure.add_subplot(grid[1, 2], sharey=below), substacks)
        return figure


def _draw_likeness(axes: Axes, data: np.ndarray, reference: np.ndarray) -> None:
    """Draw the coefficient of correlation of each row with the reference."""
    clean = np.nan_to_num(data)
    scale = np.linalg.norm(clean, axis=1) * np.linalg.norm(reference)
    with np.errstate(divide="ignore", invalid="ignore"):
        likeness = np.where(scale > 0, clean @ reference / scale, np.nan)
    axes.plot(likeness, range(len(data)), "o-", color=POSITIVE, ms=3, lw=0.8)
    low = float(np.nanmin(likeness, initial=0))
    axes.set_xlim(min(low - 0.05, -0.05), 1.05)
    axes.axvline(0, color=FAINT, lw=0.5)
    beside(axes, "likeness to\nall of it")
