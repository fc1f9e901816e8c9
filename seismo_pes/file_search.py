"""Searching files: a folder that cannot be listed is reported, never taken for empty.

Links to folders are followed, each folder only once, so that links to themselves end.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

__all__ = ["files_below", "files_named", "list_folder", "matching_paths"]

# Gets the error of each folder and file that cannot be looked at; it names the place.
Report = Callable[[OSError], object]
ANY_DEPTH = "**"
LINKS_TO_NOTHING = (errno.ENOENT, errno.ELOOP)
WILDCARDS = frozenset("*?[")


def list_folder(folder: str) -> tuple[list[str], list[str]]:
    """Return the names of the subfolders and of the files in a folder, sorted.

    Both are empty if there is no such folder.

    Raises
    ------
    OSError
        If it cannot be listed.
    """
    folders: list[str] = []
    files: list[str] = []
    try:
        with os.scandir(folder or ".") as entries:
            for entry in entries:
                (folders if _is_folder(entry) else files).append(entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return [], []
    return sorted(folders), sorted(files)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself; or reading it as a file will report the error
        return False


def files_named(folder: Path, pattern: str) -> list[Path]:
    """Return the files in a folder whose names match a pattern, sorted.

    Parameters
    ----------
    folder : Path
        Without such a folder there are no files.
    pattern : str
        With the wildcards of `fnmatch`.

    Raises
    ------
    OSError
        If the folder cannot be listed.
    """
    names = list_folder(str(folder))[1]
    return [folder / name for name in names if fnmatchcase(name, pattern)]


def files_below(folder: Path, report: Report) -> Iterator[Path]:
    """Yield the files in a folder and its subfolders, sorted; hidden ones are left out.

    Parameters
    ----------
    folder : Path
    report : callable
        Gets the error of each folder or file that cannot be looked at.
    """
    for root, names in _walk(str(folder), report):
        for name in names:
            path = Path(root, name)
            try:
                is_folder = stat.S_ISDIR(path.stat().st_mode)
            except OSError as error:
                if error.errno not in LINKS_TO_NOTHING:
                    report(error)
                continue
            if not is_folder:
                yield path


def _walk(folder: str, report: Report) -> Iterator[tuple[str, list[str]]]:
    """Yield each folder once, with the names of its files; hidden ones are left out."""
    visited: set[tuple[int, int]] = set()
    waiting = [folder]
    while waiting:
        root = waiting.pop()
        try:
            status = os.stat(root)
            folders, names = list_folder(root)
        except FileNotFoundError:
            continue
        except OSError as error:
            report(error)
            continue
        if (status.st_dev, status.st_ino) in visited:
            continue
        visited.add((status.st_dev, status.st_ino))
        yield root, [name for name in names if not name.startswith(".")]
        shown = [name for name in folders if not name.startswith(".")]
        waiting += [os.path.join(root, name) for name in reversed(shown)]


def matching_paths(pattern: str, report: Report) -> Iterator[Path]:
    """Yield the files and folders that match a pattern of a shell.

    Parameters
    ----------
    pattern : str
        With the wildcards of `fnmatch`; ``**`` means any subfolders. Hidden names match
        only a name that begins with a dot.
    report : callable
        Gets the error of each folder that cannot be listed.

    Examples
    --------
    >>> list(matching_paths("/dev/nul?", print))
    [PosixPath('/dev/null')]
    """
    begin = "/" if pattern.startswith("/") else ""
    names = [name for name in pattern.split("/") if name]
    yield from map(Path, _expanded(begin, names, report))


def _expanded(folder: str, names: list[str], report: Report) -> Iterator[str]:
    if not names:
        yield folder
        return
    name, rest = names[0], names[1:]
    if name == ANY_DEPTH:
        for root, files in _walk(folder or ".", report):
            below = "" if root == "." and not folder else root
            if rest:
                yield from _expanded(below, rest, report)
            else:
                yield from (os.path.join(below, file) for file in files)
        return
    for found in _named(folder, name, report):
        path = os.path.join(folder, found)
        if rest or os.path.lexists(path):
            yield from _expanded(path, rest, report)


def _named(folder: str, name: str, report: Report) -> list[str]:
    """Return the names in a folder that match a name with wildcards."""
    if WILDCARDS.isdisjoint(name):
        return [name]
    try:
        folders, files = list_folder(folder)
    except OSError as error:
        report(error)
        return []
    shown = name.startswith(".")
    return [
        found
        for found in (*folders, *files)
        if fnmatchcase(found, name) and (shown or not found.startswith("."))
    ]
