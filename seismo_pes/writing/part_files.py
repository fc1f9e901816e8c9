"""Part files: HDF5 files with the rows of correlations of one writer.

A part file has three contiguous datasets: ``run`` (a text about the run, written once),
``index`` (one `RECORD` for each row) and ``data`` (rows, n_lags). It is created with
room for a fixed number of rows, and its HDF5 metadata are complete before the file gets
its name; they do not change while rows are added. A row is written directly to its
place in the two datasets, the data first and then the record. Therefore a writer that
is killed never leaves an unreadable file, and a growing file can be read without a
lock.

The first 4096 bytes are the user block of HDF5. They hold a `PartLayout` as JSON, so
that a program can read the rows without the HDF5 library: in the first half that of the
growing file, which stays as it is, and in the second half that of the sealed file.
Therefore a power failure while the file is sealed leaves the first.

Everything in a part has a checksum: the user block, the page of HDF5 metadata, the text
about the run, each record and the data of each row. The checksum of a record depends on
the run, on the name of the part and on the number of the row (see `part_records`).
"""

from __future__ import annotations

import json
import os
import socket
import time
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dispel4py.errors import DataError
from seismo_pes.full_disk import name_errors
from seismo_pes.whole_file import whole_file
from seismo_pes.writing.disk_output import write_all
from seismo_pes.writing.hdf5_file import hdf5_file
from seismo_pes.writing.part_records import RECORD, checksums, read_array

if TYPE_CHECKING:
    import h5py

__all__ = [
    "PartLayout",
    "count_rows",
    "create_part",
    "index_pieces",
    "read_index",
    "read_layout",
    "seal_part",
]

PART_FORMAT = "seismo_pes part"
PART_VERSION = 3
PAGE = 4096  # bytes: user block, HDF5 metadata and datasets begin at multiples of this
PIECE_ROWS = 1 << 16  # most records that are read at a time: 7 MB
HALF = PAGE // 2  # bytes: where the layout of a sealed part begins
SEAL = b"SEALED\r\n"  # the end of the user block of a part that its writer has closed
DAMAGED_HEAD = (
    "not a part file of a correlation run, or its beginning is damaged: "
    "xcorr-app check OUT --repair sets it aside, and --resume computes its rows again"
)


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
    name
        Name of the file.
    run_id
        Identity of the run; empty for a file outside a run.
    session
        Number of the start of the run, from 1; 0 for a file outside a run.
    about_bytes
        Bytes of the dataset ``run``, a multiple of 4096.
    about_sum, metadata_sum
        Checksums (CRC-32) of the dataset ``run``, and of the page of HDF5 metadata.
    n_rows
        Number of rows in a sealed file; -1 while the file grows.
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
    name: str = ""
    run_id: str = ""
    session: int = 0
    about_bytes: int = PAGE
    about_sum: int = 0
    metadata_sum: int = 0
    n_rows: int = -1
    sealed: bool = False

    @property
    def row_bytes(self) -> int:
        """Bytes of one row of data."""
        return self.n_lags * np.dtype(self.dtype).itemsize

    @property
    def data_rows(self) -> int:
        """Rows of the dataset ``data``, which sealing cuts; ``index`` is not cut."""
        return (self.size - self.data_offset) // self.row_bytes

    def half_block(self) -> bytes:
        """Return the half of the user block that describes the file."""
        head = {"format": PART_FORMAT, "version": PART_VERSION, **asdict(self)}
        sealed = head.pop("sealed")
        text = json.dumps(head | {"check": _sum_of(head)}).encode()
        body = text.ljust(HALF - len(SEAL), b"\0")
        return body + (SEAL if sealed else bytes(len(SEAL)))

    @property
    def seed(self) -> int:
        """Begin of the checksums of the records: it depends on the run and the file."""
        return zlib.crc32(f"{self.run_id}/{self.name}".encode())


def _sum_of(head: dict[str, Any]) -> int:
    return zlib.crc32(json.dumps(head, sort_keys=True).encode())


# ------------------------------------------------------------------ creating a part


