"""The figure of data availability: a row for each channel, a column for each day."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dispel4py.errors import ParameterError
from seismo_pes.plotting.figure import (
    FAINT,
    GROUND,
    add_colour_bar,
    add_heading,
    new_figure,
    style,
    style_side_panel,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["availability_figure"]

MAX_NAMES = 60  # channel ids beside the image; more would overlap, so some are left out


def availability_figure(
    fraction: np.ndarray,
    channel_ids: Sequence[str],
    days: np.ndarray,
    *,
    title: str = "",
    note: str = "",
) -> Figure:
    """Draw how much of each day the data of each channel cover.

    Parameters
    ----------
    fraction
        Shape (n_channels, n_days), from 0 to 1.
    channel_ids
        The channel of each row.
    days
        Shape (n_days,), datetime64[D], consecutive days.
    title, note
        Title of the figure, and a line in smaller letters below it.

    Raises
    ------
    ParameterError
        If the shapes do not fit each other.
    """
    n_channels, n_days = fraction.shape
    if (n_channels, n_days) != (len(channel_ids), len(days)):
        raise ParameterError(
            f"availability of shape {fraction.shape} for {len(channel_ids)} channels "
            f"and {len(days)} days"
        )
    height = float(np.clip(1.9 + 0.19 * n_channels, 2.6, 14))
    with style():
        figure = new_figure(9.6, height)
        grid = figure.add_gridspec(1, 2, width_ratios=[12, 1.6])
        axes = figure.add_subplot(grid[0, 0])
        drawn = _draw_days(axes, fraction, channel_ids, days)
        add_heading(axes, title, note)
        total = figure.add_subplot(grid[0, 1], sharey=axes)
        _draw_total(total, fraction)
        label = "part of the day with data"
        add_colour_bar(figure, drawn, [axes, total], label, fraction=0.05, shrink=0.9)
        return figure


def _draw_days(
    axes: Axes, fraction: np.ndarray, channel_ids: Sequence[str], days: np.ndarray
) -> Any:
    from matplotlib.dates import (
        AutoDateLocator,
        ConciseDateFormatter,
        DateFormatter,
        DayLocator,
        date2num,
    )

    n_channels = len(channel_ids)
    first = float(date2num(days[0])) if len(days) else 0.0
    axes.set_facecolor(GROUND)
    drawn = axes.imshow(
        np.ma.masked_equal(fraction, 0),
        cmap="viridis_r",
        vmin=0,
        vmax=1,
        aspect="auto",
        interpolation="nearest" if fraction.size < 2e5 else "antialiased",
        extent=(first, first + max(len(days), 1), n_channels - 0.5, -0.5),
    )
    few_days = len(days) <= 8
    locator = DayLocator() if few_days else AutoDateLocator(minticks=3, maxticks=9)
    axes.xaxis.set_major_locator(locator)
    formatter = DateFormatter("%Y-%m-%d") if few_days else ConciseDateFormatter(locator)
    axes.xaxis.set_major_formatter(formatter)
    axes.tick_params(axis="x", labelsize=8)
    axes.set_xlabel("day (UTC)")
    if n_channels <= 40:
        for row in range(1, n_channels):
            axes.axhline(row - 0.5, color="white", lw=1.2)
    step = -(-n_channels // MAX_NAMES)
    axes.set_yticks(range(0, n_channels, step), list(channel_ids)[::step], fontsize=8)
    return drawn


def _draw_total(axes: Axes, fraction: np.ndarray) -> None:
    """Draw the part of the whole time that each channel covers."""
    percent = 100 * fraction.mean(axis=1) if fraction.shape[1] else fraction.sum(axis=1)
    axes.barh(range(len(percent)), percent, height=0.75, color=FAINT)
    axes.set_xlim(0, 100)
    style_side_panel(axes, "whole time, %")
