"""Figures of time-frequency misfits of envelope and phase."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from seismo_pes.plotting.figure import (
    COLOUR_MAP,
    FAINT,
    GROUND,
    INK,
    NEGATIVE,
    POSITIVE,
    add_figure_heading,
    add_legend,
    log_edges,
    new_figure,
    style,
)
from seismo_pes.signal.misfits.time_frequency import TimeFrequencyMisfit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["time_frequency_figure"]

MOST_COLUMNS = 1000  # columns of an image: about its pixels
WIDTH_INCHES, HEIGHT_INCHES = 10.5, 9.0
HEAD_INCHES = 0.1  # from the upper edge to the title
# Maps and records, marginals over frequency, colour bars; parts of the figure.
GRID = {
    "left": 0.085,
    "right": 0.925,
    "bottom": 0.06,
    "top": 0.92,
    "width_ratios": (5, 0.9, 0.1),
    "height_ratios": (0.8, 2, 1.1, 2, 0.8),
    "wspace": 0.06,
    "hspace": 0.28,
}


def time_frequency_figure(
    misfit: TimeFrequencyMisfit,
    observed: np.ndarray,
    synthetic: np.ndarray,
    delta_s: float,
    start_s: float = 0.0,
    *,
    unit: str = "",
    title: str = "",
    note: str = "",
) -> Figure:
    """Draw misfits of envelope and phase over time and frequency, and the records.

    From top to bottom: envelope misfit over time, its map with its marginal over
    frequency, the records, and the same of the phase (Kristekova et al. 2006,
    doi:10.1785/0120060012).

    Parameters
    ----------
    misfit
        Result of `time_frequency_misfit`.
    observed, synthetic
        The records, shape ``(n,)``.
    delta_s, start_s
        Sampling interval, and time of the first sample after the origin.
    unit
        Unit of the samples.
    title, note
        Title of the figure, and a line in smaller letters below it.
    """
    times_s = start_s + delta_s * np.arange(len(observed))
    with style():
        figure = new_figure(WIDTH_INCHES, HEIGHT_INCHES)
        # fixed places: a layout that measures all texts takes as long as the drawing
        figure.set_layout_engine("none")
        grid = figure.add_gridspec(5, 3, **GRID)
        traces = figure.add_subplot(grid[2, 0])
        _draw_records(traces, times_s, observed, synthetic, unit)
        parts = (
            ("envelope misfit", 1, 0, misfit.tfem, misfit.tem, misfit.fem, misfit.em),
            ("phase misfit (π)", 3, 4, misfit.tfpm, misfit.tpm, misfit.fpm, misfit.pm),
        )
        for label, row, end_row, image, over_time, over_frequency, number in parts:
            axes = figure.add_subplot(grid[row, 0], sharex=traces)
            drawn = _draw_map(axes, times_s, misfit.frequency_hz, image)
            axes.tick_params(labelbottom=False)
            side = figure.add_subplot(grid[row, 1], sharey=axes)
            _draw_over_frequency(side, misfit.frequency_hz, over_frequency, label)
            bar = figure.colorbar(drawn, cax=figure.add_subplot(grid[row, 2]))
            bar.ax.tick_params(labelsize=8)
            bar.set_label(label, fontsize=9)
            bar.outline.set_visible(False)
            marginal = figure.add_subplot(grid[end_row, 0], sharex=traces)
            _fill(marginal, times_s, over_time)
            marginal.set_ylabel(label, fontsize=8)
            marginal.tick_params(labelbottom=end_row > row)
            name = label.partition(" (")[0]
            place = grid[end_row, 1].get_position(figure)
            figure.text(place.x0, (place.y0 + place.y1) / 2, f"{name}\n{number:.3f}",
                        va="center", fontsize=10, fontweight="bold")  # fmt: skip
        marginal.set_xlabel("time after the origin (s)")
        traces.set_xlim(times_s[0], times_s[-1])
        add_figure_heading(figure, title, note).set_y(1 - HEAD_INCHES / HEIGHT_INCHES)
        return figure


def _draw_records(
    axes: Axes,
    times_s: np.ndarray,
    observed: np.ndarray,
    synthetic: np.ndarray,
    unit: str,
) -> None:
    axes.plot(times_s, observed, color=INK, lw=0.9, label="observed")
    axes.plot(times_s, synthetic, color=NEGATIVE, lw=0.9, label="synthetic")
    axes.tick_params(labelbottom=False, labelsize=8)
    axes.ticklabel_format(axis="y", scilimits=(-2, 3), useMathText=True)
    axes.yaxis.get_offset_text().set_fontsize(8)
    axes.set_ylabel(unit, fontsize=9)
    add_legend(axes)


def _draw_map(
    axes: Axes, times_s: np.ndarray, frequency_hz: np.ndarray, image: np.ndarray
) -> Any:
    step = max(image.shape[1] // MOST_COLUMNS, 1)
    half_s = (times_s[1] - times_s[0]) / 2
    shown = image[:, ::step]
    edges_s = np.append(times_s[::step] - half_s, times_s[-1] + half_s)
    limit = float(np.abs(image).max()) or 1.0
    axes.set_facecolor(GROUND)
    drawn = axes.pcolormesh(
        edges_s, log_edges(frequency_hz), shown, cmap=COLOUR_MAP, vmin=-limit,
        vmax=limit, rasterized=True,
    )  # fmt: skip
    axes.set_yscale("log")
    axes.set_ylabel("frequency (Hz)", fontsize=9)
    axes.tick_params(labelsize=8)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_minor_formatter(_minor_label)
    axes.tick_params(which="minor", labelsize=7)
    return drawn


def _minor_label(value: float, _: Any = None) -> str:
    """Name 2 and 5 of each decade: the band may be shorter than one decade.

    >>> _minor_label(0.2), _minor_label(0.3)
    ('0.2', '')
    """
    first = f"{value:.0e}"[0]
    return f"{value:g}" if first in "25" else ""


def _draw_over_frequency(
    axes: Axes, frequency_hz: np.ndarray, values: np.ndarray, label: str
) -> None:
    for colour, is_shown in ((NEGATIVE, values > 0), (POSITIVE, values < 0)):
        axes.fill_betweenx(frequency_hz, np.where(is_shown, values, 0), 0,
                           color=colour, alpha=0.6, lw=0)  # fmt: skip
    axes.axvline(0, color=FAINT, lw=0.6)
    axes.tick_params(labelleft=False, labelsize=8)
    axes.tick_params(which="minor", labelleft=False)
    axes.locator_params(axis="x", nbins=3)
    axes.set_xlabel(label, fontsize=8)


def _fill(axes: Axes, times_s: np.ndarray, values: np.ndarray) -> None:
    for colour, is_shown in ((NEGATIVE, values > 0), (POSITIVE, values < 0)):
        axes.fill_between(times_s, np.where(is_shown, values, 0), 0, color=colour,
                          alpha=0.6, lw=0)  # fmt: skip
    axes.axhline(0, color=FAINT, lw=0.6)
    axes.tick_params(labelsize=8)
    axes.locator_params(axis="y", nbins=3)
