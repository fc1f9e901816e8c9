"""A file without a name that holds arrays for which there is no room in memory."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seismo_pes.full_disk import report_full_disk

__all__ = ["Slot", "Spool"]

WAY_OUT = "spectra wait there; give more memory, or a temporary folder with more room"


@dataclass(frozen=True)
class Slot:
    """Where an array lies in a `Spool`."""

    offset: int
    n_bytes: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


class Spool:
    """Arrays on disk, in one temporary file that vanishes with the process.

    Room that was given back is used again. The file is made at the first array.

    Parameters
    ----------
    folder : str or pathlib.Path, optional
        Where the file lies; the system's folder for temporary files by default.

    Raises
    ------
    DiskFull
        If there is no room left.

    Examples
    --------
    >>> spool = Spool()
    >>> slot = spool.put(np.arange(3))
    >>> spool.get(slot)
    array([0, 1, 2])
    >>> spool.close()
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        self._file: Any = None
        self.folder = str(folder or tempfile.gettempdir())
        self._end = 0
        self._free: list[tuple[int, int]] = []  # (offset, size), ascending

    @property
    def n_bytes(self) -> int:
        """Length of the file."""
        return self._end

    def put(self, array: np.ndarray) -> Slot:
        """Write an array."""
        array = np.ascontiguousarray(array)
        with report_full_disk(self.folder, WAY_OUT):
            if self._file is None:
                self._file = _temporary_file(self.folder)
            slot = Slot(
                self._room(array.nbytes), array.nbytes, array.shape, array.dtype
            )
            rest, at = _bytes(array), slot.offset
            while len(rest):
                n = os.pwrite(self._file.fileno(), rest, at)
                rest, at = rest[n:], at + n
        return slot

    def get(self, slot: Slot) -> np.ndarray:
        """Read an array; it stays in the file."""
        array = np.empty(slot.shape, slot.dtype)
        rest, at = _bytes(array), slot.offset
        while len(rest):
            n = os.preadv(self._file.fileno(), [rest], at)
            if n == 0:
                raise OSError(f"{self.folder}: a temporary file was cut short")
            rest, at = rest[n:], at + n
        return array

    def release(self, slot: Slot) -> None:
        """Give the room of an array back."""
        merged: list[tuple[int, int]] = []
        for offset, size in sorted([*self._free, (slot.offset, slot.n_bytes)]):
            if merged and sum(merged[-1]) == offset:
                merged[-1] = merged[-1][0], merged[-1][1] + size
            elif size:
                merged.append((offset, size))
        if merged and sum(merged[-1]) == self._end:
            self._end = merged.pop()[0]
            os.ftruncate(self._file.fileno(), self._end)
        self._free = merged

    def close(self) -> None:
        """Remove the file."""
        if self._file is not None:
            self._file.close()
        self._file, self._end, self._free = None, 0, []

    def __del__(self) -> None:
        self.close()

    def _room(self, size: int) -> int:
        for k, (offset, free) in enumerate(self._free):
            if free >= size:
                rest = [(offset + size, free - size)] if free > size else []
                self._free[k : k + 1] = rest
                return offset
        self._end += size
        return self._end - size


def _temporary_file(folder: str) -> Any:
    return tempfile.TemporaryFile(dir=folder, buffering=0)


def _bytes(array: np.ndarray) -> memoryview:
    flat: Any = array.reshape(-1).view(np.uint8)
    return memoryview(flat)
