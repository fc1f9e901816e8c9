"""Part files: where one writer puts rows of correlations, whole whatever happens.

A part is an HDF5 file of fixed size with three contiguous datasets: ``run`` (a text
about the run, written once), ``index`` (one `RECORD` a row) and ``data`` (rows,
n_lags). All of its HDF5 metadata stands in the file before the file gets its name and
is never touched while rows arrive; rows are written straight to their places in the
two datasets, data first, record after. Hence no moment exists at which a killed writer
leaves an unreadable file, and nobody needs a lock to read a part that still grows. The
first 4096 bytes are HDF5's user block and hold a `PartLayout` as JSON, so that a
reader can do without the HDF5 library.
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
from seismo_pes.items.rows import CorrelationRows
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
PAGE = 4096
SEAL = b"SEALED\r\n"
LAST = 1  # flag: the last row of its tile
MARKER = 2  # flag: no correlation, only says that its tile is finished
DAMAGED = 4  # flag: the row of data was lost before it got to the disk

# The check covers the record and, through data_sum, the row of data.
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
# Odd weights, so that every changed bit of a word changes the sum.
_WEIGHTS = (
    np.random.default_rng(20151019).integers(0, 2**32, _N_WORDS, dtype=np.uint32) | 1
)
_WEIGHTS[-1] = 0  # the check itself, last word of the record
_NOT_ZERO = np.uint32(0x5EED5EED)  # an untouched record, all zeros, is not valid


@dataclass(frozen=True)
class PartLayout:
    """Where things are in a part file: what its user block says.

    Parameters
    ----------
    n_lags, dtype
        Length of a row of data and its NumPy type, e.g. ``"<f4"``.
    rows
        Rows that the file has room for.
    index_offset, data_offset, size
        Bytes from the beginning of the file; size of the whole file.
    created_ns, host, pid
        When and by whom it was made.
    session
        Which start of the run, counted from 1, its writer belonged to; 0 outside runs.
    about_bytes
        Room of the dataset ``run``, whole pages.
    sealed
        True once its writer has closed it and everything is on the disk.
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
        """Length of the dataset ``data``; that of ``index`` is never cut."""
        return (self.size - self.data_offset) // self.row_bytes

    def user_block(self) -> bytes:
        """Return the 4096 bytes that stand at the beginning of the file."""
        head = {"format": PART_FORMAT, "version": PART_VERSION, **asdict(self)}
        sealed = head.pop("sealed")
        text = json.dumps(head).encode()
        body = text.ljust(PAGE - len(SEAL), b"\0")
        return body + (SEAL if sealed else bytes(len(SEAL)))


# ------------------------------------------------------------------ making a part


