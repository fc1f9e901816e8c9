"""One exception for a full disk, whatever exception a library raises.

The operating system, h5py and HDF5 report a full disk by different exceptions.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

from dispel4py.errors import DataError

__all__ = ["DiskFull", "is_full", "report_full_disk"]

ERROR_NUMBERS = (errno.ENOSPC, errno.EDQUOT)
# HDF5 gives no error number, only the text of the operating system.
ERROR_TEXTS = ("No space left on device", "Disk quota exceeded")


class DiskFull(DataError, OSError):
    """The disk of a folder is full; committed data in the folder stay readable."""

    @property
    def one_line(self) -> str:
        """The whole message, which a mapping reports without a traceback."""
        return str(self.args[0])

    def __str__(self) -> str:
        return self.one_line


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


@contextlib.contextmanager
def report_full_disk(folder: str | Path, after: str = "") -> Iterator[None]:
    """Turn any error of a full disk into `DiskFull`.

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
