"""Which late and missing data an archive has by now."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter

from seismo_pes.items.intervals import Interval, difference, union
from seismo_pes.items.losses import covered_times, without_samples
from seismo_pes.items.times import DAY_NS, NS
from seismo_pes.metadata.stations import StationPattern, split_id
from seismo_pes.reading.archives.archive import Archive
from seismo_pes.reading.archives.opening import open_archive
from seismo_pes.reading.spans import read_span
from xcorr_app.live.late import Late

__all__ = ["Present", "lacking_s", "n_pieces", "times_in_archive"]

# The parts of late and missing data that an archive has.
Present = Mapping[Late, Sequence[Interval]]


def times_in_archive(
    archive: str, channel_ids: Sequence[str], late: Sequence[Late]
) -> Present:
    """Return the parts of late and missing data that an archive has.

    Parameters
    ----------
    archive : str
        The name of an archive.
    channel_ids : sequence of str
        The channels of the run.
    late : sequence of (str, int, int)
        From `read_late`.
    """
    reader = open_archive(archive)
    if late:
        patterns = [StationPattern(*split_id(name)) for name in channel_ids]
        limits = min(e[1] for e in late), max(e[2] for e in late)
        reader.channels(patterns, *limits)
    listed = _by_channel({entry: [entry[1:]] for entry in late})
    # a file that could not be read, in the place of a channel, counts as present
    there = listed | {
        channel: _times_in(reader, channel, times)
        for channel, times in listed.items()
        if channel in channel_ids
    }
    return {entry: _within(entry[1:], there[entry[0]]) for entry in late}


def _within(interval: Interval, parts: Sequence[Interval]) -> list[Interval]:
    """Return the parts, ascending, that lie in an interval, cut to it."""
    start, end = interval
    first = bisect_right(parts, start, key=itemgetter(1))
    stop = bisect_left(parts, end, key=itemgetter(0))
    return [(max(a, start), min(b, end)) for a, b in parts[first:stop]]


def _times_in(
    reader: Archive, channel_id: str, intervals: Sequence[Interval]
) -> list[Interval]:
    """Return the parts of intervals for which an archive has samples."""
    parts: list[Interval] = []
    for span in reader.spans([channel_id], [*_days(intervals)]):
        stream, _ = read_span(span)
        times = span.start_ns, span.end_ns
        delta_s = max((trace.stats.delta for trace in stream), default=0.0)
        lacking = without_samples([times], covered_times(stream), delta_s)
        parts += difference([times], lacking)
    return union(parts)


def _days(intervals: Sequence[Interval]) -> Iterator[Interval]:
    """Yield pieces of intervals of a day at most."""
    for start_ns, end_ns in intervals:
        for begin_ns in range(start_ns, end_ns, DAY_NS):
            yield begin_ns, min(begin_ns + DAY_NS, end_ns)


def n_pieces(present: Present) -> int:
    """Return the number of contiguous times, over all channels.

    Parameters
    ----------
    present : mapping
        From `times_in_archive`.

    Examples
    --------
    >>> n_pieces({("X", 0, 9): [(0, 2), (5, 9)], ("X", 5, 12): [(5, 12)]})
    2
    """
    return sum(len(parts) for parts in _by_channel(present).values())


def lacking_s(present: Present) -> dict[str, float]:
    """Return the time of data that an archive lacks, by channel, seconds.

    Parameters
    ----------
    present : mapping
        From `times_in_archive`.

    Examples
    --------
    >>> lacking_s({("X", 0, 9 * NS): [(0, 2 * NS)], ("Y", 0, NS): [(0, NS)]})
    {'X': 7.0}
    """
    lacking = {entry: difference([entry[1:]], present[entry]) for entry in present}
    return {
        channel: sum(end - start for start, end in parts) / NS
        for channel, parts in _by_channel(lacking).items()
        if parts
    }


def _by_channel(present: Present) -> dict[str, list[Interval]]:
    times: dict[str, list[Interval]] = {}
    for entry, parts in present.items():
        times[entry[0]] = union([*times.get(entry[0], ()), *parts])
    return times
