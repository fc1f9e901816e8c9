"""Archives whose paths give channel and time by a pattern.

A pattern is a path with placeholders, for example
``{year}/{station}/{channel}.{julday}``. The placeholders are network, station,
location, channel, year, month, day, julday (day of the year) and hour. ``{station:5}``
means five characters, padded with underscores; ``*`` means any characters, ``?`` any
one.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from dispel4py.errors import ParameterError, suggest
from dispel4py.file_search import Report
from dispel4py.files import list_folder
from seismo_pes.items.times import DAY_NS
from seismo_pes.metadata.stations import PatternIndex
from seismo_pes.reading.archives.archive import ALL_TIME
from seismo_pes.reading.archives.scan import FileEntry, failed_listing
from seismo_pes.reading.archives.sds import NamedArchive

__all__ = [
    "LAYOUTS",
    "Lister",
    "PathPattern",
    "PatternArchive",
    "find_matching_files",
    "is_bud",
]

HOUR_NS = DAY_NS // 24
# Known layouts by name: BUD, IDDS and PDF of data centres and networks, and those of
# the public buckets of SCEDC and NCEDC (SCEDC-FLAT: all files in one folder).
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
# Placeholders of times, and how many digits each has.
DIGITS = {"year": 4, "month": 2, "day": 2, "julday": 3, "hour": 2}
ALIASES = {"net": "network", "sta": "station", "loc": "location", "cha": "channel"}
ALIASES |= {"chan": "channel", "doy": "julday", "jday": "julday"}
PLACEHOLDER = re.compile(r"\{(\w+)(?::(\d+))?\}|(\*)|(\?)")

Fields = dict[str, str]  # placeholders and their values in a path
# Returns the names of the subfolders and of the files in a folder.
Lister = Callable[[str], tuple[list[str], list[str]]]


@dataclass(frozen=True)
class PathPattern:
    """A pattern of paths below a root folder.

    Attributes
    ----------
    root : str
        The folders before the first placeholder.
    levels : tuple of re.Pattern
        A regular expression for the name at each level below the root.
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
        """The placeholders of the pattern."""
        return {name for level in self.levels for name in _fields_of(level)}

    def is_complete(self) -> bool:
        """Whether the path alone gives channel and time, without opening files."""
        return {"network", "station", "channel", "year"} <= self.fields

    def match(self, level: int, name: str, fields: Fields) -> Fields | None:
        """Match one name of a path.

        Parameters
        ----------
        level : int
            The level of the name below the root, from 0.
        name : str
            Name of a folder or a file.
        fields : dict
            The values of the placeholders in the folders above.

        Returns
        -------
        dict or None
            ``fields`` and the values of this name; None if the name does not match, or
            repeats a placeholder with another value.
        """
        match = self.levels[level].fullmatch(name)
        if match is None:
            return None
        values = dict(fields)
        for key, value in match.groupdict().items():
            field = key.rstrip("_0123456789")
            value = value.strip("_") if field in CODES else value
            if field == "location":
                value = value.replace("--", "")
            if values.setdefault(field, value) != value:
                return None
        return values


def _level(name: str, text: str) -> re.Pattern[str]:
    """Return the regular expression of one name of the pattern ``text``."""
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
        # the number, because a placeholder may occur twice and a group name may not
        parts.append(f"(?P<{field}_{number}>{_characters(field, match[2])})")
    parts.append(_literal(name[end:], text))
    return re.compile("".join(parts))


def _literal(part: str, text: str) -> str:
    if set("{}") & set(part):
        raise ParameterError(f"{text}: a brace is not closed or not opened in {part!r}")
    return re.escape(part)


def _characters(field: str, width: str | None) -> str:
    if field in DIGITS:
        return rf"\d{{{width or DIGITS[field]}}}"
    if width:
        return rf"[A-Za-z0-9_-]{{{width}}}"
    return r"[A-Za-z0-9_-]{0,8}" if field == "location" else "[A-Za-z0-9_-]{1,8}"


def _fields_of(level: re.Pattern[str]) -> set[str]:
    return {key.rstrip("_0123456789") for key in level.groupindex}


def time_interval(fields: Fields) -> tuple[int, int]:
    """Return start and end of the hour, day, month or year that the fields name.

    Nanoseconds since 1970. Without a year this is `ALL_TIME`; for a day that does not
    exist it is (0, 0).

    >>> [t // DAY_NS for t in time_interval({"year": "1970", "julday": "003"})]
    [2, 3]
    """
    if "year" not in fields:
        return ALL_TIME
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


def is_bud(folder: Path) -> bool:
    """Return whether a folder has the layout NET/STA/STA.NET.LOC.CHAN.YEAR.DAY."""
    # parsed without the folder: braces in its name are not placeholders
    levels = PathPattern.parse(LAYOUTS["BUD"]).levels
    pattern = PathPattern(str(folder), levels)
    return next(find_matching_files(pattern, lambda error: None), None) is not None


