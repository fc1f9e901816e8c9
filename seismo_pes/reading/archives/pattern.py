"""Archives whose file names tell channel and time by a pattern of their own.

A pattern is a path with placeholders, ``{year}/{station}/{channel}.{julday}``, of
network, station, location, channel, year, month, day, julday, hour. ``{station:5}`` is
five characters, filled up with underscores; ``*`` and ``?`` stand for anything.
"""

from __future__ import annotations

import os
import re
from calendar import monthrange
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from dispel4py.errors import ParameterError, suggest
from seismo_pes.items.times import DAY_NS
from seismo_pes.metadata.stations import PatternIndex
from seismo_pes.reading.archives.archive import EVER
from seismo_pes.reading.archives.scan import FileEntry
from seismo_pes.reading.archives.sds import NamedArchive

__all__ = [
    "LAYOUTS",
    "Lister",
    "PathPattern",
    "PatternArchive",
    "files_of",
    "is_bud",
    "list_folder",
]

HOUR_NS = DAY_NS // 24
# Layouts by the names that they have in the field.
LAYOUTS = {
    "BUD": "{network}/{station}/"
    "{station}.{network}.{location}.{channel}.{year}.{julday}",
    "IDDS": "{year}/{network}/{station}/{channel}.D/{julday}/"
    "{network}.{station}.{location}.{channel}.D.{year}.{julday}.{hour}",
    "PDF": "{year}/{station}/{channel}.D/"
    "{network}.{station}.{location}.{channel}.D.{year}.{julday}",
    "SCEDC": "{year}/{year}_{julday}/"
    "{network:2}{station:5}{channel:3}{location:2}_{year}{julday}.ms",
    "NCEDC": "{network}/{year}/{year}.{julday}/"
    "{station}.{network}.{channel}.{location}.D.{year}.{julday}",
    "SCEDC-FLAT": "{network:2}{station:5}{channel:3}{location:2}_{year}{julday}.ms",
}
CODES = ("network", "station", "location", "channel")
DIGITS = {"year": 4, "month": 2, "day": 2, "julday": 3, "hour": 2}
ALIASES = {"net": "network", "sta": "station", "loc": "location", "cha": "channel"}
ALIASES |= {"chan": "channel", "doy": "julday", "jday": "julday"}
PLACEHOLDER = re.compile(r"\{(\w+)(?::(\d+))?\}|(\*)|(\?)")

Fields = dict[str, str]
# Names of the folders and of the files in a folder; empty where there is none.
Lister = Callable[[str], tuple[list[str], list[str]]]


@dataclass(frozen=True)
class PathPattern:
    """A pattern of paths below a root, taken apart at the slashes.

    Attributes
    ----------
    root : str
        The folders before the first placeholder.
    levels : tuple of re.Pattern
        One for each name of the path below.
    """

    root: str
    levels: tuple[re.Pattern[str], ...]

    @classmethod
    def parse(cls, text: str) -> PathPattern:
        """Parse a pattern.

        Raises
        ------
        ParameterError
            If a placeholder is unknown or a brace is left open.
        """
        names = text.split("/")
        first = next((i for i, name in enumerate(names) if set("{*?") & set(name)), -1)
        levels = tuple(_level(name, text) for name in names[first:])
        root = "/".join(names[:first])
        if first > 0 and not root:
            root = "/"
        return cls(root, levels)

    @property
    def fields(self) -> set[str]:
        """The placeholders that it has."""
        return {name for level in self.levels for name in _fields_of(level)}

    def tells_all(self) -> bool:
        """Say whether a path tells channel and time, so that no file needs opening."""
        fields = self.fields
        return {"network", "station", "channel", "year"} <= fields

    def match(self, level: int, name: str, fields: Fields) -> Fields | None:
        """Return the fields with those of one more name, None if it does not fit."""
        match = self.levels[level].fullmatch(name)
        if match is None:
            return None
        found = dict(fields)
        for key, value in match.groupdict().items():
            field = key.rstrip("_0123456789")
            value = value.strip("_") if field in CODES else value
            if field == "location":
                value = value.replace("--", "")
            if found.setdefault(field, value) != value:
                return None
        return found


