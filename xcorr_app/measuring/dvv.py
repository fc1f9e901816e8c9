"""Velocity change over time: stacks of each period against a reference."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from dispel4py.errors import DataError
from seismo_pes.items.correlation import Correlation
from seismo_pes.items.skipped import Skipped
from seismo_pes.measuring import velocity_change as dvv
from xcorr_app.measuring.batches import (
    BATCH_BYTES,
    MeasurePairs,
    Progress,
    run_and_tell,
)
from xcorr_app.measuring.dvv_settings import BY_FREQUENCY, DvvSettings, measure
from xcorr_app.measuring.dvv_tables import CHANGE, ChangeTable
from xcorr_app.pair_subsets import chosen_pairs
from xcorr_app.store import Store

__all__ = ["MeasureChanges", "measure_dvv"]

ABOUT_FILE = "dvv.json"


class MeasureChanges(MeasurePairs):
    """Measures the velocity changes of each pair of a batch.

    Parameters
    ----------
    out
        Folder of the run.
    settings
        How.
    max_bytes
        Bound for the correlations that are read at once.
    """

    stage = "dvv"
    no_rows = np.zeros(0, CHANGE)

    def __init__(
        self, out: str, settings: DvvSettings, max_bytes: int = BATCH_BYTES
    ) -> None:
        super().__init__(out)
        self.settings, self.max_bytes = settings, max_bytes

    def measurements(
        self, store: Store, indices: np.ndarray
    ) -> Iterator[tuple[int, Callable[[], np.ndarray]]]:
        """Yield for each pair a call that gives its changes."""
        row_bytes = len(store.lags_s) * store.dtype.itemsize
        at_once = max(self.max_bytes // row_bytes, 1)
        if len(indices) * len(self.settings.current) <= at_once:
            series = _read(store, self.settings.current, indices)
            for place, index in enumerate(indices.tolist()):
                parts = partial(_rows_of, series, place)
                yield index, partial(self._changes, store, index, [parts])
            return
        for index in indices.tolist():  # long series: in parts
            names = self.settings.current
            parts_of_it = [
                partial(_read_rows, store, names[i : i + at_once], i, index)
                for i in range(0, len(names), at_once)
            ]
            yield index, partial(self._changes, store, index, parts_of_it)

    def _changes(
        self, store: Store, index: int, parts: Sequence[Callable[[], _Series]]
    ) -> np.ndarray:
        pair, name = store.pairs[index], self.settings.reference
        data = next((rows for _, rows in store.blocks(name, [index])), np.zeros((1, 0)))
        if not data.size or not np.isfinite(data).all() or not data.any():
            raise DataError(f"has nothing in stack {name!r}")
        ids = str(pair["first_id"]), str(pair["second_id"])
        known = {"distance_km": float(pair["distance_km"])}
        form: Any = partial(Correlation.of, *ids, rate_hz=store.sampling_rate_hz)
        reference = form(data[0].astype(float), **known)
        found = [self.no_rows]
        for part in parts:
            which, windows, rows = part()
            usable = (windows["n_windows"] > 0) & np.isfinite(rows).all(axis=1)
            if usable.any():
                times = {n: windows[n][usable] for n in ("start_ns", "end_ns")}
                series = form(rows[usable].astype(float), **known, **times)
                changes = measure(series, reference, self.settings)
                found.append(_table(index, which[usable], windows[usable], changes))
        made = np.concatenate(found)
        if not len(made):
            raise DataError("has no stacks over time")
        return made


# Which of the current stacks, their windows, and their data.
_Series = tuple[np.ndarray, np.ndarray, np.ndarray]


def _read(
    store: Store, names: Sequence[str], indices: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return windows and data of some pairs in some stacks, shape (names, pairs)."""
    windows = np.stack([store.windows(name)[indices] for name in names])
    data = np.full((*windows.shape, len(store.lags_s)), np.nan, store.dtype)
    place = {index: k for k, index in enumerate(indices.tolist())}
    for number, name in enumerate(names):
        for block, rows in store.blocks(name, indices):
            data[number, [place[index] for index in block.tolist()]] = rows
    return windows, data


def _rows_of(series: tuple[np.ndarray, np.ndarray], place: int) -> _Series:
    windows, data = series
    return np.arange(len(data)), windows[:, place], data[:, place]


def _read_rows(store: Store, names: Sequence[str], first: int, index: int) -> _Series:
    which, windows, data = _rows_of(_read(store, names, np.array([index])), 0)
    return which + first, windows, data


def _table(
    index: int, which: np.ndarray, windows: np.ndarray, found: dvv.VelocityChanges
) -> np.ndarray:
    """Return changes as rows, time after time, and frequency after frequency."""
    frequencies = [np.nan] if found.frequency_hz is None else found.frequency_hz
    n, many = len(which), len(frequencies)
    rows = np.zeros((n, many), CHANGE)
    rows["pair"], rows["current"] = index, which[:, None]
    for name in ("start_ns", "end_ns", "n_windows"):
        rows[name] = windows[name][:, None]
    rows["frequency_hz"] = frequencies
    for name, values in (
        ("dvv", found.dvv),
        ("error", found.error),
        ("coherence", found.likeness),
    ):
        rows[name] = values.reshape(n, many)
    return rows.ravel()


def measure_dvv(
    store: Store,
    settings: DvvSettings,
    folder: str | os.PathLike[str],
    *,
    pairs: Sequence[Sequence[str]] = (),
    components: str | None = None,
    min_coherence: float = 0.5,
    mapping: str = "simple",
    processes: int | None = None,
    progress: Progress | None = None,
) -> tuple[ChangeTable, int, list[Skipped]] | None:
    """Measure the velocity changes of pairs and of the network.

    Parameters
    ----------
    store
        Open results.
    settings
        From `plan`.
    folder
        Where ``dvv.csv`` (each pair), ``dvv_network.csv`` (the mean of all) and
        ``dvv.json`` (how it was made) go.
    pairs
        Names of two channels each; by default all.
    components
        Only these, e.g. ``ZZ``; by default all.
    min_coherence
        Changes below it do not enter the mean.
    mapping, processes, progress
        As of `run_batches`.

    Returns
    -------
    tuple or None
        The table, how many pairs there were, and those that were skipped. None in
        processes of an MPI run that have nothing to tell.
    """
    indices = chosen_pairs(store, pairs, settings.reference, components)
    table = ChangeTable(
        str(store.path),
        str(folder),
        settings.current,
        settings.frequencies_hz if settings.method in BY_FREQUENCY else (),
        min_coherence,
    )
    skipped = run_and_tell(
        store,
        Path(folder, ABOUT_FILE),
        asdict(settings) | {"min_coherence": min_coherence},
        MeasureChanges(str(store.path), settings),
        table,
        indices,
        len(store.lags_s) * store.dtype.itemsize * len(settings.current),
        mapping=mapping,
        processes=processes,
        progress=progress,
    )
    return None if skipped is None else (table, len(indices), skipped)
