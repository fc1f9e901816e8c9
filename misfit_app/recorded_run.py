"""The graphs of a finished run, so that products can be made again from its records.

Seismograms, and the files of earlier phases, are read from the places of the run; what
the elements write goes to another folder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dispel4py.provenance.recorded_workflow import RecordedWorkflow
from dispel4py.workflow_graph import WorkflowGraph
from misfit_app.adjoint_sums import WriteAdjoints
from misfit_app.commands.verce_run import VerceOptions, verce_plan_of
from misfit_app.config import Config
from misfit_app.intermediate import WriteIntermediate
from misfit_app.kept_bands import KeepBands
from misfit_app.pairs import WritePairs, build_pair_graph, pair_tasks
from misfit_app.planning import Plan, run_plan
from misfit_app.reporting.station_figures import DrawStation
from misfit_app.run_file import read_run
from misfit_app.store import WriteStation, read_stations
from misfit_app.weights import weigh
from misfit_app.workflow import build_adjoint_graph, build_graph
from seismo_pes.application.run_record import find_recorded
from seismo_pes.items.comparison import StationMisfits

__all__ = ["RecordedMisfits", "reload"]

WRITERS = (
    *(WriteStation, WritePairs, WriteAdjoints),
    *(WriteIntermediate, KeepBands, DrawStation),
)


def reload(record: Mapping[str, Any], scratch: Path) -> RecordedMisfits:
    """Return the graph of a phase of a recorded run.

    Parameters
    ----------
    record
        The record of the run in provenance.
    scratch
        Folder for the files that are made again.

    Raises
    ------
    ParameterError
        If the results of the run are not in their folder any more.
    """
    out, run = find_recorded(record["configuration"], read_run)
    plan = replace(_plan(run.config), out=out, results=run.results)
    graph, inputs = _phase(plan, {pe["name"] for pe in record["pes"]})
    for pe in graph.pes:
        if isinstance(pe, WRITERS):
            pe.out = scratch
    return RecordedMisfits(graph, inputs, (out, scratch))


def _plan(options: Mapping[str, Any]) -> Plan:
    mode = options.get("mode", "run")
    given = {name: value for name, value in options.items() if name != "mode"}
    if mode == "verce":
        return verce_plan_of(VerceOptions(**given))
    return run_plan(Config.from_dict(given))


def _phase(plan: Plan, names: set[str]) -> tuple[WorkflowGraph, Sequence[Any]]:
    """Return the graph of the phase that has some elements, and its inputs."""
    if "WritePairs" in names:
        tasks = pair_tasks(plan.out, plan.results, plan.pairs, plan.weights, every=True)
        return build_pair_graph(plan.out, plan.results, plan.settings, tasks)[0], tasks
    if "WriteAdjoints" in names:
        weights = weigh(read_stations(plan.out), plan.weights)
        return build_adjoint_graph(plan, weights), plan.tasks
    return build_graph(plan), plan.tasks


class RecordedMisfits(RecordedWorkflow):
    """The graph of a phase of a run; the parts of a station are its rows."""

    def part(self, item: Any, k: int, terms: Mapping[str, Any]) -> Any:
        """Return a station with one of its rows."""
        if not isinstance(item, StationMisfits) or k >= len(item.rows):
            return None
        return replace(item, rows=item.rows[k : k + 1])
