"""Stations that a step of the run could not finish: rows of the ledger, with reasons.

They have no file among those of the measured stations, so `--resume` measures them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from dispel4py.files import exists
from dispel4py.run import RunResult
from misfit_app.bound_files import read_bound, write_bound
from misfit_app.ledger import row_of
from misfit_app.planning import Plan, event_labels
from misfit_app.store import lost_path, origin_of, pairs_path, station_path
from seismo_pes.items.comparison import MisfitRow, StationFiles
from seismo_pes.items.skipped import FAILED_READ, Skipped

__all__ = ["Loss", "losses_of", "write_lost_stations"]

# Stages in the ledger by the names of the elements.
STAGES = {
    "ReadPair": "read",
    "PreprocessPair": "preprocess",
    "VercePreprocess": "preprocess",
    "MeasureMisfits": "measure",
    "DrawStation": "draw",
    "KeepBands": "write",
    "WriteStation": "write",
    "MeasurePairs": "pairs",
    "WritePairs": "write",
}
COMPARED_CHARACTERS = 150  # of an item in a message, which is shortened


@dataclass(frozen=True)
class Loss:
    """A step that did not finish with an item.

    Attributes
    ----------
    item : str
        The item, as in messages of the engine.
    stage, reason : str
    """

    item: str
    stage: str
    reason: str

    def is_of(self, task: StationFiles) -> bool:
        """Return whether the item is the one of a station."""
        return f"({task.id})"[:COMPARED_CHARACTERS] in self.item


# Of a station whose failure is not among those that the result of a run keeps.
UNKNOWN = Loss("", "run", "a step failed, and its message was not kept")


def losses_of(result: RunResult) -> list[Loss]:
    """Return the failures of a run, and the items that its elements refused."""
    losses = [
        Loss(failure.item, _stage(failure.pe_id), failure.cause)
        for failure in result.failures
    ]
    for element, ports in result.outputs.items():
        for entry in ports.get("skipped", ()):
            if isinstance(entry, Skipped):
                stage = _stage(element)
                if entry.stage == FAILED_READ:
                    stage = FAILED_READ
                losses.append(Loss(f"({entry.what})", stage, entry.reason))
    return losses


def _stage(pe_id: str) -> str:
    name = next((name for name in STAGES if pe_id.startswith(name)), pe_id)
    return STAGES.get(name, name)


def write_lost_stations(
    plan: Plan, losses: Sequence[Loss], pairs: bool = False
) -> None:
    """Write a file for each station that has no results, with rejected rows.

    Parameters
    ----------
    plan : Plan
        The plan of the run, with all stations.
    losses : sequence of Loss
    pairs : bool
        Whether the results are those of the pairs of each station.
    """
    labels = event_labels(plan.events)
    for task in plan.tasks:
        label = labels[task.event.id]
        measured = station_path(plan.out, label, task.station)
        if pairs and not exists(measured):
            continue  # its rows have the reason
        if pairs:
            measured = pairs_path(plan.out, label, task.station)
        path = lost_path(plan.out, label, task.station, pairs)
        loss = next((loss for loss in losses if loss.is_of(task)), None)
        if exists(measured) or (pairs and not (loss or _has_place(plan, task))):
            path.unlink(missing_ok=True)  # an earlier start could not finish it
            continue
        rows = _rows(task, plan.settings.bands, loss or UNKNOWN)
        content: dict[str, Any] = {
            "event": task.event.id,
            "origin": origin_of(task.event),
            "station": task.station,
            "geometry": {},
            "rows": [row_of(row) for row in rows],
            "windows": [],
            "remarks": [],
        }
        write_bound(plan.out, path, plan.results, content)


def _has_place(plan: Plan, task: StationFiles) -> bool:
    """Return whether a measured station has coordinates, and so may be in pairs."""
    label = event_labels(plan.events)[task.event.id]
    path = station_path(plan.out, label, task.station)
    return bool(read_bound(plan.out, path, plan.results)["geometry"])


def _rows(
    task: StationFiles, bands: Sequence[tuple[float, float]], loss: Loss
) -> Iterator[MisfitRow]:
    for band in bands:
        where = (task.event.id, task.station, "", "", *band)
        yield MisfitRow(*where, "rejected", loss.stage, loss.reason)
