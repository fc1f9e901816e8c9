"""Figures of velocity changes: over time, and over time and frequency."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from seismo_pes.plotting.figure import (
    AMOUNT_MAP,
    COLOUR_MAP,
    FAINT,
    GROUND,
    INK,
    POSITIVE,
    add_colour_bar,
    add_heading,
    add_legend,
    format_time_axis,
    log_edges,
    new_figure,
    style,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["velocity_figure", "velocity_image_figure"]


def velocity_figure(
    time: np.ndarray,
    dvv: np.ndarray,
    error: np.ndarray,
    coherence: np.ndarray,
    *,
    n_pairs: np.ndarray | None = None,
    lines: Sequence[tuple[np.ndarray, np.ndarray]] = (),
    title: str = "",
    note: str = "",
) -> Figure:
    """Draw velocity changes over time, with errors and coherence.

    Parameters
    ----------
    time
        Shape (n,), datetime64.
    dvv, error, coherence
        Shape (n,): relative velocity change, its standard error, and the coherence with
        the reference from 0 to 1; NaN where they were not measured.
    n_pairs
        Shape (n,): number of pairs, drawn below.
    lines
        Times and changes of single pairs, drawn as thin lines.
    title, note
        Title of the figure, and a line in smaller letters below it.
    """
    with style():
        figure = new_figure(9.6, 5.8 if n_pairs is not None else 4.6)
        if n_pairs is None:
            axes = figure.add_subplot()
        else:
            axes, below = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
            below.bar(time, n_pairs, width=0.9 * _step(time), color=FAINT)
            below.set_ylabel("pairs")
            below.locator_params(axis="y", integer=True, nbins=3)
            axes.tick_params(labelbottom=False)
        axes.axhline(0, color=FAINT, lw=0.6)
        strength = float(np.clip(3 / np.sqrt(len(lines) or 1), 0.08, 0.5))
        for k, (pair_time, values) in enumerate(lines):
            label = "pairs" if k == 0 else ""
            axes.plot(*_break_at_gaps(pair_time, 100 * values), color=FAINT, lw=0.7,
                      alpha=strength, label=label)  # fmt: skip
        drawn = _draw_mean(axes, time, 100 * dvv, 100 * error, coherence)
        _limit(axes, dvv, error)
        axes.set_ylabel("dv/v (%)")
        format_time_axis(axes if n_pairs is None else below)
        add_heading(axes, title, note)
        add_legend(axes)
        add_colour_bar(figure, drawn, axes, "coherence with the reference")
        return figure


def _draw_mean(
    axes: Axes,
    time: np.ndarray,
    percent: np.ndarray,
    error: np.ndarray,
    coherence: np.ndarray,
) -> Any:
    known = np.isfinite(percent)
    band = known & np.isfinite(error)
    edges = [_break_at_gaps(time, percent + side * error) for side in (-2, 2)]
    axes.fill_between(
        edges[0][0],
        edges[0][1],
        edges[1][1],
        color=POSITIVE,
        alpha=0.18,
        lw=0,
        label="± 2 standard errors",
    )
    if band.sum() <= 12:  # single points have no area between the edges
        axes.errorbar(
            time[band], percent[band], 2 * error[band], fmt="none", ecolor=POSITIVE,
            elinewidth=0.9, alpha=0.6,
        )  # fmt: skip
    line = _break_at_gaps(time[known], percent[known])
    axes.plot(*line, color=INK, lw=1.0, zorder=3)
    size = float(np.clip(2200 / max(len(time), 1), 8, 34))
    return axes.scatter(
        time[known],
        percent[known],
        c=coherence[known],
        s=size,
        cmap=AMOUNT_MAP,
        vmin=0,
        vmax=1,
        edgecolors=INK,
        linewidths=0.4,
        plotnonfinite=True,
        zorder=4,
    )


def _limit(axes: Axes, dvv: np.ndarray, error: np.ndarray) -> None:
    """Limit the axis to the mean and its errors; outliers of pairs may be cut off."""
    extent = 100 * (np.abs(dvv) + 2 * np.nan_to_num(error))
    extent = extent[np.isfinite(extent)]
    if len(extent) and extent.max() > 0:
        largest = 1.6 * float(np.percentile(extent, 98))
        axes.set_ylim(-largest, largest)


def _step(time: np.ndarray) -> np.timedelta64:
    """Return the median step of time; a day if there is only one time."""
    steps = np.diff(np.unique(time)).astype("timedelta64[ms]")
    median = np.median(steps.astype("i8")) if len(steps) else 86_400_000
    return np.timedelta64(int(median), "ms")


def velocity_image_figure(
    time: np.ndarray,
    frequency_hz: np.ndarray,
    dvv: np.ndarray,
    coherence: np.ndarray,
    *,
    title: str = "",
    note: str = "",
) -> Figure:
    """Draw velocity changes over time and frequency, and their coherence.

    Parameters
    ----------
    time
        Shape (n,), datetime64, rising.
    frequency_hz
        Shape (n_frequencies,), rising.
    dvv, coherence
        Shape (n, n_frequencies); NaN where they were not measured.
    title, note
        Title of the figure, and a line in smaller letters below it.
    """
    percent = 100 * dvv
    finite = np.abs(percent[np.isfinite(percent)])
    limit = float(np.percentile(finite, 98)) if len(finite) else 1.0
    with style():
        figure = new_figure(9.6, 6.4)
        top, below = figure.subplots(2, 1, sharex=True, sharey=True)
        panels = (
            (top, percent, COLOUR_MAP, (-(limit or 1), limit or 1), "dv/v (%)"),
            (below, coherence, AMOUNT_MAP, (0, 1), "coherence"),
        )
        for axes, values, colours, (low, high), label in panels:
            axes.set_facecolor(GROUND)
            edges, cells = _on_grid(time, values)
            drawn = axes.pcolormesh(
                edges, log_edges(frequency_hz), np.ma.masked_invalid(cells).T,
                cmap=colours, vmin=low, vmax=high, rasterized=True,
            )  # fmt: skip
            axes.set_yscale("log")
            axes.set_ylabel("frequency (Hz)")
            axes.set_yticks(
                frequency_hz, [f"{f:.2g}" for f in frequency_hz], fontsize=8
            )
            axes.minorticks_off()
            add_colour_bar(figure, drawn, axes, label)
        top.tick_params(labelbottom=False)
        format_time_axis(below)
        add_heading(top, title, note)
        return figure


def _break_at_gaps(
    time: np.ndarray, values: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Insert NaN where a step of time is long, so that no line is drawn across it."""
    gaps = np.flatnonzero(np.diff(time) > 1.7 * _step(time)) + 1
    return np.insert(time, gaps, time[gaps - 1]), np.insert(values, gaps, np.nan)


def _on_grid(time: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the edges of equal cells of time, and their values, NaN where missing."""
    step = _step(time)
    index = np.rint((time - time[0]) / step).astype(int)
    cells = np.full((index[-1] + 1, *values.shape[1:]), np.nan)
    cells[index] = values
    return time[0] + (np.arange(len(cells) + 1) - 0.5) * step, cells
