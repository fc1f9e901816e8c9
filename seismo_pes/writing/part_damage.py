"""Damage of part files: how it is found, and how it is marked in the files."""

from __future__ import annotations

import os
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from seismo_pes.full_disk import name_errors
from seismo_pes.writing.disk_output import write_all
from seismo_pes.writing.part_files import (
    PAGE,
    PartLayout,
    read_index,
    seal_part,
)
from seismo_pes.writing.part_records import (
    DAMAGED,
    RECORD,
    data_sums,
    read_array,
    stamp,
)

__all__ = [
    "close_abandoned",
    "is_intact",
    "mark_damaged",
    "repair_length",
    "whole_rows",
]

# Bytes of data that are read at a time to check their sums.
_CHECK_BYTES = 16 << 20


def close_abandoned(path: Path, layout: PartLayout) -> PartLayout:
    """Seal a part file whose writer has ended without closing it.

    Rows whose data were lost by a power failure get the flag `DAMAGED`.

    Raises
    ------
    DataError
        If the file cannot be sealed; its rows stay readable.
    """
    repair_length(path, layout)
    records = read_index(path, layout)
    damaged = np.flatnonzero(~whole_rows(path, layout, records))
    mark_damaged(path, layout, damaged.tolist())
    return seal_part(path, layout, len(records))


def mark_damaged(path: Path, layout: PartLayout, rows: Sequence[int]) -> None:
    """Give the flag `DAMAGED` to rows of a part.

    Parameters
    ----------
    path, layout
        The file and its layout.
    rows
        Numbers of the rows.
    """
    with name_errors(path), open(path, "r+b", buffering=0) as file:
        for row in rows:
            offset = layout.index_offset + row * RECORD.itemsize
            record = np.frombuffer(
                os.pread(file.fileno(), RECORD.itemsize, offset), RECORD
            ).copy()
            record["flags"] |= DAMAGED
            stamp(record, layout.seed, row)
            write_all(file.fileno(), record.tobytes(), offset, path)
        os.fsync(file.fileno())


def whole_rows(
    path: Path,
    layout: PartLayout,
    records: np.ndarray,
    first_row: int = 0,
    sealed: bool = False,
) -> np.ndarray:
    """Return for each record whether the data of its row are complete.

    For a sealed file the flags are enough, because its data were on the disk before it
    was sealed. Of other files all data are read and compared with their checksums.

    Parameters
    ----------
    path, layout, records
        The file, its layout, and consecutive records of it.
    first_row
        Number of the first record.
    sealed
        Read the data of a sealed file, too.
    """
    whole = (records["flags"] & DAMAGED) == 0
    if layout.sealed and not sealed:
        return np.asarray(whole)
    n_rows = max(_CHECK_BYTES // max(layout.row_bytes, 1), 1)
    with name_errors(path), open(path, "rb") as file:
        file.seek(layout.data_offset + first_row * layout.row_bytes)
        for begin in range(0, len(records), n_rows):
            expected = records["data_sum"][begin : begin + n_rows]
            n_values = len(expected) * layout.n_lags
            data = read_array(path, file, layout.dtype, n_values)
            n_read = len(data) // layout.n_lags
            data = data[: n_read * layout.n_lags].reshape(n_read, layout.n_lags)
            whole[begin : begin + n_read] &= data_sums(data) == expected[:n_read]
            whole[begin + n_read : begin + n_rows] = False
    return np.asarray(whole)


def is_intact(path: Path, layout: PartLayout) -> bool:
    """Return whether the HDF5 metadata of a sealed part, and its text, are intact.

    Programs that read the part by HDF5 need them; this program does not.

    Parameters
    ----------
    path, layout
        The file and its layout.
    """
    with name_errors(path), open(path, "rb") as file:
        file.seek(PAGE)
        metadata, about = file.read(PAGE), file.read(layout.about_bytes)
    sums = zlib.crc32(metadata), zlib.crc32(about)
    return sums == (layout.metadata_sum, layout.about_sum)


def repair_length(path: Path, layout: PartLayout) -> None:
    """Extend a file that lost its end to its full size, so that HDF5 can open it."""
    if path.stat().st_size < layout.size:
        os.truncate(path, layout.size)
