"""Sums over the periods of a group, for the pairs of one tile."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seismo_pes.correlating.tiles.correlator import BATCH_BYTES, Stacks
from seismo_pes.correlating.tiles.pairs import PairWindows, TilePairs, pair_keys

__all__ = ["GroupSums"]

_NEVER = np.iinfo(np.int64).max


class GroupSums:
    """Sums of the correlations of one tile over periods, in float64.

    The first row of a pair allocates its memory.

    Parameters
    ----------
    wanted : TilePairs
        The wanted pairs of all channels of the tile.
    n_lags : int
    dtype : str
        Type of the stacks.
    """

    def __init__(self, wanted: TilePairs, n_lags: int, dtype: str) -> None:
        self._pairs = wanted.every_pair()
        self._keys = pair_keys(self._pairs)
        self._n_lags, self._dtype = n_lags, np.dtype(dtype)
        self._sums: dict[str, tuple[np.ndarray, PairWindows]] = {}
        self._silent: list[np.ndarray] = []

    def add(self, stacks: Stacks) -> None:
        """Add the sums of one period."""
        if len(stacks.silent):
            self._silent = [
                np.unique(np.concatenate([*self._silent, stacks.silent]), axis=0)
            ]
        if stacks.stack not in self._sums:
            self._sums[stacks.stack] = self._zeros()
        data, table = self._sums[stacks.stack]
        new = stacks.shared
        rows = np.searchsorted(self._keys, pair_keys(new.pairs))
        table.n_windows[rows] += new.n_windows
        table.first[rows] = np.minimum(table.first[rows], new.first)
        table.last[rows] = np.maximum(table.last[rows], new.last)
        for row, line in zip(rows.tolist(), stacks.data, strict=True):
            data[row] += line

    def _zeros(self) -> tuple[np.ndarray, PairWindows]:
        n = len(self._pairs)
        table = PairWindows(
            self._pairs.astype(np.int32),
            np.zeros(n, np.int32),
            np.full(n, _NEVER),
            np.full(n, np.iinfo(np.int64).min),
        )
        return np.zeros((n, self._n_lags)), table

    def stacks(self) -> Iterator[Stacks]:
        """Yield the mean stacks in batches of pairs, and release the sums."""
        no_pairs = np.empty((0, 2), np.int64)
        empty = np.empty((0, self._n_lags), self._dtype)
        for silent in self._silent:
            yield Stacks("", PairWindows.none(), empty, silent, no_pairs)
        batch = max(1, BATCH_BYTES // (self._n_lags * self._dtype.itemsize))
        names = list(self._sums)
        for name in names:
            data, table = self._sums.pop(name)
            occupied = np.flatnonzero(table.n_windows > 0)
            for k in range(0, len(occupied), batch):
                rows = occupied[k : k + batch]
                shared = table.subset(rows)
                stacked = np.empty((len(rows), self._n_lags), self._dtype)
                for line, row, n in zip(stacked, rows, shared.n_windows, strict=True):
                    np.divide(data[row], n, out=line, casting="same_kind")
                final = name == names[-1] and k + batch >= len(occupied)
                yield Stacks(name, shared, stacked, no_pairs, no_pairs, final)
