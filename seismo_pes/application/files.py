"""Files and folders that an application makes: complete or absent, never partial."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dispel4py.errors import DataError, ParameterError
from dispel4py.files import exists, is_folder
from seismo_pes.full_disk import name_errors
from seismo_pes.whole_file import whole_file

__all__ = [
    "check_version",
    "checked_line",
    "checked_text",
    "new_file",
    "new_folder",
    "one_line_about",
    "read_checked",
    "remove_folder",
    "write_checked",
    "write_whole",
]


@contextlib.contextmanager
def new_file(dest: str | os.PathLike[str], force: bool, kind: str) -> Iterator[Path]:
    """Give a temporary path to write to, and rename it to ``dest`` at the end.

    Parameters
    ----------
    dest : str or path
        The file to make.
    force : bool
        Replace ``dest`` if it exists.
    kind : str
        What the file is, for messages: ``"the report"``.

    Raises
    ------
    ParameterError
        If ``dest`` exists already and ``force`` is not given, or is a folder.
    """
    path = Path(dest)
    if is_folder(path):
        raise ParameterError(f"{path} is a folder; {kind} needs the name of a file")
    if exists(path) and not force:
        raise ParameterError(f"{path} exists already; --force replaces it")
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as temporary:
        yield temporary


def new_folder(dest: str | os.PathLike[str], force: bool, kind: str) -> Path:
    """Make the folder ``dest``.

    Parameters
    ----------
    dest : str or path
        The folder to make.
    force : bool
        Accept a folder with files in it.
    kind : str
        What the folder is, for messages.

    Raises
    ------
    ParameterError
        If ``dest`` is a file, or has files in it and ``force`` is not given.
    """
    folder = Path(dest)
    if exists(folder) and not is_folder(folder):
        raise ParameterError(f"{folder} is a file; {kind} needs the name of a folder")
    if is_folder(folder) and any(folder.iterdir()) and not force:
        raise ParameterError(f"{folder} is not empty; --force writes into it")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def remove_folder(folder: Path) -> None:
    """Remove a folder with its content, if there is one; of a link, only the link.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    OSError
        If a part of it stays.
    """
    try:
        is_folder = stat.S_ISDIR(folder.lstat().st_mode)
    except FileNotFoundError:
        return
    if not is_folder:
        folder.unlink()
        return
    try:
        shutil.rmtree(folder)
    except OSError as error:  # it may have the name of a file without its folder
        raise OSError(error.errno, error.strerror, str(folder)) from error


def write_whole(path: Path, text: str, sync: bool = True) -> None:
    """Write a file in one step: no reader sees a part, even after a power failure.

    Parameters
    ----------
    path : Path
    text : str
    sync : bool
        See `whole_file`.
    """
    with whole_file(path, sync) as temporary:
        temporary.write_text(text, encoding="utf-8")


# ------------------------------------------------------------------ with a checksum


def write_checked(
    path: Path, values: Mapping[str, Any], indent: int | None = 1, sync: bool = True
) -> None:
    """Write values as JSON, with their checksum, in one step.

    Parameters
    ----------
    path : Path
    values : mapping of str to object
        In types that JSON has; also inside, all keys are texts.
    indent : int, optional
        Of the lines; None: one line, in a third of the time, for files that nobody
        reads.
    sync : bool
        See `whole_file`.
    """
    content = {**values, "check": _checksum(values)}
    write_whole(path, json.dumps(content, indent=indent, allow_nan=False), sync)


def read_checked(
    path: Path, kind: str, version: int, way_out: str = ""
) -> dict[str, Any]:
    """Read the values that `write_checked` wrote.

    Parameters
    ----------
    path : Path
    kind : str
        Value of ``format``, such as ``"xcorr-app run"``.
    version : int
        Value of ``version``.
    way_out : str
        What the user can do if the file is damaged.

    Raises
    ------
    DataError
        If the file has another format or version, or is damaged.
    FileNotFoundError
        If there is no file.
    """
    with name_errors(path):
        content = path.read_bytes()
    with one_line_about(path, kind, way_out):
        values: dict[str, Any] = json.loads(content)
        check_version(path, values, kind, version)
        if values.pop("check") != _checksum(values):
            raise ValueError("its checksum does not fit")
    return values


@contextlib.contextmanager
def one_line_about(path: Path, kind: str, way_out: str) -> Iterator[None]:
    """Turn every error about the content of a file into one line.

    Parameters
    ----------
    path, kind, way_out
        See `read_checked`.

    Raises
    ------
    DataError
        In place of any other error.
    """
    try:
        yield
    except (TypeError, KeyError, AttributeError, RecursionError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(
            f"{path}: not the {kind!r} of this program, or damaged"
            + (f": {way_out}" if way_out else "")
        ) from error


def check_version(
    path: Path, values: Mapping[str, Any], kind: str, version: int
) -> None:
    """Check that the content of a file has the expected format and version.

    Parameters
    ----------
    path, kind, version
        See `read_checked`.
    values : mapping
        The content of the file.

    Raises
    ------
    DataError
        If they have another version.
    ValueError
        If they have another format.
    """
    number = values["version"]
    if values["format"] != kind:
        raise ValueError("of another format")
    if isinstance(number, int) and number != version:
        other = (
            "start again in another folder"
            if number < version
            else "a later version of the program wrote it"
        )
        raise DataError(
            f"{path}: has version {number} of the format {kind!r}; this program "
            f"reads version {version}: {other}"
        )


def checked_line(text: bytes) -> bytes:
    """Return a text with its checksum, for a line of a journal or a cell of a table.

    Parameters
    ----------
    text : bytes

    Examples
    --------
    >>> checked_line(b"text")
    b'text\\t3b8ba7c7'
    """
    return b"%b\t%08x" % (text, zlib.crc32(text))


def checked_text(line: bytes) -> bytes | None:
    """Return the text of a `checked_line`; None if it is damaged.

    Parameters
    ----------
    line : bytes

    Examples
    --------
    >>> checked_text(b"text\\t3b8ba7c7"), checked_text(b"test\\t3b8ba7c7")
    (b'text', None)
    """
    text = line.rpartition(b"\t")[0]
    return text if line == checked_line(text) else None


def _checksum(values: Mapping[str, Any]) -> str:
    text = json.dumps(values, sort_keys=True, allow_nan=False)
    return f"{zlib.crc32(text.encode()):08x}"
