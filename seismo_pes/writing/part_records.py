"""The records of the rows in a part file, and their checksums.

The checksum of a record depends on the run, on the name of the part and on the number
of the row. Therefore a record that is moved to another place is not valid.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from dispel4py.errors import DataError
from seismo_pes.full_disk import name_errors
from seismo_pes.items.tiles import CorrelationRows

__all__ = [
    "DAMAGED",
    "LAST",
    "MARKER",
    "RECORD",
    "checksums",
    "data_sums",
    "make_records",
    "read_array",
    "stamp",
]

# Flags of a record.
LAST = 1  # the last row of its tile
MARKER = 2  # not a correlation: only marks its tile as finished
DAMAGED = 4  # the data of the row were lost before they were on the disk

# The record of a row in the index: the positions of its two channels in the run's
# channel table, windows, tile, flags, checksum of the data, time span, name of the
# stack. ``tile_rows`` is the number of rows of the tile up to this row: the last row of
# a tile shows whether rows before it are lost. ``check`` is a checksum of the record
# and, through ``data_sum``, of the data.
RECORD = np.dtype(
    [
        ("first", "<i4"),
        ("second", "<i4"),
        ("n_windows", "<i4"),
        ("tile", "<i4", (3,)),
        ("flags", "<u4"),
        ("data_sum", "<u4"),
        ("start_ns", "<i8"),
        ("end_ns", "<i8"),
        ("stack", "S48"),
        ("tile_rows", "<u4"),
        ("check", "<u4"),
    ]
)
_N_WORDS = RECORD.itemsize // 4
# An odd factor, so that each step of the checksum of a record can be reversed: each
# changed word changes the result. It is part of the file format.
_FACTOR = np.uint32(0x9E3779B1)
# Added to each checksum, so that an unwritten record, all zeros, is not valid.
_NOT_ZERO = np.uint32(0x5EED5EED)


def data_sums(data: np.ndarray) -> np.ndarray:
    """Return the checksum (CRC-32) of each row.

    >>> data_sums(np.zeros((2, 3), "f4"))
    array([2077607535, 2077607535], dtype=uint32)
    """
    rows = np.ascontiguousarray(data)
    return np.fromiter(map(zlib.crc32, rows), np.uint32, len(rows))


def make_records(
    rows: CorrelationRows, data: np.ndarray, n_before: int = 0
) -> np.ndarray:
    """Return the index records of a batch of rows, without ``check``.

    Parameters
    ----------
    rows
        The batch.
    data
        Its data in the byte order of the file.
    n_before
        Number of rows of the tile in the batches before.

    Raises
    ------
    DataError
        If the name of the stack is empty, too long or has a slash.
    """
    stack = rows.stack.encode()
    if not stack or len(stack) > RECORD["stack"].itemsize or b"/" in stack:
        raise DataError(
            f"stack name {rows.stack!r}: it must have 1 to {RECORD['stack'].itemsize} "
            "bytes and no '/'"
        )
    records = np.zeros(len(rows), RECORD)
    records["first"], records["second"] = rows.pairs.T
    records["n_windows"] = rows.n_windows
    records["tile"] = rows.tile
    records["start_ns"], records["end_ns"] = rows.start_ns, rows.end_ns
    records["stack"] = stack
    records["data_sum"] = data_sums(data)
    records["tile_rows"] = n_before + 1 + np.arange(len(rows))
    if rows.last and len(records):
        records["flags"][-1] = LAST
    return records


def read_array(path: Path, file: BinaryIO, dtype: Any, n: int) -> np.ndarray:
    """Read an array from a file; unlike `numpy.fromfile`, raise errors of the disk.

    Parameters
    ----------
    path, file
        The file, and the open file.
    dtype, n
        Type and number of the values.

    Returns
    -------
    numpy.ndarray
        Shape (n,), or shorter if the file ends.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    data = np.empty(n, dtype)
    with name_errors(path):
        n_bytes = file.readinto(data.view(np.uint8))  # type: ignore[attr-defined]
    return data[: n_bytes // data.itemsize]


def stamp(records: np.ndarray, seed: int, first_row: int) -> None:
    """Fill in the checksums of records, in place.

    Parameters
    ----------
    records
        Consecutive records of a part.
    seed
        The seed of the part, see `PartLayout`.
    first_row
        Number of the first record.
    """
    records["check"] = checksums(records, seed, first_row)


def checksums(records: np.ndarray, seed: int, first_row: int) -> np.ndarray:
    """Return the checksum of each record at its place in a part.

    Parameters
    ----------
    records, seed, first_row
        As for `stamp`.
    """
    words = records.view(np.uint32).reshape(len(records), _N_WORDS)
    places = np.arange(first_row, first_row + len(records)).astype(np.uint32)
    sums = np.uint32(seed) ^ places
    for i in range(_N_WORDS - 1):  # the last word is the checksum itself
        sums = (sums ^ words[:, i]) * _FACTOR
        sums ^= sums >> np.uint32(15)
    return np.asarray(sums + _NOT_ZERO)
