"""Part files: HDF5 files with the rows of correlations of one writer.

A part file has three contiguous datasets: ``run`` (a text about the run, written once),
``index`` (one `RECORD` for each row) and ``data`` (rows, n_lags). It is created with
room for a fixed number of rows, and its HDF5 metadata are complete before the file gets
its name; they do not change while rows are added. A row is written directly to its
place in the two datasets, the data first and then the record. Therefore a writer that
is killed never leaves an unreadable file, and a growing file can be read without a
lock.

The first 4096 bytes are the user block of HDF5. They hold a `PartLayout` as JSON, so
that a program can read the rows without the HDF5 library.
"""

from __future__ import annotations

import json
import os
import socket
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from dispel4py.errors import DataError
from seismo_pes.items.tiles import CorrelationRows
from seismo_pes.writing.disk_output import write_all

__all__ = [
    "DAMAGED",
    "LAST",
    "MARKER",
    "RECORD",
    "PartLayout",
    "close_abandoned",
    "create_part",
    "data_sums",
    "make_records",
    "read_index",
    "read_layout",
    "repair_length",
    "seal_part",
    "whole_rows",
]

PART_FORMAT = "seismo_pes part"
PART_VERSION = 2
PAGE = 4096  # bytes: user block, HDF5 metadata and datasets begin at multiples of this
SEAL = b"SEALED\r\n"  # the end of the user block of a part that its writer has closed
# Flags of a record.
LAST = 1  # the last row of its tile
MARKER = 2  # not a correlation: only marks its tile as finished
DAMAGED = 4  # the data of the row were lost before they were on the disk

# What the index has of a row: the positions of its two channels in the run's channel
# table, windows, tile, flags, sum of the data, time span, name of the stack. ``check``
# is a checksum of the record and, through ``data_sum``, of the data.
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
        ("check", "<u4"),
    ]
)
_N_WORDS = RECORD.itemsize // 4
# Weights of the 32-bit words in the checksum: odd, so that each changed bit changes it.
# The seed is part of the file format.
_WEIGHTS = (
    np.random.default_rng(20151019).integers(0, 2**32, _N_WORDS, dtype=np.uint32) | 1
)
_WEIGHTS[-1] = 0  # the last word is the checksum itself
# Added to each checksum, so that an unwritten record, all zeros, is not valid.
_NOT_ZERO = np.uint32(0x5EED5EED)
# Bytes of data that are read at a time to check their sums.
_CHECK_BYTES = 16 << 20


@dataclass(frozen=True)
class PartLayout:
    """The layout of a part file, as its user block gives it.

    Parameters
    ----------
    n_lags, dtype
        Length of a row of data and its NumPy type, e.g. ``"<f4"``.
    rows
        How many rows the file has room for.
    index_offset, data_offset
        Where the datasets begin, bytes from the beginning of the file.
    size
        Bytes of the whole file.
    created_ns, host, pid
        Time (nanoseconds since 1970), host and process that created the file.
    session
        Number of the start of the run, from 1; 0 for a file outside a run.
    about_bytes
        Bytes of the dataset ``run``, a multiple of 4096.
    sealed
        True if the writer has closed the file and all of its data are on the disk.
    """

    n_lags: int
    dtype: str
    rows: int
    index_offset: int
    data_offset: int
    size: int
    created_ns: int
    host: str
    pid: int
    session: int = 0
    about_bytes: int = PAGE
    sealed: bool = False

    @property
    def row_bytes(self) -> int:
        """Bytes of one row of data."""
        return self.n_lags * np.dtype(self.dtype).itemsize

    @property
    def data_rows(self) -> int:
        """Rows of the dataset ``data``, which sealing cuts; ``index`` is not cut."""
        return (self.size - self.data_offset) // self.row_bytes

    def user_block(self) -> bytes:
        """Return the first 4096 bytes of the file."""
        head = {"format": PART_FORMAT, "version": PART_VERSION, **asdict(self)}
        sealed = head.pop("sealed")
        text = json.dumps(head).encode()
        body = text.ljust(PAGE - len(SEAL), b"\0")
        return body + (SEAL if sealed else bytes(len(SEAL)))


# ------------------------------------------------------------------ creating a part


