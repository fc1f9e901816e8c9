"""The pairs of a tile: which are wanted, and which windows they share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from seismo_pes.correlating.pairs.rotation import InstrumentPairs, Rotation
from seismo_pes.correlating.pairs.selection import PairSelection

__all__ = ["PairWindows", "TilePairs"]


@dataclass(frozen=True, eq=False)
class PairWindows:
    """Which windows the channels of pairs share.

    Attributes
    ----------
    pairs : numpy.ndarray
        Shape (n, 2), int32: indices into the channel table.
    n_windows : numpy.ndarray
        Shape (n,), int32.
    first, last : numpy.ndarray
        Shape (n,), int64: the first and last window of the grid that both have.
    """

    pairs: np.ndarray
    n_windows: np.ndarray
    first: np.ndarray
    last: np.ndarray

    def __len__(self) -> int:
        return len(self.pairs)

    @classmethod
    def none(cls) -> PairWindows:
        """Return a table without pairs."""
        empty = np.empty(0, np.int64)
        return cls(np.empty((0, 2), np.int32), empty.astype(np.int32), empty, empty)

    def subset(self, rows: np.ndarray | slice) -> PairWindows:
        """Return a subset of the rows."""
        return PairWindows(
            self.pairs[rows], self.n_windows[rows], self.first[rows], self.last[rows]
        )


@dataclass(frozen=True, eq=False)
class TilePairs:
    """The pairs of two blocks of channels that are to be correlated.

    Attributes
    ----------
    a, b : numpy.ndarray
        Shapes (n_a,) and (n_b,): the channels, as indices into the table.
    kept : numpy.ndarray
        Shape (n_a, n_b), bool: pairs whose correlations are stored without rotation.
    tensors : InstrumentPairs, optional
        Pairs of instruments whose components are rotated.
    """

    a: np.ndarray
    b: np.ndarray
    kept: np.ndarray
    tensors: InstrumentPairs | None = None

    @classmethod
    def of(
        cls,
        a_span: tuple[int, int],
        b_span: tuple[int, int],
        selection: PairSelection | None = None,
        rotate: Rotation | None = None,
    ) -> TilePairs:
        """Find the wanted pairs of two blocks; by default each with later channels."""
        a, b = np.arange(*a_span), np.arange(*b_span)
        kept = a[:, None] < b
        if selection is not None:
            kept = selection.allowed(a, b) & (a[:, None] <= b)
        tensors = rotate.pairs(a, b, selection) if rotate is not None else None
        return cls(
            a, b, kept, tensors if tensors is not None and len(tensors) else None
        )

    @cached_property
    def computed(self) -> np.ndarray:
        """Shape (n_a, n_b), bool: the pairs that are stored or rotated."""
        computed = self.kept
        if self.tensors is not None:
            computed = computed.copy()
            which, i, j = np.nonzero(self.tensors.needed)
            computed[self.tensors.a[which, i], self.tensors.b[which, j]] = True
        return computed

    def among(self, a: np.ndarray, b: np.ndarray) -> TilePairs:
        """Return the pairs of a subset of the channels."""
        if np.array_equal(a, self.a) and np.array_equal(b, self.b):
            return self
        at, to = np.searchsorted(self.a, a), np.searchsorted(self.b, b)
        tensors = self.tensors
        if tensors is not None:
            new_a, new_b = _places(at, len(self.a)), _places(to, len(self.b))
            moved = InstrumentPairs(
                new_a[tensors.a],
                new_b[tensors.b],
                tensors.rotated,
                tensors.wanted,
                tensors.matrices,
            )
            whole = (moved.a >= 0).all(axis=1) & (moved.b >= 0).all(axis=1)
            tensors = moved.subset(np.flatnonzero(whole)) if whole.any() else None
        return TilePairs(a, b, self.kept[np.ix_(at, to)], tensors)

    def batches(self, n_pairs: int) -> Iterator[slice]:
        """Divide the first channels into batches that compute at most ``n_pairs``.

        A batch has at least one channel, or the channels of one instrument if it is
        rotated.
        """
        counts = np.cumsum([0, *self.computed.sum(axis=1).tolist()])
        whole = np.ones(len(self.a) + 1, bool)
        if self.tensors is not None:
            for places in np.unique(self.tensors.a, axis=0):
                whole[places.min() + 1 : places.max() + 1] = False
        start = end = 0
        for edge in np.flatnonzero(whole)[1:].tolist():
            if end > start and counts[edge] - counts[start] > n_pairs:
                yield slice(start, end)
                start = end
            # channels without pairs do not begin a batch
            start = edge if counts[edge] == counts[start] else start
            end = edge if counts[edge] > counts[end] else end
        if end > start:
            yield slice(start, end)

    def every_pair(self) -> np.ndarray:
        """Return the pairs that can have rows, shape (n, 2), each once, sorted."""
        i, j = np.nonzero(self.kept)
        pairs = [np.stack([self.a[i], self.b[j]], axis=1)]
        if self.tensors is not None:
            pairs.append(rotated_pairs(self.tensors))
        return np.unique(np.concatenate(pairs), axis=0).reshape(-1, 2)


def _places(at: np.ndarray, n: int) -> np.ndarray:
    """Return the position of each of n channels in a subset; -1 outside of it."""
    places = np.full(n, -1)
    places[at] = np.arange(len(at))
    return places


def rotated_pairs(tensors: InstrumentPairs) -> np.ndarray:
    """Return the wanted pairs of rotated channels, shape (n, 2)."""
    which, i, j = np.nonzero(tensors.wanted)
    first, second = tensors.rotated[which, 0, i], tensors.rotated[which, 1, j]
    return np.stack([first, second], axis=1)


def shared_windows(
    i: np.ndarray,
    j: np.ndarray,
    usable_a: np.ndarray,
    usable_b: np.ndarray,
    windows: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return number, first and last of the windows that pairs (i, j) share.

    First and last have no meaning for pairs that share no window.
    """
    if usable_a.all() and usable_b.all():
        n = np.full(len(i), len(windows), np.int32)
        ends = windows[[0, -1]] if len(windows) else np.zeros(2, np.int64)
        return n, np.full(len(i), ends[0]), np.full(len(i), ends[1])
    both = usable_a[i] & usable_b[j]
    n = both.sum(axis=1, dtype=np.int32)
    last = windows[both.shape[1] - 1 - both[:, ::-1].argmax(axis=1)]
    return n, windows[both.argmax(axis=1)], last


def pair_keys(pairs: np.ndarray) -> np.ndarray:
    """Return one number for each pair, shape (n,), with the same order as the pairs.

    >>> (pair_keys(np.array([[0, 7], [1, 2]])) >> 32).tolist()
    [0, 1]
    """
    table = np.asarray(pairs, np.int64).reshape(-1, 2)
    return (table[:, 0] << 32) | table[:, 1]