def _level(name: str, text: str) -> re.Pattern[str]:
    parts, end = [], 0
    for number, match in enumerate(PLACEHOLDER.finditer(name)):
        parts.append(_literal(name[end : match.start()], text))
        end = match.end()
        if match[3] or match[4]:
            parts.append("[^/]*" if match[3] else "[^/]")
            continue
        field = ALIASES.get(match[1], match[1])
        if field not in (*CODES, *DIGITS):
            known = [*CODES, *DIGITS]
            raise ParameterError(
                f"{text}: unknown placeholder {{{match[1]}}}; {suggest(field, known)}"
            )
        # a name may come twice, a group of a regular expression may not
        parts.append(f"(?P<{field}_{number}>{_characters(field, match[2])})")
    parts.append(_literal(name[end:], text))
    return re.compile("".join(parts))


def _literal(part: str, text: str) -> str:
    if set("{}") & set(part):
        raise ParameterError(f"{text}: a brace without its partner in {part!r}")
    return re.escape(part)


def _characters(field: str, width: str | None) -> str:
    if field in DIGITS:
        return rf"\d{{{width or DIGITS[field]}}}"
    if width:
        return rf"[A-Za-z0-9_-]{{{width}}}"
    return r"[A-Za-z0-9_-]{0,8}" if field == "location" else "[A-Za-z0-9_-]{1,8}"


def _fields_of(level: re.Pattern[str]) -> set[str]:
    return {key.rstrip("_0123456789") for key in level.groupindex}


def period(fields: Fields) -> tuple[int, int]:
    """Return the time that a path's fields name: an hour, a day, a month, a year.

    Ever where they do not tell a year; none (0, 0) where there is no such day.

    >>> [t // DAY_NS for t in period({"year": "1970", "julday": "003"})]
    [2, 3]
    """
    if "year" not in fields:
        return EVER
    year = int(fields["year"])
    first, n_days = date(year, 1, 1).toordinal(), 366 if _is_leap(year) else 365
    if "julday" in fields:
        day = int(fields["julday"])
        if not 1 <= day <= n_days:
            return 0, 0
        first, n_days = first + day - 1, 1
    elif "month" in fields:
        month = int(fields["month"])
        if not 1 <= month <= 12:
            return 0, 0
        first, n_days = date(year, month, 1).toordinal(), monthrange(year, month)[1]
        if "day" in fields:
            day = int(fields["day"])
            if not 1 <= day <= n_days:
                return 0, 0
            first, n_days = first + day - 1, 1
    start_ns = (first - date(1970, 1, 1).toordinal()) * DAY_NS
    if n_days == 1 and "hour" in fields:
        start_ns += int(fields["hour"]) * HOUR_NS
        return start_ns, start_ns + HOUR_NS
    return start_ns, start_ns + n_days * DAY_NS


def _is_leap(year: int) -> bool:
    return monthrange(year, 2)[1] == 29


