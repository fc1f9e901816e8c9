"""Exceptions for a full disk and a disk that fails, for any error of a library.

The operating system, h5py and HDF5 report an error of the disk by different exceptions.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dispel4py.errors import DataError, Dispel4pyError

__all__ = [
    "DISK_ERRORS",
    "DiskFailed",
    "DiskFull",
    "is_full",
    "late_errors",
    "name_errors",
    "report_full_disk",
    "system_error",
]

ERROR_NUMBERS = (errno.ENOSPC, errno.EDQUOT)
# An error of the disk, a file over the limit of its size, a disk that became read-only.
FAILURES = (errno.EIO, errno.EFBIG, errno.EROFS)
DISK_ERRORS = (*ERROR_NUMBERS, *FAILURES)
# HDF5 has the number of the error, and sometimes the file, in its text only.
HDF5_NUMBER = re.compile(r"\berrno = (\d+)")
HDF5_FILE = re.compile(r"\b(?:file)?name = '(.*?)', (?:file descriptor|errno)")
# Of a file whose state the system cannot tell, HDF5 does not have the number.
HDF5_STAT = ("can't retrieve stat info for file", "unable to fstat file")
ERROR_TEXTS = ("No space left on device", "Disk quota exceeded")


class DiskFull(DataError, OSError):
    """The disk of a folder is full; committed data in the folder stay readable."""

    @property
    def one_line(self) -> str:
        """The whole message, which a mapping reports without a traceback."""
        return str(self.args[0])

    def __str__(self) -> str:
        return self.one_line


class DiskFailed(DiskFull):
    """A disk failed for another cause; committed data in the folder stay readable."""


def is_full(error: BaseException | None) -> bool:
    """Return whether a full disk raised an error, or one of its causes.

    >>> is_full(OSError(errno.ENOSPC, "No space left on device"))
    True
    >>> is_full(OSError(errno.ENOENT, "No such file or directory"))
    False
    """
    while error is not None:
        if isinstance(error, OSError | RuntimeError):
            if getattr(error, "errno", None) in ERROR_NUMBERS:
                return True
            if any(text in str(error) for text in ERROR_TEXTS):
                return True
        error = error.__cause__ or error.__context__
    return False


def system_error(error: BaseException) -> OSError | None:
    """Return the error of the operating system behind an error of Python or HDF5.

    Parameters
    ----------
    error : BaseException

    Returns
    -------
    OSError or None
        With ``errno``, and with ``filename`` if the file is known; None if the
        operating system did not cause the error.

    Examples
    --------
    >>> system_error(KeyError("file read failed: errno = 5, error message = '...'"))
    OSError(5, 'Input/output error')
    >>> system_error(ValueError("cannot create dataset: errno = 28, ..."))
    OSError(28, 'No space left on device')
    >>> system_error(OSError("Unable to open (can't retrieve stat info for file)"))
    OSError(5, 'Input/output error')
    >>> system_error(KeyError("unknown")) is None
    True
    """
    if isinstance(error, Dispel4pyError):
        return None
    if isinstance(error, OSError | RuntimeError | KeyError | ValueError):
        text = str(error)
        if match := HDF5_NUMBER.search(text):
            number = int(match[1])
            found = HDF5_FILE.search(text)
            place = [] if found is None else [found[1]]
            return OSError(number, os.strerror(number), *place)
        if isinstance(error, OSError):
            if isinstance(error.errno, int):
                return error
            if any(stat in text for stat in HDF5_STAT):
                return OSError(errno.EIO, os.strerror(errno.EIO))
            if error.__context__ is not None:  # an error of obspy about another error
                return system_error(error.__context__)
    return None


@contextlib.contextmanager
def name_errors(
    path: str | Path, temporary: str | Path | None = None
) -> Iterator[None]:
    """Give errors of the operating system the name of the file, if they have none.

    Parameters
    ----------
    path : str or Path
        The file that is read or written inside the ``with``.
    temporary : str or Path, optional
        Name that the file has until it is complete.

    Raises
    ------
    OSError
        With the number of the error, and the name.

    Examples
    --------
    >>> with name_errors("day.h5"):
    ...     raise OSError(errno.EIO, "Input/output error")
    Traceback (most recent call last):
    OSError: [Errno 5] Input/output error: 'day.h5'
    """
    try:
        yield
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        problem = system_error(error)
        if problem is None or problem.filename not in (None, str(temporary)):
            raise
        raise OSError(problem.errno, os.strerror(problem.errno or 0), str(path)) from (
            error
        )


@contextlib.contextmanager
def late_errors() -> Iterator[list[BaseException]]:
    """Collect errors of the disk that Python would only print.

    HDF5 may write when a dataset is no longer used. Then an error cannot be raised, and
    the file is incomplete.

    Yields
    ------
    list of BaseException
        It gets the errors.
    """
    late: list[BaseException] = []
    usual, usual_print = sys.unraisablehook, sys.excepthook

    def note(unraisable: Any) -> None:
        error = unraisable.exc_value
        if error is not None and system_error(error) is not None:
            late.append(error)
        else:
            usual(unraisable)

    def show(kind: Any, error: BaseException, traceback: Any) -> None:
        if system_error(error) is None:
            usual_print(kind, error, traceback)

    # h5py prints the error, and then gives it to the hook
    sys.unraisablehook, sys.excepthook = note, show
    try:
        yield late
    finally:
        sys.unraisablehook, sys.excepthook = usual, usual_print


@contextlib.contextmanager
def report_full_disk(folder: str | Path, after: str = "") -> Iterator[None]:
    """Turn errors of a full disk into `DiskFull`, of a failing disk into `DiskFailed`.

    Parameters
    ----------
    folder : str or Path
        The folder that is written to, for the message.
    after : str
        The end of the message, e.g. which data stay readable and what to do.

    Raises
    ------
    DiskFull
        If the code inside the ``with`` fails because of a full disk.
    DiskFailed
        If it fails because of an error of the disk.
    """
    try:
        yield
    except DiskFull:
        raise
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        tail = f"; {after}" if after else ""
        problem = system_error(error)
        if problem is not None and problem.errno in FAILURES:
            place = problem.filename or folder
            failed = DiskFailed(f"{place}: {os.strerror(problem.errno)}{tail}")
            failed.errno = problem.errno
            raise failed from None
        if not is_full(error):
            raise
        full = DiskFull(f"{folder}: the disk is full{tail}")
        full.errno = errno.ENOSPC
        raise full from None
