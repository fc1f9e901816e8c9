"""The figure and the summary of clock errors."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from dispel4py.errors import ParameterError
from seismo_pes.plotting import save
from seismo_pes.plotting.clocks import MOST_PANELS, clock_figure
from seismo_pes.preprocessing.clock_table import read_clock_table
from xcorr_app.measuring.clock_settings import ClockSettings
from xcorr_app.measuring.clock_tables import ClockTable
from xcorr_app.measuring.tables import read_table, split_by_pair

__all__ = ["draw_clocks", "summary"]

MOST_NAMES = 6  # stations that a line names

Columns = dict[str, np.ndarray]


def draw_clocks(
    table: ClockTable,
    settings: ClockSettings,
    path: str | os.PathLike[str],
    components: str = "",
) -> Path:
    """Draw the clock error of each station over time.

    Parameters
    ----------
    table, settings
        Of the measurement.
    path
        The figure: .png, .pdf or .svg.
    components
        Components of the pairs, for the note; "" if the run has one only.

    Raises
    ------
    ParameterError
        If no clock error is known.
    """
    stations = _by_station(read_table(table.paths[1]))
    known = [s for s in stations if np.isfinite(s["offset_s"]).any()]
    if not known:
        raise ParameterError(f"{table.paths[1]}: no clock error is known")
    n_all = len(known)
    largest = [-float(np.nanmax(np.abs(station["offset_s"]))) for station in known]
    chosen = sorted(np.argsort(largest, kind="stable")[:MOST_PANELS].tolist())
    known = [known[k] for k in chosen]
    low, high = settings.band_hz
    notes = [f"{low:g} to {high:g} Hz", f"zero: {settings.zero}"]
    notes += [components] if components else []
    notes += ["bars: 2 standard errors"]
    if n_all > len(known):
        notes.append(f"the {len(known)} largest of {n_all}")
    figure = clock_figure(
        [str(station["station"][0]) for station in known],
        [station["time"] for station in known],
        [station["offset_s"] for station in known],
        [station["error_s"] for station in known],
        [bool(station["is_right"][0]) for station in known],
        title=f"Clock errors, {n_all} stations",
        note=", ".join(notes),
    )
    return save(figure, Path(path))


def _by_station(columns: Columns) -> list[Columns]:
    names = columns["station"]
    return [
        {name: values[names == station] for name, values in columns.items()}
        for station in dict.fromkeys(names.tolist())
    ]


def summary(table: ClockTable, settings: ClockSettings) -> list[str]:
    """Return lines of text about the clock errors, and what is left out."""
    pairs, clocks = read_table(table.paths[0]), read_table(table.paths[1])
    known = np.isfinite(clocks["offset_s"])
    left_out = [*_shifts_left_out(table, settings, pairs), *_clocks_left_out(clocks)]
    if not known.any():
        return [_explain_nothing(table, settings, pairs), *left_out]
    offset, error = clocks["offset_s"][known], clocks["error_s"][known]
    n_stations = len(np.unique(clocks["station"][known]))
    n_times = len(np.unique(clocks["time"][known]))
    weight = pairs["weight"]
    square = np.nan_to_num(pairs["residual_s"]) ** 2
    closure = float(np.sqrt((weight * square).sum() / weight.sum()))
    headline = (
        f"clock errors of {n_stations} stations at {n_times} times: "
        f"{offset.min():+.4g} to {offset.max():+.4g} s, standard error "
        f"{np.median(error):.2g} s, closure of the pairs {closure:.2g} s"
    )
    right = np.unique(clocks["station"][clocks["is_right"] > 0]).tolist()
    how = "given" if settings.right else "they agree best; --right-clocks chooses"
    wrong = [curve.channel for curve in read_clock_table(table.paths[2])]
    corrected = (
        f"wrong by more than the standard errors: {len(wrong)} of {n_stations} clocks: "
        f"{_names(wrong)}; {table.paths[2].name} corrects them (--clock)"
        if wrong
        else "no clock is wrong by more than its errors"
    )
    return [
        headline,
        f"right on average: {_names(right)} ({how})",
        corrected,
        *left_out,
    ]


def _names(stations: list[str]) -> str:
    more = len(stations) - MOST_NAMES
    return ", ".join(stations[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _shifts_left_out(
    table: ClockTable, settings: ClockSettings, pairs: Columns
) -> list[str]:
    """Return lines about shifts that are not in the clock errors."""
    n, lines = len(pairs["shift_s"]), []
    at_edge = pairs["at_edge"] > 0
    low = ~at_edge & ~(pairs["coherence"] >= table.min_coherence)
    lost = ~at_edge & ~low & np.isnan(pairs["error_s"])
    used = np.isfinite(pairs["residual_s"])
    outside = used & (pairs["weight"] == 0)
    counts = (
        (low, f"below --min-coherence {table.min_coherence:g}"),
        (at_edge, f"at the edge of the search, --max-shift-s {settings.max_shift_s:g}"),
        (lost, "without convergence"),
        (outside, "contradict the other pairs"),
    )
    for which, reason in counts:
        if which.any():
            lines.append(f"{int(which.sum()):,} of {n:,} shifts {reason}")
    if settings.zero == "symmetry" and n:
        symmetry = [part["symmetry"][0] for part in split_by_pair(pairs)]
        n_low = int(sum(not value >= table.min_coherence for value in symmetry))
        if n_low:
            lines.append(
                f"{n_low:,} of {len(symmetry):,} pairs have no zero, because their "
                "sides differ (symmetry below --min-coherence)"
            )
    return lines


def _clocks_left_out(clocks: Columns) -> list[str]:
    """Return a line about clock errors without a value."""
    lost = np.isnan(clocks["offset_s"])
    thin = lost & (clocks["n_pairs"] > 0)
    lines = []
    if thin.any():
        lines.append(
            f"{int(thin.sum()):,} of {len(lost):,} clock errors of too few pairs left "
            "out (--min-pairs)"
        )
    n_lost = int((lost & ~thin).sum())
    if n_lost:
        lines.append(
            f"{n_lost:,} of {len(lost):,} clock errors unknown: no usable pairs "
            "connect the station with a right clock"
        )
    return lines


def _explain_nothing(table: ClockTable, settings: ClockSettings, pairs: Columns) -> str:
    """Return why no clock error is known, and the option that may help."""
    coherent = pairs["coherence"] >= table.min_coherence
    if (
        settings.zero == "symmetry"
        and not (pairs["symmetry"] >= table.min_coherence).any()
    ):
        return (
            "no pair has two similar sides, needed for the zero: --zero first or mean"
        )
    if pairs["at_edge"].sum() > (~coherent).sum():
        return "all shifts are at the edge of the search: raise --max-shift-s"
    if not coherent.any():
        return "no stack is coherent with the others: lower --min-coherence"
    return "no pair connects the stations with a right clock: --right-clocks"
