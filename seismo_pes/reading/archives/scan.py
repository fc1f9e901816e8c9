"""Scanning waveform files: the channels and times that their headers give."""

from __future__ import annotations

import logging
import math
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from obspy import Stream, Trace
from obspy.core.trace import Stats

from dispel4py.errors import DataError
from dispel4py.file_search import files_below
from seismo_pes.items.skipped import FAILED_READ, Skipped
from seismo_pes.items.times import NS
from seismo_pes.metadata.asdf import is_asdf
from seismo_pes.reading.formats.waveform_files import find_defect, read_file
from seismo_pes.regular_file import ReadFailed, open_regular

__all__ = [
    "FileEntry",
    "failed_listing",
    "find_files",
    "make_entry",
    "scan_ends",
    "scan_file",
    "scan_files",
]

logger = logging.getLogger(__name__)

MAX_NS = 2**63 - 1  # the latest time that int64 nanoseconds since 1970 can hold
# How a data record of miniSEED 2 begins, and obspy's names of fields in its header.
DATA_RECORD = re.compile(rb"[0-9 ]{6}[DRQM] ")
CODES = ("network", "station", "location", "channel")
LENGTH = "record_length"
# Suffixes and names of files that are common in archives and hold no waveforms.
OTHER_SUFFIXES = frozenset(
    {".xml", ".stationxml", ".quakeml", ".dless", ".dataless", ".resp", ".h5", ".hdf5"}
    | {".csv", ".txt", ".tsv", ".json", ".toml", ".yaml", ".yml", ".md", ".rst", ".log"}
    | {".png", ".jpg", ".pdf", ".html", ".py", ".sh", ".db", ".sqlite"}
)
OTHER_NAMES = frozenset({"license", "licence", "readme", "copying", "makefile"})
# File names that begin with NET.STA.LOC.CHA, and the names of SCEDC: NET, STA, CHA, LOC
# without separators, padded with underscores.
DOTTED = re.compile(
    r"([A-Z0-9]{1,2})\.([A-Z0-9]{1,5})\.([A-Z0-9]{0,2}|--)\.([A-Z][A-Z0-9]{2})(?=[._])"
)
PADDED = re.compile(
    r"([A-Z0-9_]{2})([A-Z0-9_]{5})([A-Z]{2}[A-Z0-9])([A-Z0-9_]{2})_\d{7}(?=\.)"
)


@dataclass(frozen=True)
class FileEntry:
    """One channel in one file, by its headers.

    Attributes
    ----------
    path, file_format, channel_id : str
        The file, obspy's name of its format, ``NET.STA.LOC.CHA``.
    start_ns, end_ns : int
        Time of the first sample, and one sample interval after the last; nanoseconds
        since 1970.
    rate_hz : float
        Sampling rate; NaN if the file was not opened.
    latitude, longitude, elevation_m : float
        From SAC headers and the StationXML of ASDF files; NaN if there are none.
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

    def at_rate(self, rate_hz: float) -> FileEntry:
        """Return the entry if the samples have another rate than that of the header.

        Records of miniSEED may have true starts: their time does not become shorter.

        Parameters
        ----------
        rate_hz : float
            The true sampling rate.
        """
        if math.isnan(self.rate_hz):
            return self
        longer = self.rate_hz / rate_hz
        if self.file_format.startswith("MSEED"):
            longer = max(longer, 1.0)
        length_ns = round((self.end_ns - self.start_ns) * longer)
        return replace(self, end_ns=min(self.start_ns + length_ns, MAX_NS))

    @property
    def half_ns(self) -> int:
        """Half a sample interval; 0 if the sampling rate is not known."""
        return 0 if math.isnan(self.rate_hz) else round(NS / 2 / self.rate_hz)


def find_files(
    folder: Path, skipped: list[Skipped], keep_others: bool = False
) -> Iterator[Path]:
    """Yield the files in a folder and its subfolders that may be waveforms, sorted.

    Parameters
    ----------
    folder : Path
        Where to search. Links to folders are followed, each folder only once.
    skipped : list of Skipped
        Folders that cannot be listed now are added.
    keep_others : bool
        Also yield files whose names say that they are something else (``.xml``,
        ``.csv``, ``LICENSE`` ...). Hidden files are never yielded.
    """

    def report(error: OSError) -> None:
        skipped.append(failed_listing(error))

    n_others = 0
    for path in files_below(folder, report):
        if keep_others or may_be_waveform(path):
            yield path
        else:
            n_others += 1
    logger.debug("%s: %d files are no waveforms by their names", folder, n_others)


def failed_listing(error: OSError) -> Skipped:
    """Return the entry of a folder that the operating system could not list."""
    reason = f"cannot be opened: {error.strerror or error}"
    return Skipped(FAILED_READ, str(error.filename), reason)


def may_be_waveform(path: Path) -> bool:
    """Return whether a file may hold waveforms, by its name."""
    return (
        path.suffix.lower() not in OTHER_SUFFIXES or _is_asdf(path)
    ) and path.stem.lower() not in OTHER_NAMES


def _is_asdf(path: Path) -> bool:
    try:
        return path.suffix.lower() in (".h5", ".hdf5") and is_asdf(path)
    except ReadFailed:  # it is reported when the file is read
        return True


def scan_files(paths: Iterable[Path], skipped: list[Skipped]) -> list[FileEntry]:
    """Scan many files; add their defects to ``skipped``."""
    entries: list[FileEntry] = []
    for path in paths:
        new_entries, defects = scan_file(path)
        entries += new_entries
        skipped += defects
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
        Reasons why the file or one of its traces cannot be used, and a remark if the
        channels in the file's name and header differ; the header is used. Stage
        ``"scan"``.
    """
    path = str(path)
    try:
        stream = read_file(path, headonly=True)
    except DataError as error:
        reason = str(error).removeprefix(f"{path}: ")
        stage = FAILED_READ if isinstance(error, ReadFailed) else "scan"
        return [], [Skipped(stage, path, reason)]
    defects: Counter[str] = Counter()
    entries: dict[tuple[str, float], FileEntry] = {}
    for trace in stream:
        entry, defect = make_entry(path, trace)
        if entry is None:
            defects[defect] += 1
            continue
        key = (entry.channel_id, entry.rate_hz)
        entries[key] = _union(entries[key], entry) if key in entries else entry
    if not stream:
        defects["holds no trace"] = 1
    skipped = [Skipped("scan", path, reason, n) for reason, n in defects.items()]
    return list(entries.values()), skipped + _compare_with_name(path, stream)


