"""Results in the forms that other programs read: npz and SAC."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from dispel4py.errors import ParameterError
from xcorr_app.correlation import Correlation
from xcorr_app.store import Store

__all__ = ["export_npz", "export_sac"]

Progress = Callable[[int, int], None]


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
    ``NET.STA.LOC.CHA_NET.STA.LOC.CHA``. Pairs are written one after the other, so
    memory is bounded whatever their number.

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
    path = Path(dest)
    if path.is_dir():
        raise ParameterError(f"{path}: is a folder; npz needs the name of a file")
    if path.exists() and not force:
        raise ParameterError(f"{path}: is there already; --force replaces it")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
            _add_array(archive, "lags_s", store.lags_s)
            for correlation in _each(store, stack, progress):
                _add_array(archive, correlation.name, correlation.data)
        temporary.rename(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _add_array(archive: zipfile.ZipFile, name: str, data: np.ndarray) -> None:
    with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
        np.lib.format.write_array(file, data, allow_pickle=False)


def export_sac(
    store: Store,
    dest: str | os.PathLike[str],
    *,
    stack: str | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Write correlations to a folder of SAC files, one for each pair.

    The first channel is the event, the second the station: a wave at positive lag
    travels from the event to the station. The header has

    ========================== =====================================================
    ``b``, ``e``, ``delta``    the lag axis in seconds; lag 0 is the reference time
    ``nz...``                  reference time: the start of the first window
    ``k...``, ``stla stlo``    the second channel; ``stel`` in metres
    ``kevnm``, ``evla evlo``   the first channel, ``NET.STA.LOC.CHA``
    ``dist``, ``az``, ``baz``  distance in km, azimuth at the first, at the second
    ``user0``                  number of windows stacked
    ``user1``                  seconds from the first window's start to the last's end
    ``kuser0``                 name of the stack, eight letters, of a day YYYYMMDD
    ========================== =====================================================

    Parameters
    ----------
    store
        Open results.
    dest
        The folder.
    stack
        Name of the stack; by default ``"all"``.
    force
        Write into ``dest`` even if it has files; those of the same pairs are replaced.
    progress
        Called with pairs done and pairs in all.

    Returns
    -------
    pathlib.Path
        ``dest``.

    Raises
    ------
    ParameterError
        If ``dest`` is a file, or a folder with something in it.
    """
    folder = Path(dest)
    if folder.exists() and not folder.is_dir():
        raise ParameterError(f"{folder}: is a file; sac needs the name of a folder")
    if folder.is_dir() and any(folder.iterdir()) and not force:
        raise ParameterError(f"{folder}: is not empty; --force writes into it")
    folder.mkdir(parents=True, exist_ok=True)
    for correlation in _each(store, stack, progress):
        _sac_trace(correlation).write(str(folder / f"{correlation.name}.sac"))
    return folder


def _sac_trace(correlation: Correlation) -> Any:
    """Return the SACTrace of a correlation."""
    from obspy import UTCDateTime
    from obspy.io.sac import SACTrace

    network, station, location, channel = correlation.second.split(".")
    reference = UTCDateTime(ns=correlation.start_ns)
    header: dict[str, Any] = {
        "delta": 1 / correlation.sampling_rate_hz,
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
        "user0": correlation.n_windows,
        "user1": (correlation.end_ns - correlation.start_ns) / 1e9,
        "kuser0": correlation.stack.replace("-", "")[:8],
        "lcalda": False,  # SAC would compute dist on a sphere of its own
    }
    header |= zip(("stla", "stlo", "stel"), correlation.second_place, strict=True)
    header |= zip(("evla", "evlo"), correlation.first_place[:2], strict=True)
    known = {
        name: value
        for name, value in header.items()
        if value is not None and value == value  # NaN is unlike itself
    }
    return SACTrace(data=correlation.data.astype(np.float32), **known)


def _each(store: Store, stack: str | None, progress: Progress | None) -> Any:
    """Yield the correlations, telling how far it is."""
    total = int(np.count_nonzero(store.windows(stack)["part"] >= 0))
    for done, correlation in enumerate(store.correlations(stack), start=1):
        yield correlation
        if progress is not None:
            progress(done, total)
