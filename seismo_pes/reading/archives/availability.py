"""What an archive has of each channel on each day, from the headers of its files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from dispel4py.errors import DataError, ParameterError
from seismo_pes.items.skipped import Skipped
from seismo_pes.items.times import DAY_NS
from seismo_pes.metadata.stations import StationPattern
from seismo_pes.reading.archives.archive import Archive
from seismo_pes.reading.formats.waveform_files import read_file

__all__ = ["Availability", "covered", "find_availability"]

MOST_DAYS = 40_000

Interval = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Availability:
    """How much there is.

    Parameters
    ----------
    channel_ids
        Of the rows.
    days
        Shape (n_days,), datetime64[D], one after the other.
    fraction
        Shape (n_channels, n_days): part of the day that samples cover, 0 to 1.
    n_gaps
        Shape (n_channels,): gaps within the time that there is.
    skipped
        Files that could not be read.
    """

    channel_ids: tuple[str, ...]
    days: np.ndarray
    fraction: np.ndarray
    n_gaps: np.ndarray
    skipped: tuple[Skipped, ...] = ()


def find_availability(
    archive: Archive,
    patterns: Iterable[StationPattern] | None = None,
    codes: Sequence[str] = ("*",),
    start_ns: int | None = None,
    end_ns: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Availability:
    """Read the headers of an archive's files and say what each day has.

    Parameters
    ----------
    archive
        Made by `open_archive`.
    patterns, codes
        Which stations and channel codes; by default all.
    start_ns, end_ns
        Only this time.
    progress
        Called with channels done and channels in all.

    Raises
    ------
    ParameterError
        If there are no such channels.
    """
    there = archive.channels(patterns, start_ns, end_ns, codes)
    if not there:
        raise ParameterError(f"{archive.name}: no such channels at this time")
    skipped: list[Skipped] = []
    headers: dict[str, dict[str, list[Interval]]] = {}
    segments: dict[str, list[Interval]] = {}
    for done, (channel_id, info) in enumerate(there.items(), start=1):
        found: list[Interval] = []
        for path in info.files:
            if path not in headers:
                headers[path] = _segments(path, skipped)
            found += headers[path].get(channel_id, [])
        segments[channel_id] = _within(_joined(found), start_ns, end_ns)
        if progress is not None:
            progress(done, len(there))
    first, last = _days(segments, start_ns, end_ns)
    fraction = np.stack(
        [covered(segments[one], first, last - first) for one in segments]
    )
    return Availability(
        channel_ids=tuple(segments),
        days=np.arange(first, last).astype("datetime64[D]"),
        fraction=fraction,
        n_gaps=np.array([max(len(one) - 1, 0) for one in segments.values()]),
        skipped=(*archive.skipped, *skipped),
    )


def _segments(path: str, skipped: list[Skipped]) -> dict[str, list[Interval]]:
    """Return start and end of the segments of each channel in a file."""
    try:
        stream = read_file(path, headonly=True)
    except DataError as error:
        skipped.append(Skipped("scan", path, str(error).removeprefix(f"{path}: ")))
        return {}
    found: dict[str, list[Interval]] = {}
    for trace in stream:
        stats = trace.stats
        start_ns = stats.starttime.ns
        length_ns = round(stats.npts * 1_000_000_000 / stats.sampling_rate)
        found.setdefault(trace.id, []).append((start_ns, start_ns + length_ns))
    return found


def _joined(segments: list[Interval], slack_ns: int = 1_000_000) -> list[Interval]:
    """Join segments that overlap or follow each other within a millisecond."""
    joined: list[Interval] = []
    for start, end in sorted(segments):
        if joined and start <= joined[-1][1] + slack_ns:
            joined[-1] = joined[-1][0], max(joined[-1][1], end)
        elif end > start:
            joined.append((start, end))
    return joined


def _within(
    segments: list[Interval], start_ns: int | None, end_ns: int | None
) -> list[Interval]:
    low = -(2**63) if start_ns is None else start_ns
    high = 2**63 - 1 if end_ns is None else end_ns
    cut = ((max(start, low), min(end, high)) for start, end in segments)
    return [(start, end) for start, end in cut if end > start]


def _days(
    segments: dict[str, list[Interval]], start_ns: int | None, end_ns: int | None
) -> tuple[int, int]:
    edges = [edge for found in segments.values() for one in found for edge in one]
    if not edges:
        raise ParameterError("no samples at this time")
    low = min(edges) if start_ns is None else start_ns
    high = max(edges) if end_ns is None else end_ns
    first, last = low // DAY_NS, -(-high // DAY_NS)
    if last - first > MOST_DAYS:
        raise ParameterError(
            f"{last - first:,} days, from {np.datetime64(int(first), 'D')}: headers "
            "that lie? give the time (--start, --end)"
        )
    return int(first), int(last)


def covered(segments: Iterable[Interval], first_day: int, n_days: int) -> np.ndarray:
    """Return which part of each day segments cover that do not overlap.

    >>> covered([(0, DAY_NS // 2), (DAY_NS, 3 * DAY_NS)], 0, 4)
    array([0.5, 1. , 1. , 0. ])
    """
    ns = np.zeros(n_days, np.int64)
    for start, end in segments:
        first, last = start // DAY_NS - first_day, -(-end // DAY_NS) - first_day
        for day in range(max(first, 0), min(last, n_days)):
            begin = (first_day + day) * DAY_NS
            ns[day] += min(end, begin + DAY_NS) - max(start, begin)
    return ns / DAY_NS