def scan_ends(path: str | Path) -> FileEntry | None:
    """Read only the first and the last record of a miniSEED file.

    Returns
    -------
    FileEntry or None
        None if these two records are not enough and `scan_file` must read all headers:
        the file is not miniSEED 2, it is compressed, or the two records differ in
        channel, sampling rate or length.
    """
    # here because its import takes time
    from obspy.io.mseed.util import get_record_information

    try:
        with warnings.catch_warnings(action="error"), open_regular(path) as file:
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
    # as obspy reads codes from records
    codes = [first[name].partition("\0")[0].strip() for name in CODES]
    if any("." in code for code in codes):
        return None
    channel_id = ".".join(codes)
    return FileEntry(str(path), "MSEED", channel_id, start_ns, end_ns, rate_hz)


def make_entry(path: str, trace: Trace) -> tuple[FileEntry | None, str]:
    """Return the entry of a trace's header and "", or None and the trace's defect."""
    stats = trace.stats
    if not stats.npts:
        return None, "left out: a trace without samples"
    if defect := find_defect(trace):
        return None, defect
    dotted = [code for name in CODES if "." in (code := str(stats.get(name, "")))]
    if dotted:
        return None, f"left out: a dot in the code {dotted[0]!r} of its header"
    start_ns = stats.starttime.ns
    end_ns = start_ns + round(stats.npts * NS / stats.sampling_rate)
    if abs(start_ns) > MAX_NS or abs(end_ns) > MAX_NS:
        return None, f"left out: a start in the year {stats.starttime.year}"
    file_format = str(stats.get("_format", ""))
    rate_hz = float(stats.sampling_rate)
    place = _position(stats)
    return FileEntry(path, file_format, trace.id, start_ns, end_ns, rate_hz, *place), ""


def _position(stats: Stats) -> tuple[float, float, float]:
    """Return latitude, longitude and elevation, NaN where they are not set."""
    header, names = stats.get("sac", {}), ("stla", "stlo", "stel")
    if "coordinates" in stats:  # ASDF
        header, names = stats.coordinates, ("latitude", "longitude", "elevation")
    values = [float(header.get(name, math.nan)) for name in names]
    # -12345 is SAC's value for headers that are not set
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


def _compare_with_name(path: str, stream: Stream) -> list[Skipped]:
    """Return a remark if the channels in the file's name and header differ."""
    name_id = channel_id_in_name(Path(path).name)
    header_ids = {trace.id for trace in stream}
    if name_id is None or len(header_ids) != 1 or name_id in header_ids:
        return []
    header_id = header_ids.pop()
    reason = f"its name has {name_id}, its header has {header_id}; the header is used"
    return [Skipped("scan", path, reason)]


def channel_id_in_name(name: str) -> str | None:
    """Return the channel id that a file's name contains, or None.

    >>> channel_id_in_name("BKTHIS_LHZ10_2022002.ms")
    'BK.THIS.10.LHZ'
    >>> channel_id_in_name("CI.CCA..BHN.mseed")
    'CI.CCA..BHN'
    """
    if match := DOTTED.match(name):
        network, station, location, channel = match.groups()
        return f"{network}.{station}.{location.replace('--', '')}.{channel}"
    if match := PADDED.match(name):
        codes = [code.rstrip("_") for code in match.groups()]
        return f"{codes[0]}.{codes[1]}.{codes[3]}.{codes[2]}"
    return None
