"""The records of stations in all bands, on their way to the next phases of a run.

Measures of two stations need the records of both, and weights need the adjoint source
of each measure: both are kept in a file for each station.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from misfit_app.bound_files import read_arrays, write_arrays
from misfit_app.store import kept_path
from seismo_pes.element import ItemElement
from seismo_pes.items.comparison import MeasuredBand, MeasuredStation, StationMisfits

__all__ = ["KeepBands", "read_kept"]

RECORDS = ("observed", "synthetic")
TEXTS = tuple(
    field.name
    for field in fields(MeasuredBand)
    if field.name not in (*RECORDS, "adjoints")
)


class KeepBands(ItemElement):
    """Write the records of each station in all bands.

    Parameters
    ----------
    out : Path
        Folder of the run.
    results : str
        Identity of the results.
    labels : mapping of str to str
        Name of the files of each event, by id.

    Ports
    -----
    input : StationMisfits
    output : StationMisfits
        The input, unchanged.
    """

    takes = gives = StationMisfits

    def __init__(self, out: Path, results: str, labels: Mapping[str, str]) -> None:
        super().__init__()
        self.out, self.results, self.labels = out, results, dict(labels)

    def transform(self, item: StationMisfits) -> StationMisfits:
        """Write one station."""
        path = kept_path(self.out, self.labels[item.event.id], item.station)
        about = {
            "event": item.event.id,
            "station": item.station,
            "distance_km": item.geometry.get("distance_km", 0.0),
            "bands": [_texts(band) for band in item.bands],
        }
        arrays: dict[str, np.ndarray] = {}
        for number, band in enumerate(item.bands):
            arrays |= {f"{number} {name}": getattr(band, name) for name in RECORDS}
            arrays |= {f"{number} adjoint {m}": x for m, x in band.adjoints.items()}
        write_arrays(self.out, path, self.results, about, arrays)
        return item


def _texts(band: MeasuredBand) -> dict[str, Any]:
    return {name: getattr(band, name) for name in TEXTS}


def read_kept(out: Path, results: str, label: str, station: str) -> MeasuredStation:
    """Return the records of a station that a run keeps.

    Parameters
    ----------
    out : Path
        Folder of the run.
    results : str
        Identity of the results.
    label : str
        Name of the event.
    station : str

    Raises
    ------
    DataError
        If they cannot be read.
    """
    about, arrays = read_arrays(out, kept_path(out, label, station), results)
    bands = []
    for number, texts in enumerate(about["bands"]):
        head = f"{number} adjoint "
        values: dict[str, Any] = dict(texts)
        values["band"] = tuple(values["band"])
        if values["windows_s"] is not None:
            values["windows_s"] = tuple(map(tuple, values["windows_s"]))
        values |= {name: arrays[f"{number} {name}"] for name in RECORDS}
        values["adjoints"] = {
            name.removeprefix(head): data
            for name, data in arrays.items()
            if name.startswith(head)
        }
        bands.append(MeasuredBand(**values))
    place = about["event"], about["station"], about["distance_km"]
    return MeasuredStation(*place, tuple(bands))
