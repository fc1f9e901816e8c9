"""A Zarr store: a folder of arrays in chunks, for cloud storage and dask.

The format is Zarr 2, uncompressed because noise hardly compresses. The dimensions have
the names that xarray looks for. Neither zarr nor xarray is needed to write it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from seismo_pes.application.files import new_folder, remove_folder
from seismo_pes.whole_file import whole_file
from xcorr_app.export.columns import CORRELATION, Column, pair_columns, stacked_pairs
from xcorr_app.export.target import Progress, about
from xcorr_app.store import Store

__all__ = ["export_zarr"]

CHUNK_BYTES = 4 << 20  # about the size of a chunk, in whole rows


def export_zarr(
    store: Store,
    dest: str | os.PathLike[str],
    *,
    stack: str | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Write correlations to a Zarr store.

    The array ``correlation`` has the dimensions ``pair`` and ``lag``, in chunks of
    whole rows. Other arrays are names, coordinates, geometry, windows and times of the
    pairs.

    Parameters
    ----------
    store, dest, stack, force, progress
        As for `export_sac`.
    """
    folder = new_folder(dest, force, "zarr")
    chosen = stacked_pairs(store, stack)
    shape = (len(chosen), len(store.lags_s))
    row_bytes = max(shape[1] * store.dtype.itemsize, 1)
    n_rows = min(max(CHUNK_BYTES // row_bytes, 1), max(shape[0], 1))
    metadata: dict[str, Any] = {
        ".zgroup": {"zarr_format": 2},
        ".zattrs": about(store, stack),
    }
    for column in pair_columns(store, stack, chosen):
        metadata |= _describe_array(column, column.data.shape, column.data.dtype, None)
        _make_array_folder(folder / column.name)
        chunk = column.data.astype(column.data.dtype.newbyteorder("<"))
        _write(folder / column.name / "0", chunk.tobytes())
    rows = Column(CORRELATION, ("pair", "lag"), np.zeros((0, 0)))
    metadata |= _describe_array(rows, shape, store.dtype, n_rows)
    _make_array_folder(folder / CORRELATION)
    blocks = store.blocks(stack, chosen, n_rows * row_bytes)
    for number, (_, data) in enumerate(blocks):
        whole = np.zeros((n_rows, shape[1]), store.dtype.newbyteorder("<"))
        whole[: len(data)] = data
        _write(folder / CORRELATION / f"{number}.0", whole.tobytes())
        if progress is not None:
            progress(min((number + 1) * n_rows, shape[0]), shape[0])
    for name, content in metadata.items():
        _write(folder / name, json.dumps(content).encode())
    consolidated = {"zarr_consolidated_format": 1, "metadata": metadata}
    _write(folder / ".zmetadata", json.dumps(consolidated).encode())
    return folder


def _write(path: Path, content: bytes) -> None:
    with whole_file(path, sync=False) as temporary:
        temporary.write_bytes(content)


def _make_array_folder(folder: Path) -> None:
    remove_folder(folder)  # chunks of an older export
    folder.mkdir()


def _describe_array(
    column: Column, shape: tuple[int, ...], dtype: np.dtype, n_rows: int | None
) -> dict[str, Any]:
    """Return the contents of the two files that describe an array."""
    chunks = [max(n, 1) for n in shape]
    chunks[0] = n_rows or chunks[0]
    fill = {"f": "NaN", "U": ""}.get(dtype.kind, 0)
    return {
        f"{column.name}/.zarray": {
            "zarr_format": 2,
            "shape": list(shape),
            "chunks": chunks,
            "dtype": dtype.newbyteorder("<").str,
            "compressor": None,
            "filters": None,
            "fill_value": fill,
            "order": "C",
        },
        f"{column.name}/.zattrs": {
            "_ARRAY_DIMENSIONS": list(column.dims),
            **column.attributes,
        },
    }
