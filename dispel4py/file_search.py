"""Searching files: a folder that cannot be listed is reported, never taken for empty.

Links to folders are followed, each folder only once, so that links to themselves end.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from dispel4py.files import NOT_THERE, list_folder

__all__ = [
    "files_below",
    "files_named",
    "matching_files",
    "matching_paths",
]

# Gets the error of each folder and file that cannot be looked at; it names the place.
Report = Callable[[OSError], object]
ANY_DEPTH = "**"
WILDCARDS = frozenset("*?[")


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


def files_below(folder: Path, report: Report, hidden: bool = False) -> Iterator[Path]:
    """Yield the files in a folder and its subfolders, sorted.

    Parameters
    ----------
    folder : Path
    report : callable
        Gets the error of each folder or file that cannot be looked at.
    hidden : bool
        Whether to yield hidden files, and those in hidden folders.
    """
    walk = _walk(str(folder), report, hidden)
    return _files_among((Path(root, n) for root, names in walk for n in names), report)


def matching_files(pattern: str, report: Report) -> Iterator[Path]:
    """Yield the paths that match a pattern of a shell, without folders.

    Parameters
    ----------
    pattern, report
        See `matching_paths`.
    """
    return _files_among(matching_paths(pattern, report), report)


def _files_among(paths: Iterable[Path], report: Report) -> Iterator[Path]:
    for path in paths:
        try:
            is_folder = stat.S_ISDIR(path.stat().st_mode)
        except OSError as error:
            if error.errno not in NOT_THERE:
                report(error)
            continue
        if not is_folder:
            yield path


def _walk(
    folder: str, report: Report, hidden: bool = False
) -> Iterator[tuple[str, list[str]]]:
    """Yield each folder once, with the names of its files."""
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
        if not hidden:
            folders, names = _shown(folders), _shown(names)
        _tell_apart(root, folders, names, report)
        yield root, names
        waiting += [os.path.join(root, name) for name in reversed(folders)]


def _shown(names: list[str]) -> list[str]:
    return [name for name in names if not name.startswith(".")]


def _tell_apart(
    root: str, folders: list[str], files: list[str], report: Report
) -> None:
    """Look again at names in both lists; take out those that are still unknown."""
    for name in sorted(set(folders).intersection(files)):
        try:
            is_folder = stat.S_ISDIR(os.stat(os.path.join(root, name)).st_mode)
        except OSError as error:
            if error.errno not in NOT_THERE:
                report(error)
            folders.remove(name)
            files.remove(name)
        else:
            (files if is_folder else folders).remove(name)


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
        if rest or _is_there(path, report):
            yield from _expanded(path, rest, report)


def _is_there(path: str, report: Report) -> bool:
    try:
        os.lstat(path)
    except ValueError:  # a name that no file can have
        return False
    except OSError as error:
        if error.errno not in NOT_THERE:
            report(error)
        return False
    return True


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
        for found in dict.fromkeys((*folders, *files))
        if fnmatchcase(found, name) and (shown or not found.startswith("."))
    ]
