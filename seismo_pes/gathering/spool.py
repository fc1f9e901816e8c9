"""A file without a name, for arrays that do not fit into memory."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seismo_pes.full_disk import name_errors, report_full_disk

__all__ = ["Slot", "Spool"]

WAY_OUT = "spectra wait there; give more memory, or a temporary folder with more room"


@dataclass(frozen=True)
class Slot:
    """The place of an array in a `Spool`."""

    offset: int
    n_bytes: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


class Spool:
    """Arrays on disk, in one temporary file that is deleted when the process ends.

    Released space is used again. The first array creates the file.

    Parameters
    ----------
    folder : str or pathlib.Path, optional
        Folder of the file; by default the system's folder for temporary files.

    Raises
    ------
    DiskFull
        If the disk is full.

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
            view, at = _bytes(array), slot.offset
            while len(view):
                n = os.pwrite(self._file.fileno(), view, at)
                view, at = view[n:], at + n
        return slot

    def get(self, slot: Slot) -> np.ndarray:
        """Read an array; it stays in the file.

        Raises
        ------
        OSError
            If another program has shortened the file.
        """
        array = np.empty(slot.shape, slot.dtype)
        view, at = _bytes(array), slot.offset
        while len(view):
            with name_errors(self.folder):
                n = os.preadv(self._file.fileno(), [view], at)
            if n == 0:
                raise OSError(f"{self.folder}: a temporary file was cut short")
            view, at = view[n:], at + n
        return array

    def release(self, slot: Slot) -> None:
        """Release the space of an array."""
        merged: list[tuple[int, int]] = []
        for offset, size in sorted([*self._free, (slot.offset, slot.n_bytes)]):
            if merged and sum(merged[-1]) == offset:
                merged[-1] = merged[-1][0], merged[-1][1] + size
            elif size:
                merged.append((offset, size))
        if merged and sum(merged[-1]) == self._end:
            self._end = merged.pop()[0]
            with name_errors(self.folder):
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
                remainder = [(offset + size, free - size)] if free > size else []
                self._free[k : k + 1] = remainder
                return offset
        self._end += size
        return self._end - size


def _temporary_file(folder: str) -> Any:
    return tempfile.TemporaryFile(dir=folder, buffering=0)


def _bytes(array: np.ndarray) -> memoryview:
    flat: Any = array.reshape(-1).view(np.uint8)
    return memoryview(flat)
