"""Figures of one pair: its correlation, the two branches of it, and its substacks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from seismo_pes.plotting.figure import (
    DASHES,
    FAINT,
    INK,
    MARKS,
    NEGATIVE,
    POSITIVE,
    add_heading,
    add_legend,
    check_velocities,
    draw_image,
    new_figure,
    style,
    style_side_panel,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Substacks", "pair_figure"]

MAX_BARS = 60  # more substacks are drawn as one outline, which is much faster


@dataclass(frozen=True)
class Substacks:
    """The substacks of one pair over time.

    Parameters
    ----------
    names
        Name of each substack, e.g. its day.
    data
        Shape (n, n_lags); a row without data is NaN.
    n_windows
        Shape (n,): windows in each substack.
    """

    names: Sequence[str]
    data: np.ndarray
    n_windows: np.ndarray


def pair_figure(
    data: np.ndarray,
    lags_s: np.ndarray,
    *,
    distance_km: float = float("nan"),
    velocities_km_s: Sequence[float] = (),
    title: str = "",
    note: str = "",
    substacks: Substacks | None = None,
) -> Figure:
    """Draw one correlation, its two branches on top of each other, and its substacks.

    Parameters
    ----------
    data, lags_s
        Shape (n_lags,); lags from -max to +max in seconds.
    distance_km
        Distance of the stations, which the marks of velocities need; NaN if unknown.
    velocities_km_s
        Velocities whose lags, distance / velocity, are marked on both sides.
    title, note
        Title of the figure, and a line in smaller letters below it.
    substacks
        If there are at least two, they are drawn as an image below.

    Raises
    ------
    ParameterError
        If a velocity is not above 0.
    """
    check_velocities(velocities_km_s)
    velocities = velocities_km_s if np.isfinite(distance_km) else ()
    marks_s = [(velocity, distance_km / velocity) for velocity in velocities]
    several = substacks is not None and len(substacks.names) > 1
    with style():
        figure = new_figure(9.2, 10.6 if several else 6.4)
        grid = figure.add_gridspec(
            3 if several else 2,
            2 if several else 1,
            height_ratios=[3, 3, 4.4] if several else [1, 1],
            width_ratios=[12, 1] if several else [1],
        )
        whole = figure.add_subplot(grid[0, 0])
        _draw_whole(whole, data, lags_s)
        add_heading(whole, title, note)
        _draw_marks(whole, marks_s, float(lags_s[-1]))
        add_legend(whole)
        _draw_branches(figure.add_subplot(grid[1, 0]), data, lags_s, marks_s)
        if substacks is not None and several:
            shown = figure.add_subplot(grid[2, 0])
            draw_substacks(shown, substacks, lags_s, 13)
            draw_counts(figure.add_subplot(grid[2, 1], sharey=shown), substacks)
        return figure


def _draw_whole(axes: Axes, data: np.ndarray, lags_s: np.ndarray) -> None:
    half = len(lags_s) // 2
    axes.axhline(0, color=FAINT, lw=0.5)
    axes.axvline(0, color=FAINT, lw=0.5)
    axes.plot(lags_s[: half + 1], data[: half + 1], color=NEGATIVE, lw=0.9)
    axes.plot(lags_s[half:], data[half:], color=POSITIVE, lw=0.9)
    axes.set_xlim(lags_s[0], lags_s[-1])
    axes.set_xlabel("lag (s)")
    axes.set_ylabel("correlation")
    axes.margins(y=0.12)


def _draw_marks(
    axes: Axes, marks_s: Sequence[tuple[float, float]], max_lag_s: float
) -> None:
    """Mark the lags of velocities, on both sides if the axes have negative lags."""
    sides = (-1, 1) if axes.get_xlim()[0] < 0 else (1,)
    for i, (velocity, lag_s) in enumerate(marks_s):
        if lag_s > max_lag_s:
            continue
        colour = MARKS[i % len(MARKS)]
        for side in sides:
            name = f"{velocity:g} km/s" if side > 0 else ""
            axes.axvline(
                side * lag_s, color=colour, lw=1.2, ls=DASHES, zorder=1, label=name
            )


def _draw_branches(
    axes: Axes,
    data: np.ndarray,
    lags_s: np.ndarray,
    marks_s: Sequence[tuple[float, float]],
) -> None:
    """Draw positive and negative lags on top of each other, and their mean."""
    half = len(lags_s) // 2
    positive, negative = data[half:], data[half::-1]
    lag_s = lags_s[half:]
    axes.axhline(0, color=FAINT, lw=0.5)
    for branch, colour, name in (
        (positive, POSITIVE, "positive lags"),
        (negative, NEGATIVE, "negative lags"),
    ):
        axes.plot(lag_s, branch, color=colour, lw=0.8, alpha=0.75, label=name)
    axes.plot(lag_s, (positive + negative) / 2, color=INK, lw=1.3, label="mean of both")
    axes.set_xlim(0, max(float(lag_s[-1]), 1e-9))
    axes.set_xlabel("absolute lag (s)")
    axes.set_ylabel("correlation")
    axes.margins(y=0.12)
    add_legend(axes)
    _draw_marks(axes, marks_s, float(lag_s[-1]))


def draw_substacks(
    axes: Axes, substacks: Substacks, lags_s: np.ndarray, most_names: int
) -> None:
    """Draw substacks as an image on one scale, the first one on top."""
    n = len(substacks.names)
    finite = np.abs(substacks.data[np.isfinite(substacks.data)])
    limit = float(np.percentile(finite, 99.7)) if len(finite) else 1.0
    draw_image(axes, substacks.data[::-1], lags_s, (n - 0.5, -0.5), limit or 1.0)
    axes.set_xlim(lags_s[0], lags_s[-1])
    step = max(-(-n // most_names), 1)
    axes.set_yticks(range(0, n, step), list(substacks.names)[::step], fontsize=8)
    axes.set_xlabel("lag (s)")


def draw_counts(axes: Axes, substacks: Substacks) -> None:
    """Draw how many windows each substack has."""
    counts = substacks.n_windows
    if len(counts) > MAX_BARS:
        edges = np.arange(len(counts) + 1) - 0.5
        axes.stairs(counts, edges, orientation="horizontal", fill=True, color=FAINT)
    else:
        axes.barh(range(len(counts)), counts, height=0.85, color=FAINT)
    style_side_panel(axes, "windows")
    # at most two intervals, and only whole numbers
    axes.locator_params(axis="x", integer=True, nbins=2)
