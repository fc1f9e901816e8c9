"""A disk that is full: one line that names the folder, and no traceback."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

from dispel4py.errors import DataError

__all__ = ["DiskFull", "is_full", "report_full_disk"]

FULL = (errno.ENOSPC, errno.EDQUOT)
SAID = ("No space left on device", "Disk quota exceeded")  # HDF5 has no error numbers


class DiskFull(DataError, OSError):
    """There is no room left in a folder; what was committed to it stays readable."""

    @property
    def told(self) -> str:
        """The line that says all of it."""
        return str(self.args[0])

    def __str__(self) -> str:
        return self.told


def is_full(error: BaseException | None) -> bool:
    """Say whether an error, or one that led to it, is that of a full disk.

    >>> is_full(OSError(errno.ENOSPC, "No space left on device"))
    True
    >>> is_full(OSError(errno.ENOENT, "No such file or directory"))
    False
    """
    while error is not None:
        if isinstance(error, OSError | RuntimeError):
            if getattr(error, "errno", None) in FULL:
                return True
            if any(text in str(error) for text in SAID):
                return True
        error = error.__cause__ or error.__context__
    return False


@contextlib.contextmanager
def report_full_disk(folder: str | Path, after: str = "") -> Iterator[None]:
    """Turn the many errors of a full disk into one `DiskFull`.

    Parameters
    ----------
    folder
        What is written to.
    after
        What else the line should tell: what stays readable, and the way out.
    """
    try:
        yield
    except DiskFull:
        raise
    except (OSError, RuntimeError) as error:
        if not is_full(error):
            raise
        tail = f"; {after}" if after else ""
        full = DiskFull(f"{folder}: the disk is full{tail}")
        full.errno = errno.ENOSPC
        raise full from None
