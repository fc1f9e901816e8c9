"""Writing correlations: one writer, files of its own, rows that are whole or absent."""

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
from seismo_pes.items.rows import CorrelationRows
from seismo_pes.writing.disk_output import Sink, open_sink
from seismo_pes.writing.part_files import (
    LAST,
    MARKER,
    RECORD,
    PartLayout,
    create_part,
    make_records,
    seal_part,
    stamp,
)

__all__ = ["CorrelationWriter", "TileWritten", "WriteCorrelations", "parts_folder"]

FIRST_PART_BYTES = 1 << 20
LARGEST_PART_BYTES = 1 << 30
COMMIT_BYTES = 32 << 20
# Below this size the page cache is the faster way, above it only costs.
DIRECT_FROM_BYTES = 64 << 20
STAYS = "the correlations that were written before stay readable"

logger = logging.getLogger(__name__)


def parts_folder(out: str | Path) -> Path:
    """Return the folder of the part files of a run that writes to ``out``.

    >>> parts_folder("results").as_posix()
    'results/parts'
    """
    return Path(out) / "parts"


class CorrelationWriter:
    """Writes rows of correlations to part files that nobody else writes to.

    The first file has room for about a megabyte, each further one for three times of
    what was written before, up to a gigabyte: few large files, and no large file for
    a small run. A file is cut to what it holds when it is closed.

    Parameters
    ----------
    out : str or pathlib.Path
        Folder of the run; files go to its folder ``parts``.
    direct : bool, optional
        Write around the page cache. By default large files are written so.
    about : str
        Text about the run that every file carries, as its dataset ``run``.
    session : int
        Which start of the run this is; later ones outrank earlier ones.

    Attributes
    ----------
    n_rows, n_bytes : int
        Rows and bytes of data that were taken.
    paths : list of pathlib.Path
        The part files.

    Raises
    ------
    DataError
        If rows have another length or type than those before.
    OSError
        If the disk is full. Rows committed before stay readable.
    """

    def __init__(
        self,
        out: str | Path,
        direct: bool | None = None,
        about: str = "",
        session: int = 0,
    ) -> None:
        self.folder = parts_folder(out)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.direct = direct
        self.about, self.session = about, session
        self.n_rows = 0
        self.n_bytes = 0
        self.paths: list[Path] = []
        self._token = uuid.uuid4().hex[:12]
        self._form: tuple[int, str] | None = None
        self._layout: PartLayout | None = None
        self._sink: Sink | None = None
        self._used = 0
        self._broken = False

    def write(self, rows: CorrelationRows) -> None:
        """Take a batch of rows; they are committed in order, data first."""
        data = self._as_written(rows)
        records = make_records(rows, data)
        if rows.last and not len(rows):
            data = np.zeros((1, rows.n_lags), data.dtype)
            records = _marker(rows.tile)
        done = 0
        while done < len(data):
            room = self._room(len(data) - done, data[:1].nbytes)
            self._append(data[done : done + room], records[done : done + room])
            done += room

    def _as_written(self, rows: CorrelationRows) -> np.ndarray:
        """Return the data as they go to the disk, checked against the rows before."""
        if rows.data.dtype.newbyteorder("=") not in (np.float32, np.float64):
            raise DataError(
                f"rows of type {rows.data.dtype}: float32 or float64 needed"
            )
        dtype = rows.data.dtype.newbyteorder("<")
        form = rows.n_lags, dtype.str
        if self._form is None:
            self._form = form
        if form != self._form:
            raise DataError(
                f"tile {rows.tile}: rows of {form[0]} lags, type {form[1]}, after rows "
                f"of {self._form[0]} lags, type {self._form[1]}"
            )
        return np.ascontiguousarray(rows.data, dtype)

    def _room(self, n_wanted: int, row_bytes: int) -> int:
        """Return how many rows may be committed at once now; open a part if needed."""
        if self._layout is not None and self._used == self._layout.rows:
            self._close_part()
        if self._layout is None:
            self._open_part(n_wanted, row_bytes)
        assert self._layout is not None
        at_once = max(COMMIT_BYTES // row_bytes, 1)
        return min(n_wanted, at_once, self._layout.rows - self._used)

    def _open_part(self, n_wanted: int, row_bytes: int) -> None:
        assert self._form is not None
        cost = row_bytes + RECORD.itemsize
        wanted = max(FIRST_PART_BYTES, 3 * self.n_bytes, n_wanted * cost)
        rows = max(min(wanted, LARGEST_PART_BYTES) // cost, 1)
        path = self.folder / f"part-{self._token}-{len(self.paths):03d}.h5"
        self._layout = create_part(path, rows, *self._form, self.about, self.session)
        self.paths.append(path)
        direct = self.direct
        if direct is None:
            direct = rows * row_bytes >= DIRECT_FROM_BYTES
        self._sink = open_sink(path, self._layout.data_offset, direct)
        self._used = 0

    def _append(self, data: np.ndarray, records: np.ndarray) -> None:
        assert self._sink is not None
        assert self._layout is not None
        offset = self._layout.index_offset + self._used * RECORD.itemsize
        self._broken = True  # unless both get through
        self._sink.append(data.data.cast("B"))
        self._sink.commit(records.tobytes(), offset)
        self._broken = False
        self._used += len(data)
        self.n_rows += len(data)
        self.n_bytes += data.nbytes

    def _close_part(self) -> None:
        sink, layout = self._sink, self._layout
        self._sink = self._layout = None
        if sink is None or layout is None:
            return
        if self._broken:  # the error has been raised; what is committed stays
            with contextlib.suppress(OSError):
                sink.close()
            return
        sink.close()
        seal_part(self.paths[-1], layout, self._used)

    def close(self) -> None:
        """Put everything on the disk and finish the last file; may be called twice."""
        self._close_part()

    def __enter__(self) -> CorrelationWriter:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _marker(tile: tuple[int, int, int]) -> np.ndarray:
    """Return the record that says: this tile is finished, and had no rows left."""
    records = np.zeros(1, RECORD)
    records["first"] = records["second"] = -1
    records["tile"] = tile
    records["flags"] = LAST | MARKER
    return stamp(records)


@dataclass(frozen=True)
class TileWritten:
    """A tile whose rows are all with their writer.

    Parameters
    ----------
    tile
        (block i, block j, period or -1).
    n_rows, n_bytes
        Rows of the tile and their bytes of data.
    """

    tile: tuple[int, int, int]
    n_rows: int
    n_bytes: int


class WriteCorrelations(GenericPE):
    """Write the rows of correlations that arrive to part files of this instance.

    Ports
    -----
    input : CorrelationRows
        Batches of rows.
    written : TileWritten
        One for each tile whose last batch came.

    Parameters
    ----------
    out : str or pathlib.Path
        Folder of the run.
    direct : bool, optional
        Write around the page cache; by default large files are.
    about : str
        Text about the run that every file carries, as its dataset ``run``.
    session : int
        Which start of the run this is; later ones outrank earlier ones.
    """

    def __init__(
        self,
        out: str | Path,
        direct: bool | None = None,
        about: str = "",
        session: int = 0,
    ) -> None:
        super().__init__()
        self._add_input("input", tuple_type=CorrelationRows)
        self._add_output("written", tuple_type=TileWritten)
        self.out = str(out)
        self.direct = direct
        self.about, self.session = about, session
        self._writer_of_rows: CorrelationWriter | None = None
        self._open_tiles: dict[tuple[int, int, int], tuple[int, int]] = {}

    def _preprocess(self) -> None:
        self._writer_of_rows = CorrelationWriter(
            self.out, self.direct, self.about, self.session
        )
        self._open_tiles = {}

    def process(self, inputs: dict[str, Any]) -> dict[str, TileWritten] | None:
        """Write one batch; say so when it was the last of its tile."""
        rows: CorrelationRows = inputs["input"]
        assert self._writer_of_rows is not None, "preprocess comes first"
        with report_full_disk(self.out, STAYS):
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
            with report_full_disk(self.out, STAYS):
                writer.close()
            logger.debug(
                "%d rows, %.1f MB in %d files",
                writer.n_rows,
                writer.n_bytes / 1e6,
                len(writer.paths),
            )
