"""Day files in object stores, listed no further than a run needs.

The public data sets of SCEDC (``s3://scedc-pds/continuous_waveforms``) and NCEDC
(``s3://ncedc-pds/continuous_waveforms``) are recognised by their layout, also elsewhere
and in any file system that fsspec knows; another layout is told by a pattern.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from dispel4py.errors import DataError, ParameterError
from seismo_pes.reading.archives.pattern import LAYOUTS, PathPattern, PatternArchive
from seismo_pes.reading.archives.scan import FileEntry, entry_of
from seismo_pes.reading.fetching.remote import fetch, filesystem
from seismo_pes.reading.fetching.retry import failures, reason
from seismo_pes.reading.formats.waveform_files import read_content

__all__ = ["CloudArchive", "open_cloud"]

HEAD_BYTES = 65_536  # enough for the first records of any miniSEED file
SCEDC_NAME = re.compile(r"[A-Z0-9_]{2}[A-Z0-9_]{5}[A-Z0-9]{3}[A-Z0-9_]{2}_\d{7}\.ms")
YEAR = re.compile(r"\d{4}")
NETWORK = re.compile(r"[A-Z0-9]{1,2}")


class CloudArchive(PatternArchive):
    """Files in an object store, found by the pattern of their paths.

    Of each channel the beginning of one file is fetched to learn its rate.
    """

    def __init__(self, name: str, pattern: PathPattern, files: Any) -> None:
        super().__init__(name, pattern, partial(_list, files))

    def _scan(self, path: str) -> list[FileEntry]:
        try:
            stream = read_content(fetch(path, HEAD_BYTES), headonly=True)
        except DataError:
            return []  # reading it will say what is wrong
        found = (entry_of(path, trace)[0] for trace in stream)
        return [entry for entry in found if entry is not None]


def open_cloud(url: str, layout: str = "auto") -> CloudArchive:
    """Open an archive behind a URL.

    Parameters
    ----------
    url : str
        A folder, ``s3://bucket/folder``; or with placeholders below it (`pattern`).
    layout : str
        A name of `pattern.LAYOUTS`; ``"auto"``: SCEDC or NCEDC, by what is there.

    Returns
    -------
    CloudArchive
        Nothing but the folders that a look-up needs is listed.

    Raises
    ------
    ParameterError
        If the package for the protocol is missing, the layout is not known, or names
        alone do not tell what is in the files.
    """
    protocol = url.partition("://")[0]
    files, root = filesystem(url.partition("{")[0].rstrip("/") if "{" in url else url)
    if "{" in url:
        text = url.partition("://")[2]
        # where the file system's idea of the root differs (memory, file)
        text = f"/{text.lstrip('/')}" if root.startswith("/") else text
    else:
        text = f"{root.rstrip('/')}/{_layout(files, root, url, layout)}"
    pattern = PathPattern.parse(text)
    if not pattern.tells_all():
        raise ParameterError(
            f"{url}: the pattern must have network, station, channel and year, because "
            "files are not opened to learn them"
        )
    rooted = PathPattern(f"{protocol}://{pattern.root}", pattern.levels)
    return CloudArchive(url, rooted, files)


def _layout(files: Any, root: str, url: str, layout: str) -> str:
    if layout in LAYOUTS:
        return LAYOUTS[layout]
    if layout != "auto":
        raise ParameterError(
            f"layout {layout!r}: not one of {', '.join(LAYOUTS)}; or a URL with "
            "placeholders, {year}/{network}.{station}.{channel}.{julday}"
        )
    folders, names = _list(files, root)
    if any(SCEDC_NAME.fullmatch(name) for name in names):
        return LAYOUTS["SCEDC-FLAT"]
    if any(YEAR.fullmatch(name) for name in folders):
        return LAYOUTS["SCEDC"]
    if any(NETWORK.fullmatch(name) for name in folders):
        return LAYOUTS["NCEDC"]
    if not folders and not names:
        raise ParameterError(f"{url}: there is nothing, or no such folder")
    raise ParameterError(
        f"{url}: neither the layout of SCEDC nor of NCEDC; name the layout, or give a "
        "URL with placeholders, {year}/{network}.{station}.{channel}.{julday}"
    )


def _list(files: Any, folder: str) -> tuple[list[str], list[str]]:
    try:
        found = files.ls(folder, detail=True)
    except FileNotFoundError:
        return [], []
    except failures() as error:
        raise ParameterError(
            f"{files.unstrip_protocol(folder)}: {reason(error)}"
        ) from error
    names: dict[bool, list[str]] = {True: [], False: []}
    for entry in found:
        name = PurePosixPath(entry["name"]).name
        names[entry["type"] == "directory"].append(name)
    return sorted(names[True]), sorted(names[False])
