"""Opening files that are given by name: only regular files, because they end."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import stat
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

from dispel4py.errors import DataError
from seismo_pes.full_disk import system_error

__all__ = [
    "MAX_COPY_BYTES",
    "ReadFailed",
    "copied_to_memory",
    "is_copied",
    "is_failed_read",
    "open_regular",
    "read_error",
    "read_text",
    "read_through",
    "reason_of",
]

logger = logging.getLogger(__name__)

KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
    stat.S_IFDIR: "a folder",
}
# Large files of which almost nothing is on the disk are incomplete copies.
LARGE_BYTES = 1 << 30
LEAST_ON_DISK = 0.01
PIPES = ("/dev/stdin", "/dev/fd/", "/proc/self/fd/")
MAX_TEXT_BYTES = 64 << 20
# Largest file that is copied into memory, in bytes: readers need several times the
# memory of such a file.
MAX_COPY_BYTES = 1 << 30
PIECE_BYTES = 1 << 20


class ReadFailed(DataError):
    """The operating system could not read a file; later it may."""


def is_failed_read(error: BaseException) -> bool:
    """Return whether the operating system, not the content of a file, caused an error.

    A link to itself never becomes readable. HDF5 has the number in its text only.

    >>> is_failed_read(PermissionError(13, "denied")), is_failed_read(OSError("torn"))
    (True, False)
    >>> is_failed_read(KeyError("file read failed: errno = 5, error message = '...'"))
    True
    """
    if isinstance(error, ReadFailed):
        return True
    problem = system_error(error)
    return problem is not None and problem.errno not in (0, errno.ELOOP)


def reason_of(error: BaseException) -> str:
    """Return the reason of an error in one line; of a failed call that of the system.

    >>> reason_of(KeyError("file read failed: errno = 5, error message = '...'"))
    'Input/output error'
    """
    problem = system_error(error)
    if problem is not None and problem.errno:
        return os.strerror(problem.errno)
    return " ".join(str(error).split())


def read_error(path: str | Path, error: OSError) -> DataError:
    """Return the exception of the library for a file that could not be read.

    Parameters
    ----------
    path
        The file.
    error
        The error of the operating system.

    Returns
    -------
    DataError
        `ReadFailed` if the file may be readable later (`is_failed_read`).

    Examples
    --------
    >>> read_error("a.mseed", PermissionError(13, "Permission denied"))
    ReadFailed('a.mseed: Permission denied')
    """
    kind = ReadFailed if is_failed_read(error) else DataError
    return kind(f"{path}: {error.strerror or error}")


def open_regular(path: str | Path) -> BufferedReader:
    """Open a file for reading, if it is a regular one.

    A pipe, a device or a socket may never deliver data or may never end; opening does
    not wait for them.

    Parameters
    ----------
    path
        The file; a link is followed.

    Raises
    ------
    DataError
        If it is not a regular file, or if it is larger than 1 GiB and almost nothing of
        it is on the disk.
    OSError
        If it cannot be opened.

    Examples
    --------
    >>> open_regular("/dev/zero")
    Traceback (most recent call last):
    dispel4py.errors.DataError: /dev/zero: is a device, not a file
    """
    return _open(path, pipes=False)


@contextlib.contextmanager
def copied_to_memory(path: str | Path) -> Iterator[str]:
    """Copy a file into memory, for a library that opens it several times.

    Libraries take an error of the disk for a file of another format, or for the end of
    the file. The copy is read without such errors.

    Parameters
    ----------
    path
        The file; a link is followed.

    Yields
    ------
    str
        The path of the copy; of the file itself if `is_copied` is false, or if there is
        no room in memory.

    Raises
    ------
    DataError
        See `open_regular`.
    OSError
        If the file cannot be opened or read.

    Examples
    --------
    >>> with copied_to_memory(__file__) as copy:
    ...     Path(copy).read_bytes() == Path(__file__).read_bytes()
    True
    """
    with open_regular(path) as file:
        descriptor = _copy_in_memory(file)
    if descriptor is None:
        yield str(path)
        return
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def is_copied(file: str | Path | int) -> bool:
    """Return whether `copied_to_memory` copies a file.

    Larger files than `MAX_COPY_BYTES` are not copied, nor is any if the operating
    system has no files in memory.

    Parameters
    ----------
    file
        Its path or its descriptor.

    Raises
    ------
    OSError
        If its size cannot be found out.
    """
    return os.stat(file).st_size <= MAX_COPY_BYTES and hasattr(os, "memfd_create")


def read_through(path: str | Path) -> None:
    """Read all of a file, so that errors of the disk become known.

    Parameters
    ----------
    path
        The file; a link is followed.

    Raises
    ------
    DataError
        See `open_regular`.
    OSError
        If the file cannot be opened or read.
    """
    with open_regular(path) as file:
        while file.read(PIECE_BYTES):
            pass


def _copy_in_memory(file: BufferedReader) -> int | None:
    """Return the descriptor of a copy; None if none can be made."""
    if not is_copied(file.fileno()):
        return None
    descriptor = os.memfd_create("copy")
    try:
        while piece := file.read(PIECE_BYTES):
            if not _write(descriptor, piece):
                os.close(descriptor)
                return None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _write(descriptor: int, piece: bytes) -> bool:
    """Write a piece of a copy; return False at a limit of memory or of file sizes."""
    try:
        return os.write(descriptor, piece) == len(piece)
    except OSError as error:
        logger.debug("a file is not copied into memory: %s", error)
        return False


def read_text(path: str | Path) -> str:
    """Read a list or a table of a user, UTF-8 with or without a byte-order mark.

    A pipe may be given as ``<(command)`` of a shell, or as ``/dev/stdin``.

    Raises
    ------
    OSError
        If it cannot be read, is not a regular file or pipe of a shell, or is larger
        than 64 MiB; ``strerror`` has the reason.
    UnicodeDecodeError
        If it is not UTF-8.
    """
    try:
        file = _open(path, pipes=str(path).startswith(PIPES))
    except DataError as error:
        reason = str(error).removeprefix(f"{path}: ")
        raise OSError(errno.EINVAL, reason) from error
    with file:
        content = file.read(MAX_TEXT_BYTES + 1)
    if len(content) > MAX_TEXT_BYTES:
        raise OSError(errno.EFBIG, f"more than {MAX_TEXT_BYTES >> 20} MiB of text")
    return content.decode("utf-8-sig")


def _open(path: str | Path, pipes: bool) -> BufferedReader:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if not (pipes and stat.S_ISFIFO(status.st_mode)):
            _check(path, status)
        os.set_blocking(descriptor, True)
        return open(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def _check(path: str | Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = KINDS.get(stat.S_IFMT(status.st_mode), "a special file")
        raise DataError(f"{path}: is {kind}, not a file")
    n_on_disk = status.st_blocks * 512
    if status.st_size > LARGE_BYTES and n_on_disk < LEAST_ON_DISK * status.st_size:
        raise DataError(
            f"{path}: only {n_on_disk} of its {status.st_size} bytes are on the disk; "
            "copy it again"
        )
