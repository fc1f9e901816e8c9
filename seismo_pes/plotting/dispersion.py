"""Figures of dispersion: the analysis of one pair, and the curves of all pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from seismo_pes.plotting.figure import (
    AMOUNT_MAP,
    FAINT,
    GROUND,
    INK,
    NEGATIVE,
    POSITIVE,
    add_colour_bar,
    add_heading,
    add_legend,
    log_edges,
    new_figure,
    style,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["curves_figure", "ftan_figure"]

NAMES = {"group": "group velocity (km/s)", "phase": "phase velocity (km/s)"}
# Pairs that a period needs for percentiles; with fewer, only the median is drawn.
MIN_PAIRS = 3


def ftan_figure(
    envelope: np.ndarray,
    period_s: np.ndarray,
    velocity_km_s: np.ndarray,
    picks: Mapping[str, np.ndarray],
    *,
    title: str = "",
    note: str = "",
) -> Figure:
    """Draw envelopes over period and group velocity, and the picked velocities.

    Parameters
    ----------
    envelope
        Shape (n_periods, n_velocities); each period is scaled to a maximum of 1.
    period_s, velocity_km_s
        Shapes (n_periods,) and (n_velocities,), rising.
    picks
        Arrays ``instantaneous_period_s``, ``group_km_s``, ``accepted``, ``snr``, and
        ``phase_km_s``, which is NaN if phase velocities were not measured.
    title, note
        Title of the figure, and a line in smaller letters below it.
    """
    largest = np.nanmax(envelope, axis=1, keepdims=True, initial=0)
    scaled = envelope / np.where(largest > 0, largest, 1)
    with style():
        figure = new_figure(9.0, 6.6)
        axes, below = figure.subplots(2, 1, sharex=True, height_ratios=[4.2, 1])
        axes.set_facecolor(GROUND)
        drawn = axes.pcolormesh(
            log_edges(period_s),
            velocity_km_s,
            np.ma.masked_invalid(scaled[:, :-1].T),
            cmap=AMOUNT_MAP,
            vmin=0,
            vmax=1,
            rasterized=True,
        )
        _draw_picks(axes, picks)
        axes.set_ylim(velocity_km_s[0], velocity_km_s[-1])
        axes.set_ylabel("velocity (km/s)")
        axes.tick_params(labelbottom=False)
        below.plot(picks["instantaneous_period_s"], picks["snr"], "o-", color=INK,
                   ms=3, lw=0.8)  # fmt: skip
        below.set_ylim(bottom=0)
        below.set_ylabel("signal to\nnoise")
        _period_axis(below, period_s)
        add_heading(axes, title, note)
        add_legend(axes)
        label = "envelope, scaled to 1 at each period"
        add_colour_bar(figure, drawn, axes, label)
        return figure


def _draw_picks(axes: Axes, picks: Mapping[str, np.ndarray]) -> None:
    period, accepted = picks["instantaneous_period_s"], picks["accepted"].astype(bool)
    phase = np.where(accepted, picks["phase_km_s"], np.nan)
    if np.isfinite(phase).any():
        axes.plot(period, phase, "--", color="white", lw=1.8, label="phase velocity",
                  path_effects=_outline(3.2))  # fmt: skip
    for selection, face, name in (
        (~accepted, "none", "not accepted"),
        (accepted, NEGATIVE, "group velocity"),
    ):
        if (selection & np.isfinite(period)).any():
            group = picks["group_km_s"][selection]
            axes.plot(period[selection], group, "o", mfc=face, ms=6,
                      mec="white", mew=1.1, label=name,
                      path_effects=_outline(2.2))  # fmt: skip


def _outline(width: float) -> list[object]:
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=width, foreground=INK)]


def _period_axis(axes: Axes, period_s: np.ndarray) -> None:
    """Format a logarithmic axis of periods, with as many round numbers as fit."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = float(np.min(period_s)), float(np.max(period_s))
    axes.set_xscale("log")
    axes.set_xlim(low * 0.96, high * 1.04)
    ticks = (1.0, 2.0, 5.0) if high / low > 8 else (1, 1.5, 2, 3, 4, 5, 6, 8)
    axes.xaxis.set_major_locator(LogLocator(subs=ticks))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("period (s)")


def curves_figure(
    period_s: np.ndarray,
    medians: Mapping[str, np.ndarray],
    *,
    lines: Mapping[str, Sequence[tuple[np.ndarray, np.ndarray]]],
    title: str = "",
    note: str = "",
) -> Figure:
    """Draw the dispersion curves of all pairs, their median and their scatter.

    Parameters
    ----------
    period_s
        Shape (n,), rising.
    medians
        For ``group``, and for ``phase`` if it was measured: shape (n, 4), the 16th,
        50th and 84th percentile, and the number of pairs.
    lines
        For the same names: periods and velocities of single pairs, drawn as thin lines.
    title, note
        Title of the figure, and a line in smaller letters below it.
    """
    with style():
        figure = new_figure(9.0, 3.6 + 2.6 * len(medians))
        panels = figure.subplots(
            len(medians) + 1, 1, sharex=True, height_ratios=[4] * len(medians) + [1.1]
        )
        for axes, (name, values) in zip(panels[:-1], medians.items(), strict=True):
            strength = float(np.clip(4 / np.sqrt(len(lines[name]) or 1), 0.1, 0.6))
            for k, (period, velocity) in enumerate(lines[name]):
                axes.plot(period, velocity, color=FAINT, lw=0.8, alpha=strength,
                          label="pairs" if k == 0 else "")  # fmt: skip
            low, middle, high, count = values.T
            low = np.where(count >= MIN_PAIRS, low, np.nan)
            axes.fill_between(
                period_s, low, high, color=POSITIVE, alpha=0.22, lw=0,
                label="16 to 84 %",
            )  # fmt: skip
            axes.plot(period_s, middle, color=POSITIVE, lw=2.2, label="median")
            axes.set_ylabel(NAMES[name])
            axes.tick_params(labelbottom=False)
        panels[-1].plot(period_s, medians["group"][:, 3], color=INK, lw=1.2)
        panels[-1].set_ylim(bottom=0)
        panels[-1].set_ylabel("pairs")
        _period_axis(panels[-1], period_s)
        add_heading(panels[0], title, note)
        add_legend(panels[0])
        return figure
