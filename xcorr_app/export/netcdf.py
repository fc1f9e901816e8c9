"""One netCDF file, for xarray, Matlab, Julia and GMT.

A netCDF-4 file is an HDF5 file whose dimensions are numbered scales; h5py writes it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import h5py
import numpy as np

from seismo_pes.application.files import new_file
from seismo_pes.writing.hdf5_file import hdf5_file
from xcorr_app.export.columns import CORRELATION, Column, pair_columns, stacked_pairs
from xcorr_app.export.target import Progress, about
from xcorr_app.store import Store

__all__ = ["export_netcdf", "write_netcdf"]


def export_netcdf(
    store: Store,
    dest: str | os.PathLike[str],
    *,
    stack: str | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Write correlations to one netCDF-4 file.

    The variable ``correlation`` has the dimensions ``pair`` and ``lag``. Other
    variables are names, coordinates, geometry, windows and times of the pairs.

    Parameters
    ----------
    store, dest, stack, force, progress
        As for `export_npz`.
    """
    chosen = stacked_pairs(store, stack)
    columns = pair_columns(store, stack, chosen)
    shape = (len(chosen), len(store.lags_s))
    with new_file(dest, force, "netcdf") as temporary:
        write_netcdf(temporary, columns, about(store, stack))
        with hdf5_file(temporary, "r+") as file:
            data = file.create_dataset(CORRELATION, shape, store.dtype)
            _attach_scales(file, data, ("pair", "lag"))
            done = 0
            for block, rows in store.blocks(stack, chosen):
                data[done : done + len(block)] = rows
                done += len(block)
                if progress is not None:
                    progress(done, len(chosen))
    return Path(dest)


def write_netcdf(
    path: Path, columns: Iterable[Column], attributes: Mapping[str, str]
) -> None:
    """Write columns to a new netCDF-4 file; each dimension is the name of a column."""
    columns = list(columns)
    with hdf5_file(path, track_order=True) as file:
        file.attrs.update(attributes)
        for column in columns:
            is_text = column.data.dtype.kind == "U"
            dataset = file.create_dataset(
                column.name,
                data=column.data.astype(object) if is_text else column.data,
                dtype=h5py.string_dtype() if is_text else column.data.dtype,
            )
            dataset.attrs.update(column.attributes)
            if column.dims == (column.name,):
                dataset.make_scale(column.name)
        scales = [column.name for column in columns if column.dims == (column.name,)]
        for number, name in enumerate(scales):
            file[name].attrs["_Netcdf4Dimid"] = np.int32(number)
        for column in columns:
            if column.dims != (column.name,):
                _attach_scales(file, file[column.name], column.dims)


def _attach_scales(
    file: h5py.File, dataset: h5py.Dataset, dims: tuple[str, ...]
) -> None:
    for axis, name in enumerate(dims):
        dataset.dims[axis].attach_scale(file[name])
