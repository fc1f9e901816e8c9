"""The figure of the signal-to-noise ratios of all pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from seismo_pes.plotting.figure import (
    FAINT,
    INK,
    NEGATIVE,
    POSITIVE,
    add_heading,
    add_legend,
    new_figure,
    style,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["snr_figure"]

MAX_POINTS = 4000  # more pairs are drawn as a two-dimensional histogram


def snr_figure(
    ratio: np.ndarray,
    distance_km: np.ndarray | None = None,
    *,
    title: str = "",
    note: str = "",
) -> Figure:
    """Draw a histogram of signal-to-noise ratios, and the ratios over distance.

    Parameters
    ----------
    ratio
        Shape (n,); NaN for pairs without a ratio, whose number is written below.
    distance_km
        Shape (n,); without distances there is only the histogram.
    title, note
        Title of the figure, and a line in smaller letters below it.
    """
    known = np.isfinite(ratio)
    if distance_km is None:
        distance_km = np.full(len(ratio), np.nan)
    located = known & np.isfinite(distance_km)
    n_panels = 2 if located.any() else 1
    with style():
        figure = new_figure(9.6 if n_panels == 2 else 6.4, 4.6)
        panels = figure.subplots(1, n_panels, squeeze=False)[0]
        _draw_histogram(panels[0], ratio[known], int(np.sum(~known)))
        add_heading(panels[0], title, note)
        if n_panels == 2:
            _draw_over_distance(panels[1], ratio[located], distance_km[located])
        return figure


def _draw_histogram(axes: Axes, ratio: np.ndarray, n_unknown: int) -> None:
    if not len(ratio):
        axes.text(0.5, 0.5, "no ratios", transform=axes.transAxes, ha="center")
        return
    n_bins = int(np.clip(np.sqrt(len(ratio)) * 2, 6, 60))
    axes.hist(ratio, bins=n_bins, color=POSITIVE, edgecolor="white", lw=0.6)
    middle = float(np.median(ratio))
    axes.axvline(middle, color=INK, lw=1.4, ls=(0, (5, 3)))
    axes.annotate(
        f"median {middle:.1f}",
        (middle, 1),
        (5, -4),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        va="top",
        fontsize=9,
    )
    axes.set_xlim(left=0)
    axes.locator_params(axis="y", integer=True)
    axes.set_ylabel("pairs")
    noun = "pair" if n_unknown == 1 else "pairs"
    unknown = f" ({n_unknown:,} {noun} without a ratio)" if n_unknown else ""
    axes.set_xlabel(f"signal-to-noise ratio{unknown}")


def _draw_over_distance(axes: Axes, ratio: np.ndarray, distance_km: np.ndarray) -> None:
    if len(ratio) > MAX_POINTS:
        axes.hexbin(
            distance_km, ratio, gridsize=45, bins="log", cmap="cividis", mincnt=1
        )
    else:
        size = float(np.clip(600 / len(ratio), 4, 30))
        axes.scatter(distance_km, ratio, s=size, color=POSITIVE, alpha=0.55, lw=0)
    centres, medians = _running_median(ratio, distance_km)
    if len(centres) > 2:
        axes.plot(centres, medians, color=NEGATIVE, lw=1.8, label="running median")
        add_legend(axes)
    axes.axhline(0, color=FAINT, lw=0.5)
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)
    axes.set_xlabel("distance (km)")
    axes.set_ylabel("signal-to-noise ratio")


def _running_median(
    ratio: np.ndarray, distance_km: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return distances and ratios: medians of groups with about the same number."""
    order = np.argsort(distance_km, kind="stable")
    groups = np.array_split(order, max(min(len(order) // 12, 20), 1))
    centres = np.array([np.median(distance_km[group]) for group in groups])
    return centres, np.array([np.median(ratio[group]) for group in groups])
