"""The rose diagram of signal-to-noise ratios by the direction of travel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from seismo_pes.plotting.figure import (
    AMOUNT_MAP,
    SOFT,
    add_colour_bar,
    new_figure,
    style,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["rose_figure"]

BIN_DEG = 15.0  # width of a bin of direction, degrees
EIGHTHS = ("N", "45°", "E", "135°", "S", "225°", "W", "315°")


def rose_figure(
    ratio: np.ndarray,
    towards_deg: np.ndarray,
    *,
    bin_deg: float = BIN_DEG,
    title: str = "",
    note: str = "",
) -> Figure:
    """Draw medians of signal-to-noise ratios by direction of travel.

    Parameters
    ----------
    ratio
        Shape (n,): ratios of single branches of correlations; NaN is left out.
    towards_deg
        Shape (n,): direction in which the waves of the branch travel, degrees clockwise
        from north.
    bin_deg
        Width of a bin of direction, degrees.
    title, note
        Title of the figure, and a line in smaller letters below it.
    """
    n_bins = round(360 / bin_deg)
    index = np.floor((np.asarray(towards_deg) % 360) / 360 * n_bins).astype(int)
    known = np.isfinite(ratio)
    groups = [ratio[known & (index % n_bins == k)] for k in range(n_bins)]
    counts = np.array([len(group) for group in groups])
    median = np.array([np.median(group) if len(group) else 0.0 for group in groups])
    with style():
        figure = new_figure(7.4, 6.8)
        axes = figure.add_subplot(projection="polar")
        axes.set_theta_zero_location("N")  # type: ignore[attr-defined]
        axes.set_theta_direction(-1)  # type: ignore[attr-defined]
        drawn = _draw_bars(axes, median, counts)
        axes.set_xticks(np.radians(np.arange(0, 360, 45)), EIGHTHS)
        axes.set_rlabel_position(22.5)  # type: ignore[attr-defined]
        axes.tick_params(labelsize=9)
        axes.grid(color=SOFT, alpha=0.25)
        axes.set_axisbelow(False)  # so that grid and labels are drawn over the bars
        figure.suptitle(title, x=0.02, ha="left", fontsize=12, fontweight="bold")
        axes.set_title(" ", pad=16)  # room for the note
        figure.text(0.02, 0.943, note, fontsize=9, color=SOFT, va="top")
        add_colour_bar(figure, drawn, axes, "branches", pad=0.09, shrink=0.7)
        return figure


def _draw_bars(axes, median: np.ndarray, counts: np.ndarray):  # type: ignore[no-untyped-def]
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    n_bins = len(median)
    width = 2 * np.pi / n_bins
    colours = ScalarMappable(Normalize(0, max(int(counts.max(initial=1)), 1)),
                             AMOUNT_MAP)  # fmt: skip
    axes.bar(
        (np.arange(n_bins) + 0.5) * width,
        median,
        width=0.94 * width,
        color=colours.to_rgba(counts),
        zorder=2,
    )
    return colours
