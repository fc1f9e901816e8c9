"""The last phase of a run: adjoint sources, with weights and those of pairs.

::

    Stations -> ReadPair -> PreprocessPair -> SumAdjoints -> WriteAdjoints

The weight of a measurement depends on all stations, so these adjoint sources are summed
when all stations are measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dispel4py.core import GenericPE
from dispel4py.files import exists
from misfit_app.adjoint_files import write_adjoints
from misfit_app.bound_files import read_arrays, write_bound
from misfit_app.kept_bands import read_kept
from misfit_app.store import adjoints_path, kept_path, note_adjoints, summed_path
from misfit_app.weights import Weights
from seismo_pes.element import ItemElement
from seismo_pes.items.comparison import (
    ComparedRecords,
    MeasuredBand,
    StationMisfits,
)
from seismo_pes.measuring.band_adjoints import sum_adjoints

__all__ = ["SumAdjoints", "WriteAdjoints"]


class SumAdjoints(ItemElement):
    """Sum the adjoint sources of a station, with their weights.

    Parameters
    ----------
    out : Path
        Folder of the run, with the adjoint sources of the earlier phases.
    results : str
        Identity of the results.
    labels : mapping of str to str
        Name of the files of each event, by id.
    weights : Weights

    Ports
    -----
    input : ComparedRecords
    output : StationMisfits
        With adjoint sources, and without rows.
    """

    takes = ComparedRecords
    gives = StationMisfits

    def __init__(
        self, out: Path, results: str, labels: Mapping[str, str], weights: Weights
    ) -> None:
        super().__init__()
        self.out, self.results, self.labels = out, results, dict(labels)
        self.weights = weights

    def transform(self, item: ComparedRecords) -> StationMisfits | None:
        """Sum those of one station."""
        label = self.labels[item.event.id]
        if item.side is None or not exists(kept_path(self.out, label, item.station)):
            return None
        bands = read_kept(self.out, self.results, label, item.station).bands
        weight = self.weights.of_stations(item.event.id, item.station)
        parts = [
            (band, self._weighted(item.event.id, band, band.adjoints, weight))
            for band in bands
        ]
        path = summed_path(self.out, label, item.station)
        if exists(path):
            _, of_pairs = read_arrays(self.out, path, self.results)
            for name, data in of_pairs.items():
                number, _, measure = name.partition(" ")
                band = bands[int(number)]
                # the weights of the two stations are in these sums already
                one = self._weighted(item.event.id, band, {measure: data}, 1.0)
                parts.append((band, one))
        sums = sum_adjoints(parts)
        if not sums:
            return None
        where = item.event, item.station, item.geometry
        return StationMisfits(*where, (), adjoints=item.side.adjoint_traces(sums))

    def _weighted(
        self,
        event: str,
        band: MeasuredBand,
        adjoints: Mapping[str, np.ndarray],
        weight: float,
    ) -> dict[str, np.ndarray]:
        return {
            measure: data
            * weight
            * self.weights.of_category(event, band.component, band.band, measure)
            for measure, data in adjoints.items()
        }


class WriteAdjoints(GenericPE):
    """Write the adjoint sources of each station.

    Parameters
    ----------
    out : Path
        Folder of the run.
    results : str
        Identity of the results.
    labels : mapping of str to str
        Name of the files of each event, by id.
    formats : tuple of str
        Formats of the files.

    Ports
    -----
    input : StationMisfits
    """

    def __init__(
        self,
        out: Path,
        results: str,
        labels: Mapping[str, str],
        formats: tuple[str, ...],
    ) -> None:
        super().__init__()
        self._add_input("input", tuple_type=StationMisfits)
        self.out, self.results, self.labels = out, results, dict(labels)
        self.formats = formats

    def process(self, inputs: dict[str, Any]) -> None:
        """Write one station."""
        item: StationMisfits = inputs["input"]
        label = self.labels[item.event.id]
        files = write_adjoints(self.out, self.results, label, item, self.formats)
        sums = note_adjoints(self, self.out, item, files)
        path = adjoints_path(self.out, label, item.station)
        write_bound(self.out, path, self.results, {"adjoints": sums})
