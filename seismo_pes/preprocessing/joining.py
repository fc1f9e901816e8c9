"""Pieces of records, joined into runs without gaps on a sample grid."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

__all__ = ["Conflicts", "Piece", "Run", "finite_runs", "join", "nearest"]


@dataclass
class Piece:
    """Samples without a gap, and the position of the first one."""

    position: Fraction  # of the first sample, in samples from the origin of the grid
    data: np.ndarray


@dataclass
class Run:
    """Pieces that follow each other without a gap.

    ``last_index`` is the sample where the last piece begins in the run, and
    ``last_position`` its true position.
    """

    first: int
    offset: Fraction
    parts: list[np.ndarray] = field(default_factory=list)
    end: int = 0
    last_index: int = 0
    last_position: Fraction = Fraction(0)

    @property
    def data(self) -> np.ndarray:
        """All samples; a view where the run has one part."""
        return self.parts[0] if len(self.parts) == 1 else np.concatenate(self.parts)

    def tail(self, n: int) -> np.ndarray:
        """Return the last n samples, or all where there are fewer."""
        taken, have = [], 0
        for part in reversed(self.parts):
            taken.append(part)
            have += len(part)
            if have >= n:
                break
        joined = taken[0] if len(taken) == 1 else np.concatenate(taken[::-1])
        return joined[max(0, len(joined) - n) :]


@dataclass
class Conflicts:
    """Number of traces and samples that differ where traces overlap."""

    n_traces: int = 0
    n_samples: int = 0


def finite_runs(data: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the runs of samples that are neither masked nor NaN nor infinite."""
    bad = None
    if isinstance(data, np.ma.MaskedArray):
        bad = np.ma.getmaskarray(data)
        data = data.data
    if np.issubdtype(data.dtype, np.inexact):
        finite = np.isfinite(data)
        if not finite.all():
            bad = ~finite if bad is None else bad | ~finite
    if bad is None or not bad.any():
        yield 0, data
        return
    edges = np.flatnonzero(np.diff(np.concatenate(([1], bad.view(np.int8), [1]))))
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        yield int(start), data[start:stop]


def nearest(position: Fraction) -> int:
    """Return the nearest whole number; of a half the one above."""
    return math.floor(position + Fraction(1, 2))


def _index_after(run: Run | None, position: Fraction) -> int:
    """Return the grid sample at which a piece begins.

    A piece that touches the piece before it is placed relative to that piece. If each
    was rounded alone, jitter could part contiguous traces that lie about half a sample
    off the grid.
    """
    index = nearest(position)
    if run is not None:
        beside = run.last_index + nearest(position - run.last_position)
        if beside <= run.end and abs(position - beside) < 1:
            return beside
    return index


def join(pieces: Iterable[Piece]) -> tuple[list[Run], Conflicts]:
    """Join pieces; where they overlap, samples of the earlier piece are kept."""
    runs: list[Run] = []
    conflicts = Conflicts()
    for piece in sorted(pieces, key=lambda p: (p.position, -len(p.data))):
        run = runs[-1] if runs else None
        index = _index_after(run, piece.position)
        data = piece.data
        if run is None or index > run.end:
            run = Run(first=index, offset=piece.position - index, end=index)
            runs.append(run)
        elif index < run.end:
            kept = run.tail(run.end - index)[: len(data)]
            n_different = int(np.count_nonzero(kept != data[: len(kept)]))
            conflicts.n_traces += bool(n_different)
            conflicts.n_samples += n_different
            data = data[run.end - index :]
        if len(data):
            run.parts.append(data)
            run.end += len(data)
            run.last_index, run.last_position = index, piece.position
    return runs, conflicts
