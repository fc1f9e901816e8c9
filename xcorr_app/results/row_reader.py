"""The reader of rows of correlations in the parts of a run."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dispel4py.errors import DataError
from seismo_pes.regular_file import ReadFailed
from seismo_pes.writing.part_records import data_sums
from xcorr_app.results.run_parts import Part

__all__ = ["RowReader"]

OPEN_FILES = 64  # largest number of open files; a process may open about 1000


class RowReader:
    """Reads the rows of a table of `WINDOWS`, and checks that they are undamaged.

    Rows are read without the HDF5 library. The library needs more time to open a file
    than to read a row, and it refuses a file that is still being written or is
    truncated.

    Parameters
    ----------
    folder
        Folder of the run.
    parts
        Parts of the run.
    n_lags, dtype
        Number and type of the samples of a row.
    """

    def __init__(
        self, folder: Path, parts: Sequence[Part], n_lags: int, dtype: np.dtype
    ) -> None:
        self.folder = folder
        self.parts = parts
        self.n_lags = n_lags
        self.dtype = dtype
        self._files: dict[int, int] = {}  # descriptors of open files by part

    def read(self, windows: np.ndarray) -> np.ndarray:
        """Return the rows, shape (n, n_lags).

        Raises
        ------
        DataError
            If a part is missing or a row is damaged; `ReadFailed` if the operating
            system cannot read it.
        """
        data = np.empty((len(windows), self.n_lags), self.dtype)
        begin = 0
        while begin < len(windows):
            end = _end_of_run(windows, begin)
            self._read_run(windows[begin], data[begin:end])
            begin = end
        damaged = np.flatnonzero(data_sums(data) != windows["data_sum"])
        if len(damaged):
            self._refuse(windows[damaged[0]])
        return data

    def _read_run(self, window: Any, target: np.ndarray) -> None:
        file = self._file(int(window["part"]))
        layout = self.parts[int(window["part"])].layout
        offset = layout.data_offset + int(window["row"]) * layout.row_bytes
        buffer = target.data.cast("B")
        while len(buffer):
            try:
                n_read = os.preadv(file, [buffer], offset)
            except OSError as error:
                path = self.folder / self.parts[int(window["part"])].name
                raise ReadFailed(f"{path}: cannot be read ({error.strerror})") from None
            if n_read == 0:
                self._refuse(window)
            buffer, offset = buffer[n_read:], offset + n_read

    def _refuse(self, window: Any) -> None:
        raise DataError(
            f"{self.folder / self.parts[window['part']].name}: row {window['row']} is "
            "damaged (did the machine stop while it was written?): correlate again"
        )

    def _file(self, part: int) -> int:
        if part not in self._files:
            if len(self._files) >= OPEN_FILES:
                os.close(self._files.pop(next(iter(self._files))))
            path = self.folder / self.parts[part].name
            try:
                self._files[part] = os.open(path, os.O_RDONLY)
            except FileNotFoundError:
                raise DataError(
                    f"{path}: missing; the folder of a run moves as a whole"
                ) from None
            except OSError as error:
                raise ReadFailed(f"{path}: cannot be read ({error.strerror})") from None
        return self._files[part]

    def close(self) -> None:
        """Close the files."""
        while self._files:
            os.close(self._files.popitem()[1])

    def __del__(self) -> None:
        self.close()


def _end_of_run(windows: np.ndarray, begin: int) -> int:
    """Return the end of the consecutive rows that start at ``begin``."""
    part, row = windows["part"], windows["row"]
    end = begin + 1
    while end < len(windows) and (
        part[end] == part[begin] and row[end] == row[begin] + end - begin
    ):
        end += 1
    return end
