"""The correlation workflow: two graphs that run one after the other in any mapping.

The first graph makes the substacks, tile by tile. The second graph makes stacks of
substacks, if they are needed::

    Spans -> ReadWaveforms -> Preprocess (Merge Detrend Taper RemoveResponse Bandpass
          Resample Normalize ...) -> WindowSpectra -> Tiles -> CorrelateTiles
          -> WriteCorrelations
    accounts of windows, skipped data and tiles of these elements -> WriteAccount

    Spans -> RestackPairs -> WriteCorrelations
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dispel4py.base import IterativePE
from dispel4py.mappings import place
from dispel4py.provenance.files import listed_files
from dispel4py.provenance.run_record import Provenance, provenance_options
from dispel4py.run import RunResult, share
from dispel4py.run import run as run_graph
from dispel4py.workflow_graph import WorkflowGraph
from seismo_pes.application.lock import RunLock
from seismo_pes.application.progress import Progress
from seismo_pes.correlating.spectra.window_spectra import WindowSpectra
from seismo_pes.correlating.tiles.blocks import Tiles
from seismo_pes.correlating.tiles.correlation import CorrelateTiles
from seismo_pes.full_disk import report_full_disk
from seismo_pes.items.skipped import Skipped
from seismo_pes.items.waveforms import ChannelSpan
from seismo_pes.reading.spans import ReadWaveforms
from seismo_pes.writing.account_journal import WriteAccount
from seismo_pes.writing.correlation_writer import FULL_DISK_NOTE, WriteCorrelations
from xcorr_app.config import Config
from xcorr_app.estimating.estimate import estimate_of, rough_seconds
from xcorr_app.planning.division import Needed
from xcorr_app.planning.periods import between_windows
from xcorr_app.planning.preprocess import Preprocess
from xcorr_app.planning.spans import channels_by_period
from xcorr_app.results.account import Account
from xcorr_app.results.index import Indexed, finalize
from xcorr_app.running.accounting import close_account
from xcorr_app.running.restack import RestackPairs
from xcorr_app.running.run_progress import RunProgress
from xcorr_app.running.second_phase import RestackWork, restack_work
from xcorr_app.running.session import open_session
from xcorr_app.running.summary import RunSummary
from xcorr_app.running.work import Work

__all__ = ["build_graph", "build_restack_graph", "run"]

#: Elements of both graphs, besides those of the preprocessing.
NAMES = (
    "Spans",
    "ReadWaveforms",
    "WindowSpectra",
    "Tiles",
    "CorrelateTiles",
    "WriteCorrelations",
    "WriteAccount",
    "RestackPairs",
)
LONG_S = 20.0  # shortest run for which an estimate is shown at the start


class Spans(IterativePE):
    """The source of both graphs: spans to read, or tiles to restack."""

    def _process(self, data: Any) -> Any:
        return data


def build_graph(work: Work, needed: Needed) -> WorkflowGraph:
    """Connect the elements of the first phase, which share all processes.

    Parameters
    ----------
    work
        The work of one start of a run.
    needed
        The tiles of one round.
    """
    plan, division = work.plan, work.division
    config, ids = plan.config, [channel.id for channel in plan.channels]
    spans, read = Spans(), ReadWaveforms()
    preprocess = Preprocess(plan)
    table = {id_: k for k, id_ in enumerate(ids)}
    numbers = {old: table[new] for old, new in plan.names.items() if new in table}
    spectra = WindowSpectra(plan.settings, table)
    tiles = Tiles(
        division.blocks,
        channels_by_period(_spans(work, needed), numbers),
        needed,
        plan.pairs.selection,
        work.shares.gather,
        config.out,
        plan.pairs.rotation,
    )
    correlate = CorrelateTiles(
        plan.settings,
        division.substacks,
        plan.pairs.selection,
        ids,
        plan.pairs.rotation,
        config.window_stack,
        config.stack_options if config.window_stack != "linear" else None,
    )
    write, account = _writer(work), WriteAccount(config.out, _session(work))
    graph = WorkflowGraph()
    graph.connect(spans, "output", read, "input")
    graph.connect(read, "output", preprocess, "input")
    graph.connect(preprocess, "output", spectra, "input")
    graph.connect(spectra, "output", tiles, "input")
    graph.connect(tiles, "output", correlate, "input")
    graph.connect(correlate, "output", write, "input")
    graph.connect(write, "written", account, "input")
    graph.connect(spectra, "account", account, "input")
    for element in (read, preprocess, spectra, correlate):
        graph.connect(element, "skipped", account, "input")
    graph.partitions = [graph.pes]
    return graph


def build_restack_graph(work: Work, restack: RestackWork) -> WorkflowGraph:
    """Connect the elements of the second phase, which share all processes.

    Parameters
    ----------
    work
        The work of the first phase.
    restack
        The work of the second phase.
    """
    plan = work.plan
    spans = Spans()
    stack = RestackPairs(
        plan.config.out,
        restack.parts,
        restack.derived,
        plan.n_lags,
        plan.config.dtype,
        work.shares.restack,
    )
    graph = WorkflowGraph()
    graph.connect(spans, "output", stack, "input")
    graph.connect(stack, "output", _writer(work), "input")
    graph.partitions = [graph.pes]
    return graph


def _writer(work: Work) -> WriteCorrelations:
    assert work.run is not None
    about, session = work.run.about(), work.run.session
    out, run_id = work.plan.config.out, work.run.run_id
    return WriteCorrelations(out, about=about, session=session, run_id=run_id)


def _session(work: Work) -> int:
    assert work.run is not None
    return work.run.session


def _spans(work: Work, needed: Needed) -> list[ChannelSpan]:
    return [span for span in work.plan.spans if span.period in needed]


# ------------------------------------------------------------------ running


def run(config: Config, progress: Progress | None = None) -> RunSummary | None:
    """Correlate the data of a configuration.

    Parameters
    ----------
    config
        The options.
    progress
        Shows the progress of the run.

    Returns
    -------
    RunSummary or None
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
    with RunLock(config.out) as lock, report_full_disk(config.out, FULL_DISK_NOTE):
        work = share(config.mapping, lambda: open_session(config, lock))
        if progress is not None and place().rank == 0 and rough_seconds(work) > LONG_S:
            progress.note(estimate_of(work).line())
        try:
            results = _both_phases(work, progress)
        except KeyboardInterrupt as stop:
            raise KeyboardInterrupt(f"{config.out}: --resume continues it") from stop
        # a start without work left has no results, in any process
        if place().rank or not all(result.complete for result in results):
            return None
        lock.check()
        account, skipped = close_account(work)  # before the file that shows the end
        indexed = finalize(config.out)
        return _summary(work, results, account, skipped, indexed, began)


