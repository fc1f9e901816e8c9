"""Files and folders that an application makes: complete or absent, never partial."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from dispel4py.errors import ParameterError

__all__ = ["new_file", "new_folder", "write_whole"]


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
    if path.is_dir():
        raise ParameterError(f"{path} is a folder; {kind} needs the name of a file")
    if path.exists() and not force:
        raise ParameterError(f"{path} exists already; --force replaces it")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        yield temporary
        temporary.rename(path)
    finally:
        temporary.unlink(missing_ok=True)


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
    if folder.exists() and not folder.is_dir():
        raise ParameterError(f"{folder} is a file; {kind} needs the name of a folder")
    if folder.is_dir() and any(folder.iterdir()) and not force:
        raise ParameterError(f"{folder} is not empty; --force writes into it")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def write_whole(path: Path, text: str) -> None:
    """Write a file in one step: no reader sees a part, even after a power failure.

    Parameters
    ----------
    path : Path
    text : str
    """
    temporary = path.with_name(f".{path.name}.tmp")
    with open(temporary, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
