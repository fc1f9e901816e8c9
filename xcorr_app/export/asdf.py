"""One ASDF file, with the correlations as auxiliary data."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

from seismo_pes.writing.asdf import AsdfWriter
from xcorr_app.export.target import Progress, about, each, new_file
from xcorr_app.results.correlation import Correlation
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

    The array of a pair is ``AuxiliaryData/CrossCorrelations/FIRST/SECOND``, and its
    parameters are the lag axis (``dt``, ``max_lag_s``), geometry, coordinates, windows
    and times (nanoseconds since 1970). Configuration and versions are those of
    ``AuxiliaryData/Run/Configuration``.

    Parameters
    ----------
    store, dest, stack, force, progress
        As of `export_npz`.
    """
    with new_file(dest, force, "asdf") as temporary, AsdfWriter(temporary) as file:
        file.add_auxiliary(store.lags_s, "Run", "Configuration", about(store, stack))
        for one in each(store, stack, progress):
            path = f"{one.first}/{one.second}"
            file.add_auxiliary(one.data, DATA_TYPE, path, _parameters(one))
    return Path(dest)


def _parameters(one: Correlation) -> dict[str, Any]:
    known = {
        "dt": 1 / one.sampling_rate_hz,
        "max_lag_s": float(one.lags_s[-1]),
        "first": one.first,
        "second": one.second,
        "stack": one.stack,
        "n_windows": one.n_windows,
        "start_ns": one.start_ns,
        "end_ns": one.end_ns,
        "distance_km": one.distance_km,
        "azimuth_deg": one.azimuth_deg,
        "back_azimuth_deg": one.back_azimuth_deg,
    }
    for side, place in (("first", one.first_place), ("second", one.second_place)):
        for name, value in zip(
            ("latitude", "longitude", "elevation_m"), place, strict=True
        ):
            known[f"{side}_{name}"] = value
    return {
        name: value
        for name, value in known.items()
        if not (isinstance(value, float) and math.isnan(value))
    }
