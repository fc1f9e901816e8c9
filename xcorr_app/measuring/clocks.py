"""Clock errors of the stations over time, from the shifts of all pairs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np

from dispel4py.errors import DataError
from seismo_pes.items.correlation import Correlation
from seismo_pes.measuring.clock_shifts import measure_clock_shifts
from xcorr_app.defaults import MIN_COHERENCE, MIN_PAIRS
from xcorr_app.measuring.batches import (
    Measurement,
    MeasurePairs,
    Progress,
    measure_and_record,
)
from xcorr_app.measuring.clock_settings import ClockSettings, lag_range, station_of
from xcorr_app.measuring.clock_tables import SHIFT, ClockTable
from xcorr_app.measuring.dvv import read_substacks
from xcorr_app.measuring.dvv_methods import filter_correlation
from xcorr_app.pair_subsets import chosen_pairs
from xcorr_app.store import Store

__all__ = ["MeasureClocks", "measure_clocks"]


class MeasureClocks(MeasurePairs):
    """Measures the shifts of each pair of a batch.

    Parameters
    ----------
    out
        Folder of the run.
    settings
        Stacks, band, and range of lags.
    min_symmetry
        Smallest symmetry of the sides of a pair with absolute shifts.
    """

    stage = "clocks"
    no_rows = np.zeros(0, SHIFT)

    def __init__(
        self, out: str, settings: ClockSettings, min_symmetry: float = MIN_COHERENCE
    ) -> None:
        super().__init__(out)
        self.settings, self.min_symmetry = settings, min_symmetry

    def measurements(
        self, store: Store, indices: np.ndarray
    ) -> Iterator[tuple[int, Callable[[], np.ndarray]]]:
        """Yield the index of each pair and a function that returns its shifts."""
        for index in indices.tolist():
            yield index, partial(self._measure_pair, store, index)

    def _measure_pair(self, store: Store, index: int) -> np.ndarray:
        pair = store.pairs[index]
        ids = str(pair["first_id"]), str(pair["second_id"])
        if station_of(ids[0]) == station_of(ids[1]):
            raise DataError("both channels have the clock of one station")
        windows, data = read_substacks(store, self.settings.stacks, np.array([index]))
        windows, data = windows[:, 0], data[:, 0].astype(float)
        usable = (windows["n_windows"] > 0) & np.isfinite(data).all(axis=1)
        usable &= data.any(axis=1)
        if not usable.any():
            raise DataError("has no substacks with data")
        distance_km = float(pair["distance_km"])
        low_s, high_s = lag_range(self.settings, distance_km, float(store.lags_s[-1]))
        times = {name: windows[name][usable] for name in ("start_ns", "end_ns")}
        series = Correlation.of(
            *ids, data[usable], rate_hz=store.sampling_rate_hz, **times
        )
        if self.settings.filtered:
            series = filter_correlation(series, self.settings.band_hz)
        # the sides of mixed components are not mirror images of each other
        is_symmetric = self.settings.zero == "symmetry" and ids[0][-1] == ids[1][-1]
        min_symmetry = self.min_symmetry if is_symmetric else np.inf
        shifts = measure_clock_shifts(
            series,
            low_s,
            high_s,
            self.settings.max_shift_s,
            min_symmetry,
            self.settings.apart_s,
        )
        rows = np.zeros(int(usable.sum()), SHIFT)
        rows["pair"], rows["current"] = index, np.flatnonzero(usable)
        for name in ("start_ns", "end_ns", "n_windows"):
            rows[name] = windows[name][usable]
        for name in ("shift_s", "error_s", "coherence", "at_edge"):
            rows[name] = getattr(shifts, name)
        for name in ("centre_s", "centre_error_s", "symmetry"):
            rows[name] = getattr(shifts, name)
        return rows


def measure_clocks(
    store: Store,
    settings: ClockSettings,
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
) -> Measurement[ClockTable] | None:
    """Measure the clock errors of all stations.

    Parameters
    ----------
    store
        Open results.
    settings
        Made by `choose_settings`.
    folder
        Folder for the tables, see `ClockTable`, and ``clocks.json`` (the settings).
    pairs
        Names of two channels each; by default all pairs.
    components
        Only pairs of these components, e.g. ``ZZ``; by default all.
    min_coherence
        Shifts of lower coherence, and centres of lower symmetry, are left out.
    min_pairs
        Smallest number of pairs for a clock error; if all stations have fewer, the
        largest number.
    label
        End of the names of the files, such as ``_0.1-0.2Hz``.
    mapping, processes, progress
        As for `run_batches`.

    Returns
    -------
    Measurement or None
        None in the processes of an MPI run that do not have the results.
    """
    indices = chosen_pairs(store, pairs, settings.stacks, components)
    table = ClockTable(
        str(store.path),
        str(folder),
        settings.stacks,
        settings.zero,
        settings.right,
        min_coherence,
        min_pairs,
        label,
    )
    record = asdict(settings) | {"min_coherence": min_coherence, "min_pairs": min_pairs}
    return measure_and_record(
        store,
        Path(folder, f"clocks{label}.json"),
        record,
        MeasureClocks(str(store.path), settings, min_coherence),
        table,
        indices,
        n_stacks=len(settings.stacks),
        mapping=mapping,
        processes=processes,
        progress=progress,
    )
