"""How much of each day an archive has of each channel, by the headers of its files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from obspy import Stream

from dispel4py.errors import DataError, ParameterError
from seismo_pes.items.skipped import FAILED_READ, Skipped
from seismo_pes.items.times import DAY_NS, NS
from seismo_pes.metadata.stations import StationPattern
from seismo_pes.reading.archives.archive import ALL_TIME, Archive
from seismo_pes.reading.archives.measured_rates import ChannelRates, record_times
from seismo_pes.reading.formats.waveform_files import read_file
from seismo_pes.regular_file import ReadFailed

__all__ = ["Availability", "day_fractions", "find_availability"]

# Days, about 110 years. More than this comes from a wrong date in a header, and the
# arrays would be too large to draw.
MAX_DAYS = 40_000
# Nanoseconds. Segments closer than this are one: headers round times to milliseconds.
JOIN_NS = 1_000_000

Interval = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Availability:
    """How much of each day the data of each channel cover.

    Parameters
    ----------
    channel_ids
        The channel of each row.
    days
        Shape (n_days,), datetime64[D], consecutive days.
    fraction
        Shape (n_channels, n_days): part of the day that samples cover, 0 to 1.
    n_gaps
        Shape (n_channels,): number of gaps between the first and the last sample.
    header_hz, measured_hz
        Shape (n_channels,): the sampling rate of most samples in the headers, and the
        rate over the time stamps; NaN if it is not known, or if they agree with the
        header.
    skipped
        Files that could not be read.
    """

    channel_ids: tuple[str, ...]
    days: np.ndarray
    fraction: np.ndarray
    n_gaps: np.ndarray
    header_hz: np.ndarray
    measured_hz: np.ndarray
    skipped: tuple[Skipped, ...] = ()


def find_availability(
    archive: Archive,
    patterns: Iterable[StationPattern] | None = None,
    codes: Sequence[str] = ("*",),
    start_ns: int | None = None,
    end_ns: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Availability:
    """Find how much of each day the data cover, by the headers of an archive's files.

    Parameters
    ----------
    archive
        From `open_archive`.
    patterns, codes
        Stations and channel codes to include; by default all.
    start_ns, end_ns
        Time to include, nanoseconds since 1970; by default all.
    progress
        Called with the number of channels that are finished and of all channels.

    Raises
    ------
    ParameterError
        If the archive has no such channels or no samples at this time, or if a header
        has a date that cannot be true.
    """
    channels = archive.channels(patterns, start_ns, end_ns, codes)
    if not channels:
        raise ParameterError(f"{archive.name}: no such channels at this time")
    skipped: list[Skipped] = []
    headers: dict[str, dict[str, list[Interval]]] = {}
    rates: dict[str, ChannelRates] = defaultdict(ChannelRates)
    segments: dict[str, list[Interval]] = {}
    for n_done, (channel_id, info) in enumerate(channels.items(), start=1):
        intervals: list[Interval] = []
        for path in info.files:
            if path not in headers:
                headers[path] = _read_segments(path, rates, skipped)
            intervals += headers[path].get(channel_id, [])
        segments[channel_id] = _clip(_join(intervals), start_ns, end_ns)
        if progress is not None:
            progress(n_done, len(channels))
    first, last = _first_and_last_day(archive.name, segments, start_ns, end_ns)
    fraction = np.stack(
        [
            day_fractions(intervals, first, last - first)
            for intervals in segments.values()
        ]
    )
    return Availability(
        channel_ids=tuple(segments),
        days=np.arange(first, last).astype("datetime64[D]"),
        fraction=fraction,
        n_gaps=np.array([max(len(x) - 1, 0) for x in segments.values()]),
        header_hz=np.array([rates[id_].header_hz for id_ in segments], float),
        measured_hz=np.array([rates[id_].measured_hz() for id_ in segments], float),
        skipped=(*archive.skipped, *skipped),
    )


def _read_segments(
    path: str, rates: Mapping[str, ChannelRates], skipped: list[Skipped]
) -> dict[str, list[Interval]]:
    """Return start and end of the segments of each channel in a file.

    The rates of its channels are added to ``rates``.
    """
    try:
        stream = read_file(path, headonly=True)
        records = record_times(path, stream)
    except DataError as error:
        stage = FAILED_READ if isinstance(error, ReadFailed) else "scan"
        skipped.append(Skipped(stage, path, str(error).removeprefix(f"{path}: ")))
        return {}
    segments: dict[str, list[Interval]] = {}
    for trace in stream:
        stats = trace.stats
        start_ns = stats.starttime.ns
        length_ns = round(stats.npts * NS / stats.sampling_rate)
        segments.setdefault(trace.id, []).append((start_ns, start_ns + length_ns))
    for channel_id in segments:
        traces = Stream([trace for trace in stream if trace.id == channel_id])
        rates[channel_id].add(traces, records.get(channel_id))
    return segments


def _join(segments: list[Interval]) -> list[Interval]:
    """Join segments that overlap or that follow each other within a millisecond."""
    joined: list[Interval] = []
    for start, end in sorted(segments):
        if joined and start <= joined[-1][1] + JOIN_NS:
            joined[-1] = joined[-1][0], max(joined[-1][1], end)
        elif end > start:
            joined.append((start, end))
    return joined


def _clip(
    segments: list[Interval], start_ns: int | None, end_ns: int | None
) -> list[Interval]:
    """Return the parts of the segments that lie between the two times."""
    low = ALL_TIME[0] if start_ns is None else start_ns
    high = ALL_TIME[1] if end_ns is None else end_ns
    clipped = ((max(start, low), min(end, high)) for start, end in segments)
    return [(start, end) for start, end in clipped if end > start]


def _first_and_last_day(
    name: str,
    segments: dict[str, list[Interval]],
    start_ns: int | None,
    end_ns: int | None,
) -> tuple[int, int]:
    """Return the first day and the day after the last, counted from 1970."""
    edges = [
        edge
        for intervals in segments.values()
        for interval in intervals
        for edge in interval
    ]
    if not edges:
        raise ParameterError(f"{name}: no samples at this time")
    low = min(edges) if start_ns is None else start_ns
    high = max(edges) if end_ns is None else end_ns
    first, last = low // DAY_NS, -(-high // DAY_NS)
    if last - first > MAX_DAYS:
        raise ParameterError(
            f"{name}: {last - first:,} days, from {np.datetime64(int(first), 'D')}: "
            "probably a wrong date in a header; give the time (--start, --end)"
        )
    return int(first), int(last)


def day_fractions(
    segments: Iterable[Interval], first_day: int, n_days: int
) -> np.ndarray:
    """Return the part of each day that the segments cover, from 0 to 1.

    Parameters
    ----------
    segments
        Start and end in nanoseconds since 1970; they do not overlap.
    first_day
        First day, counted from 1970-01-01.
    n_days
        How many days.

    Examples
    --------

    >>> day_fractions([(0, DAY_NS // 2), (DAY_NS, 3 * DAY_NS)], 0, 4)
    array([0.5, 1. , 1. , 0. ])
    """
    ns = np.zeros(n_days, np.int64)
    for start, end in segments:
        first, last = start // DAY_NS - first_day, -(-end // DAY_NS) - first_day
        for day in range(max(first, 0), min(last, n_days)):
            begin = (first_day + day) * DAY_NS
            ns[day] += min(end, begin + DAY_NS) - max(start, begin)
    return ns / DAY_NS
