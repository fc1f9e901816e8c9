"""What an archive holds: files by channel and time, whatever its layout."""

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

__all__ = ["Archive", "ChannelInfo", "Holding"]

EVER = (-(2**63), 2**63 - 1)


@dataclass(frozen=True)
class ChannelInfo:
    """What an archive has of a channel.

    Times are those of the files (in an SDS archive whole days), ``rates_hz`` the
    sampling rates seen, ``first_sample_ns`` the start of the first file that was
    opened, coordinates those of SAC headers, NaN elsewhere.
    """

    channel_id: str
    start_ns: int
    end_ns: int
    files: tuple[str, ...]
    rates_hz: tuple[float, ...]
    latitude: float = math.nan
    longitude: float = math.nan
    elevation_m: float = math.nan
    first_sample_ns: int | None = None


@dataclass
class Holding:
    """The files of one channel in the order of time."""

    entries: list[FileEntry]
    starts: list[int] = field(init=False)
    latest_ends: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.entries = sorted(self.entries, key=lambda e: (e.start_ns, e.path))
        self.starts = [entry.start_ns for entry in self.entries]
        self.latest_ends = list(accumulate((e.end_ns for e in self.entries), max))

    def overlapping(self, start_ns: int, end_ns: int) -> list[FileEntry]:
        """Return the files with a sample in the time, or up to half a sample early."""
        low = bisect_right(self.latest_ends, start_ns)
        high = bisect_left(self.starts, end_ns)
        return [
            entry
            for entry in self.entries[low:high]
            if entry.end_ns - entry.half_ns > start_ns
        ]


class Archive(ABC):
    """Waveform files by channel and time; made by `open_archive`.

    Attributes
    ----------
    name : str
        As the user gave it.
    skipped : list of Skipped
        Files that could not be read while looking, and headers that lie.
    """

    one_channel_per_file = False

    def __init__(self, name: str) -> None:
        self.name = name
        self.skipped: list[Skipped] = []
        self._holdings: dict[str, Holding] = {}

    @abstractmethod
    def _look_up(self, index: PatternIndex | None, start_ns: int, end_ns: int) -> None:
        """Enter into the holdings what may match."""

    def _describe(self, channel_id: str, entries: list[FileEntry]) -> list[FileEntry]:
        """Return the entries with what is known of rates and coordinates."""
        return entries

    def channels(
        self,
        patterns: Iterable[StationPattern] | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
        codes: Sequence[str] = ("*",),
    ) -> dict[str, ChannelInfo]:
        """Return what exists, by channel id, sorted.

        Parameters
        ----------
        patterns : iterable of StationPattern, optional
            Only the channels that one of these means.
        start_ns, end_ns : int, optional
            Only what overlaps this time.
        codes : sequence of str
            Only channels with one of these codes, wildcards allowed.
        """
        found = self._find(patterns, start_ns, end_ns, codes)
        return {
            channel_id: _channel_info(self._describe(channel_id, entries))
            for channel_id, entries in found.items()
        }

    def channel_ids(
        self,
        patterns: Iterable[StationPattern] | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
        codes: Sequence[str] = ("*",),
    ) -> list[str]:
        """Return the ids that `channels` would, without opening a file."""
        return list(self._find(patterns, start_ns, end_ns, codes))

    def _find(
        self,
        patterns: Iterable[StationPattern] | None,
        start_ns: int | None,
        end_ns: int | None,
        codes: Sequence[str],
    ) -> dict[str, list[FileEntry]]:
        start = EVER[0] if start_ns is None else start_ns
        end = EVER[1] if end_ns is None else end_ns
        index = None if patterns is None else PatternIndex(patterns)
        self._look_up(index, start, end)
        found: dict[str, list[FileEntry]] = {}
        for channel_id in sorted(self._holdings):
            code = split_id(channel_id)[3]
            if any(fnmatchcase(code, wanted) for wanted in codes) and (
                index is None or index.matching(channel_id)
            ):
                entries = self._holdings[channel_id].overlapping(start, end)
                if entries:
                    found[channel_id] = entries
        return found

    def files(self, channel_id: str, start_ns: int, end_ns: int) -> tuple[str, ...]:
        """Return the files that may hold samples of a channel in [start, end)."""
        return self._span(channel_id, start_ns, end_ns, 0).files

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
        only = PatternIndex([StationPattern(*split_id(channel_id)[:2])])
        self._look_up(only, start_ns - DAY_NS, end_ns + DAY_NS)
        holding = self._holdings.get(channel_id, Holding([]))
        main = holding.overlapping(start_ns, end_ns)
        before, after = self._neighbours(holding, main)
        entries = before + main + after
        # a file can hold a channel at two rates: two entries
        files = {entry.path: entry.file_format for entry in entries}
        return ChannelSpan(
            *(channel_id, start_ns, end_ns, tuple(files), period),
            formats=tuple(files.values()),
            n_before=len(before),
            n_after=len(after),
            one_channel=self.one_channel_per_file,
        )

    def _neighbours(
        self, holding: Holding, main: list[FileEntry]
    ) -> tuple[list[FileEntry], list[FileEntry]]:
        """Return files beside the main ones that may hold the odd record of them."""
        return [], []


def _channel_info(entries: list[FileEntry]) -> ChannelInfo:
    rates_hz = {e.rate_hz for e in entries if not math.isnan(e.rate_hz)}
    place = next((e for e in entries if not math.isnan(e.latitude)), entries[0])
    opened = [e.start_ns for e in entries if not math.isnan(e.rate_hz)]
    return ChannelInfo(
        entries[0].channel_id,
        min(entry.start_ns for entry in entries),
        max(entry.end_ns for entry in entries),
        tuple(dict.fromkeys(entry.path for entry in entries)),
        tuple(sorted(rates_hz)),
        *(place.latitude, place.longitude, place.elevation_m),
        first_sample_ns=min(opened, default=None),
    )
