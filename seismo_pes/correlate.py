"""Correlation of tiles, and stacking over time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from dispel4py.core import GenericPE
from seismo_pes.pairs import Block, Tile
from seismo_pes.report import Skipped
from seismo_pes.rows import CorrelationRows
from seismo_pes.signal.correlate import block_pairs, correlate_block
from seismo_pes.spectra import SpectraSettings

__all__ = ["CorrelateTiles", "PairWindows", "pair_windows"]

Pair = tuple[int, int]

# Rows are made in batches below the size from which malloc maps fresh memory.
_BATCH_BYTES = 24 << 20


@dataclass(frozen=True, eq=False)
class PairWindows:
    """Which windows two blocks share, pair by pair.

    Attributes
    ----------
    pairs : numpy.ndarray
        Shape (n, 2), int32: indices into the channel table.
    n_windows : numpy.ndarray
        Shape (n,), int32.
    first, last : numpy.ndarray
        Shape (n,), int64: the first and last window of the grid that both have; -1
        where there is none.
    """

    pairs: np.ndarray
    n_windows: np.ndarray
    first: np.ndarray
    last: np.ndarray

    @classmethod
    def of(cls, rows: Sequence[tuple[Pair, int, int, int]]) -> PairWindows:
        """Make the table from rows (pair, n_windows, first, last)."""
        pairs = np.array([row[0] for row in rows], np.int32).reshape(-1, 2)
        rest = np.array([row[1:] for row in rows], np.int64).reshape(-1, 3)
        return cls(pairs, rest[:, 0].astype(np.int32), rest[:, 1], rest[:, 2])

    def chosen(self, rows: np.ndarray) -> PairWindows:
        """Return some of the rows."""
        return PairWindows(
            self.pairs[rows], self.n_windows[rows], self.first[rows], self.last[rows]
        )


def single_threaded() -> AbstractContextManager[Any]:
    """Keep BLAS to one thread: threads cost more than these small products."""
    return _libraries().limit(limits=1)


@lru_cache(maxsize=1)
def _libraries() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def pair_windows(a: Block, b: Block, diagonal: int | None) -> PairWindows:
    """Count the windows that each pair of two blocks shares."""
    index = block_pairs(len(a.channels), len(b.channels), diagonal)
    pairs = np.stack([a.channels[index[:, 0]], b.channels[index[:, 1]]], axis=1)
    both = a.usable[index[:, 0]] & b.usable[index[:, 1]]
    n = both.sum(axis=1, dtype=np.int32)
    first = np.where(n, a.windows[both.argmax(axis=1)], -1)
    last = np.where(n, a.windows[both.shape[1] - 1 - both[:, ::-1].argmax(axis=1)], -1)
    return PairWindows(pairs.astype(np.int32), n, first, last)


@dataclass
class _Sum:
    """What has been added up for one tile.

    ``spans`` has (windows, first, last) of every pair that was looked at, ``data``
    the sum of those that have windows.
    """

    row: int
    column: int
    spans: dict[Pair, tuple[int, int, int]] = field(default_factory=dict)
    data: dict[Pair, np.ndarray] = field(default_factory=dict)

    def add(self, shared: PairWindows, sums: np.ndarray) -> None:
        """Add the sums of one stretch."""
        columns = shared.pairs, shared.n_windows, shared.first, shared.last
        for row, ((i, j), *new) in enumerate(
            zip(*(column.tolist() for column in columns), strict=True)
        ):
            pair = (i, j)
            old = self.spans.get(pair)
            self.spans[pair] = _joined(old, tuple(new)) if old else tuple(new)
            if pair in self.data:
                self.data[pair] += sums[row]
            elif new[0]:
                self.data[pair] = sums[row].astype(np.float64)


def _joined(
    old: tuple[int, int, int], new: tuple[int, int, int]
) -> tuple[int, int, int]:
    """Join (windows, first, last) of two stretches; no windows have no first."""
    if not old[0] or not new[0]:
        return old if old[0] else new
    return old[0] + new[0], min(old[1], new[1]), max(old[2], new[2])


class CorrelateTiles(GenericPE):
    """Correlate the channels of each tile and stack over windows and stretches.

    Ports
    -----
    input : Tile
        Grouped by its number, so that the sums of a tile live in one place.
    output : CorrelationRows
        Means over windows. Stack ``all`` comes at the end, or at once if the run has
        one stretch; stacks of single stretches come as they are made.
    skipped : Skipped
        Pairs that share no window.

    Parameters
    ----------
    settings : SpectraSettings
        How windows became spectra.
    stretch_names : dict of int to str
        The stretches of the run; the names of their stacks.
    each_stretch : bool
        Also keep a stack for each stretch.
    autocorrelations : bool
        Correlate channels with themselves, too.
    channel_ids : list of str
        The channel table, for reports.
    """

    def __init__(
        self,
        settings: SpectraSettings,
        stretch_names: dict[int, str],
        each_stretch: bool = False,
        autocorrelations: bool = False,
        channel_ids: list[str] | None = None,
    ) -> None:
        super().__init__()
        self.settings, self.stretch_names = settings, dict(stretch_names)
        self.each_stretch, self.autocorrelations = each_stretch, autocorrelations
        self.channel_ids = channel_ids or []
        self._sums: dict[int, _Sum] = {}
        self._add_input("input", grouping=["number"])
        self._add_output("output")
        self._add_output("skipped")

    def process(self, inputs: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Correlate one tile of one stretch."""
        tile: Tile = inputs["input"]
        only = len(self.stretch_names) == 1
        total = None
        if not only:
            total = self._sums.setdefault(tile.number, _Sum(tile.row, tile.column))
        stacks = ["all"] if only else []
        if self.each_stretch:
            stacks.append(self.stretch_names[tile.stretch])
        for a, b, diagonal in self._parts(tile):
            shared = pair_windows(a, b, diagonal)
            if not len(shared.pairs):
                continue
            sums = self._correlate(a, b, diagonal)
            if total is not None:
                total.add(shared, sums)
            if stacks:
                yield from self._emit(tile, shared, sums, stacks)
        if stacks:
            where = (tile.row, tile.column, tile.stretch)
            yield {"output": self._last(stacks[0], where)}

    def postprocess(self) -> None:
        """Emit the stacks over all stretches."""
        for number in sorted(self._sums):
            total = self._sums.pop(number)
            pairs = sorted(total.spans)
            batch = max(1, _BATCH_BYTES // (self._n_lags() * self._dtype().itemsize))
            for k in range(0, len(pairs), batch):
                self._write_total(total, pairs[k : k + batch])
            tile = (total.row, total.column, -1)
            self.write("output", self._last("all", tile))

    # -- one tile ----------------------------------------------------------------

    def _dtype(self) -> np.dtype[Any]:
        return np.dtype(self.settings.dtype)

    def _n_lags(self) -> int:
        return 2 * self.settings.max_lag + 1

    def _parts(self, tile: Tile) -> Iterator[tuple[Block, Block, int | None]]:
        """Split a tile so that the correlations of a part fit a batch."""
        n_a, n_b = len(tile.a.channels), len(tile.b.channels)
        row_bytes = max(1, n_b * self._n_lags() * self._dtype().itemsize)
        step = max(1, _BATCH_BYTES // row_bytes)
        on_diagonal = tile.row == tile.column
        diagonal = (0 if self.autocorrelations else 1) if on_diagonal else None
        for i in range(0, n_a, step):
            a = _channels_of(tile.a, i, min(i + step, n_a))
            b = _channels_of(tile.b, i, n_b) if on_diagonal else tile.b
            yield a, b, diagonal

    def _correlate(self, a: Block, b: Block, diagonal: int | None) -> np.ndarray:
        with single_threaded():
            return self._block(a, b, diagonal)

    def _block(self, a: Block, b: Block, diagonal: int | None) -> np.ndarray:
        return correlate_block(
            a.data,
            b.data,
            self.settings.n_fft,
            self.settings.bins,
            self.settings.max_lag,
            layout="bins-first" if a.bins_first else "bins-last",
            diagonal=diagonal,
            dtype=self._dtype(),
        )

    def _emit(
        self, tile: Tile, shared: PairWindows, sums: np.ndarray, stacks: list[str]
    ) -> Iterator[dict[str, Any]]:
        there = shared.n_windows > 0
        if not there.all():
            if "all" in stacks:
                for pair in shared.pairs[~there].tolist():
                    yield {"skipped": self._no_window(pair)}
            shared, sums = shared.chosen(there), sums[there]
        if not len(sums):
            return
        if shared.n_windows.max() > 1:
            sums *= (1 / shared.n_windows)[:, None].astype(sums.dtype)
        where = (tile.row, tile.column, tile.stretch)
        for stack in stacks:
            yield {"output": self._rows(stack, shared, sums, where)}

    # -- rows --------------------------------------------------------------------

    def _rows(
        self,
        stack: str,
        shared: PairWindows,
        data: np.ndarray,
        tile: tuple[int, int, int],
        last: bool = False,
    ) -> CorrelationRows:
        grid = self.settings.grid
        start = grid.origin_ns + shared.first * grid.step_ns
        end = grid.origin_ns + shared.last * grid.step_ns + grid.length_ns
        return CorrelationRows(
            stack, shared.pairs, shared.n_windows, start, end, data, tile, last
        )

    def _last(self, stack: str, tile: tuple[int, int, int]) -> CorrelationRows:
        """Return the empty batch that says a tile is complete."""
        nothing = np.empty((0, self._n_lags()), self._dtype())
        return self._rows(stack, PairWindows.of([]), nothing, tile, last=True)

    def _write_total(self, total: _Sum, pairs: list[Pair]) -> None:
        found = PairWindows.of([(p, *total.spans[p]) for p in pairs if p in total.data])
        for pair in pairs:
            if pair not in total.data:
                self.write("skipped", self._no_window(pair))
        if not len(found.pairs):
            return
        data = np.empty((len(found.pairs), self._n_lags()), self._dtype())
        rows = zip(data, found.pairs.tolist(), found.n_windows, strict=True)
        for row, pair, n in rows:
            np.divide(total.data.pop(tuple(pair)), n, out=row, casting="same_kind")
        tile = (total.row, total.column, -1)
        self.write("output", self._rows("all", found, data, tile))

    def _no_window(self, pair: Sequence[int]) -> Skipped:
        names = [self.channel_ids[k] if self.channel_ids else str(k) for k in pair]
        return Skipped("correlate", "_".join(names), "the two share no window")


def _channels_of(block: Block, start: int, stop: int) -> Block:
    """Return a block of some of the channels of a block, without copying."""
    if block.bins_first:
        data = block.data[:, start:stop]
    else:
        data = block.data[start:stop]
    return Block(
        block.channels[start:stop], block.windows, block.usable[start:stop], data
    )
