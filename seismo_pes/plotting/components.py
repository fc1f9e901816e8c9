"""The figure of all component pairs of two stations, as a grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from seismo_pes.plotting.figure import (
    DASHES,
    FAINT,
    GROUND,
    INK,
    MARKS,
    SOFT,
    add_heading,
    check_velocities,
    new_figure,
    style,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["components_figure"]


def components_figure(
    correlations: Mapping[tuple[str, str], np.ndarray],
    lags_s: np.ndarray,
    *,
    components: Sequence[str] = "ZRT",
    distance_km: float = float("nan"),
    velocities_km_s: Sequence[float] = (),
    title: str = "",
    note: str = "",
) -> Figure:
    """Draw the correlations of all component pairs of two stations, on one scale.

    Parameters
    ----------
    correlations
        Correlations of shape (n_lags,), by the components of the first and the second
        station. The panel of a missing pair is grey.
    lags_s
        Shape (n_lags,), seconds.
    components
        Components of the first station (rows) and of the second (columns).
    distance_km
        Distance of the stations, which the marks of velocities need; NaN if unknown.
    velocities_km_s
        Velocities whose lags, distance / velocity, are marked on both sides.
    title, note
        Title of the figure, and a line in smaller letters below it.

    Raises
    ------
    ParameterError
        If a velocity is not above 0.
    """
    check_velocities(velocities_km_s)
    largest = max((float(np.abs(d).max(initial=0)) for d in correlations.values()),
                  default=0.0)  # fmt: skip
    velocities = velocities_km_s if np.isfinite(distance_km) else ()
    marks_s = [(velocity, distance_km / velocity) for velocity in velocities]
    n = len(components)
    with style():
        figure = new_figure(9.6, 1.2 + 1.9 * n)
        panels = figure.subplots(n, n, sharex=True, sharey=True, squeeze=False)
        for row, first in enumerate(components):
            for column, second in enumerate(components):
                axes = panels[row, column]
                data = correlations.get((first, second))
                _draw_panel(axes, data, lags_s, marks_s, first + second)
        for axes in panels[-1]:
            axes.set_xlabel("lag (s)")
        panels[0, 0].set_ylim(-1.15 * (largest or 1), 1.15 * (largest or 1))
        panels[0, 0].set_xlim(lags_s[0], lags_s[-1])
        add_heading(panels[0, 0], title, note)
        drawn = [axes for axes in panels.flat if axes.lines]
        if marks_s and drawn:
            handles = drawn[0].get_legend_handles_labels()
            panels[0, -1].legend(
                *handles,
                loc="lower right",
                bbox_to_anchor=(1, 1.02),
                borderaxespad=0,
                ncols=3,
                handlelength=2.6,
            )
        return figure


def _draw_panel(
    axes: Axes,
    data: np.ndarray | None,
    lags_s: np.ndarray,
    marks_s: Sequence[tuple[float, float]],
    name: str,
) -> None:
    axes.yaxis.set_major_formatter("{x:.2g}")
    if data is not None:
        axes.axvline(0, color=FAINT, lw=0.5)
        axes.axhline(0, color=FAINT, lw=0.5)
        axes.plot(lags_s, data, color=INK, lw=0.8)
    else:
        axes.set_facecolor(GROUND)
        axes.text(
            0.5, 0.5, "no data", transform=axes.transAxes, ha="center", color=SOFT
        )
    for i, (velocity, lag_s) in enumerate(marks_s if data is not None else ()):
        for side in (-1, 1):
            axes.axvline(
                side * lag_s,
                color=MARKS[i % len(MARKS)],
                lw=1.1,
                ls=DASHES,
                zorder=1,
                label=f"{velocity:g} km/s" if side > 0 else "",
            )
    axes.annotate(name, (0, 1), (5, -5), xycoords="axes fraction", va="top",
                  textcoords="offset points", fontweight="bold")  # fmt: skip