def create_part(
    path: Path,
    rows: int,
    n_lags: int,
    dtype: str,
    about: str = "",
    session: int = 0,
    run_id: str = "",
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
    session, run_id
        See `PartLayout`.
    """
    rows = max(rows, _rows_of_a_page(n_lags, dtype), -(-PAGE // RECORD.itemsize))
    text = about.encode()
    about_bytes = max(-(-len(text) // PAGE), 1) * PAGE
    with whole_file(path) as temporary:
        offsets = _create_hdf5(temporary, rows, rows, n_lags, dtype, about_bytes)
        metadata = _metadata_page(temporary)
        layout = PartLayout(
            n_lags=n_lags,
            dtype=dtype,
            rows=rows,
            index_offset=offsets[1],
            data_offset=offsets[2],
            size=temporary.stat().st_size,
            created_ns=time.time_ns(),
            host=socket.gethostname()[:64],
            pid=os.getpid(),
            name=path.name,
            run_id=run_id,
            session=session,
            about_bytes=about_bytes,
            about_sum=zlib.crc32(text.ljust(about_bytes, b"\0")),
            metadata_sum=zlib.crc32(metadata),
        )
        with open(temporary, "r+b") as file:
            file.write(layout.half_block())
            file.seek(offsets[0])
            file.write(text)
    return layout


def _metadata_page(path: Path) -> bytes:
    with name_errors(path), open(path, "rb") as file:
        file.seek(PAGE)
        return file.read(PAGE)


def _rows_of_a_page(n_lags: int, dtype: str) -> int:
    """Return how many rows fill a page: HDF5 does not align smaller datasets."""
    return -(-PAGE // (n_lags * np.dtype(dtype).itemsize))


def _create_hdf5(
    path: Path, index_rows: int, rows: int, n_lags: int, dtype: str, about_bytes: int
) -> tuple[int, int, int]:
    """Create the HDF5 file with its datasets; return their offsets in the file."""
    with hdf5_file(
        path,
        "x",
        libver=("v110", "v110"),  # the oldest version with virtual datasets
        userblock_size=PAGE,
        alignment_threshold=PAGE,
        alignment_interval=PAGE,
    ) as file:
        about = _create_dataset(file, b"run", (), np.dtype(f"S{about_bytes}"))
        index = _create_dataset(file, b"index", (index_rows,), RECORD)
        data = _create_dataset(file, b"data", (rows, n_lags), np.dtype(dtype))
        # All metadata are in one page, which seal_part replaces, because the datasets
        # get their places only now.
        return _placed(about), _placed(index), _placed(data)


def _create_dataset(
    file: h5py.File, name: bytes, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> h5py.Dataset:
    """Create a contiguous dataset, whose place is chosen at its first write."""
    import h5py

    options = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    options.set_layout(h5py.h5d.CONTIGUOUS)
    options.set_alloc_time(h5py.h5d.ALLOC_TIME_LATE)
    options.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    options.set_obj_track_times(False)
    hdf5_type = h5py.h5t.py_create(dtype, logical=True)
    space = h5py.h5s.create_simple(shape) if shape else h5py.h5s.create(h5py.h5s.SCALAR)
    return h5py.Dataset(h5py.h5d.create(file.id, name, hdf5_type, space, options))


def _placed(dataset: h5py.Dataset) -> int:
    """Write zeros to the first element; return the offset of the dataset."""
    dataset[(0,) * dataset.ndim] = np.zeros((), dataset.dtype)
    return int(dataset.id.get_offset())


def seal_part(path: Path, layout: PartLayout, rows: int) -> PartLayout:
    """Cut a part file to its rows and mark it as finished.

    First all data are written to the disk. Then the page of HDF5 metadata is replaced
    by that of a file with fewer rows, then the layout of the sealed file is written,
    and last the end of the file is cut off. The file is readable after each of these
    steps, also after a power failure.

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
    room = max(rows, _rows_of_a_page(layout.n_lags, layout.dtype))
    template = path.with_name(f".{path.name}.seal")
    form = layout.n_lags, layout.dtype, layout.about_bytes
    with name_errors(path, template):
        template.unlink(missing_ok=True)
        try:
            offsets = _create_hdf5(template, layout.rows, room, *form)
            metadata = _metadata_page(template)
            size = template.stat().st_size
        finally:
            template.unlink(missing_ok=True)
    about_offset = layout.index_offset - layout.about_bytes
    expected = about_offset, layout.index_offset, layout.data_offset
    if offsets != expected or about_offset != 2 * PAGE:
        raise DataError(
            f"{path}: created by another version of HDF5; it stays unsealed"
        )
    metadata_sum = zlib.crc32(metadata)
    sealed = replace(
        layout, size=size, n_rows=rows, metadata_sum=metadata_sum, sealed=True
    )
    with name_errors(path), open(path, "r+b", buffering=0) as file:
        part = file.fileno()
        os.fsync(part)
        write_all(part, metadata, PAGE, path)
        os.fsync(part)
        write_all(part, sealed.half_block(), HALF, path)
        os.ftruncate(part, size)
        os.fsync(part)
    return sealed


# ------------------------------------------------------------------ reading


def read_layout(path: Path, torn: bool = False) -> PartLayout:
    """Read the user block of a part.

    Parameters
    ----------
    path
        The file.
    torn
        If the layout of the sealed file is damaged, return that of the growing file:
        perhaps the power failed while it was written.

    Raises
    ------
    DataError
        If the file is not a part file, is damaged, has another name than the part, or
        has another version of the format.
    """
    with name_errors(path), open(path, "rb") as file:
        block = file.read(PAGE)
    growing = _parsed(path, block[:HALF])
    if len(block) < PAGE:  # it is on the disk before the file has its name
        raise DataError(f"{path}: {DAMAGED_HEAD}")
    if growing.n_rows >= 0:  # of an earlier version of the program: in one half
        return replace(growing, sealed=block.endswith(SEAL))
    if not any(block[HALF:]):
        return growing
    try:
        final = _parsed(path, block[HALF : -len(SEAL)])
        if not block.endswith(SEAL) or final.n_rows < 0:
            raise DataError(f"{path}: {DAMAGED_HEAD}")
    except DataError:
        if torn:
            return growing
        raise
    return replace(final, sealed=True)


def _parsed(path: Path, half: bytes) -> PartLayout:
    try:
        head = json.loads(half.rstrip(b"\0"))
        form, version = head.pop("format"), head.pop("version")
        if (form, version) == (PART_FORMAT, PART_VERSION):
            check = head.pop("check")
            if check != _sum_of({"format": form, "version": version, **head}):
                raise ValueError
    except (ValueError, KeyError, AttributeError):
        raise DataError(f"{path}: {DAMAGED_HEAD}") from None
    if form != PART_FORMAT or version != PART_VERSION:
        raise DataError(
            f"{path}: has the format {form!r} version {version}; this program reads "
            f"{PART_FORMAT!r} version {PART_VERSION}"
        )
    layout = PartLayout(**head)
    if layout.name != path.name:
        raise DataError(f"{path}: is the part {layout.name} under another name")
    return layout


def read_index(path: Path, layout: PartLayout) -> np.ndarray:
    """Return the records of all committed rows whose data are inside the file.

    Raises
    ------
    DataError
        If a sealed part has lost records or their data.
    """
    pieces = list(index_pieces(path, layout))
    return np.concatenate(pieces) if pieces else np.zeros(0, RECORD)


def count_rows(path: Path, layout: PartLayout) -> int:
    """Return the number of committed rows; those of a growing file are counted."""
    if layout.sealed:
        return layout.n_rows
    return sum(map(len, index_pieces(path, layout)))


def index_pieces(
    path: Path, layout: PartLayout, n_rows: int | None = None
) -> Iterator[np.ndarray]:
    """Yield the records of committed rows whose data are inside the file, in pieces.

    Parameters
    ----------
    path, layout
        The file and its layout.
    n_rows
        Number of rows, if those that are added later are not wanted.

    Raises
    ------
    DataError
        If a sealed part has lost records or their data.
    """
    n_data_rows = (path.stat().st_size - layout.data_offset) // max(layout.row_bytes, 1)
    limit = min(layout.rows, max(n_data_rows, 0))
    if layout.sealed:
        limit = min(limit, layout.n_rows)
    if n_rows is not None:
        limit = min(limit, n_rows)
    n_read = 0
    with open(path, "rb") as file:
        file.seek(layout.index_offset)
        while n_read < limit:
            records = read_array(path, file, RECORD, min(PIECE_ROWS, limit - n_read))
            valid = records["check"] == checksums(records, layout.seed, n_read)
            n_valid = len(records) if valid.all() else int(np.argmin(valid))
            n_read += n_valid
            if n_valid:
                yield records[:n_valid]
            if not n_valid or n_valid < len(records):
                break
    if layout.sealed and n_read < layout.n_rows:
        raise DataError(
            f"{path}: damaged (row {n_read} of {layout.n_rows}): "
            "xcorr-app check OUT --repair marks it, and --resume computes it again"
        )
