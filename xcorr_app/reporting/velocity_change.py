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

__all__ = ["draw_changes", "summary"]

# A larger table of pairs is not read for the figure, which then has the mean alone.
MOST_BYTES = 40 << 20
MOST_LINES = 300  # changes of pairs in a figure
FEW_PAIRS = 3  # up to this number the figure has no panel with the number of pairs


def draw_changes(
    table: ChangeTable, settings: DvvSettings, path: str | os.PathLike[str]
) -> Path:
    """Draw the mean of the network over time, and the changes of the pairs.

    Raises
    ------
    ParameterError
        If no change entered the mean.
    """
    pairs_file, network_file = table.paths
    mean = read_table(network_file)
    if not np.isfinite(mean["dvv"]).any():
        raise ParameterError(
            f"{network_file}: no change is coherent enough; lower --min-coherence"
        )
    low, high = settings.band_hz
    notes = [f"{settings.method}, {low:g} to {high:g} Hz"]
    notes.append(f"reference: stack {settings.reference!r}")
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
        mean["dvv"],
        mean["error"],
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
        mean["dvv"].reshape(shape),
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
            np.where(table["coherence"] >= min_coherence, table["dvv"], np.nan),
        )
        for table in tables[:: -(-len(tables) // MOST_LINES) or 1]
    ]


def summary(table: ChangeTable, settings: DvvSettings) -> list[str]:
    """Return lines of text about the mean of the network."""
    mean = read_table(table.paths[1])
    known = np.isfinite(mean["dvv"])
    if not known.any():
        return ["no change is coherent enough for a mean: lower --min-coherence"]
    percent, error = 100 * mean["dvv"][known], 100 * mean["error"][known]
    n_times = len(np.unique(mean["time"][known]))
    n_pairs = int(mean["n_pairs"].max())
    pairs = f"{n_pairs:,} pair{'' if n_pairs == 1 else 's'} at {n_times:,} times"
    error = error[np.isfinite(error)]
    spread = f", error of the mean {np.median(error):.4f} %" if len(error) else ""
    return [
        f"dv/v by {settings.method} of {pairs}: {percent.min():+.4f} to "
        f"{percent.max():+.4f} %{spread}"
    ]
