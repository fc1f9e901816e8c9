"""The second phase of a run: measures of two stations.

::

    StationPairs -> MeasurePairs -> WritePairs

An item is a station with its partners. Of each two stations, the one whose name is
first has the rows of the ledger. For adjoint sources, each station adds those of all
pairs that it belongs to, so that no process waits for another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from dispel4py.base import IterativePE
from dispel4py.core import GenericPE
from dispel4py.description import describe
from dispel4py.files import exists
from dispel4py.workflow_graph import WorkflowGraph
from misfit_app.bound_files import read_bound, write_arrays, write_bound
from misfit_app.kept_bands import read_kept
from misfit_app.ledger import row_of
from misfit_app.store import pairs_path, read_stations, summed_path
from misfit_app.weights import WeightSettings, weigh
from seismo_pes.element import ItemElement
from seismo_pes.items.comparison import MeasuredBand, MeasuredStation, MisfitRow
from seismo_pes.measuring.band_adjoints import before_filter
from seismo_pes.measuring.misfit_settings import MisfitSettings
from seismo_pes.measuring.pair_misfits import common_bands, measure_pair
from seismo_pes.metadata.geodesy import geodesic

__all__ = ["MeasurePairs", "PairChoice", "PairTask", "build_pair_graph", "pair_tasks"]

KEPT_STATIONS = 100  # whose records stay in the memory of a process


@dataclass(frozen=True)
class PairChoice:
    """Which stations are pairs.

    Attributes
    ----------
    distance_km : float, optional
        Largest distance of the two stations.
    reference : str, optional
        ``NET.STA``: each pair has this station.
    """

    distance_km: float | None = None
    reference: str | None = None


@dataclass(frozen=True)
class PairTask:
    """A station and the stations that it is compared with.

    Attributes
    ----------
    label, event : str
        Name of the files of the event, and its id.
    station : str
        ``NET.STA``.
    partners : mapping of str to float
        The other stations, with the weight of the pair.
    """

    label: str
    event: str
    station: str
    partners: Mapping[str, float]

    @property
    def id(self) -> str:
        """Station and event."""
        return f"{self.station} of {self.event}"

    def __repr__(self) -> str:
        return f"PairTask({self.id})"


@dataclass(frozen=True)
class PairMisfits:
    """The measures of a station with its partners.

    Attributes
    ----------
    task : PairTask
    rows : tuple of MisfitRow
    adjoints : mapping of (int, str) to numpy.ndarray
        By the number of the band of the station, and the measure.
    """

    task: PairTask
    rows: tuple[MisfitRow, ...]
    adjoints: Mapping[tuple[int, str], np.ndarray]

    @property
    def id(self) -> str:
        """Station and event."""
        return self.task.id

    def __repr__(self) -> str:
        return f"PairMisfits({self.id})"


@describe.register
def _of_task(item: PairTask) -> dict[str, Any]:
    network, _, station = item.station.partition(".")
    terms = {"event": item.event, "network": network, "station": station}
    return terms | {"n_partners": len(item.partners)}


@describe.register
def _of_misfits(item: PairMisfits) -> dict[str, Any]:
    measured = [row.misfit for row in item.rows if row.misfit is not None]
    terms = {"n_rows": len(item.rows), "n_adjoints": len(item.adjoints)}
    return _of_task(item.task) | terms | {"misfit": sum(measured) if measured else None}


def pair_tasks(
    out: Path,
    results: str,
    choice: PairChoice,
    weights: WeightSettings,
    every: bool = False,
) -> list[PairTask]:
    """Return the stations with their partners, as far as they are not done.

    Parameters
    ----------
    out : Path
        Folder of the run.
    results : str
        Identity of the results.
    choice : PairChoice
    weights : WeightSettings
    every : bool
        Also those that are done.
    """
    stations = [s for s in read_stations(out, pairs=False) if s["geometry"]]
    weighted = weigh(stations, weights)
    tasks = []
    for event in dict.fromkeys(station["event"] for station in stations):
        mine = [station for station in stations if station["event"] == event]
        near = _near(mine, choice)
        for number, station in enumerate(mine):
            name = station["station"]
            others = [mine[k]["station"] for k in np.flatnonzero(near[number])]
            partners = {
                other: weighted.of_stations(event, name, other) for other in others
            }
            task = PairTask(station["label"], event, name, partners)
            path = pairs_path(out, task.label, name)
            if exists(path) and not every:
                done = read_bound(out, path, results)
                if done["partners"] == partners:
                    continue
            tasks.append(task)
    return tasks


def _near(stations: Sequence[Mapping[str, Any]], choice: PairChoice) -> np.ndarray:
    """Return which stations are pairs, shape (n, n)."""
    near = ~np.eye(len(stations), dtype=bool)
    if choice.distance_km is not None:
        places = [
            [s["geometry"][name] for s in stations]
            for name in ("latitude", "longitude")
        ]
        latitude, longitude = np.array(places)
        apart_km, _, _ = geodesic(
            latitude[:, None], longitude[:, None], latitude, longitude
        )
        near &= apart_km <= choice.distance_km
    if choice.reference is not None:
        chosen = np.array([s["station"] == choice.reference for s in stations])
        near &= chosen[:, None] | chosen
    return near


def build_pair_graph(
    out: Path, results: str, settings: MisfitSettings, tasks: Sequence[PairTask]
) -> tuple[WorkflowGraph, dict[str, list[dict[str, Any]]]]:
    """Return the graph of the phase, and its inputs.

    Parameters
    ----------
    out : Path
        Folder of the run.
    results : str
        Identity of the results.
    settings : MisfitSettings
    tasks : sequence of PairTask
    """
    stations, measure = StationPairs(), MeasurePairs(out, results, settings)
    graph = WorkflowGraph()
    graph.connect(stations, "output", measure, "input")
    write = WritePairs(out, results, settings.adjoints)
    graph.connect(measure, "output", write, "input")
    graph.partitions = [graph.pes]
    return graph, {"StationPairs": [{"input": task} for task in tasks]}


class StationPairs(IterativePE):
    """The source of the graph: each station with its partners."""

    def _process(self, data: Any) -> Any:
        return data


class MeasurePairs(ItemElement):
    """Measure the misfits of a station with each of its partners.

    Parameters
    ----------
    out : Path
        Folder of the run, with the records of the first phase.
    results : str
        Identity of the results.
    settings : MisfitSettings
        With ``pair_measures``.

    Ports
    -----
    input : PairTask
    output : PairMisfits
    """

    takes = PairTask
    gives = PairMisfits

    def __init__(self, out: Path, results: str, settings: MisfitSettings) -> None:
        super().__init__()
        settings.check()
        self.out, self.results, self.settings = out, results, settings

    def _preprocess(self) -> None:
        self._read = lru_cache(KEPT_STATIONS)(read_kept)

    def transform(self, item: PairTask) -> PairMisfits:
        """Measure one station with all partners."""
        station = self._read(self.out, self.results, item.label, item.station)
        work = _PairWork(station, self.settings)
        for name, weight in sorted(item.partners.items()):
            partner = self._read(self.out, self.results, item.label, name)
            if item.station < name:
                work.add_as_first(partner, weight)
            else:
                work.add_as_second(partner, weight)
        return PairMisfits(item, tuple(work.all_rows()), work.adjoints())


class _PairWork:
    """The rows and adjoint sources of a station, as they are made."""

    def __init__(self, station: MeasuredStation, settings: MisfitSettings) -> None:
        self.station, self.settings = station, settings
        self.rows: list[MisfitRow] = []
        self._compared: set[int] = set()
        self._sums: dict[tuple[int, str], np.ndarray] = {}

    def add_as_first(self, partner: MeasuredStation, weight: float) -> None:
        """Add the rows of a pair, and the adjoint sources of the first station."""
        for band, other in common_bands(self.station, partner):
            pair_rows = measure_pair(
                self.station, partner, (band, other), self.settings
            )
            for pair in pair_rows:
                self.rows.append(pair.row)
                self._add(band, pair.row.measure, pair.adjoint, weight)

    def add_as_second(self, partner: MeasuredStation, weight: float) -> None:
        """Add the adjoint sources of the second station of a pair."""
        for other, band in common_bands(partner, self.station):
            self._compared.add(self._number(band))
            if not self.settings.adjoints:
                continue
            bands = other, band
            for pair in measure_pair(partner, self.station, bands, self.settings):
                self._add(band, pair.row.measure, pair.adjoint_other, weight)

    def all_rows(self) -> Iterator[MisfitRow]:
        """Yield the rows, and one for each trace that has no partner."""
        yield from self.rows
        for number, band in enumerate(self.station.bands):
            if number not in self._compared:
                yield MisfitRow(
                    self.station.event,
                    self.station.station,
                    band.location,
                    band.component,
                    *band.band,
                    status="rejected",
                    stage="pairs",
                    reason="no other station has this component and band",
                )

    def adjoints(self) -> dict[tuple[int, str], np.ndarray]:
        """Return the adjoint sources of the unfiltered components."""
        return {
            key: before_filter(
                self.station.bands[key[0]], total, self.settings.filter_order
            )
            for key, total in self._sums.items()
        }

    def _number(self, band: MeasuredBand) -> int:
        return next(k for k, b in enumerate(self.station.bands) if b is band)

    def _add(
        self, band: MeasuredBand, name: str, part: np.ndarray | None, weight: float
    ) -> None:
        number = self._number(band)
        self._compared.add(number)
        if part is not None and self.settings.adjoints:
            key = number, name
            self._sums[key] = self._sums.get(key, 0.0) + weight * part


class WritePairs(GenericPE):
    """Write the rows of a station with its partners, after their adjoint sources.

    Parameters
    ----------
    out : Path
        Folder of the run.
    results : str
        Identity of the results.
    keeps_adjoints : bool
        Whether the adjoint sources are written.

    Ports
    -----
    input : PairMisfits
    """

    def __init__(self, out: Path, results: str, keeps_adjoints: bool = False) -> None:
        super().__init__()
        self._add_input("input", tuple_type=PairMisfits)
        self.out, self.results, self.keeps_adjoints = out, results, keeps_adjoints

    def process(self, inputs: dict[str, Any]) -> None:
        """Write one station."""
        item: PairMisfits = inputs["input"]
        task = item.task
        if self.keeps_adjoints:  # also none, in place of those of an earlier start
            arrays = {f"{k} {name}": data for (k, name), data in item.adjoints.items()}
            path = summed_path(self.out, task.label, task.station)
            write_arrays(self.out, path, self.results, {}, arrays)
        content = {
            "partners": dict(task.partners),
            "rows": [row_of(row) for row in item.rows],
        }
        path = pairs_path(self.out, task.label, task.station)
        write_bound(self.out, path, self.results, content)
        self.note_file(path, "json", event=task.label, station=task.station)
