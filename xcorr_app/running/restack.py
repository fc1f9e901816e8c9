"""The second phase of a run: stacks that are made of stacks.

The first phase leaves *base rows*: the stack of each pair over each period (a window,
hour, day or group of days). Here these become the stack of all, moving stacks, and the
uncertainty of the stack. Everything is read from the parts of the run, tile by tile,
in the order of time, so that equal base rows give equal bytes whenever that is done.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dispel4py.core import GenericPE
from seismo_pes.items.correlation import Correlation
from seismo_pes.items.rows import CorrelationRows
from seismo_pes.stacking.stacks import stack
from seismo_pes.writing.part_files import RECORD
from xcorr_app.results.parts import DERIVED, WINDOWS, Part
from xcorr_app.results.row_reader import RowReader
from xcorr_app.running.moving import MovingStack
from xcorr_app.running.substacks import Extent, RestackTile

__all__ = ["ALL", "DEVIATION", "DerivedStacks", "RestackPairs"]

ALL = "all"
DEVIATION = "all.std"
N_DRAWS = 200
BATCH_BYTES = 24 << 20


@dataclass(frozen=True)
class DerivedStacks:
    """What is made of base rows.

    Parameters
    ----------
    rate_hz
        Samples of lag per second.
    kind, options
        How rows are stacked, see `seismo_pes.stacking.stacks.stack`.
    moving
        Moving stacks.
    uncertainty
        Make `DEVIATION`, the standard deviation of the stack of all by a bootstrap
        over the base rows.
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
            If its options are not its own, or not possible.
        """
        noise = np.random.default_rng(0).standard_normal((n_rows, n_lags))
        stack(Correlation.of("", "", noise, self.rate_hz), self.kind, **self.options)

    @property
    def streams(self) -> bool:
        """Whether one base row after the other will do, without holding them all."""
        return self.kind == "linear" and not self.moving and not self.uncertainty


# ------------------------------------------------------------------ the element


@dataclass(frozen=True, eq=False)
class _Slab:
    """Base rows of some pairs in one band: ``rows[i, k]`` of pair i in period k."""

    band: str
    names: list[str]
    pairs: np.ndarray
    rows: np.ndarray


def _period(extent: Extent) -> str:
    return extent.stack.partition("@")[0]


class RestackPairs(GenericPE):
    """Make stacks over all of the time, and moving ones, of the stacks of a tile.

    Ports
    -----
    input : RestackTile
        Any instance may work on any tile.
    output : CorrelationRows
        Rows of tile (row, column, -1); the last batch of a tile is empty.

    Parameters
    ----------
    out : str
        Folder of the run.
    parts : sequence of Part
        Its parts, as the extents count them.
    derived : DerivedStacks
        What to make.
    n_lags : int
    dtype : str
        Form of the rows.
    memory_bytes : int
        Bound for the rows that are held at once; one pair is, whatever its size.
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
        """Get ready to read."""
        self._reader = RowReader(
            Path(self.out), self.parts, self.n_lags, np.dtype(self.dtype)
        )

    def process(self, inputs: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Restack one tile."""
        tile: RestackTile = inputs["input"]
        where = (tile.row, tile.column, DERIVED)
        for slab in self._slabs(tile):
            for name, rows, data in self._stacks(slab):
                if not len(rows):
                    continue
                full = f"{name}@{slab.band}" if slab.band else name
                yield {"output": _batch(full, rows, data, where)}
        nothing = np.empty((0, self.n_lags), self.dtype)
        none = np.zeros(0, _SUMMARY)
        yield {"output": _batch(ALL, none, nothing, where, last=True)}

    def postprocess(self) -> None:
        """Close the parts."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    # -- reading -----------------------------------------------------------------

    def _slabs(self, tile: RestackTile) -> Iterator[_Slab]:
        """Yield the base rows of a tile, as many pairs at once as memory allows."""
        bands: dict[str, list[Extent]] = {}
        for extent in tile.extents:
            bands.setdefault(extent.stack.partition("@")[2], []).append(extent)
        for band in sorted(bands):
            extents = bands[band]
            periods = sorted({(e.key, _period(e)) for e in extents})
            keys = self._pairs_of(extents)
            at_once = max(self.memory_bytes // (8 * WINDOWS.itemsize * len(periods)), 1)
            for begin in range(0, len(keys), at_once):
                slab = self._slab(band, periods, extents, keys[begin : begin + at_once])
                yield from _divided(slab, self._pairs_at_once(len(periods)))

    def _pairs_of(self, extents: list[Extent]) -> np.ndarray:
        found = [np.zeros(0, np.int64)]
        for extent in extents:
            found.append(np.unique(_keys(self._records(extent))))
        return np.unique(np.concatenate(found))

    def _slab(
        self,
        band: str,
        periods: list[tuple[int, str]],
        extents: list[Extent],
        keys: np.ndarray,
    ) -> _Slab:
        rows = np.zeros((len(keys), len(periods)), WINDOWS)
        rows["part"] = -1
        column = {period: k for k, period in enumerate(periods)}
        for extent in extents:
            records = self._records(extent)
            at = np.searchsorted(keys, _keys(records))
            at[at == len(keys)] = 0
            here = np.flatnonzero(keys[at] == _keys(records))
            entry = np.zeros(len(here), WINDOWS)
            for name in ("n_windows", "start_ns", "end_ns", "data_sum"):
                entry[name] = records[name][here]
            entry["part"], entry["row"] = extent.part, extent.begin + here
            rows[at[here], column[extent.key, _period(extent)]] = entry
        pairs = np.stack([keys >> 32, keys & 0xFFFFFFFF], axis=1).astype(np.int32)
        return _Slab(band, [name for _, name in periods], pairs, rows)

    def _records(self, extent: Extent) -> np.ndarray:
        part = self.parts[extent.part]
        with open(Path(self.out) / part.name, "rb") as file:
            file.seek(part.layout.index_offset + extent.begin * RECORD.itemsize)
            return np.fromfile(file, RECORD, extent.end - extent.begin)

    def _pairs_at_once(self, n_periods: int) -> int:
        """Return how many pairs are stacked together."""
        item = np.dtype(self.dtype).itemsize
        batch = BATCH_BYTES // (self.n_lags * item)
        if self.derived.streams:  # a sum in float64, the rows read, their products
            held = self.n_lags * (16 + item)
        else:  # all rows, and what stacking one pair takes
            held = self.n_lags * item * n_periods * 2
        return max(min(batch, self.memory_bytes // held), 1)

    # -- stacking ----------------------------------------------------------------

    def _stacks(self, slab: _Slab) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """Yield name, summary and data of each stack of the pairs of a slab."""
        if self.derived.streams:
            yield ALL, _summary(slab), self._streamed(slab)
            return
        data = np.zeros((*slab.rows.shape, self.n_lags), self.dtype)
        there = slab.rows["part"] >= 0
        for k in range(len(slab.names)):
            data[there[:, k], k] = self._read(slab.rows[there[:, k], k])
        yield ALL, _summary(slab), self._stacked(slab, data)
        if self.derived.uncertainty:
            several = np.flatnonzero(there.sum(axis=1) > 1)
            chosen = _Slab(
                slab.band, slab.names, slab.pairs[several], slab.rows[several]
            )
            yield DEVIATION, _summary(chosen), self._deviations(chosen, data[several])
        if not self.derived.moving:
            return
        starts = np.array(slab.names, "datetime64[ns]").astype(np.int64)
        for one in self.derived.moving:
            begin, end = np.searchsorted(starts, [one.start_ns, one.end_ns]).tolist()
            inside = there[:, begin:end].any(axis=1)
            if inside.any():
                part = _Slab(
                    slab.band,
                    slab.names[begin:end],
                    slab.pairs[inside],
                    slab.rows[inside, begin:end],
                )
                made = self._stacked(part, data[inside, begin:end])
                yield one.name, _summary(part), made

    def _read(self, rows: np.ndarray) -> np.ndarray:
        assert self._reader is not None, "preprocess comes first"
        return self._reader.read(rows)

    def _streamed(self, slab: _Slab) -> np.ndarray:
        """Return the linear stacks of all, reading one period after the other."""
        total = np.zeros((len(slab.pairs), self.n_lags))
        for rows in slab.rows.T:
            there = rows["part"] >= 0
            if there.any():
                weights = rows["n_windows"][there].astype(np.float64)
                total[there] += weights[:, None] * self._read(rows[there])
        return _mean(total, slab.rows).astype(self.dtype)

    def _stacked(self, slab: _Slab, data: np.ndarray) -> np.ndarray:
        """Return one row for each pair; ``data`` has shape (pair, period, lag)."""
        if self.derived.kind == "linear":
            total = np.zeros((len(slab.pairs), self.n_lags))
            for k in range(len(slab.names)):
                weights = slab.rows["n_windows"][:, k].astype(np.float64)
                total += weights[:, None] * data[:, k]
            return _mean(total, slab.rows).astype(self.dtype)
        made = np.empty((len(slab.pairs), self.n_lags), self.dtype)
        for i, rows in enumerate(slab.rows):
            there = rows["part"] >= 0
            made[i] = self._nonlinear(data[i, there], rows["n_windows"][there])
        return made

    def _nonlinear(self, data: np.ndarray, n_windows: np.ndarray) -> np.ndarray:
        """Stack the rows of one pair."""
        derived = self.derived
        one = Correlation.of("", "", data, derived.rate_hz, n_windows=n_windows)
        return stack(one, derived.kind, **derived.options).data

    def _deviations(self, slab: _Slab, data: np.ndarray) -> np.ndarray:
        """Return the standard deviation of the stack of each pair, by bootstrap."""
        made = np.empty((len(slab.pairs), self.n_lags), self.dtype)
        for i, rows in enumerate(slab.rows):
            there = rows["part"] >= 0
            made[i] = self._deviation(data[i, there], rows["n_windows"][there])
        return made

    def _deviation(self, data: np.ndarray, n_windows: np.ndarray) -> np.ndarray:
        n = len(data)
        random = np.random.default_rng(0)  # the same draws for every pair
        if self.derived.kind == "linear":
            draws = random.multinomial(n, np.full(n, 1 / n), N_DRAWS) * n_windows
            weights = draws / draws.sum(axis=1, keepdims=True)
            return np.asarray((weights @ data.astype(np.float64)).std(axis=0, ddof=1))
        chosen = random.integers(n, size=(N_DRAWS, n))
        made = [self._nonlinear(data[one], n_windows[one]) for one in chosen]
        return np.asarray(np.std(np.array(made, np.float64), axis=0, ddof=1))


# ------------------------------------------------------------------ rows

_SUMMARY = np.dtype(
    [("pair", "<i4", (2,)), ("n_windows", "<i4"), ("start_ns", "<i8"),
     ("end_ns", "<i8")]
)  # fmt: skip


def _keys(records: np.ndarray) -> np.ndarray:
    return (records["first"].astype(np.int64) << 32) | records["second"]


def _mean(total: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return total / rows["n_windows"].sum(axis=1, dtype=np.float64)[:, None]


def _summary(slab: _Slab) -> np.ndarray:
    """Return the pairs of a slab, how many windows they have, from when to when."""
    there = slab.rows["part"] >= 0
    made = np.zeros(len(slab.pairs), _SUMMARY)
    made["pair"] = slab.pairs
    made["n_windows"] = slab.rows["n_windows"].sum(axis=1)
    never = np.iinfo(np.int64)
    made["start_ns"] = np.where(there, slab.rows["start_ns"], never.max).min(axis=1)
    made["end_ns"] = np.where(there, slab.rows["end_ns"], never.min).max(axis=1)
    return made


def _divided(slab: _Slab, at_once: int) -> Iterator[_Slab]:
    for begin in range(0, len(slab.pairs), at_once):
        some = slice(begin, begin + at_once)
        yield _Slab(slab.band, slab.names, slab.pairs[some], slab.rows[some])


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
