"""An archive of any layout: its channels, and the files of each channel by time."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import accumulate

from seismo_pes.items.intervals import union
from seismo_pes.items.skipped import Skipped
from seismo_pes.items.times import DAY_NS
from seismo_pes.items.waveforms import ChannelSpan
from seismo_pes.metadata.stations import PatternIndex, StationPattern, split_id
from seismo_pes.reading.archives.scan import FileEntry

__all__ = ["Archive", "ChannelInfo", "Holding"]

# Start and end where none are given: the limits of times in int64 nanoseconds.
ALL_TIME = (-(2**63), 2**63 - 1)


@dataclass(frozen=True)
class ChannelInfo:
    """The files of one channel in an archive, and the contents of their headers.

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
    """The files of one channel, in the order of time.

    Attributes
    ----------
    entries : list of FileEntry
        The files.
    measured_hz : dict of str to float
        True rates of files whose starts contradict the header, by path.
    """

    entries: list[FileEntry]
    measured_hz: dict[str, float] = field(default_factory=dict)
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
        self._recorded_hz: float | None = None

    def assume_rate(self, rate_hz: float) -> None:
        """Take a sampling rate as that of all records, whatever their headers say.

        Call it before the first search.

        Parameters
        ----------
        rate_hz : float
            The true sampling rate.
        """
        self._recorded_hz = rate_hz
        self._holdings = {
            id_: Holding([entry.at_rate(rate_hz) for entry in holding.entries])
            for id_, holding in self._holdings.items()
        }

    @abstractmethod
    def _look_up(self, index: PatternIndex | None, start_ns: int, end_ns: int) -> None:
        """Add the files that the patterns and the times may mean to the holdings."""

    def _entries(self, channel_id: str, start_ns: int, end_ns: int) -> list[FileEntry]:
        """Return the files of a channel in the holdings that overlap a time."""
        return self._holdings[channel_id].overlapping(start_ns, end_ns)

    def _describe(self, channel_id: str, entries: list[FileEntry]) -> list[FileEntry]:
        """Return the entries; at least one has the sampling rate and coordinates."""
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
                entries = self._entries(channel_id, start, end)
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
        self,
        channel_ids: Sequence[str],
        periods: Sequence[tuple[int, int]],
        margin_ns: int = 0,
        only_margins: bool = False,
    ) -> list[ChannelSpan]:
        """Return the units of reading, period by period.

        Parameters
        ----------
        channel_ids : sequence of str
            Channels; the order is kept within a period.
        periods : sequence of (start_ns, end_ns)
            Pieces of time; ``ChannelSpan.period`` counts them from 0.
        margin_ns : int
            Time before and after each period that is read, too; a day at most.
        only_margins : bool
            Also return the spans whose files lie in these times only. Another archive
            may have the files of the period.

        Returns
        -------
        list of ChannelSpan
            One for each channel and period that has a file.
        """
        spans = (
            self._span(channel_id, start_ns, end_ns, period, margin_ns)
            for period, (start_ns, end_ns) in enumerate(periods)
            for channel_id in channel_ids
        )
        least = has_files if only_margins else has_own_files
        return [span for span in spans if least(span)]

    def _span(
        self,
        channel_id: str,
        start_ns: int,
        end_ns: int,
        period: int,
        margin_ns: int = 0,
    ) -> ChannelSpan:
        station = PatternIndex([StationPattern(*split_id(channel_id)[:2])])
        self._look_up(station, start_ns - DAY_NS, end_ns + DAY_NS)
        holding = self._holdings.get(channel_id, Holding([]))
        inside = holding.overlapping(start_ns, end_ns)
        before, after = self._neighbours(holding, inside)
        if margin_ns:
            margin_before = holding.overlapping(start_ns - margin_ns, start_ns)
            margin_after = holding.overlapping(end_ns, end_ns + margin_ns)
            before = _in_order({*before, *margin_before})
            after = _in_order({*after, *margin_after})
        # a file with two sampling rates, or of several times, has several entries
        own = _formats(inside)
        earlier = {k: v for k, v in _formats(before).items() if k not in own}
        later = {k: v for k, v in _formats(after).items() if k not in own | earlier}
        files = earlier | own | later
        return ChannelSpan(
            *(channel_id, start_ns, end_ns, tuple(files), period),
            formats=tuple(files.values()),
            n_before=len(earlier),
            n_after=len(later),
            one_channel=self.one_channel_per_file,
            margin_ns=margin_ns,
            recorded_hz=self._recorded_hz,
            measured_hz=tuple(
                (path, holding.measured_hz[path])
                for path in files
                if path in holding.measured_hz
            ),
        )

    def _neighbours(
        self, holding: Holding, inside: list[FileEntry]
    ) -> tuple[list[FileEntry], list[FileEntry]]:
        """Return files before and after the time that may contain a record of it."""
        return [], []


def has_files(span: ChannelSpan) -> bool:
    """Return whether a span has files, of its time or of its margins."""
    return bool(span.files)


def has_own_files(span: ChannelSpan) -> bool:
    """Return whether a span has files of its time, not only of its margins."""
    return len(span.files) > span.n_before + span.n_after


def _formats(entries: Iterable[FileEntry]) -> dict[str, str]:
    """Return the format of each file."""
    return {entry.path: entry.file_format for entry in entries}


def _in_order(entries: Iterable[FileEntry]) -> list[FileEntry]:
    return sorted(entries, key=lambda entry: (entry.start_ns, entry.path))


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
