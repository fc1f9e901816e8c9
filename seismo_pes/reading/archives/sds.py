"""Archives in the SeisComP Data Structure: one file for each channel and day."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from pathlib import Path

from obspy import UTCDateTime

from dispel4py.errors import DataError
from dispel4py.file_search import matching_paths
from dispel4py.files import list_folder
from seismo_pes.items.intervals import union
from seismo_pes.items.skipped import FAILED_READ, Skipped
from seismo_pes.items.times import DAY_NS, NS
from seismo_pes.metadata.stations import PatternIndex
from seismo_pes.reading.archives.archive import Archive, Holding
from seismo_pes.reading.archives.scan import (
    FileEntry,
    failed_listing,
    scan_ends,
    scan_file,
)
from seismo_pes.reading.formats.mseed2 import read_first_and_last
from seismo_pes.reading.formats.record_times import read_record_times

__all__ = ["NamedArchive", "SdsArchive", "is_sds"]

SDS_NAME = re.compile(
    r"(?P<id>[^.]{0,8}\.[^.]{1,8}\.[^.]{0,8}\.[^.]{1,8})"
    r"\.D\.(?P<year>\d{4})\.(?P<day>\d{3})"
)
YEAR = re.compile(r"\d{4}")


MAX_OPENED = 3  # files of a channel that are opened to read its sampling rate
# Usual time by which records begin before, or end after, the day in the file's name.
# Where samples are missing, files of neighbouring days are read.
SPILL_NS = DAY_NS // 24
# Files within this time before and after a run are opened to check whether they have
# records of other days: a month, because files of several days have the name of the
# first day.
REACH_NS = 31 * DAY_NS
OTHER = "has records of other days than its name states; their days are used"


class NamedArchive(Archive):
    """An archive whose file names give channel and time.

    A record belongs to the file of the day in which it starts: the first seconds of a
    day may be in the file of the day before. Archives that were cut in another way may
    have its last seconds in the file of the day after.
    """

    one_channel_per_file = True

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._opened: dict[str, FileEntry] = {}
        self._checked: set[str] = set()

    def add(self, entries: Iterable[FileEntry]) -> None:
        """Add files to the holdings."""
        new: dict[str, list[FileEntry]] = {}
        for entry in entries:
            new.setdefault(entry.channel_id, []).append(entry)
        for channel_id, files in new.items():
            if channel_id in self._holdings:
                files += self._holdings[channel_id].entries
            self._holdings[channel_id] = Holding(files)

    def _entries(self, channel_id: str, start_ns: int, end_ns: int) -> list[FileEntry]:
        low, high = start_ns - REACH_NS, end_ns + REACH_NS
        unchecked = {
            entry.path
            for entry in self._holdings[channel_id].entries
            if entry.path not in self._checked and low < entry.end_ns
            if entry.start_ns < high
        }
        self._checked |= unchecked
        dated = [
            (entry, self._dated(entry) if entry.path in unchecked else [entry])
            for entry in self._holdings[channel_id].entries
        ]
        if any(entries != [entry] for entry, entries in dated):
            self._holdings[channel_id] = Holding([e for _, part in dated for e in part])
        return super()._entries(channel_id, start_ns, end_ns)

    def _dated(self, entry: FileEntry) -> list[FileEntry]:
        """Return the entry of a name, or entries of the days in which records start."""
        low, high = entry.start_ns - SPILL_NS, entry.end_ns + SPILL_NS
        try:
            ends_ns = self._ends_ns(entry.path)
            if ends_ns is None or all(low <= time_ns < high for time_ns in ends_ns):
                return [entry]
            content = Path(entry.path).read_bytes()
        except OSError as error:
            reason = error.strerror or str(error)
            self.skipped.append(Skipped(FAILED_READ, entry.path, reason))
            return []
        for channel in read_record_times(content):
            if channel.channel_id == entry.channel_id:
                days = sorted({t // DAY_NS for t in channel.start_ns.tolist()})
                times = union((day * DAY_NS, (day + 1) * DAY_NS) for day in days)
                self.skipped.append(Skipped("scan", _named(entry.path, times), OTHER))
                return [replace(entry, start_ns=t[0], end_ns=t[1]) for t in times]
        return [entry]

    def _ends_ns(self, path: str) -> tuple[int, int] | None:
        """Return the times of the first and the last record, None if not known."""
        if self._recorded_hz is not None:
            return None  # they may come from the wrong rate
        try:
            return read_first_and_last(path)
        except DataError:  # no regular file: reported when it is read
            return None

    def _describe(self, channel_id: str, entries: list[FileEntry]) -> list[FileEntry]:
        if channel_id not in self._opened:
            self._opened[channel_id] = self._open_one(channel_id, entries)
        return [*entries, self._opened[channel_id]]

    def _open_one(self, channel_id: str, entries: list[FileEntry]) -> FileEntry:
        """Open files, three at most, until the header of one gives the sampling rate.

        Defects of these files are not reported here, but when their data are read.
        """
        for entry in entries[:MAX_OPENED]:
            for scanned in self._scan(entry.path):
                if scanned.channel_id == channel_id:
                    return scanned
        return entries[0]

    def _scan(self, path: str) -> list[FileEntry]:
        entry = scan_ends(path)
        return scan_file(path)[0] if entry is None else [entry]

    def _neighbours(
        self, holding: Holding, inside: list[FileEntry]
    ) -> tuple[list[FileEntry], list[FileEntry]]:
        if not inside:
            return [], []
        first, last = inside[0].start_ns, inside[-1].end_ns
        return (
            holding.overlapping(first - DAY_NS, first),
            holding.overlapping(last, last + DAY_NS),
        )


class SdsArchive(NamedArchive):
    """An archive in the SeisComP Data Structure, searched by the names of its files."""

    def __init__(self, name: str, root: Path) -> None:
        super().__init__(name)
        self._root = root
        self._stations: dict[tuple[str, str], list[tuple[int, Path]]] = {}
        self._listed: set[Path] = set()
        for year in self._folders(root):
            if YEAR.fullmatch(year.name):
                for network in self._folders(year):
                    for station in self._folders(network):
                        key = (network.name, station.name)
                        paths = self._stations.setdefault(key, [])
                        paths.append((int(year.name), station))

    def _look_up(self, index: PatternIndex | None, start_ns: int, end_ns: int) -> None:
        keys: Iterable[tuple[str, str]] = self._stations
        if index is not None:
            keys = index.stations_among(self._stations)
        first, last = _year(start_ns) - 1, _year(end_ns) + 1
        for key in keys:
            for year, folder in self._stations[key]:
                if first <= year <= last and folder not in self._listed:
                    self._list_station(folder)

    def _list_station(self, folder: Path) -> None:
        self._listed.add(folder)
        entries: list[FileEntry] = []
        for channel in self._folders(folder):
            for name in self._names(channel)[1] if channel.suffix == ".D" else ():
                if match := SDS_NAME.fullmatch(name):
                    start_ns = _day_ns(int(match["year"]), int(match["day"]))
                    end_ns, path = start_ns + DAY_NS, f"{channel}{os.sep}{name}"
                    entries.append(FileEntry(path, "", match["id"], start_ns, end_ns))
        self.add(entries)

    def _folders(self, path: Path) -> list[Path]:
        return [path / name for name in self._names(path)[0]]

    def _names(self, path: Path) -> tuple[list[str], list[str]]:
        """Return the names in a folder; one that cannot be listed is skipped."""
        try:
            return list_folder(str(path))
        except OSError as error:
            self.skipped.append(failed_listing(error))
            return [], []


def is_sds(folder: Path) -> bool:
    """Return whether a folder has the layout YEAR/NET/STA/CHAN.D/NET.STA.LOC.CHAN.D."""
    pattern = f"{glob.escape(str(folder))}/[0-9][0-9][0-9][0-9]/*/*/*.D/*"
    paths = matching_paths(pattern, lambda error: None)
    return any(SDS_NAME.fullmatch(path.name) for path in paths)


def _named(path: str, times: Iterable[tuple[int, int]]) -> str:
    """Return a text with the name of a file and the days of its records."""
    spans = [
        " to ".join(
            dict.fromkeys(str(UTCDateTime(ns=t).date) for t in (low, high - NS))
        )
        for low, high in times
    ]
    return f"{path} ({', '.join(spans)})"


def _day_ns(year: int, day: int) -> int:
    epoch = date(1970, 1, 1).toordinal()
    return (date(year, 1, 1).toordinal() + day - 1 - epoch) * DAY_NS


def _year(time_ns: int) -> int:
    """Return the year of a time, which may be wrong by one near New Year."""
    return 1970 + int(time_ns / (365.2425 * DAY_NS))
