"""The SeisComP Data Structure: one file per channel and day, found by its name."""

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


class NamedArchive(Archive):
    """An archive of which the names of the files tell channel and time.

    A record belongs to the file of the day in which it starts, so the first seconds of
    a day may be in the file of the day before (and, where an archive was cut
    otherwise, the last ones in the file of the day after).
    """

    one_channel_per_file = True

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._known: dict[str, FileEntry] = {}

    def enter(self, entries: Iterable[FileEntry]) -> None:
        """Add files to what is known."""
        found: dict[str, list[FileEntry]] = {}
        for entry in entries:
            found.setdefault(entry.channel_id, []).append(entry)
        for channel_id, new in found.items():
            known = self._holdings.get(channel_id)
            self._holdings[channel_id] = Holding(new + (known.entries if known else []))

    def _describe(self, channel_id: str, entries: list[FileEntry]) -> list[FileEntry]:
        if channel_id not in self._known:
            self._known[channel_id] = self._sample(channel_id, entries)
        return [*entries, self._known[channel_id]]

    def _sample(self, channel_id: str, entries: list[FileEntry]) -> FileEntry:
        """Open files until one tells the rate; three are enough to give up.

        What is wrong with them will be said when they are read.
        """
        for entry in entries[:3]:
            for found in self._scan(entry.path):
                if found.channel_id == channel_id:
                    return found
        return entries[0]

    def _scan(self, path: str) -> list[FileEntry]:
        found = scan_ends(path)
        return scan_file(path)[0] if found is None else [found]

    def _neighbours(
        self, holding: Holding, main: list[FileEntry]
    ) -> tuple[list[FileEntry], list[FileEntry]]:
        if not main:
            return [], []
        first, last = main[0].start_ns, main[-1].end_ns
        return (
            holding.overlapping(first - DAY_NS, first),
            holding.overlapping(last, last + DAY_NS),
        )


class SdsArchive(NamedArchive):
    """A SeisComP Data Structure, by the names of its files."""

    def __init__(self, name: str, root: Path) -> None:
        super().__init__(name)
        self._root = root
        self._stations: dict[tuple[str, str], list[tuple[int, Path]]] = {}
        self._entered: set[Path] = set()
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
                if first <= year <= last and folder not in self._entered:
                    self._enter(folder)

    def _enter(self, folder: Path) -> None:
        self._entered.add(folder)
        entries: list[FileEntry] = []
        for channel in _folders(folder):
            for name in os.listdir(channel) if channel.suffix == ".D" else ():
                if match := SDS_NAME.fullmatch(name):
                    start_ns = _day_ns(int(match["year"]), int(match["day"]))
                    end_ns, path = start_ns + DAY_NS, f"{channel}{os.sep}{name}"
                    entries.append(FileEntry(path, "", match["id"], start_ns, end_ns))
        self.enter(entries)


def is_sds(folder: Path) -> bool:
    """Say whether a folder is laid out as YEAR/NET/STA/CHAN.D/NET.STA.LOC.CHAN.D..."""
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
    """Return the year, give or take one."""
    return 1970 + int(time_ns / (365.2425 * DAY_NS))
