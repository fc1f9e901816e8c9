"""What the headers of waveform files say, read once per file."""

from __future__ import annotations

import logging
import math
import os
import re
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from obspy import Stream, Trace
from obspy.core.trace import Stats

from dispel4py.errors import DataError
from seismo_pes.items.skipped import Skipped
from seismo_pes.items.times import NS
from seismo_pes.metadata.asdf import is_asdf
from seismo_pes.reading.formats.waveform_files import read_file, unusable

__all__ = [
    "FileEntry",
    "entry_of",
    "find_files",
    "scan_ends",
    "scan_file",
    "scan_files",
]

logger = logging.getLogger(__name__)

LONGEST_NS = 2**63 - 1
# of miniSEED: how its records begin, and what obspy calls their fields
DATA_RECORD = re.compile(rb"[0-9 ]{6}[DRQM] ")
CODES = ("network", "station", "location", "channel")
LENGTH = "record_length"
# what lies about in archives and is no waveform
OTHER_SUFFIXES = frozenset(
    {".xml", ".stationxml", ".quakeml", ".dless", ".dataless", ".resp", ".h5", ".hdf5"}
    | {".csv", ".txt", ".tsv", ".json", ".toml", ".yaml", ".yml", ".md", ".rst", ".log"}
    | {".png", ".jpg", ".pdf", ".html", ".py", ".sh", ".db", ".sqlite"}
)
OTHER_NAMES = frozenset({"license", "licence", "readme", "copying", "makefile"})
# NET.STA.LOC.CHA..., and NET, STA, CHA, LOC padded by underscores as SCEDC has it
DOTTED = re.compile(
    r"([A-Z0-9]{1,2})\.([A-Z0-9]{1,5})\.([A-Z0-9]{0,2}|--)\.([A-Z][A-Z0-9]{2})(?=[._])"
)
PADDED = re.compile(
    r"([A-Z0-9_]{2})([A-Z0-9_]{5})([A-Z]{2}[A-Z0-9])([A-Z0-9_]{2})_\d{7}(?=\.)"
)


@dataclass(frozen=True)
class FileEntry:
    """One channel in one file, as the headers have it.

    Attributes
    ----------
    path, file_format, channel_id : str
        The file, obspy's name of its format, ``NET.STA.LOC.CHA``.
    start_ns, end_ns : int
        First sample, and one sample interval after the last.
    rate_hz : float
        Sampling rate; NaN where the file was not opened.
    latitude, longitude, elevation_m : float
        From SAC headers and the StationXML of ASDF files; NaN elsewhere.
    """

    path: str
    file_format: str
    channel_id: str
    start_ns: int
    end_ns: int
    rate_hz: float = math.nan
    latitude: float = math.nan
    longitude: float = math.nan
    elevation_m: float = math.nan

    @property
    def half_ns(self) -> int:
        """Half a sample interval; 0 where the rate is not known."""
        return 0 if math.isnan(self.rate_hz) else round(NS / 2 / self.rate_hz)


def find_files(
    folder: Path, skipped: list[Skipped], keep_others: bool = False
) -> Iterator[Path]:
    """Yield the files in a folder and below that may be waveforms, sorted.

    Hidden files, and those whose names say that they are something else (``.xml``,
    ``.csv``, ``LICENSE`` ...) are passed over unless ``keep_others``. Links to folders
    are followed once. Folders that cannot be opened are added to ``skipped``.
    """

    def refused(error: OSError) -> None:
        reason = f"cannot be opened: {error.strerror}"
        skipped.append(Skipped("scan", str(error.filename), reason))

    seen: set[tuple[int, int]] = set()
    n_others = 0
    for root, folders, names in os.walk(folder, onerror=refused, followlinks=True):
        status = os.stat(root)
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(root, name)
            if name.startswith(".") or not (keep_others or may_be_waveform(path)):
                n_others += 1
            elif path.is_file():
                yield path
    logger.debug("%s: %d files are no waveforms by their names", folder, n_others)


def may_be_waveform(path: Path) -> bool:
    """Say whether a file's name allows for waveforms."""
    return (
        path.suffix.lower() not in OTHER_SUFFIXES or _is_asdf(path)
    ) and path.stem.lower() not in OTHER_NAMES


def _is_asdf(path: Path) -> bool:
    return path.suffix.lower() in (".h5", ".hdf5") and is_asdf(path)


def scan_files(paths: Iterable[Path], skipped: list[Skipped]) -> list[FileEntry]:
    """Scan many files; what is wrong with them is added to ``skipped``."""
    entries: list[FileEntry] = []
    for path in paths:
        found, problems = scan_file(path)
        entries += found
        skipped += problems
    return entries


