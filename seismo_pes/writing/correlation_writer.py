"""Writing rows of correlations to part files.

Each writer has its own files. After a crash, a row is either complete in a file or
absent from its index.
"""

from __future__ import annotations

import contextlib
import logging
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dispel4py.core import GenericPE
from dispel4py.errors import DataError
from seismo_pes.full_disk import report_full_disk
from seismo_pes.items.tiles import CorrelationRows
from seismo_pes.writing.disk_output import DiskOutput, open_output
from seismo_pes.writing.part_files import PartLayout, create_part, seal_part
from seismo_pes.writing.part_records import (
    LAST,
    MARKER,
    RECORD,
    data_sums,
    make_records,
    stamp,
)

__all__ = ["CorrelationWriter", "TileWritten", "WriteCorrelations", "parts_folder"]

# Size of the first part file of a writer, and of the largest: few large files, but no
# large file for a small run.
FIRST_PART_BYTES = 1 << 20
LARGEST_PART_BYTES = 1 << 30
# Bytes of rows between two commits: a crash loses no more than this.
COMMIT_BYTES = 32 << 20
# Part files of at least this size are written around the page cache; smaller files are
# written faster through it.
DIRECT_FROM_BYTES = 64 << 20
FULL_DISK_NOTE = "the correlations that were written before stay readable"

logger = logging.getLogger(__name__)


def parts_folder(out: str | Path) -> Path:
    """Return the folder of the part files of a run that writes to ``out``.

    >>> parts_folder("results").as_posix()
    'results/parts'
    """
    return Path(out) / "parts"


