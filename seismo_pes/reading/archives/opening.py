"""Archives of waveform files: what is there, and which files to read for a time.

A folder in the SeisComP Data Structure (SDS),
``YEAR/NET/STA/CHAN.D/NET.STA.LOC.CHAN.D.YEAR.DAY``, or in that of a BUD
(``NET/STA/STA.NET.LOC.CHAN.YEAR.DAY``) is recognised by its layout, and so is what a
pattern with placeholders (`archives.pattern`) describes; of each channel one file is
opened to learn its rate. Of anything else - a folder with all below it, a pattern, a
single file, formats mixed - the header of each file is read, once if there is an index
(`archives.index`). What lies behind URLs is in `archives.cloud` and `archives.fdsn`.
"""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from dispel4py.errors import ParameterError
from seismo_pes.items.skipped import Skipped
from seismo_pes.metadata.stations import PatternIndex, StationPattern, split_id
from seismo_pes.reading.archives.archive import Archive, ChannelInfo, Holding
from seismo_pes.reading.archives.header_index import index_file, scan_indexed
from seismo_pes.reading.archives.pattern import (
    LAYOUTS,
    PathPattern,
    PatternArchive,
    files_of,
    is_bud,
)
from seismo_pes.reading.archives.scan import FileEntry, find_files, may_be_waveform
from seismo_pes.reading.archives.sds import SdsArchive, is_sds
from seismo_pes.reading.fetching.remote import is_remote

__all__ = ["open_archive", "select"]


class FolderArchive(Archive):
    """Any files at all, by what their headers say."""

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
        kept = index_file(index, name, len(paths))
        for entry in scan_indexed(paths, self.skipped, kept, processes):
            by_channel.setdefault(entry.channel_id, []).append(entry)
        self._holdings = {key: Holding(value) for key, value in by_channel.items()}

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
        The root of an archive; or any folder, which is searched with all below it;
        or a pattern (``"/data/2022/*/*.sac"``, ``**`` allowed; or with placeholders,
        ``"/data/{year}/{station}.{channel}.{julday}"``, see `archives.pattern`); or a
        single file; or a URL, ``fdsn://PROVIDER`` (see `archives.fdsn`) or of any file
        system that fsspec knows (see `archives.cloud`).
    layout : str
        How a folder is laid out: ``"SDS"``, a name of `pattern.LAYOUTS` (``"BUD"``,
        ``"SCEDC"`` ...), ``"any"`` (all headers are read), or found out.
    index : str or Path
        Where the headers of a folder of any layout are kept: see `index.index_file`.
    processes : int, optional
        How many read headers at the same time: see `scan_pool.scan_many`.

    Returns
    -------
    Archive
        Its ``skipped`` says which files cannot be read.

    Raises
    ------
    ParameterError
        If there is no such file or folder, or the pattern matches nothing.
    """
    name = str(data)
    if is_remote(name):
        return _open_remote(name, layout)
    path = Path(data).expanduser()
    if "{" in name and not path.exists():
        return _open_pattern(name, str(path), index, processes)
    if path.is_dir():
        return _open_folder(name, path, layout, index, processes)
    matches = [path] if path.is_file() else _matches(path)
    if not matches:
        raise ParameterError(
            f"{name}: no such file or folder, nor a pattern that matches one"
        )
    problems: list[Skipped] = []
    files = [path] if path.is_file() else _below(matches, path.suffix, problems)
    archive = FolderArchive(name, files, index, processes)
    archive.skipped += problems
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
        # braces in the folder's own name are not placeholders
        below = PathPattern.parse(LAYOUTS[layout])
        return PatternArchive(name, PathPattern(str(path), below.levels))
    problems: list[Skipped] = []
    archive = FolderArchive(name, find_files(path, problems), index, processes)
    archive.skipped += problems
    return archive


def _open_pattern(
    name: str, text: str, index: str | Path, processes: int | None
) -> Archive:
    pattern = PathPattern.parse(text)
    if pattern.tells_all():
        archive: Archive = PatternArchive(name, pattern)
    else:
        archive = FolderArchive(name, sorted(files_of(pattern)), index, processes)
    if not archive.channel_ids() and not archive.skipped:
        raise ParameterError(f"{name}: no file fits this pattern")
    return archive


def _matches(path: Path) -> list[Path]:
    return sorted(map(Path, glob.glob(str(path), recursive=True)))


def select(
    archive: Archive,
    patterns: Sequence[StationPattern],
    channels: str = "*",
    start_ns: int | None = None,
    end_ns: int | None = None,
) -> tuple[dict[str, ChannelInfo], list[Skipped]]:
    """Choose the channels of a run.

    Parameters
    ----------
    archive : Archive
        Where to look.
    patterns : sequence of StationPattern
        The station list.
    channels : str
        Channel codes with wildcards, ``"LHZ"`` or ``"BH?,HHZ"``; a channel must fit
        both this and the list.
    start_ns, end_ns : int, optional
        The time of the run.

    Returns
    -------
    selected : dict of str to ChannelInfo
        By channel id, sorted.
    skipped : list of Skipped
        Listed stations without data, stage ``"select"``.

    Raises
    ------
    ParameterError
        If nothing at all is left, with examples of what there is.
    """
    codes = [code.strip() for code in channels.split(",") if code.strip()] or ["*"]
    selected = archive.channels(patterns, start_ns, end_ns, codes)
    if not selected:
        raise ParameterError(_nothing_selected(archive, patterns, codes))
    served = PatternIndex(patterns)
    used = {p.codes for id_ in selected for p in served.matching(id_)}
    skipped: dict[str, Skipped] = {}
    for pattern in patterns:
        plain = not set("*?") & set(pattern.channel)
        if pattern.codes in used or (
            plain and not any(fnmatchcase(pattern.channel, code) for code in codes)
        ):
            continue
        there = ", ".join(
            sorted({split_id(i)[3] for i in archive.channel_ids([pattern])})
        )
        reason = f"no data in {archive.name}"
        if there:
            reason = f"no {','.join(codes)} data in {archive.name} at this time"
            reason += f" (it has {there})"
        skipped.setdefault(pattern.name, Skipped("select", pattern.name, reason))
    return selected, list(skipped.values())


def _below(matches: list[Path], suffix: str, skipped: list[Skipped]) -> Iterator[Path]:
    """Yield files, and those in folders; a pattern can name what else is left out."""
    for path in matches:
        if path.is_dir():
            yield from find_files(path, skipped)
        elif path.suffix == suffix or may_be_waveform(path):
            yield path


def _nothing_selected(
    archive: Archive, patterns: Sequence[StationPattern], codes: Sequence[str]
) -> str:
    there = archive.channel_ids()
    wanted = f"none of the {len(patterns)} listed stations"
    if patterns:
        wanted += f" ({patterns[0].name}{', ...' if len(patterns) > 1 else ''})"
    kind = "" if set(codes) == {"*"} else f"{','.join(codes)} "
    text = f"{archive.name}: {wanted} has {kind}data at this time"
    if not there:
        text += "; there are no waveforms at all"
        if archive.skipped:
            n, first = len(archive.skipped), archive.skipped[0]
            text += f", {n} file{'s' if n > 1 else ''} could not be read: "
            text += f"{first.what} ({first.reason}){', ...' if n > 1 else ''}"
        return text
    return f"{text}; there are {len(there)} channels, e.g. {', '.join(there[:5])}"