def _both_phases(work: Work, progress: Progress | None) -> list[RunResult]:
    results = []
    observer = None if progress is None else RunProgress(work, progress)
    for needed in work.rounds:
        spans = [{"input": span} for span in _spans(work, needed)]
        results.append(_run(work, build_graph(work, needed), spans, observer))
    restack = share(work.plan.config.mapping, lambda: restack_work(work))
    if restack is not None:
        if observer is not None:
            observer.expect_second_phase(len(restack.tiles))
        tiles = [{"input": tile} for tile in restack.tiles]
        graph = build_restack_graph(work, restack)
        results.append(_run(work, graph, tiles, observer))
    return results


def _run(
    work: Work,
    graph: WorkflowGraph,
    items: list[dict[str, Any]],
    observer: RunProgress | None,
) -> RunResult:
    config = work.plan.config
    return run_graph(
        graph,
        {"Spans": items},
        mapping=config.mapping,
        processes=config.processes,
        on_error=config.on_error,
        observers=[] if observer is None else [observer],
        provenance=_provenance(work),
    )


def _provenance(work: Work) -> Provenance | None:
    """Return where and how this run records provenance."""
    config = work.plan.config
    sources = [config.stations, *([config.inventory] if config.inventory else [])]
    assert work.run is not None
    return provenance_options(
        config.provenance,
        config.capture,
        name="xcorr-app",
        configuration=config.to_dict() | {"run_id": work.run.run_id},
        files=listed_files(sources),
        names=[*NAMES, *(pe.name for pe in Preprocess(work.plan).pes)],
        package="xcorr_app",
    )


def _summary(
    work: Work, outcomes: Sequence[RunResult], account: Account,
    skipped: list[Skipped], indexed: Indexed, began: float,
) -> RunSummary:  # fmt: skip
    plan = work.plan
    for outcome in outcomes:
        for ports in outcome.outputs.values():
            for item in ports.get("skipped", []):
                assert isinstance(item, Skipped)
                skipped.append(item)
    return RunSummary(
        n_channels=len(plan.channels),
        n_pairs=indexed.n_pairs,
        n_rows=indexed.n_rows,
        n_windows=indexed.n_windows,
        seconds=time.perf_counter() - began,
        out=Path(plan.config.out),
        skipped=skipped,
        account=account,
        failures=[failure for outcome in outcomes for failure in outcome.failures],
        how=work.how,
        n_tiles=work.n_tiles,
        n_kept=work.n_kept,
        n_possible=plan.pairs.n_possible,
        between_windows=between_windows(plan.grid.windows, plan.times),
    )
