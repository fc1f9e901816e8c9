"""Sets of intervals of time: start and end in nanoseconds since 1970."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

__all__ = ["Interval", "difference", "measure", "union"]

Interval = tuple[int, int]


def union(intervals: Iterable[Interval]) -> list[Interval]:
    """Return the union of intervals, ascending and without overlaps.

    >>> union([(5, 7), (0, 2), (1, 3)])
    [(0, 3), (5, 7)]
    """
    merged: list[Interval] = []
    for start, end in sorted(intervals):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged


def difference(
    intervals: Iterable[Interval], others: Iterable[Interval]
) -> list[Interval]:
    """Return the parts of intervals that lie in none of the others, ascending.

    >>> difference([(0, 10)], [(2, 3), (8, 12)])
    [(0, 2), (3, 8)]
    """
    parts: list[Interval] = []
    removed = union(others)
    k = 0
    for start, end in union(intervals):
        while k < len(removed) and removed[k][1] <= start:
            k += 1
        n = k
        while n < len(removed) and removed[n][0] < end:
            if removed[n][0] > start:
                parts.append((start, removed[n][0]))
            start = removed[n][1]
            n += 1
        if start < end:
            parts.append((start, end))
    return parts


def measure(
    intervals: Sequence[Interval], start_ns: np.ndarray, end_ns: np.ndarray
) -> np.ndarray:
    """Return how much of each window a set of intervals covers, nanoseconds.

    Parameters
    ----------
    intervals : sequence of (int, int)
        Ascending and without overlaps.
    start_ns, end_ns : numpy.ndarray
        Shape (n,), int64: start and end of the windows.

    Returns
    -------
    numpy.ndarray
        Shape (n,), int64.

    Examples
    --------
    >>> measure([(0, 2), (5, 7)], np.array([0, 6]), np.array([6, 12])).tolist()
    [3, 1]
    """
    if not intervals:
        return np.zeros(len(start_ns), np.int64)
    begins, ends = np.array(intervals, np.int64).T
    sums = np.concatenate([[0], np.cumsum(ends - begins)])

    def before(time_ns: np.ndarray) -> np.ndarray:
        k = np.searchsorted(begins, time_ns, side="right") - 1
        inside = np.minimum(time_ns, ends[k]) - begins[k]
        return np.where(k < 0, 0, sums[k] + inside)

    return np.asarray(before(end_ns) - before(start_ns))
