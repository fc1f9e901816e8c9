"""One ASDF file with the correlations as auxiliary data."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

from seismo_pes.application.files import new_file
from seismo_pes.items.correlation import Correlation
from seismo_pes.writing.asdf import AsdfWriter
from xcorr_app.export.target import Progress, about, iterate
from xcorr_app.store import Store

__all__ = ["export_asdf"]

DATA_TYPE = "CrossCorrelations"


def export_asdf(
    store: Store,
    dest: str | os.PathLike[str],
    *,
    stack: str | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Write correlations to one ASDF file.

    The array of a pair is ``AuxiliaryData/CrossCorrelations/FIRST/SECOND``. Its
    parameters are the lag axis (``dt``, ``max_lag_s``), geometry, coordinates, number
    of windows, and times in nanoseconds since 1970. The parameters of
    ``AuxiliaryData/Run/Configuration`` are the configuration and the versions.

    Parameters
    ----------
    store, dest, stack, force, progress
        As for `export_npz`.
    """
    with new_file(dest, force, "asdf") as temporary, AsdfWriter(temporary) as file:
        file.add_auxiliary(store.lags_s, "Run", "Configuration", about(store, stack))
        for correlation in iterate(store, stack, progress):
            path = f"{correlation.first}/{correlation.second}"
            parameters = _describe(correlation)
            file.add_auxiliary(correlation.data, DATA_TYPE, path, parameters)
    return Path(dest)


def _describe(correlation: Correlation) -> dict[str, Any]:
    parameters = {
        "dt": 1 / correlation.rate_hz,
        "max_lag_s": float(correlation.lags_s[-1]),
        "first": correlation.first,
        "second": correlation.second,
        "stack": correlation.stack,
        "n_windows": int(correlation.n_windows),
        "start_ns": int(correlation.start_ns),
        "end_ns": int(correlation.end_ns),
        "distance_km": correlation.distance_km,
        "azimuth_deg": correlation.azimuth_deg,
        "back_azimuth_deg": correlation.back_azimuth_deg,
    }
    places = {"first": correlation.first_place, "second": correlation.second_place}
    for side, place in places.items():
        for name, value in zip(
            ("latitude", "longitude", "elevation_m"), place, strict=True
        ):
            parameters[f"{side}_{name}"] = value
    return {
        name: value
        for name, value in parameters.items()
        if not (isinstance(value, float) and math.isnan(value))
    }
