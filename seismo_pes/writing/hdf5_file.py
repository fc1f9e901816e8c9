"""HDF5 files to write to, whose errors of the disk are exceptions.

If a write fails, HDF5 keeps the data, and tries again when the file is closed. If that
fails, too, it may end the program by a crash. So HDF5 writes to a Python file that
reports no error to it, and the first error is raised after HDF5 has closed the file.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import h5py

__all__ = ["hdf5_file"]

# How Python opens the file, and what HDF5 then does with it.
FILE_MODES = {"w": "w+", "x": "x+", "r+": "r+"}
HDF5_MODES = {"w": "w", "x": "w", "r+": "r+"}


@contextlib.contextmanager
def hdf5_file(
    path: str | os.PathLike[str], mode: str = "w", **options: Any
) -> Iterator[h5py.File]:
    """Open an HDF5 file to write to it.

    Parameters
    ----------
    path : str or path
        The file.
    mode : str
        ``"w"``: create the file or replace it; ``"x"``: create the file, which must
        not exist; ``"r+"``: change an existing file.
    options
        As for `h5py.File`.

    Raises
    ------
    OSError
        If the file cannot be opened or written.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "new.h5"
    >>> with hdf5_file(path) as file:
    ...     file["shift"] = 0.25
    >>> with hdf5_file(path, "r+") as file:
    ...     float(file["shift"][()])
    0.25
    """
    import h5py  # here because it takes time, and few commands write such files

    with _Disk(Path(path), mode) as disk:
        try:
            with h5py.File(disk, HDF5_MODES[mode], **options) as file:
                yield file
        except Exception:
            if disk.error is None:
                raise  # otherwise it follows from the error of the disk
        if disk.error is not None:
            raise disk.error


class _Disk:
    """A binary file that keeps the first error of a write, and writes no more then.

    Parameters
    ----------
    path : Path
    mode : str
        See `hdf5_file`.
    """

    def __init__(self, path: Path, mode: str) -> None:
        self._file = io.FileIO(path, FILE_MODES[mode])
        self.error: OSError | None = None
        self.seek, self.tell = self._file.seek, self._file.tell
        self.read = self._file.read

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer, with zeros after the end: HDF5 sees no short reads."""
        left = memoryview(buffer).cast("B")
        while left and (n_read := self._file.readinto(left)):
            left = left[n_read:]
        left[:] = bytes(len(left))
        return len(buffer)

    def write(self, data: Any) -> int:
        """Write all bytes."""
        left = memoryview(data).cast("B")
        with self._kept_errors():
            while left and self.error is None:
                left = left[self._file.write(left) :]
        return len(data)

    def truncate(self, size: int) -> int:
        """Make the file longer or shorter."""
        with self._kept_errors():
            self._file.truncate(size)
        return size

    def flush(self) -> None:
        """Do nothing: nothing waits here."""

    @contextlib.contextmanager
    def _kept_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if self.error is None:
                self.error = error

    def __enter__(self) -> _Disk:
        return self

    def __exit__(self, *exc: object) -> None:
        self._file.close()