def create_part(
    path: Path,
    rows: int,
    n_lags: int,
    dtype: str,
    about: str = "",
    session: int = 0,
) -> PartLayout:
    """Create an empty part file with room for at least ``rows`` rows.

    The file is sparse: unused room takes no space on the disk. It gets its name when it
    is complete.

    Parameters
    ----------
    path
        Name of the file.
    rows, n_lags, dtype
        Number of rows, their length and NumPy type.
    about
        Text of the dataset ``run``: which run the rows come from.
    session
        See `PartLayout`.
    """
    rows = max(rows, _rows_of_a_page(n_lags, dtype), -(-PAGE // RECORD.itemsize))
    text = about.encode()
    about_bytes = max(-(-len(text) // PAGE), 1) * PAGE
    temporary = path.with_name(f".{path.name}.tmp")
    offsets = _create_hdf5(temporary, rows, rows, n_lags, dtype, about_bytes)
    layout = PartLayout(
        n_lags=n_lags,
        dtype=dtype,
        rows=rows,
        index_offset=offsets[1],
        data_offset=offsets[2],
        size=temporary.stat().st_size,
        created_ns=time.time_ns(),
        host=socket.gethostname()[:255],
        pid=os.getpid(),
        session=session,
        about_bytes=about_bytes,
    )
    with open(temporary, "r+b") as file:
        file.write(layout.user_block())
        file.seek(offsets[0])
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
    return layout


def _rows_of_a_page(n_lags: int, dtype: str) -> int:
    """Return how many rows fill a page: HDF5 does not align smaller datasets."""
    return -(-PAGE // (n_lags * np.dtype(dtype).itemsize))


def _create_hdf5(
    path: Path, index_rows: int, rows: int, n_lags: int, dtype: str, about_bytes: int
) -> tuple[int, int, int]:
    """Create the HDF5 file with its datasets; return their offsets in the file."""
    import h5py

    with h5py.File(
        path,
        "w-",
        libver=("v110", "v110"),  # the oldest version with virtual datasets
        locking=False,
        userblock_size=PAGE,
        alignment_threshold=PAGE,
        alignment_interval=PAGE,
        meta_block_size=PAGE,  # all metadata in one page, which seal_part replaces
    ) as file:
        about = _create_dataset(file, b"run", (), np.dtype(f"S{about_bytes}"))
        index = _create_dataset(file, b"index", (index_rows,), RECORD)
        data = _create_dataset(file, b"data", (rows, n_lags), np.dtype(dtype))
    return about, index, data


def _create_dataset(file: Any, name: bytes, shape: tuple[int, ...], dtype: Any) -> int:
    """Create a contiguous dataset without writing to it; return its offset."""
    import h5py

    options = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    options.set_layout(h5py.h5d.CONTIGUOUS)
    options.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    options.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    options.set_obj_track_times(False)
    hdf5_type = h5py.h5t.py_create(dtype, logical=True)
    space = h5py.h5s.create_simple(shape) if shape else h5py.h5s.create(h5py.h5s.SCALAR)
    dataset = h5py.h5d.create(file.id, name, hdf5_type, space, options)
    return int(dataset.get_offset())


def seal_part(path: Path, layout: PartLayout, rows: int) -> PartLayout:
    """Cut a part file to its rows and mark it as finished.

    First all data are written to the disk. Then the page of HDF5 metadata is replaced
    by that of a file with fewer rows, then the user block is replaced, and last the end
    of the file is cut off. The file is readable after each of these steps.

    Parameters
    ----------
    path
        The file.
    layout
        Its layout so far.
    rows
        How many rows it holds.

    Raises
    ------
    DataError
        If this version of HDF5 writes other metadata than the version that created the
        file. The file stays readable, but unsealed.
    """
    rows = max(rows, _rows_of_a_page(layout.n_lags, layout.dtype))
    template = path.with_name(f".{path.name}.seal")
    template.unlink(missing_ok=True)
    form = layout.n_lags, layout.dtype, layout.about_bytes
    try:
        offsets = _create_hdf5(template, layout.rows, rows, *form)
        with open(template, "rb") as file:
            metadata = file.read(offsets[0])[PAGE:]
        size = template.stat().st_size
    finally:
        template.unlink(missing_ok=True)
    about_offset = layout.index_offset - layout.about_bytes
    expected = about_offset, layout.index_offset, layout.data_offset
    if offsets != expected or len(metadata) != PAGE:
        raise DataError(
            f"{path}: created by another version of HDF5; it stays unsealed"
        )
    sealed = replace(layout, size=size, sealed=True)
    with open(path, "r+b", buffering=0) as file:
        os.fsync(file.fileno())
        write_all(file.fileno(), metadata, PAGE, path)
        write_all(file.fileno(), sealed.user_block(), 0, path)
        file.truncate(size)
        os.fsync(file.fileno())
    return sealed


# ------------------------------------------------------------------ after a crash


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
    with open(path, "r+b", buffering=0) as file:
        for row in damaged.tolist():
            record = records[row : row + 1].copy()
            record["flags"] |= DAMAGED
            offset = layout.index_offset + row * RECORD.itemsize
            write_all(file.fileno(), stamp(record).tobytes(), offset, path)
    return seal_part(path, layout, len(records))


def whole_rows(path: Path, layout: PartLayout, records: np.ndarray) -> np.ndarray:
    """Return for each record whether the data of its row are complete.

    For a sealed file the flags are enough, because its data were on the disk before it
    was sealed. Of other files all data are read and compared with their sums.
    """
    whole = (records["flags"] & DAMAGED) == 0
    if layout.sealed:
        return np.asarray(whole)
    n_rows = max(_CHECK_BYTES // max(layout.row_bytes, 1), 1)
    with open(path, "rb") as file:
        file.seek(layout.data_offset)
        for begin in range(0, len(records), n_rows):
            expected = records["data_sum"][begin : begin + n_rows]
            data = np.fromfile(file, layout.dtype, len(expected) * layout.n_lags)
            sums = data_sums(data.reshape(len(expected), layout.n_lags))
            whole[begin : begin + n_rows] &= sums == expected
    return np.asarray(whole)


# ------------------------------------------------------------------ records


def data_sums(data: np.ndarray) -> np.ndarray:
    """Return a 32-bit sum of each row, to recognise rows that are incomplete.

    >>> data_sums(np.zeros((2, 3), "f4"))
    array([0, 0], dtype=uint32)
    """
    words = np.ascontiguousarray(data).view(np.uint32)
    return np.add.reduce(words, axis=1, dtype=np.uint32)


def make_records(rows: CorrelationRows, data: np.ndarray) -> np.ndarray:
    """Return the index records of a batch of rows.

    Parameters
    ----------
    rows
        The batch.
    data
        Its data in the byte order of the file.

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
    if rows.last and len(records):
        records["flags"][-1] = LAST
    return stamp(records)


def stamp(records: np.ndarray) -> np.ndarray:
    """Fill in the checksums of records, in place, and return the records."""
    records["check"] = _checksums(records)
    return records


def _checksums(records: np.ndarray) -> np.ndarray:
    words = records.view(np.uint32).reshape(len(records), _N_WORDS)
    sums = np.zeros(len(records), np.uint32)
    for i in range(_N_WORDS):  # one word at a time needs less memory than a product
        sums += words[:, i] * _WEIGHTS[i]
    return sums + _NOT_ZERO


# ------------------------------------------------------------------ reading


def read_layout(path: Path) -> PartLayout:
    """Read the user block of a part.

    Raises
    ------
    DataError
        If the file is not a part file, or has another version of the format.
    """
    with open(path, "rb") as file:
        block = file.read(PAGE)
    try:
        head = json.loads(block[: PAGE - len(SEAL)].rstrip(b"\0"))
        form, version = head.pop("format"), head.pop("version")
    except (ValueError, KeyError, AttributeError):
        raise DataError(f"{path}: not a part file of a correlation run") from None
    if form != PART_FORMAT or version != PART_VERSION:
        raise DataError(
            f"{path}: has the format {form!r} version {version}; this program reads "
            f"{PART_FORMAT!r} version {PART_VERSION}"
        )
    return PartLayout(**head, sealed=block.endswith(SEAL))


def read_index(path: Path, layout: PartLayout, piece: int = 65536) -> np.ndarray:
    """Return the records of all committed rows whose data are inside the file.

    They are read in pieces of ``piece`` records.
    """
    n_data_rows = (path.stat().st_size - layout.data_offset) // max(layout.row_bytes, 1)
    limit = min(layout.rows, max(n_data_rows, 0))
    pieces = []
    with open(path, "rb") as file:
        file.seek(layout.index_offset)
        for begin in range(0, limit, piece):
            count = min(piece, limit - begin)
            records = np.fromfile(file, RECORD, count)
            valid = records["check"] == _checksums(records)
            n_valid = len(records) if valid.all() else int(np.argmin(valid))
            pieces.append(records[:n_valid])
            if n_valid < count:
                break
    return np.concatenate(pieces) if pieces else np.zeros(0, RECORD)


def repair_length(path: Path, layout: PartLayout) -> None:
    """Extend a file that lost its end to its full size, so that HDF5 can open it."""
    if path.stat().st_size < layout.size:
        os.truncate(path, layout.size)
