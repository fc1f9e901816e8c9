"""Export of a run: the ledger as HDF5, CSV, JSON, GeoJSON, and adjoint sources."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dispel4py.terminal import printable_line
from misfit_app.adjoint_export import export_adjoints
from misfit_app.adjoint_files import ADJOINT_FORMATS
from misfit_app.ledger import COLUMNS, NUMBERS, as_csv, as_json
from misfit_app.store import read_stations
from seismo_pes.application.files import new_file

__all__ = ["FORMATS", "write_export"]

MOTIONS = ("pgd", "pgv", "pga", "psa")


def _write_csv(path: Path, stations: Sequence[Mapping[str, Any]]) -> None:
    path.write_text(as_csv(_rows(stations)), encoding="utf-8")


def _write_json(path: Path, stations: Sequence[Mapping[str, Any]]) -> None:
    path.write_text(as_json(_rows(stations)), encoding="utf-8")


def _rows(stations: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [row for station in stations for row in station["rows"]]


def _write_hdf5(path: Path, stations: Sequence[Mapping[str, Any]]) -> None:
    """Write a dataset for each column; missing numbers are NaN."""
    from seismo_pes.writing.hdf5_file import hdf5_file  # h5py is slow to import

    rows = _rows(stations)
    with hdf5_file(path, track_order=True) as file:
        group = file.create_group("ledger", track_order=True)
        for name in (*COLUMNS, "misfit"):
            values = [row[name] for row in rows]
            if name in NUMBERS or name == "misfit":
                data = np.array([np.nan if v is None else v for v in values], float)
                group.create_dataset(name, data=data)
            else:
                texts = [printable_line(str(value)).encode() for value in values]
                group.create_dataset(name, data=np.array(texts, dtype="S"))


def _write_geojson(path: Path, stations: Sequence[Mapping[str, Any]]) -> None:
    """Write a feature for each measured ground motion, with its differences."""
    features = [
        _feature(station["geometry"], row)
        for station in stations
        for row in station["rows"]
        if row["measure"] in MOTIONS and row["status"] == "measured"
    ]
    content = {"type": "FeatureCollection", "features": features}
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _feature(geometry: Mapping[str, float], row: Mapping[str, Any]) -> dict[str, Any]:
    observed, synthetic = row["observed"], row["synthetic"]
    names = (
        "event", "station", "location", "component", "min_period_s", "max_period_s",
        "measure", "period_s", "damping", "observed", "synthetic", "value",
    )  # fmt: skip
    properties = {name: row[name] for name in names} | {
        "difference": observed - synthetic,
        "relative_difference": (observed - synthetic) / observed,
    }
    place = [geometry["longitude"], geometry["latitude"]]
    return {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": place},
        "properties": properties,
    }


WRITERS = {
    "csv": _write_csv,
    "json": _write_json,
    "hdf5": _write_hdf5,
    "geojson": _write_geojson,
}
FORMATS = (*WRITERS, *ADJOINT_FORMATS)


def write_export(
    out: str, dest: str, kind: str, force: bool, unfinished: bool = False
) -> Path:
    """Write the ledger or the adjoint sources of a run in a format; return the path.

    Parameters
    ----------
    out
        Folder of the run.
    dest
        The file; of adjoint sources a folder.
    kind
        One of `FORMATS`.
    force
        Replace the file if it exists, or write into a folder that has files.
    unfinished
        Accept a run that has not ended.
    """
    if kind in ADJOINT_FORMATS:
        return export_adjoints(out, dest, kind, force, unfinished)
    stations = read_stations(out, unfinished=unfinished)
    with new_file(dest, force, "the table") as temporary:
        WRITERS[kind](temporary, stations)
    return Path(dest)
