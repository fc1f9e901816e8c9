"""Station lists, and the coordinates of channels."""

from __future__ import annotations

import csv
import io
import logging
import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Protocol

from obspy import Inventory

from dispel4py.errors import ParameterError
from seismo_pes.items.skipped import Skipped
from seismo_pes.metadata.epochs import is_position
from seismo_pes.metadata.inventory import StationEpochs
from seismo_pes.regular_file import read_text

__all__ = [
    "Channel",
    "PatternIndex",
    "StationPattern",
    "locate",
    "parse_station_list",
    "read_station_list",
    "split_id",
]

logger = logging.getLogger(__name__)
NAN = math.nan

# Columns of a station table, each with the names that a header may use for it.
COLUMNS = {
    "network": ("network", "net", "network_code", "knetwk"),
    "station": ("station", "sta", "station_code", "stn", "kstnm", "name"),
    "location": ("location", "loc", "location_code", "khole"),
    "channel": ("channel", "cha", "chan", "channel_code", "kcmpnm"),
    "latitude": ("latitude", "lat", "stla"),
    "longitude": ("longitude", "lon", "long", "lng", "stlo"),
    "elevation_m": ("elevation", "elev", "ele", "elevation_m", "stel"),
}
COLUMN_OF = {alias: name for name, aliases in COLUMNS.items() for alias in aliases}
CODE = re.compile(r"[A-Za-z0-9*?_-]{1,8}")
# a number with a direction, or no number: no channel code begins with a digit
NO_CODE = re.compile(r"nan|-?\d+(\.\d*)?[NSEW]?", re.IGNORECASE)
EXPECTED = "expected 'NET STA', 'NET.STA' or 'NET.STA.LOC.CHA', then coordinates"


@dataclass(frozen=True)
class Channel:
    """A channel, its latitude and longitude in degrees, its elevation in metres."""

    id: str
    latitude: float = NAN
    longitude: float = NAN
    elevation_m: float = NAN

    @property
    def network(self) -> str:
        """Network code."""
        return split_id(self.id)[0]

    @property
    def station(self) -> str:
        """Station code."""
        return split_id(self.id)[1]

    @property
    def location(self) -> str:
        """Location code, often empty."""
        return split_id(self.id)[2]

    @property
    def code(self) -> str:
        """Channel code, e.g. ``"BHZ"``."""
        return split_id(self.id)[3]


@dataclass(frozen=True)
class StationPattern:
    """One entry of a station list; its codes may hold the wildcards ``*`` and ``?``.

    Attributes
    ----------
    network, station, location, channel : str
        An empty location means the empty location code.
    latitude, longitude, elevation_m : float
        NaN if the list has no coordinates.
    source : str
        File and line of the entry, ``"list.txt:3"``.
    """

    network: str
    station: str
    location: str = "*"
    channel: str = "*"
    latitude: float = NAN
    longitude: float = NAN
    elevation_m: float = NAN
    source: str = ""

    @property
    def codes(self) -> tuple[str, str, str, str]:
        """Network, station, location, channel."""
        return self.network, self.station, self.location, self.channel

    @property
    def name(self) -> str:
        """``NET.STA``, or ``NET.STA.LOC.CHA`` if location or channel is given."""
        if self.location == self.channel == "*":
            return f"{self.network}.{self.station}"
        return ".".join(self.codes)

    def matches(self, channel_id: str) -> bool:
        """Return whether a channel matches this entry."""
        return all(map(fnmatchcase, split_id(channel_id), self.codes))


class PatternIndex:
    """An index of a station list, for the search of entries by channel."""

    def __init__(self, patterns: Iterable[StationPattern]) -> None:
        self._exact: dict[tuple[str, str], list[tuple[int, StationPattern]]] = {}
        self._wildcards: list[tuple[int, StationPattern]] = []
        for position, pattern in enumerate(patterns):
            station = pattern.codes[:2]
            if any("*" in code or "?" in code for code in station):
                self._wildcards.append((position, pattern))
            else:
                self._exact.setdefault(station, []).append((position, pattern))

    def matching(self, channel_id: str) -> list[StationPattern]:
        """Return the entries that match a channel, in the order of the list."""
        network, station, *_ = split_id(channel_id)
        candidates = self._exact.get((network, station), []) + self._wildcards
        candidates.sort(key=lambda candidate: candidate[0])
        return [pattern for _, pattern in candidates if pattern.matches(channel_id)]

    def stations_among(
        self, stations: Collection[tuple[str, str]]
    ) -> list[tuple[str, str]]:
        """Return the (network, station) that match an entry of the list."""
        if not self._wildcards:
            return [key for key in self._exact if key in stations]
        return [key for key in stations if self._matches_station(key)]

    def _matches_station(self, key: tuple[str, str]) -> bool:
        return key in self._exact or any(
            all(map(fnmatchcase, key, pattern.codes[:2]))
            for _, pattern in self._wildcards
        )


class Located(Protocol):
    """Any object with coordinates, e.g. a channel of an archive with SAC headers."""

    @property
    def latitude(self) -> float:
        """Degrees north."""

    @property
    def longitude(self) -> float:
        """Degrees east."""

    @property
    def elevation_m(self) -> float:
        """Metres above sea level."""


