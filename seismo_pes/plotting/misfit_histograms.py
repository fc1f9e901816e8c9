"""Histograms of a measured quantity by component and period band."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from dispel4py.errors import ParameterError
from seismo_pes.plotting.figure import (
    FAINT,
    INK,
    NEGATIVE,
    POSITIVE,
    add_figure_heading,
    new_figure,
    style,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["band_name", "histogram_figure"]

Band = tuple[float, float]
N_BINS = 20
ORDER = "ZRTNE12"  # components from left to right


def band_name(band: Band) -> str:
    """Return the periods of a band as text.

    >>> band_name((20.0, 50.5))
    '20 to 50.5 s'
    """
    return f"{band[0]:g} to {band[1]:g} s"


def histogram_figure(
    values: Mapping[tuple[str, Band], np.ndarray],
    label: str,
    *,
    title: str = "",
    note: str = "",
) -> Figure:
    """Draw histograms with common bins: a row for each band, a column by component.

    Parameters
    ----------
    values
        Values by component and band, shape ``(n,)`` each.
    label
        Name and unit of the quantity.
    title, note
        Title of the figure, and a line in smaller letters below it.

    Raises
    ------
    ParameterError
        If there is no finite value.
    """
    finite = {key: np.asarray(v, float) for key, v in values.items()}
    finite = {key: v[np.isfinite(v)] for key, v in finite.items()}
    finite = {key: v for key, v in finite.items() if len(v)}
    if not finite:
        raise ParameterError("no histogram: no values")
    bands = sorted({band for _, band in finite})
    components = sorted({name for name, _ in finite}, key=_rank)
    edges = _edges(np.concatenate(list(finite.values())))
    shape = len(bands), len(components)
    with style():
        figure = new_figure(max(2.9 * shape[1], 5.6) + 0.4, 1.3 + 1.9 * shape[0])
        panels = figure.subplots(*shape, sharex=True, sharey=True, squeeze=False)
        for row, band in enumerate(bands):
            for column, component in enumerate(components):
                axes = panels[row, column]
                shown = finite.get((component, band), np.zeros(0))
                axes.hist(shown, edges, color=POSITIVE, edgecolor="white", lw=0.4)
                axes.set_title(f"{component}, {band_name(band)}", fontsize=9)
                axes.tick_params(labelsize=8)
                axes.ticklabel_format(axis="x", useOffset=False)
                axes.locator_params(axis="x", nbins=5)
                if edges[0] < 0 < edges[-1]:
                    axes.axvline(0, color=FAINT, lw=0.8)
                if len(shown):
                    middle = float(np.median(shown))
                    axes.axvline(middle, color=NEGATIVE, lw=1.2)
                    text = f"n {len(shown):,}\nmedian {middle:.3g}"
                    axes.text(0.98, 0.97, text, transform=axes.transAxes, ha="right",
                              va="top", fontsize=8, color=INK)  # fmt: skip
        low, high = panels[0, 0].get_ylim()
        panels[0, 0].set_ylim(low, 1.35 * high)  # the numbers stand above the bars
        panels[0, 0].yaxis.get_major_locator().set_params(integer=True)
        figure.supxlabel(label, fontsize=10, color=INK)
        figure.supylabel("number of windows", fontsize=10, color=INK)
        add_figure_heading(figure, title, note)
        return figure


def _rank(component: str) -> tuple[int, str]:
    place = ORDER.find(component)
    return (place if place >= 0 else len(ORDER), component)


def _edges(values: np.ndarray) -> np.ndarray:
    low, high = float(values.min()), float(values.max())
    if high - low <= 1e-9 * max(abs(low), abs(high), 1e-9):
        half = 0.5 * abs(low) or 0.5
        low, high = low - half, high + half
    return np.linspace(low, high, N_BINS + 1)
