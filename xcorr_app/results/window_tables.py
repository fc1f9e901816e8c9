"""The entries of all pairs in all stacks: windows, and the place of the row.

A run with many pairs and stacks has more of them than its memory holds. So they may be
in a temporary file, of which only the pages in use are in memory.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

__all__ = ["WINDOWS", "WindowTables"]

WINDOWS = np.dtype(
    [
        ("n_windows", "<i4"),
        ("start_ns", "<i8"),
        ("end_ns", "<i8"),
        ("part", "<i4"),  # -1: this stack has no such pair
        ("row", "<i8"),
        ("data_sum", "<u4"),
    ]
)
# Bytes of a table that is kept in memory in any case.
SMALL_BYTES = 16 << 20


class WindowTables(Mapping[str, np.ndarray]):
    """For each stack an array of `WINDOWS`, with one entry for each pair.

    Parameters
    ----------
    names
        The stacks, sorted.
    n_pairs
        Number of pairs.
    folder
        Folder for the temporary file of a large table; None to keep it in memory.
    """

    def __init__(self, names: Sequence[bytes], n_pairs: int, folder: Path | None):
        self._memory: mmap.mmap | None = None
        size = len(names) * n_pairs * WINDOWS.itemsize
        if folder is None or size <= SMALL_BYTES:
            tables = np.empty((len(names), n_pairs), WINDOWS)
        else:
            self._memory = _temporary_file(folder, size)
            tables = np.frombuffer(self._memory, WINDOWS).reshape(len(names), n_pairs)
        absent = np.zeros((), WINDOWS)
        absent["part"] = -1
        for table in tables:
            table[...] = absent
            self.release()
        self._tables = dict(zip(names, tables, strict=True))

    def enter(
        self,
        names: Sequence[bytes],
        lengths: np.ndarray,
        columns: np.ndarray,
        entries: np.ndarray,
    ) -> None:
        """Enter consecutive entries; a later entry of the same pair replaces it.

        Parameters
        ----------
        names, lengths
            The stack of each group of entries, and the number of its entries.
        columns
            The pair of each entry.
        entries
            The entries.
        """
        begin = 0
        for name, length in zip(names, lengths.tolist(), strict=True):
            chosen = slice(begin, begin + length)
            self._tables[name][columns[chosen]] = entries[chosen]
            begin += length

    def drop_absent(self) -> np.ndarray:
        """Leave out stacks without a pair, and pairs that no stack has.

        Returns
        -------
        numpy.ndarray
            Which pairs remain; bool, shape (n_pairs,).
        """
        n_pairs = len(next(iter(self._tables.values()), ()))
        has_pair = np.zeros(n_pairs, bool)
        for name, table in list(self._tables.items()):
            present = table["part"] >= 0
            has_pair |= present
            if not present.any():
                del self._tables[name]
            self.release()
        n_left = int(has_pair.sum())
        if n_left < n_pairs:
            for name, table in self._tables.items():
                table[:n_left] = table[has_pair]
                self._tables[name] = table[:n_left]
                self.release()
        return has_pair

    def release(self) -> None:
        """Let the system take the memory of a table in a file."""
        if self._memory is not None:
            self._memory.madvise(mmap.MADV_DONTNEED)

    def __getitem__(self, name: str) -> np.ndarray:
        self.release()
        return self._tables[name.encode()]

    def __iter__(self) -> Iterator[str]:
        return (name.decode() for name in self._tables)

    def __len__(self) -> int:
        return len(self._tables)


def _temporary_file(folder: Path, size: int) -> mmap.mmap:
    """Map a file without a name, whose room on the disk is reserved."""
    with tempfile.TemporaryFile(dir=folder) as file:
        try:
            # without room on the disk, a page that is written would kill the process
            os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(folder)) from None
        return mmap.mmap(file.fileno(), size)
