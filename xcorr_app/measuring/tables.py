"""Reading and writing tables of measurements: CSV files, one row per measurement."""

from __future__ import annotations

import contextlib
import csv
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO

import numpy as np

from seismo_pes.full_disk import name_errors
from seismo_pes.whole_file import whole_file
from xcorr_app import store as stores
from xcorr_app.store import Store

__all__ = ["PairTables", "format_number", "read_table", "split_by_pair"]


class PairTables:
    """The table of the pairs, written row by row, and the table of the network.

    Both get their final names together. Subclasses are a `Sink` of `run_batches`.

    Parameters
    ----------
    out
        Folder of the run, which has the names of the pairs.
    folder
        Folder of the files.
    name
        Begin of the names of the files.
    label
        End of the names of the files, such as ``_0.1-0.2Hz``.
    """

    def __init__(self, out: str, folder: str, name: str, label: str) -> None:
        self.out, self.folder, self.name, self.label = out, folder, name, label
        self._store: Store | None = None
        self._file: IO[str] | None = None
        self._files = contextlib.ExitStack()

    @property
    def paths(self) -> tuple[Path, Path]:
        """The file of the pairs, and the file of the network."""
        return (
            Path(self.folder, f"{self.name}{self.label}.csv"),
            Path(self.folder, f"{self.name}_network{self.label}.csv"),
        )

    def _begin(self, columns: Iterable[str]) -> None:
        """Begin the file of the pairs, under a temporary name."""
        path, _ = self.paths
        path.parent.mkdir(parents=True, exist_ok=True)
        self._store = stores.open(self.out)
        self._file = self._files.enter_context(
            self._files.enter_context(whole_file(path)).open(
                "w", encoding="utf-8", newline=""
            )
        )
        self._file.write(",".join(["first", "second", *columns]) + "\n")

    def _write(self, index: int, cells: str) -> None:
        """Write a row of a pair."""
        assert self._file is not None
        assert self._store is not None
        pair = self._store.pairs[index]
        self._file.write(f"{pair['first_id']},{pair['second_id']},{cells}\n")

    def _end(self, network: Iterable[str]) -> None:
        """Write the lines of the network, and give both files their final names."""
        if self._file is None or self._store is None:
            return
        self._store.close()
        with self._files, whole_file(self.paths[1]) as temporary:
            temporary.write_text("".join(network), encoding="utf-8")
        self._file = self._store = None


def format_number(value: float, form: str = ".5g") -> str:
    """Return a number as a cell of a table; an empty cell for NaN.

    >>> format_number(0.1234567), format_number(float("nan"))
    ('0.12346', '')
    """
    return "" if math.isnan(value) else format(value, form)


def read_table(
    path: str | os.PathLike[str], most_bytes: int | None = None
) -> dict[str, np.ndarray]:
    """Read a table: one array for each column.

    Times are datetime64, names are text, other columns are numbers, and an empty cell
    is NaN.

    Parameters
    ----------
    path
        The CSV file.
    most_bytes
        Read only rows of about this many bytes; by default the whole file.
    """
    with name_errors(Path(path)), Path(path).open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file.readlines(most_bytes or -1))
    columns = list(zip(*rows, strict=True)) or [()] * len(head)
    return {name: _column(name, x) for name, x in zip(head, columns, strict=True)}


def _column(name: str, cells: Sequence[str]) -> np.ndarray:
    if name in ("time", "start", "end"):
        return np.array([cell[:-1] for cell in cells], "datetime64[ms]")
    if name in ("first", "second", "stack", "station"):
        return np.array(cells, str)
    return np.array([float(cell or "nan") for cell in cells])


def split_by_pair(columns: Mapping[str, np.ndarray]) -> list[dict[str, np.ndarray]]:
    """Split a table into one table for each pair, whose rows are neighbours."""
    names = np.char.add(np.char.add(columns["first"], " "), columns["second"])
    if not len(names):
        return []
    starts = np.flatnonzero(np.r_[True, names[1:] != names[:-1]])
    ends = np.r_[starts[1:], len(names)]
    return [
        {name: column[begin:end] for name, column in columns.items()}
        for begin, end in zip(starts, ends, strict=True)
    ]