def scan_file(path: str | Path) -> tuple[list[FileEntry], list[Skipped]]:
    """Read the headers of one file.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    entries : list of FileEntry
        One for each channel and sampling rate, from its first sample to its last.
    skipped : list of Skipped
        Why the file or a trace of it cannot be used; also a name that says another
        channel than the header, which is believed. Stage ``"scan"``.
    """
    path = str(path)
    try:
        stream = read_file(path, headonly=True)
    except DataError as error:
        reason = str(error).removeprefix(f"{path}: ")
        return [], [Skipped("scan", path, reason)]
    problems: dict[str, int] = {}
    entries: dict[tuple[str, float], FileEntry] = {}
    for trace in stream:
        entry, problem = entry_of(path, trace)
        if entry is None:
            problems[problem] = problems.get(problem, 0) + 1
            continue
        key = (entry.channel_id, entry.rate_hz)
        entries[key] = _union(entries[key], entry) if key in entries else entry
    if not stream:
        problems["holds no trace"] = 1
    skipped = [Skipped("scan", path, *problem) for problem in problems.items()]
    return list(entries.values()), skipped + _name_against_header(path, stream)


def scan_ends(path: str | Path) -> FileEntry | None:
    """Read the first and the last record of a miniSEED file: its one channel and time.

    Returns
    -------
    FileEntry or None
        None where these do not tell: the file is something else, compressed, or its
        ends differ in more than time. `scan_file` reads all headers.
    """
    # here because its import takes time
    from obspy.io.mseed.util import get_record_information

    try:
        with warnings.catch_warnings(action="error"), open(path, "rb") as file:
            if not DATA_RECORD.match(file.read(8)):
                return None
            first = get_record_information(file, -8)
            last = get_record_information(file, first["filesize"] - first[LENGTH] - 8)
    except Exception:  # noqa: BLE001 - obspy's readers raise anything
        return None
    rate_hz = float(first["samp_rate"])
    same = all(first[name] == last[name] for name in (*CODES, LENGTH, "samp_rate"))
    start_ns, end_ns = first["starttime"].ns, last["starttime"].ns
    if not (same and rate_hz > 0 and 0 <= start_ns <= end_ns and first["npts"] > 0):
        return None
    end_ns += round(last["npts"] * NS / rate_hz)
    channel_id = ".".join(first[name] for name in CODES)
    return FileEntry(str(path), "MSEED", channel_id, start_ns, end_ns, rate_hz)


def entry_of(path: str, trace: Trace) -> tuple[FileEntry | None, str]:
    """Return what a trace's header says, or None and what is wrong with it."""
    stats = trace.stats
    if not stats.npts:
        return None, "left out: a trace without samples"
    if problem := unusable(trace):
        return None, problem
    start_ns = stats.starttime.ns
    end_ns = start_ns + round(stats.npts * NS / stats.sampling_rate)
    if abs(start_ns) > LONGEST_NS or abs(end_ns) > LONGEST_NS:
        return None, f"left out: a start in the year {stats.starttime.year}"
    file_format = str(stats.get("_format", ""))
    rate_hz = float(stats.sampling_rate)
    place = _position(stats)
    return FileEntry(path, file_format, trace.id, start_ns, end_ns, rate_hz, *place), ""


def _position(stats: Stats) -> tuple[float, float, float]:
    """Return latitude, longitude, elevation; SAC writes -12345 where they are unset."""
    header, names = stats.get("sac", {}), ("stla", "stlo", "stel")
    if "coordinates" in stats:  # ASDF
        header, names = stats.coordinates, ("latitude", "longitude", "elevation")
    values = [float(header.get(name, math.nan)) for name in names]
    latitude, longitude, elevation = (math.nan if v == -12345 else v for v in values)
    if not (abs(latitude) <= 90 and abs(longitude) <= 360):
        return math.nan, math.nan, math.nan
    return latitude, longitude, elevation


def _union(a: FileEntry, b: FileEntry) -> FileEntry:
    return FileEntry(
        *(a.path, a.file_format, a.channel_id),
        *(min(a.start_ns, b.start_ns), max(a.end_ns, b.end_ns), a.rate_hz),
        *(a.latitude, a.longitude, a.elevation_m),
    )


def _name_against_header(path: str, stream: Stream) -> list[Skipped]:
    named = id_in_name(Path(path).name)
    channel_ids = {trace.id for trace in stream}
    if named is None or len(channel_ids) != 1 or named in channel_ids:
        return []
    reason = f"its name says {named}, its header {channel_ids.pop()}; the header counts"
    return [Skipped("scan", path, reason)]


def id_in_name(name: str) -> str | None:
    """Return the channel that a file's name spells out, if it does.

    >>> id_in_name("BKTHIS_LHZ10_2022002.ms"), id_in_name("CI.CCA..BHN.mseed")
    ('BK.THIS.10.LHZ', 'CI.CCA..BHN')
    """
    if match := DOTTED.match(name):
        network, station, location, channel = match.groups()
        return f"{network}.{station}.{location.replace('--', '')}.{channel}"
    if match := PADDED.match(name):
        codes = [code.rstrip("_") for code in match.groups()]
        return f"{codes[0]}.{codes[1]}.{codes[3]}.{codes[2]}"
    return None
