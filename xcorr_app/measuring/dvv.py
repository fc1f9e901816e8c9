"""Velocity change over time: substacks compared with a reference stack."""

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
from seismo_pes.measuring.velocity_change import VelocityChanges
from xcorr_app.defaults import MIN_COHERENCE, MIN_PAIRS
from xcorr_app.measuring.batches import (
    BATCH_BYTES,
    Measurement,
    MeasurePairs,
    Progress,
    measure_and_record,
)
from xcorr_app.measuring.dvv_methods import measure_changes
from xcorr_app.measuring.dvv_settings import BY_FREQUENCY, DvvSettings
from xcorr_app.measuring.dvv_tables import CHANGE, ChangeTable
from xcorr_app.pair_subsets import chosen_pairs
from xcorr_app.store import Store

__all__ = ["MeasureChanges", "measure_dvv", "read_substacks"]


class MeasureChanges(MeasurePairs):
    """Measures the velocity changes of each pair of a batch.

    Parameters
    ----------
    out
        Folder of the run.
    settings
        Method, stacks, band and range of lags.
    max_bytes
        Largest size of the correlations that are read at once.
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
        """Yield the index of each pair and a function that returns its changes."""
        row_bytes = len(store.lags_s) * store.dtype.itemsize
        most_rows = max(self.max_bytes // row_bytes, 1)
        names = self.settings.current
        if len(indices) * len(names) <= most_rows:
            windows, data = read_substacks(store, names, indices)
            for column, index in enumerate(indices.tolist()):
                part = partial(_select_pair, windows, data, column)
                yield index, partial(self._measure_pair, store, index, [part])
            return
        for index in indices.tolist():  # the substacks of one pair in several parts
            parts = [
                partial(_read_pair, store, names[i : i + most_rows], i, index)
                for i in range(0, len(names), most_rows)
            ]
            yield index, partial(self._measure_pair, store, index, parts)

    def _measure_pair(
        self, store: Store, index: int, parts: Sequence[Callable[[], _Series]]
    ) -> np.ndarray:
        pair, name = store.pairs[index], self.settings.reference
        data = next((rows for _, rows in store.blocks(name, [index])), np.zeros((1, 0)))
        if not data.size or not np.isfinite(data).all() or not data.any():
            raise DataError(f"has no data in stack {name!r}")
        ids = str(pair["first_id"]), str(pair["second_id"])
        distance_km = float(pair["distance_km"])
        make: Any = partial(
            Correlation.of,
            *ids,
            rate_hz=store.sampling_rate_hz,
            distance_km=distance_km,
        )
        reference = make(data[0].astype(float))
        tables = [self.no_rows]
        for part in parts:
            current, windows, rows = part()
            usable = (windows["n_windows"] > 0) & np.isfinite(rows).all(axis=1)
            if usable.any():
                times = {n: windows[n][usable] for n in ("start_ns", "end_ns")}
                series = make(rows[usable].astype(float), **times)
                changes = measure_changes(series, reference, self.settings)
                tables.append(
                    _tabulate(index, current[usable], windows[usable], changes)
                )
        table = np.concatenate(tables)
        if not len(table):
            raise DataError("has no substacks with data")
        return table


# Of one pair: indices of its current stacks in the settings, windows, and data.
_Series = tuple[np.ndarray, np.ndarray, np.ndarray]


def read_substacks(
    store: Store, names: Sequence[str], indices: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return windows and data of some pairs in some stacks, shape (names, pairs)."""
    windows = np.stack([store.windows(name)[indices] for name in names])
    data = np.full((*windows.shape, len(store.lags_s)), np.nan, store.dtype)
    columns = {index: column for column, index in enumerate(indices.tolist())}
    for number, name in enumerate(names):
        for block, rows in store.blocks(name, indices):
            data[number, [columns[index] for index in block.tolist()]] = rows
    return windows, data


def _select_pair(windows: np.ndarray, data: np.ndarray, column: int) -> _Series:
    return np.arange(len(data)), windows[:, column], data[:, column]


def _read_pair(store: Store, names: Sequence[str], first: int, index: int) -> _Series:
    windows, data = read_substacks(store, names, np.array([index]))
    return first + np.arange(len(names)), windows[:, 0], data[:, 0]


def _tabulate(
    index: int, current: np.ndarray, windows: np.ndarray, changes: VelocityChanges
) -> np.ndarray:
    """Return changes as rows, in the order of time and then of frequency."""
    frequencies = [np.nan] if changes.frequency_hz is None else changes.frequency_hz
    shape = len(current), len(frequencies)
    rows = np.zeros(shape, CHANGE)
    rows["pair"], rows["current"] = index, current[:, None]
    for name in ("start_ns", "end_ns", "n_windows"):
        rows[name] = windows[name][:, None]
    rows["frequency_hz"] = frequencies
    for name, values in (
        ("dvv", changes.dvv),
        ("error", changes.error),
        ("coherence", changes.coherence),
        ("at_edge", changes.at_edge),
    ):
        rows[name] = values.reshape(shape)
    return rows.ravel()


def measure_dvv(
    store: Store,
    settings: DvvSettings,
    folder: str | os.PathLike[str],
    *,
    pairs: Sequence[Sequence[str]] = (),
    components: str | None = None,
    min_coherence: float = MIN_COHERENCE,
    min_pairs: int = MIN_PAIRS,
    label: str = "",
    mapping: str = "simple",
    processes: int | None = None,
    progress: Progress | None = None,
) -> Measurement[ChangeTable] | None:
    """Measure the velocity changes of pairs and of the network.

    Parameters
    ----------
    store
        Open results.
    settings
        Made by `choose_settings`.
    folder
        Folder for ``dvv.csv`` (each pair), ``dvv_network.csv`` (the mean over the
        pairs) and ``dvv.json`` (the settings).
    pairs
        Names of two channels each; by default all pairs.
    components
        Only pairs of these components, e.g. ``ZZ``; by default all.
    min_coherence
        Changes of lower coherence do not enter the mean.
    min_pairs
        Least number of pairs of a mean; if fewer pairs are measured in total, the
        number of these.
    label
        End of the names of the files, such as ``_0.1-0.2Hz``.
    mapping, processes, progress
        As for `run_batches`.

    Returns
    -------
    Measurement or None
        None in the processes of an MPI run that do not have the results.
    """
    indices = chosen_pairs(store, pairs, [settings.reference], components)
    table = ChangeTable(
        str(store.path),
        str(folder),
        settings.current,
        settings.frequencies_hz if settings.method in BY_FREQUENCY else (),
        min_coherence,
        min(min_pairs, len(indices)),
        label,
    )
    record = asdict(settings) | {"min_coherence": min_coherence}
    record |= {"max_dvv_percent": 100 * record.pop("max_dvv"), "min_pairs": min_pairs}
    return measure_and_record(
        store,
        Path(folder, f"dvv{label}.json"),
        record,
        MeasureChanges(str(store.path), settings),
        table,
        indices,
        n_stacks=len(settings.current),
        mapping=mapping,
        processes=processes,
        progress=progress,
    )
