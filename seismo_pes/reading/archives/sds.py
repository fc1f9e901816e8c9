"""Archives in the SeisComP Data Structure: one file for each channel and day."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from datetime import date
from pathlib import Path

from seismo_pes.items.times import DAY_NS
from seismo_pes.metadata.stations import PatternIndex
from seismo_pes.reading.archives.archive import Archive, Holding
from seismo_pes.reading.archives.scan import FileEntry, scan_ends, scan_file

__all__ = ["NamedArchive", "SdsArchive", "is_sds"]

SDS_NAME = re.compile(
    r"(?P<id>[^.]{0,8}\.[^.]{1,8}\.[^.]{0,8}\.[^.]{1,8})"
    r"\.D\.(?P<year>\d{4})\.(?P<day>\d{3})"
)
YEAR = re.compile(r"\d{4}")


MAX_OPENED = 3  # files of a channel that are opened to read its sampling rate


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

    def add(self, entries: Iterable[FileEntry]) -> None:
        """Add files to the holdings."""
        new: dict[str, list[FileEntry]] = {}
        for entry in entries:
            new.setdefault(entry.channel_id, []).append(entry)
        for channel_id, files in new.items():
            if channel_id in self._holdings:
                files += self._holdings[channel_id].entries
            self._holdings[channel_id] = Holding(files)

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
        for year in _folders(root):
            if YEAR.fullmatch(year.name):
                for network in _folders(year):
                    for station in _folders(network):
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
        for channel in _folders(folder):
            for name in os.listdir(channel) if channel.suffix == ".D" else ():
                if match := SDS_NAME.fullmatch(name):
                    start_ns = _day_ns(int(match["year"]), int(match["day"]))
                    end_ns, path = start_ns + DAY_NS, f"{channel}{os.sep}{name}"
                    entries.append(FileEntry(path, "", match["id"], start_ns, end_ns))
        self.add(entries)


def is_sds(folder: Path) -> bool:
    """Say whether a folder has the layout YEAR/NET/STA/CHAN.D/NET.STA.LOC.CHAN.D..."""
    for year in folder.glob("[0-9][0-9][0-9][0-9]"):
        for path in year.glob("*/*/*.D/*"):
            if SDS_NAME.fullmatch(path.name):
                return True
    return False


def _folders(path: Path) -> list[Path]:
    with os.scandir(path) as entries:
        names = sorted(entry.name for entry in entries if entry.is_dir())
    return [path / name for name in names]


def _day_ns(year: int, day: int) -> int:
    epoch = date(1970, 1, 1).toordinal()
    return (date(year, 1, 1).toordinal() + day - 1 - epoch) * DAY_NS


def _year(time_ns: int) -> int:
    """Return the year of a time, which may be wrong by one near New Year."""
    return 1970 + int(time_ns / (365.2425 * DAY_NS))
