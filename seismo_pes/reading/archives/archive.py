"""An archive of any layout: its channels, and the files of each channel by time."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import accumulate

from seismo_pes.items.skipped import Skipped
from seismo_pes.items.times import DAY_NS
from seismo_pes.items.waveforms import ChannelSpan
from seismo_pes.metadata.stations import PatternIndex, StationPattern, split_id
from seismo_pes.reading.archives.scan import FileEntry

__all__ = ["Archive", "ChannelInfo", "Holding", "union"]

# Start and end where none are given: the limits of times in int64 nanoseconds.
ALL_TIME = (-(2**63), 2**63 - 1)


@dataclass(frozen=True)
class ChannelInfo:
    """The files of one channel in an archive, and what their headers say.

    Attributes
    ----------
    channel_id : str
        ``NET.STA.LOC.CHA``.
    start_ns, end_ns : int
        First and last time of the files, nanoseconds since 1970. In an archive that is
        searched by file names (SDS), these are the limits of whole days.
    files : tuple of str
        Paths, in the order of time.
    rates_hz : tuple of float
        The sampling rates in the headers that were read.
    latitude, longitude, elevation_m : float
        Coordinates from SAC headers or ASDF files; NaN if there are none.
    """

    channel_id: str
    start_ns: int
    end_ns: int
    files: tuple[str, ...]
    rates_hz: tuple[float, ...]
    latitude: float = math.nan
    longitude: float = math.nan
    elevation_m: float = math.nan


@dataclass
class Holding:
    """The files of one channel, in the order of time."""

    entries: list[FileEntry]
    starts: list[int] = field(init=False)
    latest_ends: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.entries = sorted(self.entries, key=lambda e: (e.start_ns, e.path))
        self.starts = [entry.start_ns for entry in self.entries]
        self.latest_ends = list(accumulate((e.end_ns for e in self.entries), max))

    def overlapping(self, start_ns: int, end_ns: int) -> list[FileEntry]:
        """Return the files with samples between the times.

        A file whose last sample lies less than half a sample interval before the start
        is included, too.
        """
        low = bisect_right(self.latest_ends, start_ns)
        high = bisect_left(self.starts, end_ns)
        return [
            entry
            for entry in self.entries[low:high]
            if entry.end_ns - entry.half_ns > start_ns
        ]


class Archive(ABC):
    """Waveform files by channel and time; `open_archive` returns one.

    Attributes
    ----------
    name : str
        As the user gave it.
    skipped : list of Skipped
        Files whose headers could not be read, and files whose names and headers
        disagree.
    one_channel_per_file : bool
        True if each file holds one channel only.
    """

    one_channel_per_file = False

    def __init__(self, name: str) -> None:
        self.name = name
        self.skipped: list[Skipped] = []
        self._holdings: dict[str, Holding] = {}

    @abstractmethod
    def _look_up(self, index: PatternIndex | None, start_ns: int, end_ns: int) -> None:
        """Add the files that the patterns and the times may mean to the holdings."""

    def _describe(self, channel_id: str, entries: list[FileEntry]) -> list[FileEntry]:
        """Return the entries, with one that has the sampling rate and coordinates."""
        return entries

    def channels(
        self,
        patterns: Iterable[StationPattern] | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
        codes: Sequence[str] = ("*",),
    ) -> dict[str, ChannelInfo]:
        """Return the channels with data, by channel id, sorted.

        Parameters
        ----------
        patterns : iterable of StationPattern, optional
            Only channels that match one of these.
        start_ns, end_ns : int, optional
            Only files that overlap this time, nanoseconds since 1970.
        codes : sequence of str
            Only channels with one of these codes, wildcards allowed.
        """
        files = self._find_files(patterns, start_ns, end_ns, codes)
        return {
            channel_id: _channel_info(self._describe(channel_id, entries))
            for channel_id, entries in files.items()
        }

    def channel_ids(
        self,
        patterns: Iterable[StationPattern] | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
        codes: Sequence[str] = ("*",),
    ) -> list[str]:
        """Return the ids of `channels` without opening a file; same parameters."""
        return list(self._find_files(patterns, start_ns, end_ns, codes))

    def _find_files(
        self,
        patterns: Iterable[StationPattern] | None,
        start_ns: int | None,
        end_ns: int | None,
        codes: Sequence[str],
    ) -> dict[str, list[FileEntry]]:
        start = ALL_TIME[0] if start_ns is None else start_ns
        end = ALL_TIME[1] if end_ns is None else end_ns
        index = None if patterns is None else PatternIndex(patterns)
        self._look_up(index, start, end)
        files: dict[str, list[FileEntry]] = {}
        for channel_id in sorted(self._holdings):
            code = split_id(channel_id)[3]
            if any(fnmatchcase(code, pattern) for pattern in codes) and (
                index is None or index.matching(channel_id)
            ):
                entries = self._holdings[channel_id].overlapping(start, end)
                if entries:
                    files[channel_id] = entries
        return files

    def files(self, channel_id: str, start_ns: int, end_ns: int) -> tuple[str, ...]:
        """Return the files that may hold samples of a channel in [start, end)."""
        return self._span(channel_id, start_ns, end_ns, 0).files

    def times(self, channel_ids: Iterable[str]) -> list[tuple[int, int]]:
        """Return the intervals for which there are files, of all channels together.

        Parameters
        ----------
        channel_ids : iterable of str
            Channels that `channels` has returned.

        Returns
        -------
        list of (int, int)
            Start and end, nanoseconds since 1970, ascending and without overlaps.
        """
        holdings = (self._holdings.get(id_, Holding([])) for id_ in channel_ids)
        entries = (entry for holding in holdings for entry in holding.entries)
        return union((entry.start_ns, entry.end_ns) for entry in entries)

    def spans(
        self, channel_ids: Sequence[str], periods: Sequence[tuple[int, int]]
    ) -> list[ChannelSpan]:
        """Return the units of reading, period by period.

        Parameters
        ----------
        channel_ids : sequence of str
            Channels; the order is kept within a period.
        periods : sequence of (start_ns, end_ns)
            Pieces of time; ``ChannelSpan.period`` counts them from 0.

        Returns
        -------
        list of ChannelSpan
            One for each channel and period that has a file.
        """
        spans = (
            self._span(channel_id, start_ns, end_ns, period)
            for period, (start_ns, end_ns) in enumerate(periods)
            for channel_id in channel_ids
        )
        return [
            span for span in spans if len(span.files) > span.n_before + span.n_after
        ]

    def _span(
        self, channel_id: str, start_ns: int, end_ns: int, period: int
    ) -> ChannelSpan:
        station = PatternIndex([StationPattern(*split_id(channel_id)[:2])])
        self._look_up(station, start_ns - DAY_NS, end_ns + DAY_NS)
        holding = self._holdings.get(channel_id, Holding([]))
        inside = holding.overlapping(start_ns, end_ns)
        before, after = self._neighbours(holding, inside)
        entries = before + inside + after
        # a dict, because a file with two sampling rates has two entries
        files = {entry.path: entry.file_format for entry in entries}
        return ChannelSpan(
            *(channel_id, start_ns, end_ns, tuple(files), period),
            formats=tuple(files.values()),
            n_before=len(before),
            n_after=len(after),
            one_channel=self.one_channel_per_file,
        )

    def _neighbours(
        self, holding: Holding, inside: list[FileEntry]
    ) -> tuple[list[FileEntry], list[FileEntry]]:
        """Return the files before and after that may hold a record of the time, too."""
        return [], []


def union(intervals: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the union of intervals, ascending and without overlaps.

    >>> union([(5, 7), (0, 2), (1, 3)])
    [(0, 3), (5, 7)]
    """
    merged: list[tuple[int, int]] = []
    for start, end in sorted(intervals):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged


def _channel_info(entries: list[FileEntry]) -> ChannelInfo:
    opened = [entry for entry in entries if not math.isnan(entry.rate_hz)]
    located = (entry for entry in entries if not math.isnan(entry.latitude))
    place = next(located, entries[0])
    return ChannelInfo(
        entries[0].channel_id,
        min(entry.start_ns for entry in entries),
        max(entry.end_ns for entry in entries),
        tuple(dict.fromkeys(entry.path for entry in entries)),
        tuple(sorted({entry.rate_hz for entry in opened})),
        *(place.latitude, place.longitude, place.elevation_m),
    )
