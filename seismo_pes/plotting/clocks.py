"""Figures of clock errors over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from seismo_pes.plotting.figure import (
    FAINT,
    INK,
    NEGATIVE,
    POSITIVE,
    add_heading,
    format_time_axis,
    new_figure,
    style,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["MOST_PANELS", "clock_figure"]

MOST_PANELS = 24
#: Smallest half height of a panel in standard errors, so that noise does not fill it.
LEAST_HEIGHT = 4.0


def clock_figure(
    stations: Sequence[str],
    time: Sequence[np.ndarray],
    offset_s: Sequence[np.ndarray],
    error_s: Sequence[np.ndarray],
    is_right: Sequence[bool] | None = None,
    *,
    title: str = "",
    note: str = "",
) -> Figure:
    """Draw clock errors over time, a panel for each station.

    Parameters
    ----------
    stations
        Their names, at most `MOST_PANELS`.
    time, offset_s, error_s
        Of each station, shape (n,): datetime64, clock error in seconds, and its
        standard error; NaN where unknown. Bars are two standard errors.
    is_right
        Reference stations, whose mean clock error is zero; drawn in another colour.
    title, note
        Title of the figure, and a line in smaller letters below it.
    """
    right = [False] * len(stations) if is_right is None else list(is_right)
    n_columns = 1 if len(stations) <= 6 else 2 if len(stations) <= 16 else 3
    n_rows = -(-len(stations) // n_columns)
    with style():
        figure = new_figure(9.6, 1.3 + 1.25 * n_rows)
        panels = figure.subplots(n_rows, n_columns, sharex=True, squeeze=False)
        order = panels.T.ravel()
        for axes in order[len(stations) :]:
            axes.set_visible(False)
        for k, axes in enumerate(order[: len(stations)]):
            known = np.isfinite(offset_s[k])
            colour = POSITIVE if right[k] else NEGATIVE
            axes.axhline(0, color=FAINT, lw=0.6)
            axes.errorbar(
                time[k][known], offset_s[k][known], 2 * error_s[k][known], fmt="o-",
                ms=3, lw=0.8, color=colour, ecolor=colour, elinewidth=0.9,
            )  # fmt: skip
            spread = np.nan_to_num(error_s[k][known])
            largest = np.abs(offset_s[k][known]) + 2 * spread
            least = LEAST_HEIGHT * float(np.median(spread)) if len(spread) else 0.0
            height = 1.15 * max(float(largest.max(initial=0)), least)
            axes.set_ylim(-(height or 1), height or 1)
            label = f"{stations[k]} (right)" if right[k] else stations[k]
            axes.text(0.01, 0.95, label, transform=axes.transAxes, va="top", color=INK,
                      fontsize=9, fontweight="bold")  # fmt: skip
            axes.locator_params(axis="y", nbins=4)
            axes.tick_params(labelsize=8)
        for column in panels.T:
            shown = [axes for axes in column if axes.get_visible()]
            if shown:
                shown[-1].tick_params(labelbottom=True)
                format_time_axis(shown[-1])
        figure.supylabel("recorded minus true time (s)", fontsize=10, color=INK)
        add_heading(panels[0, 0], title, note)
        return figure
