"""The figure and the summary of velocity changes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from dispel4py.errors import ParameterError
from seismo_pes.plotting import save, velocity_figure, velocity_image_figure
from xcorr_app.measuring.dvv_settings import DvvSettings
from xcorr_app.measuring.dvv_tables import ChangeTable
from xcorr_app.measuring.tables import read_table, split_by_pair
from xcorr_app.results.stack_names import add_missing, unit_of

__all__ = ["draw_changes", "summary"]

# A larger table of pairs is not read for the figure, which then has the mean alone.
MOST_BYTES = 40 << 20
MOST_LINES = 300  # changes of pairs in a figure
FEW_PAIRS = 3  # up to this number the figure has no panel with the number of pairs


def draw_changes(
    table: ChangeTable,
    settings: DvvSettings,
    path: str | os.PathLike[str],
    components: str = "",
) -> Path:
    """Draw the mean of the network over time, and the changes of the pairs.

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
        If no change entered the mean.
    """
    pairs_file, network_file = table.paths
    mean = read_table(network_file)
    if not np.isfinite(mean["dvv_percent"]).any():
        raise ParameterError(f"{network_file}: {_explain_nothing(mean)}")
    low, high = settings.band_hz
    notes = [f"{settings.method}, {low:g} to {high:g} Hz"]
    notes.append(f"reference: stack {settings.reference!r}")
    notes += [components] if components else []
    n_at_edge = int(mean["n_at_edge"].sum())
    if n_at_edge:
        notes.append(f"{n_at_edge:,} changes without a fit left out")
    n_pairs = int(mean["n_pairs"].max())
    pairs = None
    if pairs_file.stat().st_size < MOST_BYTES:
        pairs = read_table(pairs_file)
    text = {"title": _make_title(n_pairs, pairs), "note": ", ".join(notes)}
    if "frequency_hz" in mean:
        return save(_draw_image(mean, text), Path(path))
    lines = (
        []
        if n_pairs == 1 or pairs is None
        else _changes_of_pairs(pairs, table.min_coherence)
    )
    figure = velocity_figure(
        mean["time"],
        mean["dvv_percent"] / 100,
        mean["error_percent"] / 100,
        mean["coherence"],
        n_pairs=mean["n_pairs"] if n_pairs > FEW_PAIRS else None,
        lines=lines,
        **text,
    )
    return save(figure, Path(path))


def _make_title(n_pairs: int, pairs: dict[str, np.ndarray] | None) -> str:
    if n_pairs == 1 and pairs is not None:
        return f"Velocity change, {pairs['first'][0]} – {pairs['second'][0]}"
    return f"Velocity change, {n_pairs:,} pairs"


def _draw_image(mean: dict[str, np.ndarray], text: dict[str, str]) -> Any:
    frequencies = np.unique(mean["frequency_hz"])
    shape = (-1, len(frequencies))
    return velocity_image_figure(
        mean["time"].reshape(shape)[:, 0],
        frequencies,
        mean["dvv_percent"].reshape(shape) / 100,
        mean["coherence"].reshape(shape),
        **text,
    )


def _changes_of_pairs(
    pairs: dict[str, np.ndarray], min_coherence: float
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return times and changes of each pair, of at most 300 pairs."""
    tables = split_by_pair(pairs)
    return [
        (
            table["time"],
            np.where(
                table["coherence"] < min_coherence, np.nan, table["dvv_percent"] / 100
            ),
        )
        for table in tables[:: -(-len(tables) // MOST_LINES) or 1]
    ]


def summary(table: ChangeTable, settings: DvvSettings) -> list[str]:
    """Return lines of text about the mean of the network, and the omitted values."""
    mean = read_table(table.paths[1])
    lines = _list_left_out(table, settings, mean)
    known = np.isfinite(mean["dvv_percent"])
    if not known.any():
        return [_explain_nothing(mean), *lines]
    percent, error = mean["dvv_percent"][known], mean["error_percent"][known]
    n_times = len(np.unique(mean["time"][known]))
    n_pairs = int(mean["n_pairs"].max())
    pairs = f"{n_pairs:,} pair{'' if n_pairs == 1 else 's'} at {n_times:,} "
    pairs += "time" if n_times == 1 else "times"
    error = error[np.isfinite(error)]
    spread = f", error of the mean {np.median(error):.4f} %" if len(error) else ""
    headline = (
        f"dv/v by {settings.method} of {pairs}: {percent.min():+.4f} to "
        f"{percent.max():+.4f} %{spread}"
    )
    return [headline, *lines]


def _explain_nothing(mean: dict[str, np.ndarray]) -> str:
    """Return why no mean is known, and the option that may help."""
    if mean["n_pairs"].any():
        return "no mean has enough pairs: lower --min-pairs"
    if mean["n_at_edge"].sum() > mean["n_incoherent"].sum():
        return (
            "no change within the search fits: raise --max-dvv, or compare stacks of "
            "more windows"
        )
    return "no change is coherent enough for a mean: lower --min-coherence"


def _list_left_out(
    table: ChangeTable, settings: DvvSettings, mean: dict[str, np.ndarray]
) -> list[str]:
    """Return lines about pairs, values and times that are not in the means."""
    lines = []
    n_incoherent, n_at_edge = (
        int(mean[name].sum()) for name in ("n_incoherent", "n_at_edge")
    )
    n_values = int(mean["n_pairs"].sum()) + n_incoherent + n_at_edge
    low = f"below --min-coherence {table.min_coherence:g}"
    percent = f"{100 * settings.max_dvv:g} %"
    edge = f"at the edge of the search, --max-dvv {percent}, or without a fit in it"
    for n_left, limit in ((n_incoherent, low), (n_at_edge, edge)):
        if n_left:
            lines.append(f"{n_left:,} of {n_values:,} changes {limit}")
    n_low, n_pairs = _count_incoherent_pairs(table)
    if n_low:
        lines.append(f"{n_low:,} of {n_pairs:,} pairs {low} at all times")
    n_thin = int(((mean["n_pairs"] > 0) & np.isnan(mean["dvv_percent"])).sum())
    if n_thin:
        lines.append(f"{n_thin:,} means of fewer than {table.min_pairs} pairs left out")
    unit = unit_of(settings.current[0])
    every = len(add_missing(list(settings.current)))
    if every > len(settings.current):
        n_missing = every - len(settings.current)
        lines.append(f"{n_missing:,} of {every:,} {unit}s without a stack")
    return lines


def _count_incoherent_pairs(table: ChangeTable) -> tuple[int, int]:
    """Return the number of pairs that are never coherent, and of all pairs.

    0 and 0 for a table too large to be read.
    """
    pairs_file = table.paths[0]
    if pairs_file.stat().st_size >= MOST_BYTES:
        return 0, 0
    pairs = split_by_pair(read_table(pairs_file))
    n_low = sum((pair["coherence"] < table.min_coherence).all() for pair in pairs)
    return int(n_low), len(pairs)