def list_folder(folder: str) -> tuple[list[str], list[str]]:
    """Return the names of the folders and of the files in a folder, sorted."""
    folders: list[str] = []
    files: list[str] = []
    try:
        with os.scandir(folder or ".") as entries:
            for entry in entries:
                (folders if entry.is_dir() else files).append(entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return [], []
    return sorted(folders), sorted(files)


def is_bud(folder: Path) -> bool:
    """Say whether a folder is laid out as NET/STA/STA.NET.LOC.CHAN.YEAR.DAY."""
    pattern = PathPattern.parse(f"{folder}/{LAYOUTS['BUD']}")
    return next(files_of(pattern), None) is not None


class PatternArchive(NamedArchive):
    """Files found by the pattern of their paths; no folder is listed without need.

    Parameters
    ----------
    name : str
        As the user gave it.
    pattern : PathPattern
        Must tell all (`PathPattern.tells_all`).
    lister : callable
        Lists a folder; by default of this machine.
    """

    def __init__(
        self, name: str, pattern: PathPattern, lister: Lister = list_folder
    ) -> None:
        super().__init__(name)
        self._pattern = pattern
        self._list = lister
        self._folders: dict[str, list[tuple[str, Fields]]] = {}
        self._entered: set[str] = set()
        self._covered: dict[tuple[str, str], tuple[int, int]] = {}
        self._stations: set[tuple[str, str]] = set()
        self._new: list[FileEntry] = []

    def _look_up(self, index: PatternIndex | None, start_ns: int, end_ns: int) -> None:
        wanted = self._wanted(index)
        if index is not None and wanted and self._all_covered(wanted, start_ns, end_ns):
            return
        # a little more, because each span will ask for its neighbours too
        start_ns = max(EVER[0], start_ns - 2 * DAY_NS)
        end_ns = min(EVER[1], end_ns + 2 * DAY_NS)
        self._walk(self._pattern.root, 0, {}, index, (start_ns, end_ns))
        self.enter(self._new)
        self._new.clear()
        for key in self._wanted(index):
            low, high = self._covered.get(key, (start_ns, end_ns))
            if low <= end_ns and start_ns <= high:
                self._covered[key] = min(low, start_ns), max(high, end_ns)

    def _wanted(self, index: PatternIndex | None) -> list[tuple[str, str]]:
        if index is None:
            return list(self._stations)
        return index.stations_among(self._stations)

    def _all_covered(
        self, keys: list[tuple[str, str]], start_ns: int, end_ns: int
    ) -> bool:
        covered = (self._covered.get(key, (0, 0)) for key in keys)
        return len(keys) == 1 and all(
            low <= start_ns and end_ns <= high for low, high in covered
        )

    def _walk(
        self,
        folder: str,
        level: int,
        fields: Fields,
        index: PatternIndex | None,
        time: tuple[int, int],
    ) -> None:
        if level == len(self._pattern.levels) - 1:
            if folder not in self._entered:
                self._entered.add(folder)
                self._enter_files(folder, level, fields)
            return
        if folder not in self._folders:
            self._folders[folder] = list(self._matching(folder, level, fields))
        for path, found in self._folders[folder]:
            start_ns, end_ns = period(found)
            if start_ns < time[1] and end_ns > time[0] and _may_be(found, index):
                self._walk(path, level + 1, found, index, time)

    def _matching(
        self, folder: str, level: int, fields: Fields
    ) -> Iterator[tuple[str, Fields]]:
        for name in self._list(folder)[0]:
            found = self._pattern.match(level, name, fields)
            if found is not None:
                yield _joined(folder, name), found

    def _enter_files(self, folder: str, level: int, fields: Fields) -> None:
        for name in self._list(folder)[1]:
            found = self._pattern.match(level, name, fields)
            if found is None:
                continue
            start_ns, end_ns = period(found)
            codes = [found.get(code, "") for code in CODES]
            if start_ns < end_ns and codes[1] and codes[3]:
                self._stations.add((codes[0], codes[1]))
                path, channel_id = _joined(folder, name), ".".join(codes)
                self._new.append(FileEntry(path, "", channel_id, start_ns, end_ns))


def _may_be(fields: Fields, index: PatternIndex | None) -> bool:
    if index is None or not {"network", "station"} <= fields.keys():
        return True
    return bool(index.stations_among({(fields["network"], fields["station"])}))


def _joined(folder: str, name: str) -> str:
    return name if not folder else f"{folder.rstrip('/')}/{name}"


def files_of(pattern: PathPattern, lister: Lister = list_folder) -> Iterator[Path]:
    """Yield the files that fit a pattern that does not tell all."""
    todo: list[tuple[str, int, Fields]] = [(pattern.root, 0, {})]
    while todo:
        folder, level, fields = todo.pop()
        last = level == len(pattern.levels) - 1
        for name in lister(folder)[1 if last else 0]:
            found = pattern.match(level, name, fields)
            if found is not None and last:
                yield Path(_joined(folder, name))
            elif found is not None:
                todo.append((_joined(folder, name), level + 1, found))
