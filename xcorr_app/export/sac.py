"""A folder of SAC files, one for each pair, with the geometry in their headers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from seismo_pes.application.files import new_folder
from seismo_pes.items.correlation import Correlation
from seismo_pes.whole_file import whole_file
from xcorr_app.export.target import Progress, about, iterate, write_about
from xcorr_app.results.stack_names import band_hz, file_label, split
from xcorr_app.store import Store

__all__ = ["export_sac"]


def export_sac(
    store: Store,
    dest: str | os.PathLike[str],
    *,
    stack: str | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Write correlations to a folder of SAC files, one for each pair.

    The first channel takes the place of the event, the second that of the station: a
    wave at positive lag travels from the event to the station. The header fields are

    ========================== =====================================================
    ``b``, ``e``, ``delta``    the lag axis in seconds; lag 0 is the reference time
    ``nz...``                  reference time: the start of the first window
    ``k...``, ``stla stlo``    the second channel; ``stel`` in metres
    ``kevnm``, ``evla evlo``   the first channel, ``NET.STA.LOC.CHA``
    ``dist``, ``az``, ``baz``  distance in km; azimuth at the event, at the station
    ``user0``                  number of windows stacked
    ``user1``                  seconds from the first window to the end of the last
    ``user2``, ``user3``       band in Hz, if the run has several
    ``kuser0``                 name of the stack, eight letters; YYYYMMDD for a day
    ``kuser1``                 first eight letters of the id of the run
    ``kuser2``                 components, such as ZZ
    ========================== =====================================================

    Configuration and versions are in ``xcorr-app.json``. If the run has several bands,
    or another stack than that of the whole run is exported, the names of the files end
    with band and stack.

    Parameters
    ----------
    store
        Open results.
    dest
        The folder.
    stack
        Name of the stack; by default ``"all"``, the stack of the whole run.
    force
        Write into ``dest`` even if it has files; files of the same pairs are replaced.
    progress
        Called with the number of pairs done and the number of all pairs.

    Returns
    -------
    pathlib.Path
        ``dest``.

    Raises
    ------
    ParameterError
        If ``dest`` is a file, or a folder that is not empty.
    """
    folder = new_folder(dest, force, "sac")
    run_id, label = about(store, stack)["run_id"], file_label(store, stack)
    for correlation in iterate(store, stack, progress):
        trace = _make_sac_trace(correlation, run_id)
        path = folder / f"{correlation.id}{label}.sac"
        with whole_file(path, sync=False) as temporary:
            trace.write(str(temporary))
    write_about(folder, store, stack)
    return folder


def _make_sac_trace(correlation: Correlation, run_id: str) -> Any:
    """Return the SACTrace of a correlation."""
    from obspy import UTCDateTime
    from obspy.io.sac import SACTrace

    network, station, location, channel = correlation.second.split(".")
    interval, _ = split(correlation.stack)
    low_hz, high_hz = band_hz(correlation.stack) or (None, None)
    reference = UTCDateTime(ns=int(correlation.start_ns))
    header: dict[str, Any] = {
        "delta": 1 / correlation.rate_hz,
        "b": float(correlation.lags_s[0]),
        "nzyear": reference.year,
        "nzjday": reference.julday,
        "nzhour": reference.hour,
        "nzmin": reference.minute,
        "nzsec": reference.second,
        "nzmsec": reference.microsecond // 1000,
        "knetwk": network,
        "kstnm": station,
        "khole": location or None,
        "kcmpnm": channel,
        "kevnm": correlation.first,
        "dist": correlation.distance_km,
        "az": correlation.azimuth_deg,
        "baz": correlation.back_azimuth_deg,
        "user0": int(correlation.n_windows),
        "user1": float(correlation.end_ns - correlation.start_ns) / 1e9,
        "user2": low_hz,
        "user3": high_hz,
        "kuser0": interval.replace("-", "")[:8],
        "kuser2": correlation.components,
        "kuser1": run_id[:8] or None,
        "lcalda": False,  # else SAC computes its own distance, on a sphere
    }
    header |= zip(("stla", "stlo", "stel"), correlation.second_place, strict=True)
    header |= zip(("evla", "evlo"), correlation.first_place[:2], strict=True)
    values = {
        name: value
        for name, value in header.items()
        if value is not None and value == value  # not NaN
    }
    return SACTrace(data=correlation.data.astype(np.float32), **values)
