"""Tables of velocity changes: of each pair, and of the mean over the pairs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from xcorr_app.measuring.tables import PairTables, format_number
from xcorr_app.results.stack_names import split

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
        ("at_edge", "?"),
    ]
)
NETWORK = np.dtype(
    [
        ("start_ns", "<i8"),
        ("end_ns", "<i8"),
        ("frequency_hz", "<f8"),
        ("n_pairs", "<i8"),
        ("n_incoherent", "<i8"),
        ("n_at_edge", "<i8"),
        ("dvv", "<f8"),
        ("error", "<f8"),
        ("coherence", "<f8"),
    ]
)
CHANGE_COLUMNS = "dvv_percent", "error_percent", "coherence"
# Added to the errors of dv/v in the weights of a mean, so that a few pairs with tiny
# errors do not dominate it.
ERROR_FLOOR = 1e-5
MILLISECOND_NS = 1_000_000


class NetworkMean:
    """Mean over the pairs of the changes at each time; pairs are added one by one.

    Weights are ``1 / (error**2 + 1e-5**2)``. The error of the mean is the larger of two
    errors: the error that follows from the errors of the pairs, and the error that
    follows from their scatter. Changes of low coherence and changes at the edge of the
    search do not enter the mean; they are counted.

    >>> mean = NetworkMean(1, 1, 0.5)
    >>> rows = np.zeros(3, CHANGE)
    >>> rows["dvv"], rows["error"], rows["coherence"] = [1e-3, 3e-3, 1], 1e-4, [1, 1, 0]
    >>> mean.add(rows, [0, 0, 0])
    >>> table = mean.table([np.nan])
    >>> table["n_pairs"].tolist(), table["dvv"].round(9).tolist()
    ([2], [0.002])
    >>> table["n_incoherent"].tolist(), table["n_at_edge"].tolist()
    ([1], [0])

    Parameters
    ----------
    n_times, n_frequencies
        Shape of the table.
    min_coherence
        Least coherence of a change that enters the mean.
    min_pairs
        Least number of pairs of a mean.
    """

    def __init__(
        self,
        n_times: int,
        n_frequencies: int,
        min_coherence: float,
        min_pairs: int = 1,
    ) -> None:
        shape = (n_times, n_frequencies)
        self.min_coherence, self.min_pairs = min_coherence, min_pairs
        self._start_ns = np.full(n_times, np.iinfo(np.int64).max)
        self._end_ns = np.full(n_times, np.iinfo(np.int64).min)
        self._has_changes = np.zeros(n_times, bool)
        self._count = np.zeros(shape, np.int64)
        self._n_incoherent = np.zeros(shape, np.int64)
        self._n_at_edge = np.zeros(shape, np.int64)
        self._sums = np.zeros((4, *shape))

    def add(self, rows: np.ndarray, frequency: Sequence[int] | np.ndarray) -> None:
        """Add rows of `CHANGE`; ``frequency`` is the index of the frequency of each."""
        time, column = rows["current"], np.asarray(frequency, np.intp)
        self._has_changes[time] = True
        np.minimum.at(self._start_ns, time, rows["start_ns"])
        np.maximum.at(self._end_ns, time, rows["end_ns"])
        known = np.isfinite(rows["dvv"]) & np.isfinite(rows["error"])
        low = known & (rows["coherence"] < self.min_coherence)
        at_edge = rows["at_edge"]
        np.add.at(self._n_incoherent, (time[low], column[low]), 1)
        np.add.at(self._n_at_edge, (time[at_edge], column[at_edge]), 1)
        known &= ~low & ~at_edge
        rows, time, column = rows[known], time[known], column[known]
        dvv = rows["dvv"]
        weight = 1 / (rows["error"] ** 2 + ERROR_FLOOR**2)
        np.add.at(self._count, (time, column), 1)
        for total, values in zip(
            self._sums,
            (weight, weight * dvv, weight * dvv**2, rows["coherence"]),
            strict=True,
        ):
            np.add.at(total, (time, column), values)

    def table(self, frequencies_hz: Sequence[float] | np.ndarray) -> np.ndarray:
        """Return rows of `NETWORK` for the times that at least one pair has.

        Means over fewer pairs than ``min_pairs`` are NaN.
        """
        weight, first, second, coherence = self._sums
        count = self._count
        rows = np.zeros(count.shape, NETWORK)
        rows["start_ns"] = self._start_ns[:, None]
        rows["end_ns"] = self._end_ns[:, None]
        rows["frequency_hz"] = frequencies_hz
        rows["n_pairs"] = count
        rows["n_incoherent"], rows["n_at_edge"] = self._n_incoherent, self._n_at_edge
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = first / weight
            n_free = np.where(count > 1, count - 1, np.nan)
            scatter = np.maximum(second / weight - mean**2, 0) / n_free
            rows["dvv"] = mean
            rows["error"] = np.sqrt(np.fmax(scatter, 1 / weight))
            rows["coherence"] = coherence / count
        for name in ("dvv", "error", "coherence"):
            rows[name][count < self.min_pairs] = np.nan
        return rows[self._has_changes].ravel()


class ChangeTable(PairTables):
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
    min_pairs
        Least number of pairs of a mean.
    label
        End of the names of the files, such as ``_0.1-0.2Hz``.
    """

    def __init__(
        self,
        out: str,
        folder: str,
        stacks: Sequence[str],
        frequencies_hz: Sequence[float],
        min_coherence: float,
        min_pairs: int = 1,
        label: str = "",
    ) -> None:
        super().__init__(out, folder, "dvv", label)
        self.min_pairs = min_pairs
        self.stacks = tuple(split(name)[0] for name in stacks)
        self.frequencies_hz = tuple(frequencies_hz)
        self.min_coherence = min_coherence
        self._mean: NetworkMean | None = None

    def open(self) -> None:
        """Begin the file of the pairs."""
        columns = ["stack", "time", *CHANGE_COLUMNS]
        columns += ["frequency_hz"] if self.frequencies_hz else []
        self._begin([*columns, "n_windows", "at_edge"])
        n_frequencies = max(len(self.frequencies_hz), 1)
        self._mean = NetworkMean(
            len(self.stacks), n_frequencies, self.min_coherence, self.min_pairs
        )

    def add(self, rows: np.ndarray) -> None:
        """Write the changes of the pairs of a batch."""
        assert self._mean is not None
        several = bool(self.frequencies_hz)
        times = iso_times((rows["start_ns"] + rows["end_ns"]) // 2)
        for row, time in zip(rows.tolist(), times, strict=True):
            index, current, _, _, n_windows, hz, dvv, error, coherence, at_edge = row
            frequency = f",{hz:g}" if several else ""
            change = _format_change(dvv, error, coherence)
            self._write(
                index,
                f"{self.stacks[current]},{time},{change}{frequency},{n_windows},"
                f"{at_edge:d}",
            )
        column = np.zeros(len(rows), np.intp)
        if several:
            column = np.searchsorted(self.frequencies_hz, rows["frequency_hz"])
        self._mean.add(rows, column)

    def close(self) -> None:
        """Write the mean over the pairs."""
        self._end(self._format_network())
        self._mean = None

    def _format_network(self) -> Iterator[str]:
        assert self._mean is not None
        table = self._mean.table(self.frequencies_hz or [np.nan])
        yield from _format_mean(table, bool(self.frequencies_hz))


def iso_times(time_ns: np.ndarray) -> list[str]:
    """Return times in ISO 8601: in whole seconds, else all in milliseconds."""
    milliseconds = np.asarray(time_ns) // MILLISECOND_NS
    times = milliseconds.astype("datetime64[ms]")
    if not (milliseconds % 1000).any():
        times = times.astype("datetime64[s]")
    return [f"{time}Z" for time in np.datetime_as_string(times).tolist()]


def _format_mean(table: np.ndarray, several: bool) -> Iterable[str]:
    frequency_name = ",frequency_hz" if several else ""
    counts = "n_pairs", "n_incoherent", "n_at_edge"
    head = ",".join([*counts, *CHANGE_COLUMNS])
    yield f"time,start,end{frequency_name},{head}\n"
    start_ns, end_ns = table["start_ns"], table["end_ns"]
    columns = ((start_ns + end_ns) // 2, start_ns, end_ns)
    times = zip(*(iso_times(column) for column in columns), strict=True)
    for row, edges in zip(table, times, strict=True):
        frequency = [f"{row['frequency_hz']:g}"] if several else []
        values = _format_change(*(float(row[n]) for n in ("dvv", "error", "coherence")))
        cells = [*edges, *frequency, *(str(row[name]) for name in counts), values]
        yield ",".join(cells) + "\n"


def _format_change(dvv: float, error: float, coherence: float) -> str:
    """Return the cells of `CHANGE_COLUMNS`."""
    percent = (format_number(100 * value) for value in (dvv, error))
    return ",".join([*percent, format_number(coherence, ".4f")])
