"""Tables of velocity changes: of each pair, and of the mean over the pairs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO

import numpy as np

from xcorr_app import store as stores
from xcorr_app.measuring.tables import format_number, temporary_path
from xcorr_app.results.stack_names import split
from xcorr_app.store import Store

__all__ = ["CHANGE", "NETWORK", "ChangeTable"]

CHANGE = np.dtype(
    [
        ("pair", "<i8"),
        ("current", "<i4"),  # number of the current stack in the settings
        ("start_ns", "<i8"),
        ("end_ns", "<i8"),
        ("n_windows", "<i4"),
        ("frequency_hz", "<f8"),
        ("dvv", "<f8"),
        ("error", "<f8"),
        ("coherence", "<f8"),
    ]
)
NETWORK = np.dtype(
    [
        ("start_ns", "<i8"),
        ("end_ns", "<i8"),
        ("frequency_hz", "<f8"),
        ("n_pairs", "<i8"),
        ("dvv", "<f8"),
        ("error", "<f8"),
        ("coherence", "<f8"),
    ]
)
PAIRS_FILE, NETWORK_FILE = "dvv.csv", "dvv_network.csv"
# Added to the errors of dv/v in the weights of a mean, so that a few pairs with tiny
# errors do not decide it.
ERROR_FLOOR = 1e-5
MILLISECOND_NS = 1_000_000


class NetworkMean:
    """Mean over the pairs of the changes at each time; pairs are added one by one.

    Weights are ``1 / (error**2 + 1e-5**2)``. The error of the mean is the larger of
    two: the one that follows from the errors, and the one from the scatter of the
    pairs.

    >>> mean = NetworkMean(1, 1, 0.5)
    >>> rows = np.zeros(3, CHANGE)
    >>> rows["dvv"], rows["error"], rows["coherence"] = [1e-3, 3e-3, 1], 1e-4, [1, 1, 0]
    >>> mean.add(rows, [0, 0, 0])
    >>> table = mean.table([np.nan])
    >>> table["n_pairs"].tolist(), table["dvv"].round(9).tolist()
    ([2], [0.002])
    """

    def __init__(self, n_times: int, n_frequencies: int, min_coherence: float) -> None:
        shape = (n_times, n_frequencies)
        self.min_coherence = min_coherence
        self._start_ns = np.full(n_times, np.iinfo(np.int64).max)
        self._end_ns = np.zeros(n_times, np.int64)
        self._count = np.zeros(shape, np.int64)
        self._sums = np.zeros((4, *shape))

    def add(self, rows: np.ndarray, frequency: Sequence[int] | np.ndarray) -> None:
        """Add rows of `CHANGE`; ``frequency`` is the index of the frequency of each."""
        known = np.isfinite(rows["dvv"]) & np.isfinite(rows["error"])
        coherence = rows["coherence"]
        known &= np.isnan(coherence) | (coherence >= self.min_coherence)
        rows, column = rows[known], np.asarray(frequency, np.intp)[known]
        time, dvv = rows["current"], rows["dvv"]
        np.minimum.at(self._start_ns, time, rows["start_ns"])
        np.maximum.at(self._end_ns, time, rows["end_ns"])
        weight = 1 / (rows["error"] ** 2 + ERROR_FLOOR**2)
        np.add.at(self._count, (time, column), 1)
        for total, values in zip(
            self._sums,
            (weight, weight * dvv, weight * dvv**2, rows["coherence"]),
            strict=True,
        ):
            np.add.at(total, (time, column), values)

    def table(self, frequencies_hz: Sequence[float] | np.ndarray) -> np.ndarray:
        """Return rows of `NETWORK` for the times that at least one pair has."""
        weight, first, second, coherence = self._sums
        count = self._count
        rows = np.zeros(count.shape, NETWORK)
        rows["start_ns"] = self._start_ns[:, None]
        rows["end_ns"] = self._end_ns[:, None]
        rows["frequency_hz"] = frequencies_hz
        rows["n_pairs"] = count
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = first / weight
            n_free = np.where(count > 1, count - 1, np.nan)
            scatter = np.maximum(second / weight - mean**2, 0) / n_free
            rows["dvv"] = mean
            rows["error"] = np.sqrt(np.fmax(scatter, 1 / weight))
            rows["coherence"] = coherence / count
        return rows[count.any(axis=1)].ravel()


class ChangeTable:
    """Writes velocity changes to CSV files, and computes their mean over the pairs.

    Parameters
    ----------
    out
        Folder of the run, which has the names of the pairs.
    folder
        Folder of the files.
    stacks
        Names of the current stacks; ``current`` of a row is an index in them.
    frequencies_hz
        Frequencies of a method that measures at several; else empty.
    min_coherence
        Changes of lower coherence do not enter the mean.
    """

    def __init__(
        self,
        out: str,
        folder: str,
        stacks: Sequence[str],
        frequencies_hz: Sequence[float],
        min_coherence: float,
    ) -> None:
        self.out, self.folder = out, folder
        self.stacks = tuple(split(name)[0] for name in stacks)
        self.frequencies_hz = tuple(frequencies_hz)
        self.min_coherence = min_coherence
        self._store: Store | None = None
        self._file: IO[str] | None = None
        self._mean: NetworkMean | None = None

    @property
    def paths(self) -> tuple[Path, Path]:
        """The file of the pairs, and the file of their mean."""
        return Path(self.folder, PAIRS_FILE), Path(self.folder, NETWORK_FILE)

    def open(self) -> None:
        """Begin the file of the pairs, under a temporary name."""
        path, _ = self.paths
        path.parent.mkdir(parents=True, exist_ok=True)
        self._store = stores.open(self.out)
        self._file = temporary_path(path).open("w", encoding="utf-8", newline="")
        columns = ["first", "second", "stack", "time", "dvv", "error", "coherence"]
        columns += ["frequency_hz"] if self.frequencies_hz else []
        self._file.write(",".join([*columns, "n_windows"]) + "\n")
        n_frequencies = max(len(self.frequencies_hz), 1)
        self._mean = NetworkMean(len(self.stacks), n_frequencies, self.min_coherence)

    def add(self, rows: np.ndarray) -> None:
        """Write the changes of the pairs of a batch."""
        assert self._file is not None
        assert self._mean is not None
        assert self._store is not None
        pairs, several = self._store.pairs, bool(self.frequencies_hz)
        times = iso_times((rows["start_ns"] + rows["end_ns"]) // 2)
        for row, time in zip(rows.tolist(), times, strict=True):
            index, current, _, _, n_windows, hz, dvv, error, coherence = row
            pair = pairs[index]
            frequency = f",{hz:g}" if several else ""
            self._file.write(
                f"{pair['first_id']},{pair['second_id']},{self.stacks[current]},{time},"
                f"{format_number(dvv)},{format_number(error)},"
                f"{format_number(coherence, '.4f')}{frequency},{n_windows}\n"
            )
        column = np.zeros(len(rows), np.intp)
        if several:
            column = np.searchsorted(self.frequencies_hz, rows["frequency_hz"])
        self._mean.add(rows, column)

    def close(self) -> None:
        """Write the mean over the pairs, and give both files their final names."""
        if self._file is None or self._mean is None or self._store is None:
            return
        path, network = self.paths
        self._file.close()
        self._store.close()
        table = self._mean.table(self.frequencies_hz or [np.nan])
        with temporary_path(network).open("w", encoding="utf-8", newline="") as file:
            file.writelines(_format_network(table, bool(self.frequencies_hz)))
        for final in (path, network):
            os.replace(temporary_path(final), final)
        self._file = self._mean = self._store = None


def iso_times(time_ns: np.ndarray) -> list[str]:
    """Return times in ISO 8601: in whole seconds, else all in milliseconds."""
    milliseconds = np.asarray(time_ns) // MILLISECOND_NS
    times = milliseconds.astype("datetime64[ms]")
    if not (milliseconds % 1000).any():
        times = times.astype("datetime64[s]")
    return [f"{time}Z" for time in np.datetime_as_string(times).tolist()]


def _format_network(table: np.ndarray, several: bool) -> Iterable[str]:
    frequency_name = ",frequency_hz" if several else ""
    yield f"time,start,end{frequency_name},n_pairs,dvv,error,coherence\n"
    start_ns, end_ns = table["start_ns"], table["end_ns"]
    columns = ((start_ns + end_ns) // 2, start_ns, end_ns)
    times = zip(*(iso_times(column) for column in columns), strict=True)
    for row, edges in zip(table, times, strict=True):
        frequency = [f"{row['frequency_hz']:g}"] if several else []
        values = [format_number(float(row[name])) for name in ("dvv", "error")]
        coherence = format_number(float(row["coherence"]), ".4f")
        cells = [*edges, *frequency, str(row["n_pairs"]), *values, coherence]
        yield ",".join(cells) + "\n"