class PatternArchive(NamedArchive):
    """An archive whose files are found by a pattern of their paths.

    Only folders that may hold the stations and times of a request are listed.

    Parameters
    ----------
    name : str
        As the user gave it.
    pattern : PathPattern
        A complete one (`PathPattern.is_complete`).
    lister : callable
        Lists a folder; by default a folder on a local disk.
    """

    def __init__(
        self, name: str, pattern: PathPattern, lister: Lister = list_folder
    ) -> None:
        super().__init__(name)
        self._pattern = pattern
        self._list = lister
        self._folders: dict[str, list[tuple[str, Fields]]] = {}
        self._listed: set[str] = set()
        self._covered: dict[tuple[str, str], tuple[int, int]] = {}
        self._stations: set[tuple[str, str]] = set()
        self._new: list[FileEntry] = []

    def _look_up(self, index: PatternIndex | None, start_ns: int, end_ns: int) -> None:
        stations = self._known_stations(index)
        if index is not None and self._is_covered(stations, start_ns, end_ns):
            return
        # two days more: the spans of a run also need the files of neighbouring days
        start_ns = max(ALL_TIME[0], start_ns - 2 * DAY_NS)
        end_ns = min(ALL_TIME[1], end_ns + 2 * DAY_NS)
        self._walk(self._pattern.root, 0, {}, index, (start_ns, end_ns))
        self.add(self._new)
        self._new.clear()
        for key in self._known_stations(index):
            low, high = self._covered.get(key, (start_ns, end_ns))
            if low <= end_ns and start_ns <= high:
                self._covered[key] = min(low, start_ns), max(high, end_ns)

    def _known_stations(self, index: PatternIndex | None) -> list[tuple[str, str]]:
        if index is None:
            return list(self._stations)
        return index.stations_among(self._stations)

    def _is_covered(
        self, stations: list[tuple[str, str]], start_ns: int, end_ns: int
    ) -> bool:
        """Return whether these times of one station are known.

        Never for several stations: the list may mean more that are not known yet.
        """
        if len(stations) != 1:
            return False
        low, high = self._covered.get(stations[0], (0, 0))
        return low <= start_ns and end_ns <= high

    def _walk(
        self,
        folder: str,
        level: int,
        fields: Fields,
        index: PatternIndex | None,
        time: tuple[int, int],
    ) -> None:
        """Collect the new files in a folder and below, of some stations and times."""
        if level == len(self._pattern.levels) - 1:
            if folder not in self._listed:
                self._listed.add(folder)
                self._collect_files(folder, level, fields)
            return
        if folder not in self._folders:
            self._folders[folder] = list(self._subfolders(folder, level, fields))
        for path, values in self._folders[folder]:
            start_ns, end_ns = time_interval(values)
            if start_ns < time[1] and end_ns > time[0] and _may_match(values, index):
                self._walk(path, level + 1, values, index, time)

    def _listed_names(self, folder: str) -> tuple[list[str], list[str]]:
        """Return the names in a folder; one that cannot be listed is skipped."""
        try:
            return self._list(folder)
        except OSError as error:
            self.skipped.append(failed_listing(error))
            return [], []

    def _subfolders(
        self, folder: str, level: int, fields: Fields
    ) -> Iterator[tuple[str, Fields]]:
        for name in self._listed_names(folder)[0]:
            values = self._pattern.match(level, name, fields)
            if values is not None:
                yield _join(folder, name), values

    def _collect_files(self, folder: str, level: int, fields: Fields) -> None:
        for name in self._listed_names(folder)[1]:
            values = self._pattern.match(level, name, fields)
            if values is None:
                continue
            start_ns, end_ns = time_interval(values)
            codes = [values.get(code, "") for code in CODES]
            if start_ns < end_ns and codes[1] and codes[3]:
                self._stations.add((codes[0], codes[1]))
                path, channel_id = _join(folder, name), ".".join(codes)
                self._new.append(FileEntry(path, "", channel_id, start_ns, end_ns))


def _may_match(fields: Fields, index: PatternIndex | None) -> bool:
    """Return whether a path with these fields can lead to a station of the list."""
    if index is None or not {"network", "station"} <= fields.keys():
        return True
    return bool(index.stations_among({(fields["network"], fields["station"])}))


def _join(folder: str, name: str) -> str:
    return name if not folder else f"{folder.rstrip('/')}/{name}"


def find_matching_files(pattern: PathPattern, report: Report) -> Iterator[Path]:
    """Yield the files whose paths match a pattern; it need not be complete.

    Parameters
    ----------
    pattern : PathPattern
    report : callable
        Gets the error of each folder that cannot be listed.
    """
    folders: list[tuple[str, int, Fields]] = [(pattern.root, 0, {})]
    while folders:
        folder, level, fields = folders.pop()
        is_last = level == len(pattern.levels) - 1
        try:
            names = list_folder(folder)[1 if is_last else 0]
        except OSError as error:
            report(error)
            continue
        for name in names:
            values = pattern.match(level, name, fields)
            if values is not None and is_last:
                yield Path(_join(folder, name))
            elif values is not None:
                folders.append((_join(folder, name), level + 1, values))
