"""The waveform files of a run: their search, and the stations in their headers."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from obspy import Stream

from dispel4py.errors import DataError, ParameterError
from dispel4py.file_search import files_below, matching_files
from seismo_pes.items.skipped import FAILED_READ, Skipped
from seismo_pes.reading import read_file
from seismo_pes.reading.synthetics import read_synthetics
from seismo_pes.regular_file import ReadFailed

__all__ = ["files_of", "station_files"]


def files_of(source: str, option: str, skipped: list[Skipped]) -> list[str]:
    """Return the files of a folder and its subfolders, or of a pattern, sorted.

    Parameters
    ----------
    source : str
    option : str
        Its name, for messages.
    skipped : list of Skipped
        Folders and files that cannot be looked at are added to it.

    Raises
    ------
    ParameterError
        If there is none.
    """
    unlisted: list[Skipped] = []

    def report(error: OSError) -> None:
        reason = f"cannot be opened: {error.strerror or error}"
        unlisted.append(Skipped(FAILED_READ, str(error.filename), reason))

    paths = set(files_below(Path(source), report))
    paths = paths or set(matching_files(source, report))
    files = sorted(str(path) for path in paths if not path.name.startswith("."))
    if not files and not unlisted:
        raise ParameterError(f"{option} {source}: no such file, folder or pattern")
    skipped += dict.fromkeys(unlisted)  # each once
    return files


def station_files(
    paths: Iterable[str], synthetic: bool, skipped: list[Skipped]
) -> dict[str, list[str]]:
    """Return the files of each station, from their headers.

    Parameters
    ----------
    paths : iterable of str
    synthetic : bool
        Whether they may be text files of solvers.
    skipped : list of Skipped
        Files that cannot be read are added to it.
    """
    stations: dict[str, list[str]] = {}
    for path in paths:
        try:
            stream = headers_of(path, synthetic)
        except DataError as error:
            reason = str(error).removeprefix(f"{path}: ")
            stage = FAILED_READ if isinstance(error, ReadFailed) else "read"
            skipped.append(Skipped(stage, path, reason))
            continue
        for code in dict.fromkeys(
            f"{trace.stats.network}.{trace.stats.station}" for trace in stream
        ):
            stations.setdefault(code, []).append(path)
    return stations


def headers_of(path: str, synthetic: bool) -> Stream:
    """Read the headers of a file.

    Parameters
    ----------
    path : str
    synthetic : bool
        Whether it may be a text file of a solver; of such a file, only the name is
        read, and the trace has no times.
    """
    reader = read_synthetics if synthetic else read_file
    return reader(path, headonly=True)