def split_id(channel_id: str) -> tuple[str, str, str, str]:
    """Split ``NET.STA.LOC.CHA`` into its four codes; missing codes are empty.

    >>> split_id("CI.CCA..BHN")
    ('CI', 'CCA', '', 'BHN')
    """
    codes = channel_id.split(".", 3)
    return tuple(codes + [""] * (4 - len(codes)))  # type: ignore[return-value]


# -- station lists ------------------------------------------------------------------


def read_station_list(path: str | Path) -> list[StationPattern]:
    """Read a station list from a file; see `parse_station_list` for its form.

    Raises
    ------
    ParameterError
        If the file cannot be read, is not UTF-8 text, or has a line that is not valid.
    """
    try:
        text = read_text(path)
    except OSError as error:
        raise ParameterError(f"station list {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ParameterError(f"station list {path}: not a UTF-8 text") from error
    return parse_station_list(text, source=str(path))


def parse_station_list(text: str, source: str = "list.txt") -> list[StationPattern]:
    """Parse a station list.

    Parameters
    ----------
    text : str
        Either lines of ``NET STA``, ``NET.STA``, ``NET STA LOC CHA`` or
        ``NET.STA.LOC.CHA``, each with optional latitude and longitude in degrees and
        elevation in metres, separated by blanks or commas. Or a table with a header
        line, separated by commas, tabs, semicolons, bars or blanks, with its columns in
        any order; an empty cell matches any code, and unknown columns are ignored.
        Codes may have the wildcards ``*`` and ``?``; ``--`` is the empty location;
        comments start with ``#``.
    source : str
        The name of the file, for messages.

    Returns
    -------
    list of StationPattern
        In the order of the list; entries with the same codes are merged.

    Raises
    ------
    ParameterError
        If a line is not valid (the message names file and line), or no station is
        listed.

    Examples
    --------
    >>> [p.name for p in parse_station_list("CI CCA 35.1 -118.0  # north\\nCI.H*")]
    ['CI.CCA', 'CI.H*']
    """
    lines = list(enumerate(text.lstrip("\ufeff").splitlines(), start=1))
    rows: Iterator[StationPattern] | None = None
    for position, (_, line) in enumerate(lines):
        content = line.strip()
        if not content:
            continue
        header = _header(content)
        if header is not None:
            rows = _table(header, lines[position + 1 :], source)
        elif content.startswith("#"):
            continue
        break
    patterns = _merge_duplicates(_lines(lines, source) if rows is None else rows)
    if not patterns:
        raise ParameterError(f"{source}: no station is listed; {EXPECTED}")
    return patterns


def _header(line: str) -> tuple[str, list[str]] | None:
    """Return separator and column names of a header line, None for other lines."""
    separator = next((s for s in "\t|,;" if s in line), "")
    # FDSN station services write a header with bars that begins with a hash
    if line.startswith("#") and separator != "|":
        return None
    cells = [c.strip().strip('"').lower() for c in _cells(line.lstrip("#"), separator)]
    names = [COLUMN_OF.get(cell, "") for cell in cells]
    if "station" in names and sum(map(bool, names)) >= 2:
        return separator, names
    return None


def _cells(line: str, separator: str) -> list[str]:
    if not separator:
        return line.split()
    return next(csv.reader(io.StringIO(line), delimiter=separator), [])


def _table(
    header: tuple[str, list[str]], lines: Sequence[tuple[int, str]], source: str
) -> Iterator[StationPattern]:
    separator, names = header
    for number, line in lines:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        where = f"{source}:{number}"
        cells = [cell.strip() for cell in _cells(line, separator)]
        if len(cells) < len(names) and any(names[len(cells) :]):
            raise ParameterError(
                f"{where}: {len(cells)} columns where the header has {len(names)}"
            )
        row = {name: c for name, c in zip(names, cells, strict=False) if name and c}
        if "station" not in row:
            raise ParameterError(f"{where}: the column 'station' is empty")
        codes = [row.get(name, "*") for name in list(COLUMNS)[:4]]
        coordinates = [row.get(name, "") for name in list(COLUMNS)[4:]]
        yield _pattern(codes, coordinates, where)


def _lines(lines: Sequence[tuple[int, str]], source: str) -> Iterator[StationPattern]:
    for number, line in lines:
        tokens = line.split("#", 1)[0].replace(",", " ").replace(";", " ").split()
        if not tokens:
            continue
        where = f"{source}:{number}"
        if "." in tokens[0]:
            codes, coordinates = tokens[0].split("."), tokens[1:]
        else:
            codes, coordinates = tokens[:2], tokens[2:]
            if len(coordinates) >= 2 and _number(coordinates[1]) is None:
                codes, coordinates = tokens[:4], tokens[4:]
                _refuse_coordinates(codes[2:], where)
        if not 2 <= len(codes) <= 4 or len(coordinates) not in (0, 2, 3):
            raise ParameterError(f"{where}: {line.strip()!r}: {EXPECTED}")
        codes = [code or ("--" if i == 2 else "") for i, code in enumerate(codes)]
        yield _pattern(codes + ["*"] * (4 - len(codes)), coordinates, where)


def _refuse_coordinates(codes: Sequence[str], where: str) -> None:
    """Refuse location and channel codes that are probably coordinates."""
    if any(map(NO_CODE.fullmatch, codes[1:])) or codes[0].lower() == "nan":
        raise ParameterError(
            f"{where}: {' '.join(codes)!r} are not coordinates: write degrees as "
            "numbers, south and west negative, or leave them out"
        )


def _pattern(
    codes: Sequence[str], coordinates: Sequence[str], where: str
) -> StationPattern:
    for code in codes:
        if not CODE.fullmatch(code):
            raise ParameterError(f"{where}: {code!r} is not a code; {EXPECTED}")
    numbers = [NAN, NAN, NAN]
    for i, text in enumerate(coordinates):
        value = NAN if text.lower() in ("", "nan") else _number(text)
        if value is None:
            raise ParameterError(f"{where}: {text!r} is not a coordinate; {EXPECTED}")
        numbers[i] = value
    latitude, longitude, elevation_m = numbers
    if abs(latitude) > 90 or not (math.isnan(longitude) or -180 <= longitude <= 360):
        raise ParameterError(
            f"{where}: latitude {latitude:g}, longitude {longitude:g} are not on Earth "
            "(latitude comes first)"
        )
    network, station, location, channel = codes
    location = "" if location == "--" else location
    return StationPattern(
        network, station, location, channel, latitude, longitude, elevation_m, where
    )


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _merge_duplicates(patterns: Iterable[StationPattern]) -> list[StationPattern]:
    merged: dict[tuple[str, str, str, str], StationPattern] = {}
    for pattern in patterns:
        first = merged.setdefault(pattern.codes, pattern)
        if first is pattern:
            continue
        logger.info("%s: %s is listed twice", pattern.source, pattern.name)
        if not _is_known(first) and _is_known(pattern):
            merged[pattern.codes] = replace(pattern, source=first.source)
        elif _is_known(pattern) and _position(first) != _position(pattern):
            logger.warning(
                "%s: %s has other coordinates here than in %s; the latter are used",
                *(pattern.source, pattern.name, first.source),
            )
    return list(merged.values())


# -- coordinates --------------------------------------------------------------------


def locate(
    channel_ids: Iterable[str],
    patterns: Iterable[StationPattern] = (),
    inventory: Inventory | None = None,
    headers: Mapping[str, Located] | None = None,
    start_ns: int | None = None,
    end_ns: int | None = None,
    spans: Mapping[str, tuple[int, int]] | None = None,
) -> tuple[dict[str, Channel], list[Skipped]]:
    """Find the coordinates of channels.

    They are taken from the station list; else from StationXML (of the channel, else of
    its station, in the epochs that overlap the time; where the station moved, the place
    where it stood longest); else from the headers of the data.
    Latitude 0 and longitude 0 together count as missing: they are the default of
    headers that were never set.

    Parameters
    ----------
    channel_ids : iterable of str
        ``NET.STA.LOC.CHA``.
    patterns : iterable of StationPattern
        The station list.
    inventory : obspy.Inventory, optional
        StationXML.
    headers : mapping of channel id to coordinates, optional
        Coordinates in the headers of the data, e.g. `Archive.channels`.
    start_ns, end_ns : int, optional
        The time of the run, nanoseconds since 1970, for the choice of the epoch.
    spans : mapping of channel id to (int, int), optional
        First and last time of the data of each channel, for the same.

    Returns
    -------
    channels : dict of str to Channel
        In the order of the ids; NaN if there are no coordinates.
    skipped : list of Skipped
        The channels without coordinates, stage ``"coordinates"``.
    """
    index = PatternIndex(patterns)
    epochs = StationEpochs(inventory, start_ns, end_ns)
    channels: dict[str, Channel] = {}
    skipped: list[Skipped] = []
    for channel_id in channel_ids:
        sources: list[Located] = [*index.matching(channel_id)]
        limits = None if spans is None else spans.get(channel_id)
        sources += epochs.positions(channel_id, limits)
        if headers is not None and channel_id in headers:
            sources.append(headers[channel_id])
        place = next((s for s in sources if _is_known(s)), None)
        if place is None:
            channels[channel_id] = Channel(channel_id)
            has_zeros = any(s.latitude == s.longitude == 0 for s in sources)
            reason = "only 0, 0, which counts as not set" if has_zeros else "none found"
            if epochs.has_other_epochs(channel_id):
                reason = "none found: no epoch of its StationXML covers the run"
            skipped.append(
                Skipped("coordinates", channel_id, f"{reason}; distance unknown")
            )
            continue
        elevation_m = next(
            (s.elevation_m for s in sources if not math.isnan(s.elevation_m)), NAN
        )
        channels[channel_id] = Channel(channel_id, *_position(place), elevation_m)
    return channels, skipped


def _position(place: Located) -> tuple[float, float]:
    return float(place.latitude), float(place.longitude)


def _is_known(place: Located) -> bool:
    return is_position(*_position(place))
