"""Traces joined into runs of samples without a gap, on one sample grid."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from seismo_pes.signal.rates import is_jump
from seismo_pes.signal.shift import phase_shift

__all__ = [
    "SAME_TIME",
    "Conflicts",
    "Piece",
    "Run",
    "finite_runs",
    "in_phase",
    "is_same_record",
    "join",
    "nearest",
]

#: Samples that are closer than this part of a sampling interval are simultaneous.
SAME_TIME = Fraction(1, 100)
# The position of the first sample, in samples from the origin of the grid, and samples
# without a gap.
Piece = tuple[Fraction, np.ndarray]


@dataclass
class Run:
    """Pieces that follow each other without a gap.

    Attributes
    ----------
    first, end : int
        Sample of the grid at which the run begins, and the one after its last.
    offset : Fraction
        True position of the first sample minus ``first``, in samples.
    parts : list of numpy.ndarray
        The samples.
    last_index : int
        Sample of the grid at which the last piece begins.
    last_position : Fraction
        True position of the last piece, in samples.
    """

    first: int
    offset: Fraction
    parts: list[np.ndarray] = field(default_factory=list)
    end: int = 0
    last_index: int = 0
    last_position: Fraction = Fraction(0)

    @property
    def data(self) -> np.ndarray:
        """All samples; a view if the run has one part."""
        return self.parts[0] if len(self.parts) == 1 else np.concatenate(self.parts)

    def add(self, data: np.ndarray, index: int, position: Fraction) -> None:
        """Append samples of a piece that begins at a sample and a true position."""
        self.parts.append(data)
        self.end += len(data)
        self.last_index, self.last_position = index, position

    def gap_to(self, position: Fraction) -> int:
        """Return the missing samples before a position; below 0 in an overlap."""
        true_end = self.last_position + (self.end - self.last_index)
        return nearest(position - true_end)

    def tail(self, n: int) -> np.ndarray:
        """Return the last n samples, or all samples if there are fewer."""
        tail_parts, have = [], 0
        for part in reversed(self.parts):
            tail_parts.append(part)
            have += len(part)
            if have >= n:
                break
        joined = (
            tail_parts[0] if len(tail_parts) == 1 else np.concatenate(tail_parts[::-1])
        )
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
    """Return the nearest whole number; a half is rounded up."""
    return math.floor(position + Fraction(1, 2))


def _index_in(run: Run, position: Fraction) -> int:
    """Return the grid sample at which a piece begins that continues a run.

    The piece is placed relative to the piece before it. If each piece was rounded
    independently, jitter could separate contiguous traces that lie about half a sample
    off the grid.
    """
    beside = run.last_index + nearest(position - run.last_position)
    if abs(position - beside) < 1:
        return beside
    return min(nearest(position), run.end)


def in_phase(data: np.ndarray, late: Fraction | float, rate_hz: float) -> np.ndarray:
    """Return the samples of a piece that lie `late` samples earlier.

    Parameters
    ----------
    data : numpy.ndarray
    late : Fraction or float
        Time of the samples minus that of the grid on which they are put, in samples,
        from -1 to 1.
    rate_hz : float
        Sampling rate.

    Returns
    -------
    numpy.ndarray
        The same array if the difference is not more than rounding.
    """
    if not is_jump(float(late), rate_hz):
        return data
    return phase_shift(data, -float(late))


def is_same_record(earlier: np.ndarray, later: np.ndarray) -> bool:
    """Return whether the first samples of two arrays agree, and are not all equal.

    Such pieces are one record with two time stamps. Constant samples show nothing.
    """
    n = min(len(earlier), len(later))
    is_flat = not np.any(earlier[:n] != earlier[:1])
    return not is_flat and np.array_equal(earlier[:n], later[:n])


def join(pieces: Iterable[Piece], rate_hz: float) -> tuple[list[Run], Conflicts]:
    """Join pieces; where they overlap, samples of the earlier piece are kept.

    If overlapping pieces have other fractions of a sample, and are not the same record,
    the later piece is interpolated at the times of the earlier piece.
    """
    runs: list[Run] = []
    conflicts = Conflicts()
    for position, data in sorted(pieces, key=lambda piece: (piece[0], -len(piece[1]))):
        run = runs[-1] if runs else None
        if run is None or run.gap_to(position) > 0:
            index = nearest(position)
            run = Run(first=index, offset=position - index, end=index)
            runs.append(run)
        else:
            index = _index_in(run, position)
        if index < run.end:
            earlier = run.tail(run.end - index)[: len(data)]
            n_different = int(np.count_nonzero(earlier != data[: len(earlier)]))
            conflicts.n_traces += bool(n_different)
            conflicts.n_samples += n_different
            if not is_same_record(earlier, data):
                data = in_phase(data, position - index - run.offset, rate_hz)
            data = data[run.end - index :]
        if len(data):
            run.add(data, index, position)
    return runs, conflicts