def create_part(
    path: Path,
    rows: int,
    n_lags: int,
    dtype: str,
    about: str = "",
    session: int = 0,
) -> PartLayout:
    """Make an empty part with room for ``rows`` rows or some more, then name it.

    The file is sparse: room that is not used takes no disk.

    Parameters
    ----------
    path
        Its name.
    rows, n_lags, dtype
        Rows and their form.
    about
        Text of the dataset ``run``: where the rows come from.
    session
        See `PartLayout`.
    """
    rows = max(rows, _fewest(n_lags, dtype), -(-PAGE // RECORD.itemsize))
    text = about.encode()
    about_bytes = max(-(-len(text) // PAGE), 1) * PAGE
    temporary = path.with_name(f".{path.name}.tmp")
    offsets = _make_hdf5(temporary, rows, rows, n_lags, dtype, about_bytes)
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


def _fewest(n_lags: int, dtype: str) -> int:
    """Return how many rows fill a page: HDF5 does not align what is smaller."""
    return -(-PAGE // (n_lags * np.dtype(dtype).itemsize))


def _make_hdf5(
    path: Path, index_rows: int, rows: int, n_lags: int, dtype: str, about_bytes: int
) -> tuple[int, int, int]:
    """Make the HDF5 file with its datasets; return their offsets in the file."""
    import h5py

    with h5py.File(
        path,
        "w-",
        libver=("v110", "v110"),  # the first that knows virtual datasets
        locking=False,
        userblock_size=PAGE,
        alignment_threshold=PAGE,
        alignment_interval=PAGE,
        meta_block_size=PAGE,  # all metadata in one page: seal_part replaces it whole
    ) as file:
        about = _contiguous(file, b"run", (), np.dtype(f"S{about_bytes}"))
        index = _contiguous(file, b"index", (index_rows,), RECORD)
        data = _contiguous(file, b"data", (rows, n_lags), np.dtype(dtype))
    return about, index, data


def _contiguous(file: Any, name: bytes, shape: tuple[int, ...], dtype: Any) -> int:
    """Make a contiguous dataset with its place in the file given, not filled."""
    import h5py

    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_layout(h5py.h5d.CONTIGUOUS)
    plist.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    plist.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    plist.set_obj_track_times(False)
    kind = h5py.h5t.py_create(dtype, logical=True)
    space = h5py.h5s.create_simple(shape) if shape else h5py.h5s.create(h5py.h5s.SCALAR)
    return int(h5py.h5d.create(file.id, name, kind, space, plist).get_offset())


def seal_part(path: Path, layout: PartLayout, rows: int) -> PartLayout:
    """Cut a part to the ``rows`` it holds, put it on the disk and mark it finished.

    The page of HDF5 metadata is replaced by that of a file with fewer rows of data,
    then the user block, then the tail is cut off: the file is whole at each step.
    """
    rows = max(rows, _fewest(layout.n_lags, layout.dtype))
    shorter = path.with_name(f".{path.name}.seal")
    shorter.unlink(missing_ok=True)
    form = layout.n_lags, layout.dtype, layout.about_bytes
    try:
        offsets = _make_hdf5(shorter, layout.rows, rows, *form)
        with open(shorter, "rb") as file:
            metadata = file.read(offsets[0])[PAGE:]
        size = shorter.stat().st_size
    finally:
        shorter.unlink(missing_ok=True)
    places = layout.index_offset - layout.about_bytes, layout.index_offset
    if offsets != (*places, layout.data_offset) or len(metadata) != PAGE:
        raise DataError(f"{path}: made by another version of HDF5; it stays unsealed")
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
    """Finish a part in its writer's stead, when that is surely gone.

    Rows of which a power failure lost the data are flagged as `DAMAGED`.

    Raises
    ------
    DataError
        If that cannot be done; what the part holds stays readable.
    """
    repair_length(path, layout)
    records = read_index(path, layout)
    lost = np.flatnonzero(~whole_rows(path, layout, records))
    with open(path, "r+b", buffering=0) as file:
        for row in lost.tolist():
            one = records[row : row + 1].copy()
            one["flags"] |= DAMAGED
            offset = layout.index_offset + row * RECORD.itemsize
            write_all(file.fileno(), stamp(one).tobytes(), offset, path)
    return seal_part(path, layout, len(records))


def whole_rows(path: Path, layout: PartLayout, records: np.ndarray) -> np.ndarray:
    """Say of each record whether the row of data that it names is whole.

    A part that its writer closed was on the disk before it was sealed, so only the
    flags are looked at; else every row is read.
    """
    whole = (records["flags"] & DAMAGED) == 0
    if layout.sealed:
        return np.asarray(whole)
    piece = max((16 << 20) // max(layout.row_bytes, 1), 1)
    with open(path, "rb") as file:
        file.seek(layout.data_offset)
        for begin in range(0, len(records), piece):
            chosen = records["data_sum"][begin : begin + piece]
            data = np.fromfile(file, layout.dtype, len(chosen) * layout.n_lags)
            sums = data_sums(data.reshape(len(chosen), layout.n_lags))
            whole[begin : begin + piece] &= sums == chosen
    return np.asarray(whole)


# ------------------------------------------------------------------ records


def data_sums(data: np.ndarray) -> np.ndarray:
    """Return a 32-bit sum of each row, by which a row that is not whole shows.

    >>> data_sums(np.zeros((2, 3), "f4"))
    array([0, 0], dtype=uint32)
    """
    words = np.ascontiguousarray(data).view(np.uint32)
    return np.add.reduce(words, axis=1, dtype=np.uint32)


def make_records(rows: CorrelationRows, data: np.ndarray) -> np.ndarray:
    """Return the index records of a batch of rows; ``data`` is as it is written."""
    stack = rows.stack.encode()
    if not stack or len(stack) > RECORD["stack"].itemsize or b"/" in stack:
        raise DataError(
            f"stack name {rows.stack!r}: from 1 to {RECORD['stack'].itemsize} bytes "
            "and no '/' are needed"
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
    """Fill in the checks of records, in place, and return them."""
    records["check"] = _checks(records)
    return records


def _checks(records: np.ndarray) -> np.ndarray:
    words = records.view(np.uint32).reshape(len(records), _N_WORDS)
    sums = np.zeros(len(records), np.uint32)
    for i in range(_N_WORDS):  # word by word: no (n, 22) product in memory
        sums += words[:, i] * _WEIGHTS[i]
    return sums + _NOT_ZERO


# ------------------------------------------------------------------ reading


def read_layout(path: Path) -> PartLayout:
    """Read the user block of a part.

    Raises
    ------
    DataError
        If the file is not a part, or of a version that is not known.
    """
    with open(path, "rb") as file:
        block = file.read(PAGE)
    try:
        head = json.loads(block[: PAGE - len(SEAL)].rstrip(b"\0"))
        form, version = head.pop("format"), head.pop("version")
    except (ValueError, KeyError, AttributeError):
        raise DataError(f"{path}: not a part of a correlation run") from None
    if form != PART_FORMAT or version != PART_VERSION:
        raise DataError(
            f"{path}: {form!r} version {version} cannot be read here, only "
            f"{PART_FORMAT!r} version {PART_VERSION}"
        )
    return PartLayout(**head, sealed=block.endswith(SEAL))


def read_index(path: Path, layout: PartLayout, piece: int = 65536) -> np.ndarray:
    """Return the records of all rows that are committed and inside the file."""
    inside = (path.stat().st_size - layout.data_offset) // max(layout.row_bytes, 1)
    limit = min(layout.rows, max(inside, 0))
    found = []
    with open(path, "rb") as file:
        file.seek(layout.index_offset)
        for begin in range(0, limit, piece):
            count = min(piece, limit - begin)
            records = np.fromfile(file, RECORD, count)
            valid = records["check"] == _checks(records)
            n_valid = len(records) if valid.all() else int(np.argmin(valid))
            found.append(records[:n_valid])
            if n_valid < count:
                break
    return np.concatenate(found) if found else np.zeros(0, RECORD)


def repair_length(path: Path, layout: PartLayout) -> None:
    """Give a file that lost its end its full length back, so that HDF5 opens it."""
    if path.stat().st_size < layout.size:
        os.truncate(path, layout.size)
