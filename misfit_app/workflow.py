"""The misfit workflow: one streaming graph in any mapping.

::

    Stations -> ReadPair -> PreprocessPair (or VercePreprocess) -> MeasureMisfits
          -> (DrawStation ->) (KeepBands ->) WriteStation

Measures of two stations are a second phase (`misfit_app.pairs`), and adjoint sources
that depend on several stations a last one (`misfit_app.adjoint_sums`).

An item is a station of an event. Its records are read, brought to one axis of time and
rotated, then measured in all period bands; its rows, windows and adjoint sources are
written to files of its own.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from dispel4py.base import IterativePE
from dispel4py.errors import ParameterError
from dispel4py.files import exists
from dispel4py.mappings import place
from dispel4py.observe import Count, Observer
from dispel4py.run import RunResult, share
from dispel4py.run import run as run_graph
from dispel4py.workflow_graph import WorkflowGraph
from misfit_app.adjoint_files import remove_arrays
from misfit_app.adjoint_sums import SumAdjoints, WriteAdjoints
from misfit_app.damage import refuse_damage
from misfit_app.failed_reads import remove_outdated
from misfit_app.intermediate import WriteIntermediate
from misfit_app.kept_bands import KeepBands
from misfit_app.ledger import Totals, totals
from misfit_app.lost_stations import losses_of, write_lost_stations
from misfit_app.pairs import build_pair_graph, pair_tasks
from misfit_app.planning import Plan, event_labels
from misfit_app.reporting.station_figures import DrawStation
from misfit_app.run_file import RUN_FILE, MisfitRun, identity, read_run
from misfit_app.shared_imports import import_slow_modules
from misfit_app.store import (
    FOLDERS,
    WriteStation,
    finalize,
    origin_of,
    read_stations,
    remarks_of,
    station_path,
)
from misfit_app.weights import Weights, weigh
from seismo_pes.application.lock import RunLock
from seismo_pes.application.progress import Progress
from seismo_pes.application.run_record import check_started
from seismo_pes.application.skipped import skipped_rows, write_skipped
from seismo_pes.comparing import ReadPair
from seismo_pes.full_disk import report_full_disk
from seismo_pes.items.comparison import StationFiles
from seismo_pes.items.skipped import FAILED_READ, Skipped
from seismo_pes.measuring.misfits import MeasureMisfits

__all__ = ["Summary", "build_graph", "run"]

PACKAGES = ("dispel4py-seismo", "numpy", "scipy", "obspy")
# Options that may not change when a run is continued, and have no effect on its files.
NOT_OF_RESULTS = frozenset({"strict", "on_error"})


class Stations(IterativePE):
    """The source of the graph: the files of each station."""

    def _process(self, data: Any) -> Any:
        return data


@dataclass(frozen=True)
class Summary:
    """The outcome of a run.

    Attributes
    ----------
    out : Path
    totals : Totals
    skipped : tuple of Skipped
    n_stations, n_kept : int
        Stations of the run, and those that an earlier start had done.
    rows : list of dict
        The rows of the ledger, by the names of its columns.
    remarks : tuple of Skipped
        Remarks on traces that are used.
    failures : list
        Steps that failed, if the run continues after failures.
    seconds : float
    """

    out: Path
    totals: Totals
    skipped: tuple[Skipped, ...]
    n_stations: int
    n_kept: int
    rows: list[dict[str, Any]]
    remarks: tuple[Skipped, ...]
    failures: list[Any]
    seconds: float

    @property
    def failed_reads(self) -> set[str]:
        """Files, and stations with files, that could not be read but may be later."""
        files = {entry.what for entry in self.skipped if entry.stage == FAILED_READ}
        rows = (row for row in self.rows if row["stage"] == FAILED_READ)
        # the reason of a row names its file
        return files | {
            row["station"]
            for row in rows
            if not any(row["reason"].startswith(f"{path}: ") for path in files)
        }

    def text(self) -> str:
        """Return the outcome in lines."""
        kept = f", {self.n_kept:,} of them done before" if self.n_kept else ""
        head = f"{self.n_stations:,} stations{kept}, {self.seconds:.1f} s"
        return f"{head}\n{self.totals.text()}\nThe ledger: {self.out / 'ledger.csv'}"


class _RunProgress(Observer):
    """Shows how many items of a phase are done."""

    def __init__(self, progress: Progress, label: str, last: str, n_items: int) -> None:
        self._progress, self._label = progress, label
        self._last, self._n_items = last, n_items
        self._id = ""

    def started(self, plan: Any) -> None:
        """Note the last element."""
        self._id = next(pe.id for pe in plan.pes if pe.name == self._last)

    def progress(self, counts: dict[str, Count]) -> None:
        """Show the count of the last element."""
        self._progress.update(self._label, counts[self._id][0], self._n_items)


def build_graph(plan: Plan) -> WorkflowGraph:
    """Connect the elements, which share all processes.

    Parameters
    ----------
    plan
        The plan of the run.
    """
    stations, read = Stations(), ReadPair(plan.synthetic_motion)
    preprocess = plan.preprocess()
    measure = MeasureMisfits(plan.settings)
    import_slow_modules(preprocess, plan.settings)
    labels = event_labels(plan.events)
    # the file of the station comes last: its existence means that all is done
    last: Any = measure
    graph = WorkflowGraph()
    graph.connect(stations, "output", read, "input")
    graph.connect(read, "output", preprocess, "input")
    graph.connect(preprocess, "output", measure, "input")
    if plan.settings.keeps_records:
        draw = DrawStation(plan.out, labels, plan.settings)
        graph.connect(last, "output", draw, "input")
        last = draw
    if plan.settings.keeps_bands:
        keep = KeepBands(plan.out, plan.results, labels)
        graph.connect(last, "output", keep, "input")
        last = keep
    formats = () if plan.settings.keeps_bands else plan.adjoint_formats
    write = WriteStation(plan.out, plan.results, labels, formats)
    graph.connect(last, "output", write, "input")
    if "intermediate" in preprocess.outputconnections:
        taps = WriteIntermediate(plan.out)
        graph.connect(preprocess, "intermediate", taps, "input")
    graph.partitions = [graph.pes]
    return graph


def run(plan: Plan, progress: Progress | None = None) -> Summary | None:
    """Measure the stations of a plan.

    Parameters
    ----------
    plan
        The plan.
    progress
        Shows the progress of the run.

    Returns
    -------
    Summary or None
        None in all processes of a run except the first.

    Raises
    ------
    UserError
        If the options do not fit the data. Nothing has started then.
    RunError
        If the run failed.
    KeyboardInterrupt
        If the run was interrupted, with a hint how to resume it.
    """
    began = time.perf_counter()
    note = "the stations in it are complete; --resume continues the run"
    with RunLock(plan.out) as lock, report_full_disk(plan.out, note):
        start = share(plan.mapping, lambda: _open(plan, lock))
        plan, tasks = _of_run(plan, start.record), start.tasks
        try:
            results = _all_phases(plan, tasks, progress)
        except KeyboardInterrupt as stop:
            raise KeyboardInterrupt(f"{plan.out}: --resume continues it") from stop
        if place().rank or not all(result.complete for result in results):
            return None
        lock.check()
        skipped = (*plan.skipped, *_lost_adjoints(plan, results))
        record = read_run(plan.out)
        replace(record, skipped=skipped_rows(skipped)).write(plan.out)
        stations = finalize(plan.out)
        rows = [row for station in stations for row in station["rows"]]
        return Summary(
            plan.out,
            totals(rows),
            skipped,
            len(plan.tasks),
            len(plan.tasks) - len(tasks),
            rows,
            tuple(remarks_of(stations)),
            [failure for result in results for failure in result.failures],
            time.perf_counter() - began,
        )


def _of_run(plan: Plan, record: MisfitRun) -> Plan:
    """Return the plan of a run that has started, whose provenance names the run."""
    provenance = plan.provenance
    if provenance is not None:
        known = {**provenance.configuration, "run_id": record.run_id}
        provenance = replace(provenance, configuration=known)
    return replace(plan, results=record.results, provenance=provenance)


def _all_phases(
    plan: Plan, tasks: list[StationFiles], progress: Progress | None
) -> list[RunResult]:
    """Measure stations, then pairs of stations, then sum their adjoint sources."""
    inputs = {"Stations": [{"input": task} for task in tasks]}
    results = [_run(plan, build_graph(plan), inputs, "stations", progress)]
    _note_losses(plan, results[0])
    if plan.settings.pair_measures:
        work = share(
            plan.mapping,
            lambda: pair_tasks(plan.out, plan.results, plan.pairs, plan.weights),
        )
        graph, inputs = build_pair_graph(plan.out, plan.results, plan.settings, work)
        results.append(_run(plan, graph, inputs, "stations with pairs", progress))
        _note_losses(plan, results[1], pairs=True)
    if plan.settings.keeps_bands and plan.adjoint_formats:
        weights = share(
            plan.mapping, lambda: weigh(read_stations(plan.out), plan.weights)
        )
        share(plan.mapping, lambda: remove_arrays(plan.out))
        inputs = {"Stations": [{"input": task} for task in plan.tasks]}
        graph = build_adjoint_graph(plan, weights)
        results.append(_run(plan, graph, inputs, "adjoint sources", progress))
    return results


LAST_ELEMENTS = {
    "stations": "WriteStation",
    "stations with pairs": "WritePairs",
    "adjoint sources": "WriteAdjoints",
}


def _run(
    plan: Plan,
    graph: WorkflowGraph,
    inputs: dict[str, list[dict[str, Any]]],
    label: str,
    progress: Progress | None,
) -> RunResult:
    observers = []
    if progress is not None and place().rank == 0:
        n_items = sum(map(len, inputs.values()))
        last = LAST_ELEMENTS[label]
        observers.append(_RunProgress(progress, label, last, n_items))
    return run_graph(
        graph,
        inputs,
        mapping=plan.mapping,
        processes=plan.processes,
        on_error=plan.on_error,
        observers=observers,
        provenance=plan.provenance,
    )


def _note_losses(plan: Plan, result: RunResult, pairs: bool = False) -> None:
    if result.complete and place().rank == 0:
        write_lost_stations(plan, losses_of(result), pairs)


def _lost_adjoints(plan: Plan, results: list[RunResult]) -> list[Skipped]:
    """Return the stations without adjoint sources, if the last phase wrote them."""
    if not (plan.settings.keeps_bands and plan.adjoint_formats):
        return []
    return [
        Skipped("adjoint", loss.item.strip("()"), loss.reason)
        for loss in losses_of(results[-1])
    ]


def build_adjoint_graph(plan: Plan, weights: Weights) -> WorkflowGraph:
    """Connect the elements of the last phase.

    Parameters
    ----------
    plan
        The plan of the run.
    weights
        Of all measurements.
    """
    labels = event_labels(plan.events)
    chain = (
        Stations(),
        ReadPair(plan.synthetic_motion),
        plan.preprocess(),
        SumAdjoints(plan.out, plan.results, labels, weights),
        WriteAdjoints(plan.out, plan.results, labels, plan.adjoint_formats),
    )
    graph = WorkflowGraph()
    for before, after in pairwise(chain):
        graph.connect(before, "output", after, "input")
    graph.partitions = [graph.pes]
    return graph


@dataclass(frozen=True)
class _Start:
    """The start of a run: its record, and the work that is left."""

    record: MisfitRun
    tasks: list[StationFiles]


def _open(plan: Plan, lock: RunLock) -> _Start:
    """Take the folder of the run, write its record, return the work that is left."""
    lock.take()
    if plan.resume:
        record = _continued(plan)
    else:
        record = _begun(plan)
    record.write(plan.out)
    write_skipped(plan.out, plan.skipped)  # also of a start that does not end
    labels = event_labels(plan.events)
    left = [
        task
        for task in plan.tasks
        if not exists(station_path(plan.out, labels[task.event.id], task.station))
    ]
    return _Start(record, left)


def _config(plan: Plan) -> dict[str, Any]:
    """Return the options of a run as JSON holds them."""
    config: dict[str, Any] = json.loads(json.dumps(dict(plan.config)))
    return config


def _begun(plan: Plan) -> MisfitRun:
    """Return the record of a new run."""
    if exists(plan.out / RUN_FILE):
        raise ParameterError(
            f"{plan.out}: a run was started there: --resume continues it, or choose "
            "another --out"
        )
    for name in FOLDERS:
        if exists(plan.out / name):
            raise ParameterError(
                f"{plan.out / name}: from a run without its {RUN_FILE}: remove it, or "
                "choose another --out"
            )
    config = _config(plan)
    return MisfitRun.begin(
        config,
        PACKAGES,
        results=identity(config, plan.free_options | NOT_OF_RESULTS),
        events=_events_of(plan),
        has_pairs=bool(plan.settings.pair_measures),
        skipped=skipped_rows(plan.skipped),
    )


def _continued(plan: Plan) -> MisfitRun:
    """Return the record of a run that is continued, whose files are intact."""
    check_started(plan.out, "--resume")
    record = read_run(plan.out)
    _refuse_others(plan, record.config, _config(plan))
    events = _events_of(plan)
    for label, earlier in record.events.items():
        if label not in events:
            events[label] = {**earlier, "stations": []}
        event = events[label]
        if any(event[key] != earlier[key] for key in ("event", "origin")):
            raise ParameterError(
                f"--resume with another origin of the event {earlier['event']} than "
                f"the results in {plan.out}: choose another --out"
            )
        # stations with results stay, also if their files have gone
        event["stations"] += [
            station
            for station in earlier["stations"]
            if station not in event["stations"]
            and exists(station_path(plan.out, label, station))
        ]
    refuse_damage(plan.out)
    remove_outdated(plan, record.skipped)
    return record.start_again(
        "resume", PACKAGES, events=events, skipped=skipped_rows(plan.skipped)
    )


def _events_of(plan: Plan) -> dict[str, dict[str, Any]]:
    """Return the events of a run with their stations, for its record."""
    labels = event_labels(plan.events)
    events: dict[str, dict[str, Any]] = {}
    for event in plan.events:
        stations = [task.station for task in plan.tasks if task.event.id == event.id]
        events[labels[event.id]] = {
            "event": event.id,
            "origin": origin_of(event),
            "stations": stations,
        }
    return events


def _refuse_others(plan: Plan, before: dict[str, Any], now: dict[str, Any]) -> None:
    """Refuse to continue a run with options that would give other results."""
    for name in [*now, *(set(before) - set(now))]:
        if name not in plan.free_options and before.get(name) != now.get(name):
            raise ParameterError(
                f"--resume with another {name.replace('_', '-')} than the results in "
                f"{plan.out}: give the same value, or another --out"
            )
