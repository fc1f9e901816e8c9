"""One npz file: NumPy reads it, and so does any program that reads zip archives."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import numpy as np

from seismo_pes.application.files import new_file
from xcorr_app.export.target import Progress, about, iterate
from xcorr_app.store import Store

__all__ = ["export_npz"]


def export_npz(
    store: Store,
    dest: str | os.PathLike[str],
    *,
    stack: str | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Write correlations to one npz file.

    The file holds ``lags_s``, one array for each pair, named
    ``NET.STA.LOC.CHA_NET.STA.LOC.CHA``, and ``about``: configuration and versions of
    the run, as JSON. Pairs are written one after the other; memory does not grow with
    their number.

    Parameters
    ----------
    store
        Open results.
    dest
        The file.
    stack
        Name of the stack; by default ``"all"``, the stack of the whole run.
    force
        Replace ``dest`` if it exists.
    progress
        Called with the number of pairs done and the number of all pairs.

    Returns
    -------
    pathlib.Path
        ``dest``.

    Raises
    ------
    ParameterError
        If ``dest`` exists.
    """
    with (
        new_file(dest, force, "npz") as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive,
    ):
        _add_array(archive, "lags_s", store.lags_s)
        _add_array(archive, "about", np.array(json.dumps(about(store, stack))))
        for correlation in iterate(store, stack, progress):
            _add_array(archive, correlation.id, correlation.data)
    return Path(dest)


def _add_array(archive: zipfile.ZipFile, name: str, data: np.ndarray) -> None:
    with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
        np.lib.format.write_array(file, data, allow_pickle=False)
