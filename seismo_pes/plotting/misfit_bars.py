"""A figure of the misfits of a station: each measurement in its window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dispel4py.errors import DataError
from seismo_pes.plotting.figure import (
    FAINT,
    INK,
    POSITIVE,
    SOFT,
    add_heading,
    new_figure,
    style,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["misfit_bars_figure"]

#: Most measurements that are drawn, so that their names can be read.
MOST_BARS = 40
#: A figure has room for at least so many, or a single bar would fill it.
FEWEST_PLACES = 4


def misfit_bars_figure(rows: Sequence[Mapping[str, Any]], title: str = "") -> Figure:
    """Draw each measurement as its window in time, beside its value.

    Parameters
    ----------
    rows : sequence of mapping
        Rows of the ledger, by its columns: component, min_period_s, max_period_s,
        measure, value, unit, window_start_s, window_end_s.
    title : str
        Title of the figure.

    Raises
    ------
    DataError
        If no row was measured.
    """
    measured = [row for row in rows if row.get("value") is not None]
    if not measured:
        reasons = sorted({str(row.get("reason")) for row in rows if row.get("reason")})
        raise DataError(f"nothing was measured: {'; '.join(reasons) or 'no rows'}")
    shown = measured[:MOST_BARS]
    with style():
        n_places = max(len(shown), FEWEST_PLACES)
        figure = new_figure(9.2, 1.6 + 0.34 * n_places)
        grid = figure.add_gridspec(1, 2, width_ratios=[2, 1])
        times, values = (figure.add_subplot(grid[0, k]) for k in range(2))
        places = range(len(shown))
        for place, row in zip(places, shown, strict=True):
            start_s, end_s = row.get("window_start_s"), row.get("window_end_s")
            if start_s is None or end_s is None:
                times.text(0.5, place, "whole record", color=SOFT, va="center")
            else:
                times.barh(place, end_s - start_s, left=start_s, color=POSITIVE)
        times.set_yticks(list(places), [_name(row) for row in shown])
        spare = (n_places - len(shown)) / 2
        times.set_ylim(len(shown) + spare - 0.5, -spare - 0.5)
        times.set_xlabel("window: time after the origin (s)")
        values.barh(list(places), [row["value"] for row in shown], color=INK)
        values.axvline(0, color=FAINT, lw=0.5)
        values.set_yticks([])
        values.set_ylim(times.get_ylim())
        units = sorted({str(row.get("unit") or "1") for row in shown})
        values.set_xlabel(f"value ({', '.join(units)})")
        left_out = len(measured) - len(shown)
        add_heading(times, title, f"and {left_out} more" if left_out else "")
        return figure


def _name(row: Mapping[str, Any]) -> str:
    low, high = row.get("min_period_s"), row.get("max_period_s")
    band = "" if low is None or high is None else f" {low:g}-{high:g} s"
    return f"{row.get('component', '')}{band} {row.get('measure', '')}"
