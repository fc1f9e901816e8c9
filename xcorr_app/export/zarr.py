"""A Zarr store: a folder of arrays in chunks, for clouds and for dask.

Zarr format 2, uncompressed (noise hardly compresses), with the names of dimensions
that xarray looks for; zarr and xarray are not needed to write it.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from xcorr_app.export.columns import CORRELATION, Column, pair_columns, pairs_of
from xcorr_app.export.target import Progress, about, new_folder
from xcorr_app.store import Store

__all__ = ["export_zarr"]

CHUNK_BYTES = 4 << 20


def export_zarr(
    store: Store,
    dest: str | os.PathLike[str],
    *,
    stack: str | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Write correlations to a Zarr store.

    ``correlation`` has the dimensions ``pair`` and ``lag``, in chunks of whole rows;
    beside it stand names, coordinates, geometry, windows and times of the pairs.

    Parameters
    ----------
    store, dest, stack, force, progress
        As of `export_sac`.
    """
    folder = new_folder(dest, force, "zarr")
    chosen = pairs_of(store, stack)
    shape = (len(chosen), len(store.lags_s))
    row_bytes = max(shape[1] * store.dtype.itemsize, 1)
    n_rows = min(max(CHUNK_BYTES // row_bytes, 1), max(shape[0], 1))
    metadata: dict[str, Any] = {
        ".zgroup": {"zarr_format": 2},
        ".zattrs": about(store, stack),
    }
    for column in pair_columns(store, stack, chosen):
        metadata |= _described(column, column.data.shape, column.data.dtype, None)
        _start_array(folder / column.name)
        chunk = column.data.astype(column.data.dtype.newbyteorder("<"))
        (folder / column.name / "0").write_bytes(chunk.tobytes())
    rows = Column(CORRELATION, ("pair", "lag"), np.zeros((0, 0)))
    metadata |= _described(rows, shape, store.dtype, n_rows)
    _start_array(folder / CORRELATION)
    blocks = store.blocks(stack, chosen, n_rows * row_bytes)
    for number, (_, data) in enumerate(blocks):
        whole = np.zeros((n_rows, shape[1]), store.dtype.newbyteorder("<"))
        whole[: len(data)] = data
        (folder / CORRELATION / f"{number}.0").write_bytes(whole.tobytes())
        if progress is not None:
            progress(min((number + 1) * n_rows, shape[0]), shape[0])
    for name, content in metadata.items():
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    consolidated = {"zarr_consolidated_format": 1, "metadata": metadata}
    (folder / ".zmetadata").write_text(json.dumps(consolidated), encoding="utf-8")
    return folder


def _start_array(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)  # chunks of a store that was there
    folder.mkdir()


def _described(
    column: Column, shape: tuple[int, ...], dtype: np.dtype, n_rows: int | None
) -> dict[str, Any]:
    """Return the two files that tell what an array is."""
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
