"""The picture and the summary of velocity changes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from dispel4py.errors import ParameterError
from seismo_pes.plotting import save, velocity_figure, velocity_image_figure
from xcorr_app.measuring.changes import ChangeTable, read_table
from xcorr_app.measuring.velocity import DvvSettings

__all__ = ["draw_changes", "summary"]

MOST_BYTES = 40 << 20  # of the file of the pairs, for their lines
MOST_LINES = 300
ALONE = 3  # so many pairs are drawn by their own changes


def draw_changes(
    table: ChangeTable, settings: DvvSettings, path: str | os.PathLike[str]
) -> Path:
    """Draw the mean of the network over time, and lines of the pairs if there are few.

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
    notes.append(f"against {settings.reference!r}")
    n_pairs = int(mean["n_pairs"].max())
    pairs = None
    if pairs_file.stat().st_size < MOST_BYTES:
        pairs = read_table(pairs_file)
    words = {"title": _title(n_pairs, pairs), "note": ", ".join(notes)}
    if "frequency_hz" in mean:
        return save(_image(mean, words), Path(path))
    lines = [] if n_pairs == 1 or pairs is None else _lines(pairs, table.min_coherence)
    figure = velocity_figure(
        mean["time"],
        mean["dvv"],
        mean["error"],
        mean["coherence"],
        n_pairs=mean["n_pairs"] if n_pairs > ALONE else None,
        lines=lines,
        **words,
    )
    return save(figure, Path(path))


def _title(n_pairs: int, pairs: dict[str, np.ndarray] | None) -> str:
    if n_pairs == 1 and pairs is not None:
        return f"Velocity change, {pairs['first'][0]} – {pairs['second'][0]}"
    return f"Velocity change, {n_pairs:,} pairs"


def _image(mean: dict[str, np.ndarray], words: dict[str, str]) -> Any:
    frequencies = np.unique(mean["frequency_hz"])
    shape = (-1, len(frequencies))
    return velocity_image_figure(
        mean["time"].reshape(shape)[:, 0],
        frequencies,
        mean["dvv"].reshape(shape),
        mean["coherence"].reshape(shape),
        **words,
    )


def _lines(
    pairs: dict[str, np.ndarray], least: float
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return times and changes of each pair, of evenly chosen ones of very many."""
    names = np.char.add(np.char.add(pairs["first"], " "), pairs["second"])
    values = np.where(pairs["coherence"] >= least, pairs["dvv"], np.nan)
    starts = np.flatnonzero(np.r_[True, names[1:] != names[:-1]])
    ends = np.r_[starts[1:], len(names)]
    step = -(-len(starts) // MOST_LINES)
    return [
        (pairs["time"][begin:end], values[begin:end])
        for begin, end in zip(starts[::step], ends[::step], strict=True)
    ]


def summary(table: ChangeTable, settings: DvvSettings) -> list[str]:
    """Return lines about the mean of the network."""
    mean = read_table(table.paths[1])
    known = np.isfinite(mean["dvv"])
    if not known.any():
        return ["no change is coherent enough for a mean: lower --min-coherence"]
    percent, error = 100 * mean["dvv"][known], 100 * mean["error"][known]
    n_times = len(np.unique(mean["time"][known]))
    n_pairs = int(mean["n_pairs"].max())
    said = f"{n_pairs:,} pair{'' if n_pairs == 1 else 's'} at {n_times:,} times"
    usual = error[np.isfinite(error)]
    about = f", error of the mean {np.median(usual):.4f} %" if len(usual) else ""
    return [
        f"dv/v by {settings.method} of {said}: {percent.min():+.4f} to "
        f"{percent.max():+.4f} %{about}"
    ]
