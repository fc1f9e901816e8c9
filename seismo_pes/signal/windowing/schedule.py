"""Overlapping windows: the best windows are kept, or all are merged."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from seismo_pes.signal.windowing.quality import Quality
from seismo_pes.signal.windowing.selection import RejectedWindow, Window

__all__ = ["merge", "schedule"]

Outcome = tuple[list[Window], list[RejectedWindow]]


def schedule(windows: Sequence[Window]) -> Outcome:
    """Keep windows without overlap, with the largest possible sum of weights.

    Weighted interval scheduling (Kleinberg and Tardos 2005, section 6.1): of all
    windows that end before a time, the best set is the better of those with and without
    the last window. A window may begin with the last sample of another one.

    Parameters
    ----------
    windows
        In any order.

    Returns
    -------
    The windows that are kept, in the order of time, and the others.
    """
    rows = sorted(windows, key=lambda w: (w.end_s, w.start_s))
    ends = [row.end_s for row in rows]
    before = [bisect_right(ends, row.start_s) for row in rows]
    best = [0.0]
    for k, row in enumerate(rows):
        best.append(max(best[-1], best[before[k]] + row.weight))
    kept: list[Window] = []
    k = len(rows)
    while k > 0:
        if best[k] > best[k - 1]:
            kept.append(rows[k - 1])
            k = before[k - 1]
        else:
            k -= 1
    kept.reverse()
    return kept, _overlapping(rows, kept, "overlap with better windows")


def merge(windows: Sequence[Window], quality: Quality) -> Outcome:
    """Merge overlapping windows if the merged window is accepted.

    If it is rejected, the best windows of the group are kept, as by `schedule`.

    Parameters
    ----------
    windows
        In any order.
    quality
        Judges the merged windows.

    Returns
    -------
    The windows that are kept, in the order of time, and the others: merged ones, and
    merged windows that were rejected.
    """
    kept: list[Window] = []
    others: list[RejectedWindow] = []
    for group in _groups(windows):
        if len(group) == 1:
            kept += group
            continue
        best = max(group, key=lambda w: w.weight)
        whole = min(w.start_s for w in group), max(w.end_s for w in group)
        merged = quality.judge(whole, best.peak_s)
        if isinstance(merged, Window):
            kept.append(merged)
            others += _overlapping(group, [merged], "merged with others")
        else:
            others.append(merged)
            chosen, overlapping = schedule(group)
            kept += chosen
            others += overlapping
    return kept, others


def _groups(windows: Sequence[Window]) -> list[list[Window]]:
    """Return groups of windows that overlap directly or through other windows."""
    groups: list[list[Window]] = []
    end_s = float("-inf")
    for row in sorted(windows, key=lambda w: (w.start_s, w.end_s)):
        if row.start_s >= end_s:
            groups.append([])
        groups[-1].append(row)
        end_s = max(end_s, row.end_s)
    return groups


def _overlapping(
    rows: Sequence[Window], kept: Sequence[Window], reason: str
) -> list[RejectedWindow]:
    chosen = {(row.start_s, row.end_s) for row in kept}
    return [
        RejectedWindow(
            row.start_s,
            row.end_s,
            "overlap",
            reason,
            {"weight": row.weight, "cc": row.cc, "dt_s": row.dt_s},
        )
        for row in rows
        if (row.start_s, row.end_s) not in chosen
    ]
