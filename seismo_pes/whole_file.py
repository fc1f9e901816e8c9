"""Writing files: a file has its name when it is complete, never before."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from seismo_pes.full_disk import late_errors, name_errors

__all__ = ["sync_folder", "whole_file"]


@contextlib.contextmanager
def whole_file(path: str | os.PathLike[str], sync: bool = True) -> Iterator[Path]:
    """Give a temporary path to write to, and rename it to ``path`` at the end.

    If anything fails, an earlier file of this name stays as it is, and the temporary
    file is removed.

    Parameters
    ----------
    path : str or path
        The file. Its folder exists.
    sync : bool
        Write the content to the disk before the name, and then the name: the file is
        complete even after a power failure. One of many small files need not wait.

    Raises
    ------
    OSError
        If it cannot be written; ``filename`` is the path.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "list.txt"
    >>> with whole_file(path) as temporary:
    ...     n = temporary.write_text("complete")
    ...     path.exists()
    False
    >>> path.read_text()
    'complete'
    """
    final = Path(path)
    temporary = final.with_name(f".{final.name}.tmp")
    with name_errors(final, temporary):
        try:
            temporary.unlink(missing_ok=True)  # of a killed process, or a stranger
            with _raised_at_the_end():
                yield temporary
            if sync:
                _sync(temporary)
            temporary.rename(final)
            if sync:
                _sync(final.parent)
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def _raised_at_the_end() -> Iterator[None]:
    """Raise errors of the disk that Python would only print."""
    with late_errors() as late:
        yield
    if late:
        raise late[0]


def sync_folder(folder: Path) -> None:
    """Write the names of the files in a folder to the disk.

    After a power failure, a file that was renamed before has its new name.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    OSError
        If they cannot be written; ``filename`` is the folder.
    """
    with name_errors(folder):
        _sync(folder)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
