"""Archives of day files in object stores; only the folders that a run needs are listed.

The layouts of the public data sets of SCEDC (``s3://scedc-pds/continuous_waveforms``)
and NCEDC (``s3://ncedc-pds/continuous_waveforms``) are recognised, also in other
buckets and in any file system that fsspec knows. Other layouts need a URL with
placeholders.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from dispel4py.errors import DataError, ParameterError
from seismo_pes.reading.archives.pattern import LAYOUTS, PathPattern, PatternArchive
from seismo_pes.reading.archives.scan import FileEntry, make_entry
from seismo_pes.reading.fetching.remote import fetch, filesystem
from seismo_pes.reading.fetching.retry import failures, reason
from seismo_pes.reading.formats.waveform_files import read_content

__all__ = ["CloudArchive", "open_cloud"]

# Bytes from the beginning of a file that are fetched to read its sampling rate: enough
# for the first records of any miniSEED file.
HEAD_BYTES = 65_536
SCEDC_NAME = re.compile(r"[A-Z0-9_]{2}[A-Z0-9_]{5}[A-Z0-9]{3}[A-Z0-9_]{2}_\d{7}\.ms")
YEAR = re.compile(r"\d{4}")
NETWORK = re.compile(r"[A-Z0-9]{1,2}")


class CloudArchive(PatternArchive):
    """An archive in an object store, whose files are found by a pattern of their paths.

    The beginning of one file of each channel is fetched to read its sampling rate.
    """

    def __init__(self, name: str, pattern: PathPattern, files: Any) -> None:
        super().__init__(name, pattern, partial(_list, files))

    def _ends_ns(self, path: str) -> None:
        """Do not open remote files; their names are used."""

    def _scan(self, path: str) -> list[FileEntry]:
        try:
            stream = read_content(fetch(path, HEAD_BYTES), headonly=True)
        except DataError:
            return []  # the defect is reported when the file is read
        entries = (make_entry(path, trace)[0] for trace in stream)
        return [entry for entry in entries if entry is not None]


def open_cloud(url: str, layout: str = "auto") -> CloudArchive:
    """Open an archive at a URL.

    Parameters
    ----------
    url : str
        A folder, ``s3://bucket/folder``, or a folder and placeholders (see `pattern`),
        ``s3://bucket/{year}/{network}.{station}.{channel}.{julday}``.
    layout : str
        A name in `pattern.LAYOUTS`, or ``"auto"``: recognise SCEDC and NCEDC by the
        names in the folder.

    Returns
    -------
    CloudArchive
        It lists only the folders that a request needs.

    Raises
    ------
    ParameterError
        If the package for the protocol is not installed, the layout is unknown, the
        folder is empty, or the pattern lacks network, station, channel or year.
    """
    protocol = url.partition("://")[0]
    files, root = filesystem(url.partition("{")[0].rstrip("/") if "{" in url else url)
    if "{" in url:
        text = url.partition("://")[2]
        # some file systems (memory, file) have paths that begin with a slash
        text = f"/{text.lstrip('/')}" if root.startswith("/") else text
    else:
        text = f"{root.rstrip('/')}/{_layout(files, root, url, layout)}"
    pattern = PathPattern.parse(text)
    if not pattern.is_complete():
        raise ParameterError(
            f"{url}: the pattern must have network, station, channel and year, because "
            "remote files are not opened to read them"
        )
    rooted = PathPattern(f"{protocol}://{pattern.root}", pattern.levels)
    return CloudArchive(url, rooted, files)


def _layout(files: Any, root: str, url: str, layout: str) -> str:
    if layout in LAYOUTS:
        return LAYOUTS[layout]
    if layout != "auto":
        raise ParameterError(
            f"layout {layout!r}: not one of {', '.join(LAYOUTS)}; for another layout "
            "give a URL with placeholders, "
            "{year}/{network}.{station}.{channel}.{julday}"
        )
    folders, names = _list(files, root)
    if any(SCEDC_NAME.fullmatch(name) for name in names):
        return LAYOUTS["SCEDC-FLAT"]
    if any(YEAR.fullmatch(name) for name in folders):
        return LAYOUTS["SCEDC"]
    if any(NETWORK.fullmatch(name) for name in folders):
        return LAYOUTS["NCEDC"]
    if not folders and not names:
        raise ParameterError(f"{url}: the folder is empty or does not exist")
    raise ParameterError(
        f"{url}: neither the layout of SCEDC nor of NCEDC; give the name of the "
        "layout, or a URL with placeholders, "
        "{year}/{network}.{station}.{channel}.{julday}"
    )


def _list(files: Any, folder: str) -> tuple[list[str], list[str]]:
    """Return the names of the subfolders and of the files in a folder, sorted."""
    try:
        entries = files.ls(folder, detail=True)
    except FileNotFoundError:
        return [], []
    except failures() as error:
        raise ParameterError(
            f"{files.unstrip_protocol(folder)}: {reason(error)}"
        ) from error
    folders: list[str] = []
    names: list[str] = []
    for entry in entries:
        is_folder = entry["type"] == "directory"
        (folders if is_folder else names).append(PurePosixPath(entry["name"]).name)
    return sorted(folders), sorted(names)
