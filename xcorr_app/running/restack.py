"""The second phase of a run: stacks of substacks.

The first phase writes the substacks of each pair: stacks over a window, an hour, a day
or a group of days. From these, the second phase makes the stack of the whole run,
moving stacks, and the uncertainty of the stack. It reads the substacks from the parts
of the run, tile by tile and in the order of time. Equal substacks therefore give equal
bytes, also after a resumed run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dispel4py.core import GenericPE
from seismo_pes.items.correlation import Correlation
from seismo_pes.items.tiles import CorrelationRows
from seismo_pes.stacking.stacks import stack
from seismo_pes.writing.part_records import RECORD, read_array
from xcorr_app.results.row_reader import RowReader
from xcorr_app.results.run_parts import DERIVED, Part
from xcorr_app.results.window_tables import WINDOWS
from xcorr_app.running.moving import MovingStack
from xcorr_app.running.substacks import Extent, RestackTile

__all__ = ["ALL", "DEVIATION", "DerivedStacks", "RestackPairs"]

ALL = "all"  # name of the stack of the whole run
DEVIATION = "all.std"  # name of its standard deviation
N_DRAWS = 200  # draws of the bootstrap: the error of the deviation is about 5 %
BATCH_BYTES = 24 << 20  # largest size of the rows that are written together


@dataclass(frozen=True)
class DerivedStacks:
    """The stacks that are made from substacks.

    Parameters
    ----------
    rate_hz
        Samples of lag per second.
    kind, options
        Kind and options of the stack, see `seismo_pes.stacking.stacks.stack`.
    moving
        Moving stacks.
    uncertainty
        Also make `DEVIATION`, the standard deviation of the stack of the whole run, by
        a bootstrap over the substacks.
    """

    rate_hz: float
    kind: str = "linear"
    options: Mapping[str, Any] = field(default_factory=dict)
    moving: tuple[MovingStack, ...] = ()
    uncertainty: bool = False

    def check(self, n_lags: int, n_rows: int = 3) -> None:
        """Try the kind of stack on some rows of noise.

        Raises
        ------
        ParameterError
            If the kind of stack does not have these options, or refuses their values.
        """
        noise = np.random.default_rng(0).standard_normal((n_rows, n_lags))
        stack(Correlation.of("", "", noise, self.rate_hz), self.kind, **self.options)

    @property
    def streams(self) -> bool:
        """Whether substacks can be summed one by one, without all of them in memory."""
        return self.kind == "linear" and not self.moving and not self.uncertainty


# ------------------------------------------------------------------ the element


@dataclass(frozen=True, eq=False)
class _Substacks:
    """Substacks of some pairs in one band: ``rows[i, k]`` of pair i in interval k."""

    band: str
    intervals: list[str]
    pairs: np.ndarray
    rows: np.ndarray

    @property
    def present(self) -> np.ndarray:
        """Shape of ``rows``, bool: whether the pair has a substack in the interval."""
        return np.asarray(self.rows["part"] >= 0)

    def of_pairs(self, chosen: slice | np.ndarray) -> _Substacks:
        """Return the substacks of some of the pairs."""
        return _Substacks(
            self.band, self.intervals, self.pairs[chosen], self.rows[chosen]
        )

    def between(self, begin: int, end: int) -> _Substacks:
        """Return the substacks of consecutive intervals."""
        names = self.intervals[begin:end]
        return _Substacks(self.band, names, self.pairs, self.rows[:, begin:end])


def _interval(extent: Extent) -> str:
    """Return the name of the interval of a stack, without its band."""
    return extent.stack.partition("@")[0]


class RestackPairs(GenericPE):
    """Make the stack of the whole run and moving stacks from the substacks of a tile.

    Ports
    -----
    input : RestackTile
        Tiles may go to any instance.
    output : CorrelationRows
        Rows of tile (row, column, -1); the last batch of a tile is empty.

    Parameters
    ----------
    out : str
        Folder of the run.
    parts : sequence of Part
        The parts of the run, by the numbers of the extents.
    derived : DerivedStacks
        The stacks to make.
    n_lags : int
        Number of samples of a correlation.
    dtype : str
        Type of the samples.
    memory_bytes : int
        Upper bound for the rows in memory, except that all rows of one pair are in
        memory together.
    """

    def __init__(
        self,
        out: str,
        parts: Sequence[Part],
        derived: DerivedStacks,
        n_lags: int,
        dtype: str,
        memory_bytes: int = 256 << 20,
    ) -> None:
        super().__init__()
        self.out, self.parts, self.derived = out, tuple(parts), derived
        self.n_lags, self.dtype = n_lags, dtype
        self.memory_bytes = memory_bytes
        self._reader: RowReader | None = None
        self._add_input("input")
        self._add_output("output")

    def preprocess(self) -> None:
        """Prepare to read rows."""
        self._reader = RowReader(
            Path(self.out), self.parts, self.n_lags, np.dtype(self.dtype)
        )

    def process(self, inputs: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Restack one tile."""
        tile: RestackTile = inputs["input"]
        key = (tile.row, tile.column, DERIVED)
        for substacks in self._tables(tile):
            for name, rows, data in self._stacks(substacks):
                if not len(rows):
                    continue
                full = f"{name}@{substacks.band}" if substacks.band else name
                yield {"output": _batch(full, rows, data, key)}
        no_data = np.empty((0, self.n_lags), self.dtype)
        no_rows = np.zeros(0, _SUMMARY)
        yield {"output": _batch(ALL, no_rows, no_data, key, last=True)}

    def postprocess(self) -> None:
        """Close the parts."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    # -- reading -----------------------------------------------------------------

    def _tables(self, tile: RestackTile) -> Iterator[_Substacks]:
        """Yield the substacks of a tile, for the pairs that fit the memory together."""
        bands: dict[str, list[Extent]] = {}
        for extent in tile.extents:
            bands.setdefault(extent.stack.partition("@")[2], []).append(extent)
        for band in sorted(bands):
            extents = bands[band]
            intervals = sorted({(e.key, _interval(e)) for e in extents})
            keys = self._pairs_of(extents)
            pair_bytes = WINDOWS.itemsize * len(intervals)
            at_once = max(self.memory_bytes // (8 * pair_bytes), 1)
            for begin in range(0, len(keys), at_once):
                batch = keys[begin : begin + at_once]
                table = self._table(band, intervals, extents, batch)
                yield from _divide(table, self._pairs_at_once(len(intervals)))

    def _pairs_of(self, extents: list[Extent]) -> np.ndarray:
        keys = [np.zeros(0, np.int64)]
        for extent in extents:
            keys.append(np.unique(_keys(self._records(extent))))
        return np.unique(np.concatenate(keys))

    def _table(
        self,
        band: str,
        intervals: list[tuple[int, str]],
        extents: list[Extent],
        keys: np.ndarray,
    ) -> _Substacks:
        rows = np.zeros((len(keys), len(intervals)), WINDOWS)
        rows["part"] = -1
        column = {interval: k for k, interval in enumerate(intervals)}
        for extent in extents:
            records = self._records(extent)
            at = np.searchsorted(keys, _keys(records))
            at[at == len(keys)] = 0
            chosen = np.flatnonzero(keys[at] == _keys(records))
            entry = np.zeros(len(chosen), WINDOWS)
            for name in ("n_windows", "start_ns", "end_ns", "data_sum"):
                entry[name] = records[name][chosen]
            entry["part"], entry["row"] = extent.part, extent.begin + chosen
            rows[at[chosen], column[extent.key, _interval(extent)]] = entry
        pairs = np.stack([keys >> 32, keys & 0xFFFFFFFF], axis=1).astype(np.int32)
        return _Substacks(band, [name for _, name in intervals], pairs, rows)

    def _records(self, extent: Extent) -> np.ndarray:
        part = self.parts[extent.part]
        path = Path(self.out) / part.name
        with open(path, "rb") as file:
            file.seek(part.layout.index_offset + extent.begin * RECORD.itemsize)
            return read_array(path, file, RECORD, extent.end - extent.begin)

    def _pairs_at_once(self, n_intervals: int) -> int:
        """Return the number of pairs that are stacked together."""
        item = np.dtype(self.dtype).itemsize
        batch = BATCH_BYTES // (self.n_lags * item)
        if self.derived.streams:  # a sum in float64, the rows read, their products
            pair_bytes = self.n_lags * (16 + item)
        else:  # all rows of the pair, and copies of them in the stack
            pair_bytes = self.n_lags * item * n_intervals * 2
        return max(min(batch, self.memory_bytes // pair_bytes), 1)

    # -- stacking ----------------------------------------------------------------

    def _stacks(
        self, substacks: _Substacks
    ) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """Yield name, summary and data of each stack of the pairs."""
        if self.derived.streams:
            yield ALL, _summary(substacks), self._sum_intervals(substacks)
            return
        data = np.zeros((*substacks.rows.shape, self.n_lags), self.dtype)
        present = substacks.present
        for k in range(len(substacks.intervals)):
            data[present[:, k], k] = self._read(substacks.rows[present[:, k], k])
        yield ALL, _summary(substacks), self._stack_pairs(substacks, data)
        if self.derived.uncertainty:
            several = np.flatnonzero(present.sum(axis=1) > 1)
            chosen = substacks.of_pairs(several)
            yield DEVIATION, _summary(chosen), self._deviations(chosen, data[several])
        if self.derived.moving:
            yield from self._moving(substacks, data)

    def _moving(
        self, substacks: _Substacks, data: np.ndarray
    ) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """Yield name, summary and data of each moving stack of the pairs."""
        starts_ns = np.array(substacks.intervals, "datetime64[ns]").astype(np.int64)
        for name, start_ns, end_ns in self.derived.moving:
            begin, end = np.searchsorted(starts_ns, [start_ns, end_ns]).tolist()
            inside = np.asarray(substacks.present[:, begin:end].any(axis=1))
            if inside.any():
                chosen = substacks.between(begin, end).of_pairs(inside)
                stacked = self._stack_pairs(chosen, data[inside, begin:end])
                yield name, _summary(chosen), stacked

    def _read(self, rows: np.ndarray) -> np.ndarray:
        assert self._reader is not None, "preprocess comes first"
        return self._reader.read(rows)

    def _sum_intervals(self, substacks: _Substacks) -> np.ndarray:
        """Return the linear stacks of the whole run, reading interval by interval."""
        total = np.zeros((len(substacks.pairs), self.n_lags))
        for rows in substacks.rows.T:
            present = rows["part"] >= 0
            if present.any():
                weights = rows["n_windows"][present].astype(np.float64)
                total[present] += weights[:, None] * self._read(rows[present])
        return _mean(total, substacks.rows).astype(self.dtype)

    def _stack_pairs(self, substacks: _Substacks, data: np.ndarray) -> np.ndarray:
        """Return one row for each pair; ``data`` has shape (pair, interval, lag)."""
        if self.derived.kind == "linear":
            total = np.zeros((len(substacks.pairs), self.n_lags))
            for k in range(len(substacks.intervals)):
                weights = substacks.rows["n_windows"][:, k].astype(np.float64)
                total += weights[:, None] * data[:, k]
            return _mean(total, substacks.rows).astype(self.dtype)
        stacked = np.empty((len(substacks.pairs), self.n_lags), self.dtype)
        for i, present in enumerate(substacks.present):
            n_windows = substacks.rows["n_windows"][i, present]
            stacked[i] = self._nonlinear(data[i, present], n_windows)
        return stacked

    def _nonlinear(self, data: np.ndarray, n_windows: np.ndarray) -> np.ndarray:
        """Stack the rows of one pair."""
        derived = self.derived
        rows = Correlation.of("", "", data, derived.rate_hz, n_windows=n_windows)
        return stack(rows, derived.kind, **derived.options).data

    def _deviations(self, substacks: _Substacks, data: np.ndarray) -> np.ndarray:
        """Return the standard deviation of the stack of each pair, by bootstrap."""
        deviations = np.empty((len(substacks.pairs), self.n_lags), self.dtype)
        for i, present in enumerate(substacks.present):
            n_windows = substacks.rows["n_windows"][i, present]
            deviations[i] = self._deviation(data[i, present], n_windows)
        return deviations

    def _deviation(self, data: np.ndarray, n_windows: np.ndarray) -> np.ndarray:
        n = len(data)
        random = np.random.default_rng(0)  # the same draws for every pair
        if self.derived.kind == "linear":
            counts = random.multinomial(n, np.full(n, 1 / n), N_DRAWS) * n_windows
            weights = counts / counts.sum(axis=1, keepdims=True)
            return np.asarray((weights @ data.astype(np.float64)).std(axis=0, ddof=1))
        draws = random.integers(n, size=(N_DRAWS, n))
        stacks = [self._nonlinear(data[draw], n_windows[draw]) for draw in draws]
        return np.asarray(np.std(np.array(stacks, np.float64), axis=0, ddof=1))


# ------------------------------------------------------------------ rows

_SUMMARY = np.dtype(
    [("pair", "<i4", (2,)), ("n_windows", "<i4"), ("start_ns", "<i8"),
     ("end_ns", "<i8")]
)  # fmt: skip


def _keys(records: np.ndarray) -> np.ndarray:
    return (records["first"].astype(np.int64) << 32) | records["second"]


def _mean(total: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return total / rows["n_windows"].sum(axis=1, dtype=np.float64)[:, None]


def _summary(substacks: _Substacks) -> np.ndarray:
    """Return the number of windows, the start and the end of each pair."""
    present, rows, bounds = substacks.present, substacks.rows, np.iinfo(np.int64)
    summary = np.zeros(len(substacks.pairs), _SUMMARY)
    summary["pair"] = substacks.pairs
    summary["n_windows"] = rows["n_windows"].sum(axis=1)
    summary["start_ns"] = np.where(present, rows["start_ns"], bounds.max).min(axis=1)
    summary["end_ns"] = np.where(present, rows["end_ns"], bounds.min).max(axis=1)
    return summary


def _divide(substacks: _Substacks, at_once: int) -> Iterator[_Substacks]:
    for begin in range(0, len(substacks.pairs), at_once):
        yield substacks.of_pairs(slice(begin, begin + at_once))


def _batch(
    stack_name: str,
    rows: np.ndarray,
    data: np.ndarray,
    tile: tuple[int, int, int],
    last: bool = False,
) -> CorrelationRows:
    return CorrelationRows(
        stack_name,
        rows["pair"],
        rows["n_windows"],
        rows["start_ns"],
        rows["end_ns"],
        data,
        tile,
        last,
    )
