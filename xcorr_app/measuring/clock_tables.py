"""Tables of clock errors: the shifts of the pairs, the clocks of the stations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from dispel4py.terminal import printable_line
from seismo_pes.signal.clock_network import (
    ClockOffsets,
    agreeing_stations,
    clock_series,
)
from seismo_pes.whole_file import whole_file
from xcorr_app import store as stores
from xcorr_app.measuring.clock_settings import station_of
from xcorr_app.measuring.dvv_tables import iso_times
from xcorr_app.measuring.tables import format_number
from xcorr_app.results.stack_names import split

__all__ = ["SHIFT", "ClockTable"]

SHIFT = np.dtype(
    [
        ("pair", "<i8"),
        ("current", "<i4"),  # number of the stack in the settings
        ("start_ns", "<i8"),
        ("end_ns", "<i8"),
        ("n_windows", "<i4"),
        ("shift_s", "<f8"),
        ("error_s", "<f8"),
        ("coherence", "<f8"),
        ("at_edge", "?"),
        ("centre_s", "<f8"),
        ("centre_error_s", "<f8"),
        ("symmetry", "<f8"),
    ]
)
PAIR_COLUMNS = (
    "first,second,stack,time,shift_s,error_s,coherence,at_edge,symmetry,residual_s,"
    "weight"
)
CLOCK_COLUMNS = "station,time,start,end,offset_s,error_s,n_pairs,is_right"
#: Error in samples that is added to each shift, so that a few pairs with very small
#: errors do not dominate the fit.
ERROR_FLOOR = 0.01
#: A clock is wrong if its largest offset, or its root mean square over time, is larger
#: than this number of standard errors.
LARGEST_OFFSET, MEAN_OFFSET = 5.0, 2.0


class ClockTable:
    """Collects shifts of pairs, and writes the clock errors.

    The files are ``clocks_pairs.csv`` (each pair and time), ``clocks.csv`` (each
    station and time) and ``clock_table.csv``, which `read_clock_table` reads: the
    offsets of the clocks that are wrong by more than their errors.

    Parameters
    ----------
    out
        Folder of the run, which has the names of the pairs.
    folder
        Folder of the files.
    stacks
        Names of the stacks; ``current`` of a row is an index in them.
    zero
        Which clock error is zero: ``symmetry``, ``mean`` or ``first``.
    right
        Stations whose clocks are right; empty: those that agree best.
    min_coherence
        Shifts of lower coherence are left out.
    min_pairs
        Smallest number of pairs for a clock error.
    label
        End of the names of the files, such as ``_0.1-0.2Hz``.
    """

    def __init__(
        self,
        out: str,
        folder: str,
        stacks: Sequence[str],
        zero: str,
        right: Sequence[str] = (),
        min_coherence: float = 0.0,
        min_pairs: int = 1,
        label: str = "",
    ) -> None:
        self.out, self.folder, self.label = out, folder, label
        self.stacks = tuple(split(name)[0] for name in stacks)
        self.zero, self.right = zero, tuple(right)
        self.min_coherence, self.min_pairs = min_coherence, min_pairs
        self._rows: list[np.ndarray] = []

    @property
    def paths(self) -> tuple[Path, Path, Path]:
        """The file of the pairs, of the stations, and the table of clocks."""
        return (
            Path(self.folder, f"clocks_pairs{self.label}.csv"),
            Path(self.folder, f"clocks{self.label}.csv"),
            Path(self.folder, f"clock_table{self.label}.csv"),
        )

    def open(self) -> None:
        """Make the folder of the files."""
        Path(self.folder).mkdir(parents=True, exist_ok=True)
        self._rows = []

    def add(self, rows: np.ndarray) -> None:
        """Collect the shifts of the pairs of a batch."""
        self._rows.append(rows)

    def close(self) -> None:
        """Compute the clock errors, and write the files."""
        rows = np.concatenate([np.zeros(0, SHIFT), *self._rows])
        with stores.open(self.out) as store:
            names = store.pairs[["first_id", "second_id"]]
            network = _Network(rows, names, len(self.stacks), store.sampling_rate_hz)
        clocks, is_right = network.clocks(self)
        texts = (
            self._format_pairs(rows, network, clocks),
            self._format_clocks(network, clocks, is_right),
            self._format_table(network, clocks),
        )
        for path, lines in zip(self.paths, texts, strict=True):
            with (
                whole_file(path) as temporary,
                temporary.open("w", encoding="utf-8", newline="") as file,
            ):
                file.writelines(f"{line}\n" for line in lines)
        self._rows = []

    def _format_pairs(
        self, rows: np.ndarray, network: _Network, clocks: ClockOffsets
    ) -> Iterator[str]:
        yield PAIR_COLUMNS
        times = iso_times((rows["start_ns"] + rows["end_ns"]) // 2)
        for k, (row, time) in enumerate(zip(rows, times, strict=True)):
            p, t = network.place[k], row["current"]
            first, second = network.ids[p]
            shift_s = row["shift_s"] + network.zero_s[p]
            values = [shift_s, row["error_s"], row["coherence"]]
            cells = [format_number(float(value), ".6g") for value in values]
            rest = [row["symmetry"], clocks.residual_s[p, t]]
            more = [format_number(float(value), ".4g") for value in rest]
            yield (
                f"{first},{second},{self.stacks[t]},{time},{','.join(cells)},"
                f"{row['at_edge']:d},{','.join(more)},{clocks.weight[p, t]:.3f}"
            )

    def _format_clocks(
        self, network: _Network, clocks: ClockOffsets, is_right: np.ndarray
    ) -> Iterator[str]:
        yield CLOCK_COLUMNS
        edges = (
            (network.start_ns + network.end_ns) // 2,
            network.start_ns,
            network.end_ns,
        )
        times = [iso_times(column) for column in edges]
        for s, station in enumerate(network.stations):
            for t in np.flatnonzero(network.present[:, s]).tolist():
                values = clocks.offset_s[t, s], clocks.error_s[t, s]
                cells = [format_number(float(value), ".6g") for value in values]
                flags = f"{clocks.n_pairs[t, s]},{is_right[s]:d}"
                row = [station, *(column[t] for column in times), *cells, flags]
                yield ",".join(row)

    def _format_table(self, network: _Network, clocks: ClockOffsets) -> Iterator[str]:
        command = printable_line(f"xcorr-app clocks {self.out}")
        yield f"# clock errors by {command}: recorded minus true time"
        yield "channel,time,offset_s"
        for s, station in enumerate(network.stations):
            offset, error = clocks.offset_s[:, s], clocks.error_s[:, s]
            known = np.flatnonzero(np.isfinite(offset))
            if not len(known) or not _is_wrong(offset[known], error[known]):
                continue
            start_ns, end_ns = network.start_ns[known], network.end_ns[known]
            middle_ns = (start_ns + end_ns) // 2
            points = _extended(middle_ns, offset[known], start_ns[0], end_ns[-1])
            for time, value in zip(iso_times(points[0]), points[1], strict=True):
                yield f"{station},{time},{value:.6f}"


def _is_wrong(offset: np.ndarray, error: np.ndarray) -> bool:
    size = np.abs(offset) / np.maximum(error, 1e-12)
    return bool(size.max() > LARGEST_OFFSET or np.sqrt((size**2).mean()) > MEAN_OFFSET)


def _extended(
    time_ns: np.ndarray, offset_s: np.ndarray, start_ns: int, end_ns: int
) -> tuple[np.ndarray, np.ndarray]:
    """Continue offsets by a straight line to the start and the end of the data.

    >>> times, offsets = _extended(np.array([10, 20]), np.array([1.0, 2.0]), 5, 25)
    >>> times.tolist(), offsets.tolist()
    ([5, 10, 20, 25], [0.5, 1.0, 2.0, 2.5])
    """
    times = np.r_[start_ns, time_ns, end_ns]
    if len(time_ns) < 2:
        return times, np.repeat(offset_s, 3)
    slopes = np.diff(offset_s)[[0, -1]] / np.diff(time_ns)[[0, -1]]
    before = offset_s[0] - slopes[0] * (time_ns[0] - start_ns)
    after = offset_s[-1] + slopes[1] * (end_ns - time_ns[-1])
    return times, np.r_[before, offset_s, after]


class _Network:
    """Shifts of pairs over time, and the stations of the pairs."""

    def __init__(
        self, rows: np.ndarray, names: np.ndarray, n_times: int, rate_hz: float
    ) -> None:
        pairs, self.place = np.unique(rows["pair"], return_inverse=True)
        self.ids = [tuple(map(str, names[pair])) for pair in pairs.tolist()]
        of_pairs = [tuple(map(station_of, ids)) for ids in self.ids]
        self.stations = sorted({station for pair in of_pairs for station in pair})
        number = {station: k for k, station in enumerate(self.stations)}
        numbers = [[number[a], number[b]] for a, b in of_pairs]
        self.first, self.second = np.array(numbers, np.int64).reshape(-1, 2).T
        self.rows, self.n_times = rows, n_times
        self.floor_s = ERROR_FLOOR / rate_hz
        self.start_ns = np.full(n_times, np.iinfo(np.int64).max)
        self.end_ns = np.full(n_times, np.iinfo(np.int64).min)
        np.minimum.at(self.start_ns, rows["current"], rows["start_ns"])
        np.maximum.at(self.end_ns, rows["current"], rows["end_ns"])
        self.present = np.zeros((n_times, len(self.stations)), bool)
        for side in (self.first, self.second):
            self.present[rows["current"], side[self.place]] = True
        self.zero_s = np.zeros(len(self.ids))

    def _over_pairs(self, name: str) -> np.ndarray:
        """Return a value that is the same in all rows of a pair."""
        values = np.full(len(self.ids), np.nan)
        values[self.place] = self.rows[name]
        return values

    def clocks(self, options: ClockTable) -> tuple[ClockOffsets, np.ndarray]:
        """Return the clock errors, and which clocks are right."""
        rows, shape = self.rows, (len(self.ids), self.n_times)
        shift_s, error_s = np.full((2, *shape), np.nan)
        used = np.isfinite(rows["shift_s"]) & ~rows["at_edge"]
        used &= rows["coherence"] >= options.min_coherence
        place = self.place[used], rows["current"][used]
        shift_s[place] = rows["shift_s"][used]
        error_s[place] = np.hypot(rows["error_s"][used], self.floor_s)
        n, zero_s, zero_error_s = len(self.stations), None, None
        if options.zero == "symmetry":
            zero_s = self._over_pairs("centre_s")
            zero_error_s = np.hypot(self._over_pairs("centre_error_s"), self.floor_s)
            self.zero_s = np.nan_to_num(zero_s)
        right = self._numbers(options.right)
        series = clock_series(
            self.first,
            self.second,
            shift_s,
            error_s,
            n,
            zero_s,
            zero_error_s,
            right,
        )
        if right is None:
            right = agreeing_stations(series.offset_s)
        offset_s, spread_s = series.offset_s, series.error_s
        if options.zero == "mean":
            offset_s = offset_s - _mean_over_time(offset_s)
        elif options.zero == "first":
            offset_s, spread_s = _from_first(offset_s, spread_s)
        most = int(series.n_pairs.max(initial=0))
        enough = series.n_pairs >= min(options.min_pairs, most)
        offset_s, spread_s = (
            np.where(enough, values, np.nan) for values in (offset_s, spread_s)
        )
        is_right = np.isin(np.arange(n), right)
        return series._replace(offset_s=offset_s, error_s=spread_s), is_right

    def _numbers(self, right: Sequence[str]) -> np.ndarray | None:
        return np.flatnonzero(np.isin(self.stations, right)) if right else None


def _mean_over_time(values: np.ndarray) -> np.ndarray:
    known = np.isfinite(values)
    return np.where(known, values, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)


def _from_first(
    offset_s: np.ndarray, error_s: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return offsets from the first known one of each station, and their errors."""
    offset_s, error_s = offset_s.copy(), error_s.copy()
    for s in range(offset_s.shape[1]):
        known = np.flatnonzero(np.isfinite(offset_s[:, s]))
        if len(known):
            offset_s[:, s] -= offset_s[known[0], s]
            error_s[known[1:], s] = np.hypot(
                error_s[known[1:], s], error_s[known[0], s]
            )
    return offset_s, error_s
