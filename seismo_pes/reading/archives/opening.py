"""Opening an archive by its name, and selecting the channels of a run.

There are two kinds of archives on disk:

- The file names give channel and time: the SeisComP Data Structure (SDS),
  ``YEAR/NET/STA/CHAN.D/NET.STA.LOC.CHAN.D.YEAR.DAY``, the layout of a BUD,
  ``NET/STA/STA.NET.LOC.CHAN.YEAR.DAY``, and any pattern with placeholders
  (`archives.pattern`). One file of each channel is opened to read its sampling rate.
- Everything else: a folder and its subfolders, a pattern with wildcards, a single file,
  of any formats. The header of each file is read; an index (`archives.header_index`)
  keeps the headers for the next time.

URLs are opened by `archives.cloud` and `archives.fdsn`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from obspy import UTCDateTime

from dispel4py.errors import ParameterError
from dispel4py.file_search import matching_paths
from dispel4py.files import is_file, is_folder
from seismo_pes.items.skipped import Skipped
from seismo_pes.metadata.stations import PatternIndex, StationPattern, split_id
from seismo_pes.reading.archives.archive import Archive, ChannelInfo, Holding
from seismo_pes.reading.archives.header_index import index_file, scan_indexed
from seismo_pes.reading.archives.measured_rates import rates_of_files
from seismo_pes.reading.archives.pattern import (
    LAYOUTS,
    PathPattern,
    PatternArchive,
    find_matching_files,
    is_bud,
)
from seismo_pes.reading.archives.scan import (
    FileEntry,
    failed_listing,
    find_files,
    may_be_waveform,
)
from seismo_pes.reading.archives.sds import SdsArchive, is_sds
from seismo_pes.reading.fetching.remote import is_remote

__all__ = ["open_archive", "select"]


class FolderArchive(Archive):
    """Files of any names and formats, searched by their headers."""

    def __init__(
        self,
        name: str,
        paths: Iterable[Path],
        index: str | Path = "none",
        processes: int | None = None,
    ) -> None:
        super().__init__(name)
        by_channel: dict[str, list[FileEntry]] = {}
        paths = list(paths)
        index_path = index_file(index, name, len(paths))
        for entry in scan_indexed(paths, self.skipped, index_path, processes):
            by_channel.setdefault(entry.channel_id, []).append(entry)
        for channel_id, entries in by_channel.items():
            measured_hz = rates_of_files(entries)
            timed = [
                entry.at_rate(measured_hz.get(entry.path, entry.rate_hz))
                for entry in entries
            ]
            self._holdings[channel_id] = Holding(timed, measured_hz)

    def _look_up(self, index: PatternIndex | None, start_ns: int, end_ns: int) -> None:
        pass


def open_archive(
    data: str | Path,
    layout: str = "auto",
    index: str | Path = "auto",
    processes: int | None = None,
) -> Archive:
    """Open an archive of waveform files.

    Parameters
    ----------
    data : str or Path
        One of: the root folder of an archive; any other folder, which is searched with
        its subfolders; a pattern with wildcards, ``"/data/2022/*/*.sac"`` (``**`` means
        any subfolders); a pattern with placeholders,
        ``"/data/{year}/{station}.{channel}.{julday}"`` (see `archives.pattern`); a
        single file; ``fdsn://PROVIDER`` (see `archives.fdsn`); or the URL of any file
        system that fsspec knows (see `archives.cloud`).
    layout : str
        The layout of a folder: ``"SDS"``, a name in `pattern.LAYOUTS` (``"BUD"``,
        ``"SCEDC"`` ...), ``"any"`` (read all headers), or ``"auto"`` (recognise SDS and
        BUD, else read all headers).
    index : str or Path
        Where the index of the headers is: see `header_index.index_file`.
    processes : int, optional
        How many processes read headers: see `scan_pool.scan_many`.

    Returns
    -------
    Archive
        Its attribute ``skipped`` lists the files that cannot be read.

    Raises
    ------
    ParameterError
        If there is no such file or folder, the pattern is not valid or matches nothing,
        the layout is unknown, or a package for the URL is not installed.
    """
    name = str(data)
    if is_remote(name):
        return _open_remote(name, layout)
    path = Path(data).expanduser()
    if is_folder(path):
        return _open_folder(name, path, layout, index, processes)
    unlisted: list[Skipped] = []
    matches = [path] if is_file(path) else _matches(path, unlisted)
    # braces in the names of existing files and folders are not placeholders
    if "{" in name and not matches:
        return _open_pattern(name, str(path), index, processes)
    if not matches and not unlisted:
        raise ParameterError(
            f"{name}: no such file or folder, nor a pattern that matches one"
        )
    files = dict.fromkeys(_files_in(matches, path.suffix, unlisted))
    return _folder_archive(name, files, unlisted, index, processes)


def _folder_archive(
    name: str,
    files: Iterable[Path],
    unlisted: list[Skipped],
    index: str | Path,
    processes: int | None,
) -> FolderArchive:
    """Return the archive of some files; folders that cannot be listed are skipped."""
    archive = FolderArchive(name, files, index, processes)
    archive.skipped += unlisted
    return archive


def _open_remote(name: str, layout: str) -> Archive:
    if name.startswith(("fdsn://", "fdsn+https://")):
        # here because its import takes time
        from seismo_pes.reading.archives.fdsn import open_fdsn

        return open_fdsn(name)
    from seismo_pes.reading.archives.cloud import open_cloud

    return open_cloud(name, layout)


def _open_folder(
    name: str, path: Path, layout: str, index: str | Path, processes: int | None
) -> Archive:
    if layout not in ("auto", "any", "SDS", *LAYOUTS):
        known = ", ".join(["auto", "any", "SDS", *LAYOUTS])
        raise ParameterError(f"layout {layout!r}: not one of {known}")
    if layout == "SDS" or (layout == "auto" and is_sds(path)):
        return SdsArchive(name, path)
    if layout == "auto" and is_bud(path):
        layout = "BUD"
    if layout in LAYOUTS:
        # parsed without the folder: braces in its name are not placeholders
        levels = PathPattern.parse(LAYOUTS[layout]).levels
        return PatternArchive(name, PathPattern(str(path), levels))
    unlisted: list[Skipped] = []
    files = find_files(path, unlisted)
    return _folder_archive(name, files, unlisted, index, processes)


def _open_pattern(
    name: str, text: str, index: str | Path, processes: int | None
) -> Archive:
    pattern = PathPattern.parse(text)
    if pattern.is_complete():
        archive: Archive = PatternArchive(name, pattern)
    else:
        unlisted: list[Skipped] = []
        files = sorted(find_matching_files(pattern, _collect(unlisted)))
        archive = _folder_archive(name, files, unlisted, index, processes)
    if not archive.channel_ids() and not archive.skipped:
        raise ParameterError(f"{name}: no file matches this pattern")
    return archive


def _matches(path: Path, unlisted: list[Skipped]) -> list[Path]:
    return sorted(set(matching_paths(str(path), _collect(unlisted))))


def _collect(skipped: list[Skipped]) -> Callable[[OSError], None]:
    """Return a function that adds a folder that cannot be listed to a list."""
    return lambda error: skipped.append(failed_listing(error))


def select(
    archive: Archive,
    patterns: Sequence[StationPattern],
    channels: str = "*",
    start_ns: int | None = None,
    end_ns: int | None = None,
) -> tuple[dict[str, ChannelInfo], list[Skipped]]:
    """Select the channels of a run.

    Parameters
    ----------
    archive : Archive
        The archive with the data.
    patterns : sequence of StationPattern
        The station list.
    channels : str
        Channel codes with wildcards, ``"LHZ"`` or ``"BH?,HHZ"``; a channel must match
        both these codes and the station list.
    start_ns, end_ns : int, optional
        The time of the run, nanoseconds since 1970.

    Returns
    -------
    selected : dict of str to ChannelInfo
        By channel id, sorted.
    skipped : list of Skipped
        Stations of the list without data, stage ``"select"``.

    Raises
    ------
    ParameterError
        If no channel is left; the message has examples of the channels in the archive.
    """
    codes = [code.strip() for code in channels.split(",") if code.strip()] or ["*"]
    selected = archive.channels(patterns, start_ns, end_ns, codes)
    if not selected:
        raise ParameterError(_no_channel_message(archive, patterns, codes))
    index = PatternIndex(patterns)
    matched = {p.codes for channel_id in selected for p in index.matching(channel_id)}
    skipped: dict[str, Skipped] = {}
    for pattern in patterns:
        if pattern.codes in matched or _excludes(codes, pattern.channel):
            continue
        channel_codes = {split_id(i)[3] for i in archive.channel_ids([pattern])}
        reason = f"no data in {archive.name}"
        if channel_codes:
            reason = f"no {','.join(codes)} data in {archive.name} at this time"
            reason += f" (it has {', '.join(sorted(channel_codes))})"
        skipped.setdefault(pattern.name, Skipped("select", pattern.name, reason))
    return selected, list(skipped.values())


def _excludes(codes: Sequence[str], channel: str) -> bool:
    """Return whether the codes of the run exclude a code of the station list."""
    has_wildcard = bool(set("*?") & set(channel))
    return not has_wildcard and not any(fnmatchcase(channel, code) for code in codes)


def _files_in(
    matches: list[Path], suffix: str, skipped: list[Skipped]
) -> Iterator[Path]:
    """Yield the matches that are files, and the files in those that are folders.

    A file that does not look like a waveform by its name is left out, unless the
    pattern itself has its suffix.
    """
    for path in matches:
        try:
            has_files = is_folder(path)
        except OSError as error:
            skipped.append(failed_listing(error))
            continue
        if has_files:
            yield from find_files(path, skipped)
        elif path.suffix == suffix or may_be_waveform(path):
            yield path


def _listed_data(infos: dict[str, ChannelInfo], codes: Sequence[str]) -> str:
    """Return a text with the channels of the listed stations and their times."""
    requested = {
        id_: info
        for id_, info in infos.items()
        if any(fnmatchcase(split_id(id_)[3], code) for code in codes)
    }
    chosen = requested or infos
    start_ns = min(info.start_ns for info in chosen.values())
    end_ns = max(info.end_ns for info in chosen.values())
    span = f"from {UTCDateTime(ns=start_ns)} to {UTCDateTime(ns=end_ns)}"
    examples = ", ".join(list(chosen)[:5])
    if requested:
        return f"they have {examples} {span} (--start, --end)"
    known = " ".join(sorted({split_id(id_)[3] for id_ in chosen})[:5])
    return f"they have {examples} {span} (--channels {known})"


def _no_channel_message(
    archive: Archive, patterns: Sequence[StationPattern], codes: Sequence[str]
) -> str:
    channel_ids = archive.channel_ids()
    stations = f"none of the {len(patterns)} listed stations"
    if patterns:
        stations += f" ({patterns[0].name}{', ...' if len(patterns) > 1 else ''})"
    kind = "" if set(codes) == {"*"} else f"{','.join(codes)} "
    text = f"{archive.name}: {stations} has {kind}data at this time"
    if listed := archive.channels(patterns):
        return f"{text}; {_listed_data(listed, codes)}"
    if channel_ids:
        examples = ", ".join(channel_ids[:5])
        return f"{text}; there are {len(channel_ids)} channels, e.g. {examples}"
    text += "; there are no waveforms at all"
    if archive.skipped:
        n, first = len(archive.skipped), archive.skipped[0]
        text += f", {n} file{'s' if n > 1 else ''} could not be read: "
        text += f"{first.what} ({first.reason}){', ...' if n > 1 else ''}"
    return text
