"""Whether a file or folder exists: an error of the operating system is never a "no".

`Path.exists`, `os.path.exists`, `glob` and their kin differ between versions of Python:
many of them return "no" for an error of the disk or a missing permission. The functions
here return "no" only if the operating system says that there is no such file.
"""

from __future__ import annotations

import errno
import os
import stat

__all__ = ["NOT_THERE", "exists", "is_file", "is_folder", "list_folder"]

#: Errors by which the operating system says that there is no such file. Any other error
#: is a failure: the file may be there.
NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)


def exists(path: str | os.PathLike[str]) -> bool:
    """Return whether a path leads to a file, a folder or a device.

    Raises
    ------
    OSError
        If the operating system cannot tell, as after an error of the disk.

    Examples
    --------
    >>> exists("/dev/null"), is_file("/dev/null"), is_folder("/dev")
    (True, False, True)
    """
    return _mode(path) is not None


def is_file(path: str | os.PathLike[str]) -> bool:
    """Return whether a path leads to a regular file.

    Raises
    ------
    OSError
        If the operating system cannot tell, as after an error of the disk.
    """
    mode = _mode(path)
    return mode is not None and stat.S_ISREG(mode)


def is_folder(path: str | os.PathLike[str]) -> bool:
    """Return whether a path leads to a folder.

    Raises
    ------
    OSError
        If the operating system cannot tell, as after an error of the disk.
    """
    mode = _mode(path)
    return mode is not None and stat.S_ISDIR(mode)


def _mode(path: str | os.PathLike[str]) -> int | None:
    """Return kind and permissions of a file; None if there is no such file."""
    try:
        return os.stat(path).st_mode
    except ValueError:  # no file can have such a name: it has a null character
        return None
    except OSError as error:
        if error.errno in NOT_THERE:
            return None
        raise


def list_folder(folder: str | os.PathLike[str]) -> tuple[list[str], list[str]]:
    """Return the names of the subfolders and of the files in a folder, sorted.

    Both are empty if there is no such folder. A name is in both if the operating system
    cannot tell which it is: the caller that opens it gets the error.

    Raises
    ------
    OSError
        If it cannot be listed.
    """
    folders: list[str] = []
    files: list[str] = []
    try:
        with os.scandir(os.fspath(folder) or ".") as entries:
            for entry in entries:
                kind = _is_folder(entry)
                if kind is not False:
                    folders.append(entry.name)
                if kind is not True:
                    files.append(entry.name)
    except ValueError:  # as in `_mode`
        return [], []
    except OSError as error:
        if error.errno in NOT_THERE:
            return [], []
        raise
    return sorted(folders), sorted(files)


def _is_folder(entry: os.DirEntry[str]) -> bool | None:
    """Return whether an entry is a folder; None if it cannot be found out."""
    try:
        return entry.is_dir()
    except OSError as error:
        return False if error.errno in NOT_THERE else None
