"""Reading and writing tables of measurements: one CSV file, one row per measurement."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from seismo_pes.full_disk import name_errors

__all__ = ["format_number", "read_table", "split_by_pair"]


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