class CorrelationWriter:
    """A writer of rows of correlations, with part files of its own.

    The first file has room for about a megabyte; each further file has room for three
    times the bytes written so far, up to a gigabyte. The unused room is cut off when a
    file is closed.

    Parameters
    ----------
    out : str or pathlib.Path
        Folder of the run; the files go to its subfolder ``parts``.
    direct : bool, optional
        Write around the page cache. By default only large files are written like this.
    about : str
        Text about the run; each file has it as its dataset ``run``.
    session : int
        Number of this start of the run; rows of later sessions replace those of
        earlier ones.
    run_id : str
        Identity of the run: its reader refuses parts of other runs.

    Attributes
    ----------
    n_rows, n_bytes : int
        Rows and bytes of data that were written.
    paths : list of pathlib.Path
        The part files.

    Raises
    ------
    DataError
        If rows have another length or type than the first rows.
    OSError
        If the disk is full. Committed rows stay readable.
    """

    def __init__(
        self,
        out: str | Path,
        direct: bool | None = None,
        about: str = "",
        session: int = 0,
        run_id: str = "",
    ) -> None:
        self.folder = parts_folder(out)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.direct = direct
        self.about, self.session, self.run_id = about, session, run_id
        self.n_rows = 0
        self.n_bytes = 0
        self.paths: list[Path] = []
        self._token = uuid.uuid4().hex[:12]
        self._row_form: tuple[int, str] | None = None  # n_lags, dtype
        self._layout: PartLayout | None = None
        self._output: DiskOutput | None = None
        self._n_used = 0
        self._has_failed = False
        self._tile_rows: dict[tuple[int, int, int], int] = {}  # of tiles not finished

    def write(self, rows: CorrelationRows) -> None:
        """Write a batch of rows; they are committed in order, data before records."""
        data = self._to_disk_type(rows)
        n_before = self._tile_rows.pop(rows.tile, 0)
        records = make_records(rows, data, n_before)
        if rows.last and not len(rows):
            data = np.zeros((1, rows.n_lags), data.dtype)
            records = _marker(rows.tile, n_before, data)
        if not rows.last:
            self._tile_rows[rows.tile] = n_before + len(rows)
        begin = 0
        while begin < len(data):
            end = begin + self._make_room(len(data) - begin, data[:1].nbytes)
            self._append(data[begin:end], records[begin:end])
            begin = end

    def _to_disk_type(self, rows: CorrelationRows) -> np.ndarray:
        """Return the data in little-endian order; check their length and type."""
        if rows.data.dtype.newbyteorder("=") not in (np.float32, np.float64):
            raise DataError(
                f"rows of type {rows.data.dtype}: float32 or float64 needed"
            )
        dtype = rows.data.dtype.newbyteorder("<")
        form = rows.n_lags, dtype.str
        if self._row_form is None:
            self._row_form = form
        if form != self._row_form:
            n_lags, first_dtype = self._row_form
            raise DataError(
                f"tile {rows.tile}: rows of {form[0]} lags, type {form[1]}, after rows "
                f"of {n_lags} lags, type {first_dtype}"
            )
        return np.ascontiguousarray(rows.data, dtype)

    def _make_room(self, n_rows: int, row_bytes: int) -> int:
        """Return how many of the rows fit into one commit; open a part if needed."""
        if self._layout is not None and self._n_used == self._layout.rows:
            self._close_part()
        if self._layout is None:
            self._open_part(n_rows, row_bytes)
        assert self._layout is not None
        n_commit = max(COMMIT_BYTES // row_bytes, 1)
        return min(n_rows, n_commit, self._layout.rows - self._n_used)

    def _open_part(self, n_rows: int, row_bytes: int) -> None:
        assert self._row_form is not None
        bytes_per_row = row_bytes + RECORD.itemsize
        size = max(FIRST_PART_BYTES, 3 * self.n_bytes, n_rows * bytes_per_row)
        room = max(min(size, LARGEST_PART_BYTES) // bytes_per_row, 1)
        path = self.folder / f"part-{self._token}-{len(self.paths):03d}.h5"
        self._layout = create_part(
            path, room, *self._row_form, self.about, self.session, self.run_id
        )
        self.paths.append(path)
        direct = self.direct
        if direct is None:
            direct = room * row_bytes >= DIRECT_FROM_BYTES
        self._output = open_output(path, self._layout.data_offset, direct)
        self._n_used = 0

    def _append(self, data: np.ndarray, records: np.ndarray) -> None:
        assert self._output is not None
        assert self._layout is not None
        offset = self._layout.index_offset + self._n_used * RECORD.itemsize
        stamp(records, self._layout.seed, self._n_used)
        self._has_failed = True  # until data and records are both written
        self._output.append(data.data.cast("B"))
        self._output.commit(records.tobytes(), offset)
        self._has_failed = False
        self._n_used += len(data)
        self.n_rows += len(data)
        self.n_bytes += data.nbytes

    def _close_part(self) -> None:
        output, layout = self._output, self._layout
        self._output = self._layout = None
        if output is None or layout is None:
            return
        if self._has_failed:  # `_append` has raised the error; do not seal the file
            with contextlib.suppress(OSError):
                output.close()
            return
        output.close()
        seal_part(self.paths[-1], layout, self._n_used)

    def close(self) -> None:
        """Write all data to the disk and seal the last file; may be called twice."""
        self._close_part()

    def __enter__(self) -> CorrelationWriter:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _marker(tile: tuple[int, int, int], n_before: int, data: np.ndarray) -> np.ndarray:
    """Return the record of a finished tile whose last batch has no rows."""
    records = np.zeros(1, RECORD)
    records["first"] = records["second"] = -1
    records["tile"] = tile
    records["flags"] = LAST | MARKER
    records["tile_rows"] = n_before + 1
    records["data_sum"] = data_sums(data)
    return records


@dataclass(frozen=True)
class TileWritten:
    """A tile whose rows have all been given to their writer.

    Parameters
    ----------
    tile
        (block i, block j, period).
    n_rows, n_bytes
        Rows of the tile, and bytes of their data.
    """

    tile: tuple[int, int, int]
    n_rows: int
    n_bytes: int


class WriteCorrelations(GenericPE):
    """Write rows of correlations to part files; each instance has its own files.

    Ports
    -----
    input : CorrelationRows
        Batches of rows.
    written : TileWritten
        A tile whose last batch has been written.

    Parameters
    ----------
    out : str or pathlib.Path
        Folder of the run.
    direct : bool, optional
        Write around the page cache. By default only large files are written like this.
    about : str
        Text about the run; each file has it as its dataset ``run``.
    session : int
        Number of this start of the run; rows of later sessions replace those of
        earlier ones.
    run_id : str
        Identity of the run: its reader refuses parts of other runs.
    """

    derives = "matching"

    def __init__(
        self,
        out: str | Path,
        direct: bool | None = None,
        about: str = "",
        session: int = 0,
        run_id: str = "",
    ) -> None:
        super().__init__()
        self._add_input("input", tuple_type=CorrelationRows)
        self._add_output("written", tuple_type=TileWritten)
        self.out = str(out)
        self.direct = direct
        self.about, self.session, self.run_id = about, session, run_id
        self._writer_of_rows: CorrelationWriter | None = None
        self._open_tiles: dict[tuple[int, int, int], tuple[int, int]] = {}

    def _preprocess(self) -> None:
        self._writer_of_rows = CorrelationWriter(
            self.out, self.direct, self.about, self.session, self.run_id
        )
        self._open_tiles = {}

    def derivation_key(self, port: str, item: Any) -> str:
        """Return the tile of an item.

        Parameters
        ----------
        port : str
            Input or output.
        item : CorrelationRows or TileWritten
        """
        return str(item.tile)

    def describe_item(self, port: str, item: Any) -> dict[str, Any]:
        """Return the terms of a tile that was written.

        Parameters
        ----------
        port : str
            The output.
        item : TileWritten
        """
        row, column, period = item.tile
        terms = {"row": row, "column": column, "period": period}
        return terms | {"n_pairs": item.n_rows, "n_bytes": item.n_bytes}

    def process(self, inputs: dict[str, Any]) -> dict[str, TileWritten] | None:
        """Write one batch; after the last batch of a tile, report the tile."""
        rows: CorrelationRows = inputs["input"]
        assert self._writer_of_rows is not None, "preprocess comes first"
        with report_full_disk(self.out, FULL_DISK_NOTE):
            self._writer_of_rows.write(rows)
        n_rows, n_bytes = self._open_tiles.pop(rows.tile, (0, 0))
        n_rows, n_bytes = n_rows + len(rows), n_bytes + rows.data.nbytes
        if not rows.last:
            self._open_tiles[rows.tile] = n_rows, n_bytes
            return None
        return {"written": TileWritten(rows.tile, n_rows, n_bytes)}

    def _postprocess(self) -> None:
        writer, self._writer_of_rows = self._writer_of_rows, None
        if writer is not None:
            with report_full_disk(self.out, FULL_DISK_NOTE):
                writer.close()
            for path in writer.paths:
                # large files, with checksums of their own for all rows
                self.note_file(path, "HDF5", sha256="")
            logger.debug(
                "%d rows, %.1f MB in %d files",
                writer.n_rows,
                writer.n_bytes / 1e6,
                len(writer.paths),
            )
