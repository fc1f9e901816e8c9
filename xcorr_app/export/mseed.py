"""A folder of miniSEED files, one for each pair."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from seismo_pes.application.files import new_folder
from seismo_pes.whole_file import whole_file
from xcorr_app.export.target import Progress, iterate, write_about
from xcorr_app.results.stack_names import file_label
from xcorr_app.store import Store

__all__ = ["export_mseed"]


def export_mseed(
    store: Store,
    dest: str | os.PathLike[str],
    *,
    stack: str | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Write correlations to a folder of miniSEED files, one for each pair.

    A file has the name of its pair, then band and stack as in `export_sac`. A miniSEED
    record can hold one channel id: it is that of the second channel. Lag 0 is
    1970-01-01T00:00:00, so the first sample is in 1969. Configuration and versions are
    in ``xcorr-app.json``.

    Parameters
    ----------
    store, dest, stack, force, progress
        As for `export_sac`.
    """
    folder = new_folder(dest, force, "mseed")
    label = file_label(store, stack)
    for correlation in iterate(store, stack, progress):
        trace = correlation.to_trace()
        encoding = "FLOAT64" if trace.data.dtype == np.float64 else "FLOAT32"
        path = folder / f"{correlation.id}{label}.mseed"
        with whole_file(path, sync=False) as temporary:
            trace.write(str(temporary), format="MSEED", encoding=encoding)
    write_about(folder, store, stack)
    return folder
