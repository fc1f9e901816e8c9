"""Tables of velocity changes: of each pair, and the mean of the network."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from xcorr_app import store as stores
from xcorr_app.results.stacks import split
from xcorr_app.store import Store

__all__ = ["CHANGE", "NETWORK", "ChangeTable", "read_table", "temporary_name", "text"]

CHANGE = np.dtype(
    [
        ("pair", "<i8"),
        ("current", "<i4"),  # which of the stacks
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
FLOOR = 1e-5  # errors below it would leave a mean to a few pairs
ROUND_NS = 1_000_000


class NetworkMean:
    """Means over pairs of the changes of each period, added pair by pair.

    Weights are ``1 / (error**2 + 1e-5**2)``. The error of a mean is the
    larger of what the errors promise and what the scatter of the pairs says.

    >>> mean = NetworkMean(1, 1, 0.5)
    >>> rows = np.zeros(3, CHANGE)
    >>> rows["dvv"], rows["error"], rows["coherence"] = [1e-3, 3e-3, 1], 1e-4, [1, 1, 0]
    >>> mean.add(rows, [0, 0, 0])
    >>> made = mean.table([np.nan])
    >>> made["n_pairs"].tolist(), made["dvv"].round(9).tolist()
    ([2], [0.002])
    """

    def __init__(self, n_periods: int, n_frequencies: int, least: float) -> None:
        shape = (n_periods, n_frequencies)
        self.least = least
        self._start_ns = np.full(n_periods, np.iinfo(np.int64).max)
        self._end_ns = np.zeros(n_periods, np.int64)
        self._count = np.zeros(shape, np.int64)
        self._sums = np.zeros((4, *shape))

    def add(self, rows: np.ndarray, frequency: Sequence[int] | np.ndarray) -> None:
        """Add changes; ``frequency`` tells which one each belongs to."""
        known = np.isfinite(rows["dvv"]) & np.isfinite(rows["error"])
        coherence = rows["coherence"]
        known &= np.isnan(coherence) | (coherence >= self.least)
        rows, place = rows[known], np.asarray(frequency, np.intp)[known]
        period, dvv = rows["current"], rows["dvv"]
        np.minimum.at(self._start_ns, period, rows["start_ns"])
        np.maximum.at(self._end_ns, period, rows["end_ns"])
        weight = 1 / (rows["error"] ** 2 + FLOOR**2)
        np.add.at(self._count, (period, place), 1)
        for total, values in zip(
            self._sums,
            (weight, weight * dvv, weight * dvv**2, rows["coherence"]),
            strict=True,
        ):
            np.add.at(total, (period, place), values)

    def table(self, frequencies_hz: Sequence[float] | np.ndarray) -> np.ndarray:
        """Return rows of `NETWORK`, of the periods that any pair has."""
        weight, first, second, coherence = self._sums
        count = self._count
        rows = np.zeros(count.shape, NETWORK)
        rows["start_ns"] = self._start_ns[:, None]
        rows["end_ns"] = self._end_ns[:, None]
        rows["frequency_hz"] = frequencies_hz
        rows["n_pairs"] = count
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = first / weight
            free = np.where(count > 1, count - 1, np.nan)
            scatter = np.maximum(second / weight - mean**2, 0) / free
            rows["dvv"] = mean
            rows["error"] = np.sqrt(np.fmax(scatter, 1 / weight))
            rows["coherence"] = coherence / count
        return rows[count.any(axis=1)].ravel()


class ChangeTable:
    """Writes changes to CSV files, and gathers the mean of the network.

    Parameters
    ----------
    out
        Folder of the run, for the names of its pairs.
    folder
        Where the files go.
    stacks
        Names that ``current`` of the rows means.
    frequencies_hz
        Of methods that have several; else empty.
    min_coherence
        As of `NetworkMean`.
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
        """The file of the pairs, and that of the network."""
        return Path(self.folder, PAIRS_FILE), Path(self.folder, NETWORK_FILE)

    def open(self) -> None:
        """Begin the file of the pairs, under another name until it is whole."""
        path, _ = self.paths
        path.parent.mkdir(parents=True, exist_ok=True)
        self._store = stores.open(self.out)
        self._file = temporary_name(path).open("w", encoding="utf-8", newline="")
        columns = ["first", "second", "stack", "time", "dvv", "error", "coherence"]
        more = ["frequency_hz"] if self.frequencies_hz else []
        self._file.write(",".join([*columns, *more, "n_windows"]) + "\n")
        n_frequencies = max(len(self.frequencies_hz), 1)
        self._mean = NetworkMean(len(self.stacks), n_frequencies, self.min_coherence)

    def add(self, rows: np.ndarray) -> None:
        """Write the changes of some pairs."""
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
                f"{text(dvv)},{text(error)},{text(coherence, '.4f')}{frequency},"
                f"{n_windows}\n"
            )
        place = np.zeros(len(rows), np.intp)
        if several:
            place = np.searchsorted(self.frequencies_hz, rows["frequency_hz"])
        self._mean.add(rows, place)

    def close(self) -> None:
        """Write the mean of the network, and give the files their names."""
        if self._file is None or self._mean is None or self._store is None:
            return
        path, network = self.paths
        self._file.close()
        self._store.close()
        table = self._mean.table(self.frequencies_hz or [np.nan])
        with temporary_name(network).open("w", encoding="utf-8", newline="") as file:
            file.writelines(_network_lines(table, bool(self.frequencies_hz)))
        for one in (path, network):
            os.replace(temporary_name(one), one)
        self._file = self._mean = self._store = None


