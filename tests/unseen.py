"""Failures of the operating system, for tests, the same in every version of Python.

It cannot look at a path, list a folder, or write a file to the disk.
"""

import errno
import functools
import os
import pathlib


def hide(monkeypatch, paths, number=errno.EIO):
    """Let `os.stat` fail for some paths, and pathlib ask as it does in Python 3.14."""
    hidden, look = set(map(str, paths)), os.stat

    def fail(path, *args, **kwargs):
        if not isinstance(path, int) and os.fspath(path) in hidden:
            raise OSError(number, os.strerror(number), os.fspath(path))
        return look(path, *args, **kwargs)

    monkeypatch.setattr(os, "stat", fail)
    # those of Python 3.14 return False after any error, as do those of `os.path`
    for name, by_os in (
        ("exists", "exists"),
        ("is_file", "isfile"),
        ("is_dir", "isdir"),
    ):
        ask = getattr(os.path, by_os)
        monkeypatch.setattr(pathlib.Path, name, functools.partialmethod(_ask, ask))


def _ask(path, ask):
    return ask(path)


def hide_list(monkeypatch, folder):
    """Let a folder not be listed."""
    scan = os.scandir

    def fail(path):
        if os.fspath(path) == str(folder):
            raise PermissionError(errno.EACCES, "Permission denied", str(folder))
        return scan(path)

    monkeypatch.setattr(os, "scandir", fail)


def fail_to_sync(monkeypatch, number=errno.EIO):
    """Let `os.fsync` fail; it does not know the name of the file."""

    def fail(descriptor):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
