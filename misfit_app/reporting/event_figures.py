"""Figures of an event: maps of its stations, histograms by component and band."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from seismo_pes.application.report import Figure
from seismo_pes.plotting import (
    band_name,
    event_map_figure,
    histogram_figure,
    save,
)

__all__ = ["event_figures", "measure_name"]

Row = Mapping[str, Any]
# Names and units of the quantities that several measures have.
QUANTITIES = {
    "dt_s": ("Time shift", "T_obs - T_syn (s)"),
    "dlna": ("Amplitude", "ln(A_obs / A_syn)"),
    "cc": ("Correlation coefficient", "correlation coefficient"),
}
# Measures whose values the quantities above show already.
SHOWN = {"cc_time", "cc_amplitude", "cc_coefficient", "mt_time", "mt_amplitude"}


def measure_name(row: Row) -> str:
    """Return the measure of a row; that of a response spectrum with its period.

    >>> measure_name({"measure": "psa", "period_s": 0.3})
    'psa 0.3 s'
    """
    period_s = row["period_s"]
    return row["measure"] if period_s is None else f"{row['measure']} {period_s:g} s"


def event_figures(
    stations: Sequence[Mapping[str, Any]], event: tuple[float, float] | None, note: str
) -> list[Figure]:
    """Return titles and drawing functions of the figures of an event.

    Parameters
    ----------
    stations
        The contents of the files of its stations.
    event
        Latitude and longitude, degrees.
    note
        A line below each title.
    """
    rows = [r for s in stations for r in s["rows"] if r["status"] == "measured"]
    drawings: list[Figure] = []
    for band in sorted({_band(row) for row in rows}):
        title = f"Time shift, {band_name(band)}"
        means = _means(stations, "dt_s", partial(_is_in_band, band))
        label = "mean T_obs - T_syn (s)"
        draw = partial(_draw_map, stations, event, means, label, title, note, True)
        if np.isfinite(means).any():
            drawings.append((f"Map: {title}", draw))
    for measure in dict.fromkeys(measure_name(row) for row in rows):
        title, label = f"Misfit {measure}", "mean misfit of the windows"
        means = _means(stations, "misfit", partial(_is_of_measure, measure))
        draw = partial(_draw_map, stations, event, means, label, title, note, False)
        drawings.append((f"Map: {title}", draw))
    return drawings + [
        (f"Histogram: {title}", partial(_draw_histogram, values, label, title, note))
        for title, label, values in _distributions(rows)
    ]


def _band(row: Row) -> tuple[float, float]:
    return row["min_period_s"], row["max_period_s"]


def _is_in_band(band: tuple[float, float], row: Row) -> bool:
    # the shift of a pair of stations is none of one place
    return _band(row) == band and not row["pair"]


def _is_of_measure(measure: str, row: Row) -> bool:
    return measure_name(row) == measure


def _means(
    stations: Sequence[Mapping[str, Any]], name: str, fits: Callable[[Row], bool]
) -> np.ndarray:
    """Return the mean of a column for each station; NaN without values."""
    means = np.full(len(stations), np.nan)
    for number, station in enumerate(stations):
        measured = (r for r in station["rows"] if r["status"] == "measured")
        values = [r[name] for r in measured if fits(r) and r[name] is not None]
        if values:
            means[number] = np.mean(values)
    return means


def _distributions(
    rows: Sequence[Row],
) -> Iterator[tuple[str, str, dict[tuple[str, tuple[float, float]], np.ndarray]]]:
    """Yield title, label and values of each histogram, a value for each window."""
    for name, (title, label) in QUANTITIES.items():
        windows: dict[tuple[Any, ...], Row] = {}
        for row in rows:
            # several measures of a window have the quantity; that of a pair is another
            if row[name] is not None and not row["pair"]:
                place = row["station"], row["location"], row["component"], *_band(row)
                key = *place, row["window_start_s"], row["window_end_s"]
                windows.setdefault(key, row)
        if windows:
            yield title, label, _grouped(windows.values(), name)
    for measure in dict.fromkeys(measure_name(row) for row in rows):
        if measure not in SHOWN:
            mine = [row for row in rows if measure_name(row) == measure]
            unit = mine[0]["unit"]
            label = f"{measure} ({unit})" if unit not in ("", "1") else measure
            yield f"Values of {measure}", label, _grouped(mine, "value")


def _grouped(rows: Any, name: str) -> dict[tuple[str, tuple[float, float]], np.ndarray]:
    values: dict[tuple[str, tuple[float, float]], list[float]] = {}
    for row in rows:
        number = np.nan if row[name] is None else row[name]
        values.setdefault((row["component"], _band(row)), []).append(number)
    return {key: np.array(numbers) for key, numbers in values.items()}


def _draw_map(
    stations: Sequence[Mapping[str, Any]],
    event: tuple[float, float] | None,
    values: np.ndarray,
    label: str,
    title: str,
    note: str,
    signed: bool,
    path: Path,
) -> None:
    places = [
        [s["geometry"].get(name, np.nan) for name in ("latitude", "longitude")]
        for s in stations
    ]
    latitude, longitude = np.array(places, float).T
    names = [station["station"] for station in stations]
    figure = event_map_figure(
        event, latitude, longitude, values, label, names, signed=signed, title=title,
        note=note,
    )  # fmt: skip
    save(figure, path)


def _draw_histogram(
    values: Mapping[tuple[str, tuple[float, float]], np.ndarray],
    label: str,
    title: str,
    note: str,
    path: Path,
) -> None:
    save(histogram_figure(values, label, title=title, note=note), path)