def temporary_name(path: Path) -> Path:
    """Return the name of a file that is not whole yet."""
    return path.with_name(f".{path.name}.tmp")


def text(value: float, form: str = ".5g") -> str:
    """Return a number for a table; nothing for NaN."""
    return "" if value != value else format(value, form)


def iso_times(time_ns: np.ndarray) -> list[str]:
    """Return times in ISO 8601, to the millisecond where there is a fraction."""
    milliseconds = np.asarray(time_ns) // ROUND_NS
    whole = not (milliseconds % 1000).any()
    times = milliseconds.astype("datetime64[ms]")
    if whole:
        times = times.astype("datetime64[s]")
    return [f"{time}Z" for time in np.datetime_as_string(times).tolist()]


def _network_lines(table: np.ndarray, several: bool) -> Iterable[str]:
    more = ",frequency_hz" if several else ""
    yield f"time,start,end{more},n_pairs,dvv,error,coherence\n"
    start_ns, end_ns = table["start_ns"], table["end_ns"]
    columns = ((start_ns + end_ns) // 2, start_ns, end_ns)
    times = zip(*(iso_times(one) for one in columns), strict=True)
    for row, edges in zip(table, times, strict=True):
        frequency = [f"{row['frequency_hz']:g}"] if several else []
        values = [text(float(row[name])) for name in ("dvv", "error")]
        last = text(float(row["coherence"]), ".4f")
        cells = [*edges, *frequency, str(row["n_pairs"]), *values, last]
        yield ",".join(cells) + "\n"


def read_table(
    path: str | os.PathLike[str], most_bytes: int | None = None
) -> dict[str, np.ndarray]:
    """Read a table: an array for each column, of about ``most_bytes`` of the file.

    Times are datetime64, names are text, the rest are numbers, NaN where there is
    none.
    """
    with Path(path).open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file.readlines(most_bytes or -1))
    found: dict[str, Any] = {}
    for name, cells in zip(head, zip(*rows, strict=True), strict=False):
        if name in ("time", "start", "end"):
            found[name] = np.array([cell[:-1] for cell in cells], "datetime64[ms]")
        elif name in ("first", "second", "stack"):
            found[name] = np.array(cells)
        else:
            found[name] = np.array([float(cell or "nan") for cell in cells])
    return {name: found.get(name, np.zeros(0)) for name in head}
