"""One npz file: numpy reads it, and so does anything that unpacks a zip archive."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import numpy as np

from xcorr_app.export.target import Progress, about, each, new_file
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

    It holds ``lags_s`` and one array for each pair, named
    ``NET.STA.LOC.CHA_NET.STA.LOC.CHA``; ``about`` is JSON, what is known of the run.
    Pairs are written one after the other, so memory is bounded whatever their number.

    Parameters
    ----------
    store
        Open results.
    dest
        The file.
    stack
        Name of the stack; by default ``"all"``.
    force
        Replace ``dest`` if it is there.
    progress
        Called with pairs done and pairs in all.

    Returns
    -------
    pathlib.Path
        ``dest``.

    Raises
    ------
    ParameterError
        If ``dest`` is there already.
    """
    with (
        new_file(dest, force, "npz") as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive,
    ):
        _add_array(archive, "lags_s", store.lags_s)
        _add_array(archive, "about", np.array(json.dumps(about(store, stack))))
        for correlation in each(store, stack, progress):
            _add_array(archive, correlation.name, correlation.data)
    return Path(dest)


def _add_array(archive: zipfile.ZipFile, name: str, data: np.ndarray) -> None:
    with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
        np.lib.format.write_array(file, data, allow_pickle=False)
