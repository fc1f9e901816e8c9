"""Correlations in the formats of other programs.

What enters is the open results of a run. What leaves is a file or a folder (NumPy,
SAC, miniSEED, ASDF, netCDF, Zarr, or the layout of NoisePy, MSNoise or misfit-app), or
an xarray dataset.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from dispel4py.errors import ParameterError, suggest
from xcorr_app.export.asdf import export_asdf
from xcorr_app.export.misfit import export_misfit
from xcorr_app.export.mseed import export_mseed
from xcorr_app.export.msnoise import export_msnoise
from xcorr_app.export.netcdf import export_netcdf
from xcorr_app.export.noisepy import export_noisepy
from xcorr_app.export.npz import export_npz
from xcorr_app.export.sac import export_sac
from xcorr_app.export.target import Progress
from xcorr_app.export.xarray_dataset import to_dataset
from xcorr_app.export.zarr import export_zarr
from xcorr_app.store import Store

__all__ = [
    "FORMATS",
    "export",
    "export_asdf",
    "export_misfit",
    "export_mseed",
    "export_msnoise",
    "export_netcdf",
    "export_noisepy",
    "export_npz",
    "export_sac",
    "export_zarr",
    "to_dataset",
]

# For each name: the function that writes, and a description of the file or folder.
FORMATS: dict[str, tuple[Callable[..., Path], str]] = {
    "npz": (export_npz, "a NumPy file: lags_s, and one array for each pair"),
    "sac": (export_sac, "a folder of SAC files, one for each pair"),
    "mseed": (export_mseed, "a folder of miniSEED files, one for each pair"),
    "asdf": (export_asdf, "an ASDF file with the pairs as auxiliary data"),
    "netcdf": (export_netcdf, "a netCDF-4 file with the dimensions pair and lag"),
    "zarr": (export_zarr, "a Zarr folder with the dimensions pair and lag"),
    "noisepy": (export_noisepy, "a folder of NoisePy's stacks and daily correlations"),
    "msnoise": (export_msnoise, "an output folder of MSNoise 2"),
    "misfit": (export_misfit, "a folder for misfit-app: Green's functions by source"),
}


def export(
    store: Store,
    dest: str | os.PathLike[str],
    kind: str,
    *,
    stack: str | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Write correlations in one of the `FORMATS`.

    Parameters
    ----------
    store
        Open results.
    dest
        File or folder.
    kind
        Name of the format.
    stack
        Name of the stack. By default ``"all"``, the stack of the whole run; for
        NoisePy and MSNoise also the substacks.
    force
        Replace ``dest`` if it exists.
    progress
        Called with the number of pairs done and the number of all pairs.

    Raises
    ------
    ParameterError
        If there is no such format, or ``dest`` exists.
    """
    if kind not in FORMATS:
        raise ParameterError(f"format {kind!r} is unknown: {suggest(kind, FORMATS)}")
    write, _ = FORMATS[kind]
    return write(store, dest, stack=stack, force=force, progress=progress)
