"""The correlation workflow: one graph, run under any mapping.

::

    Spans -> ReadWaveforms -> Preprocess (Merge Detrend Taper RemoveResponse Bandpass
          Resample Normalize) -> WindowSpectra -> Tiles -> CorrelateTiles
          -> WriteCorrelations
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from dispel4py.base import IterativePE
from dispel4py.observe import Count, Observer
from dispel4py.run import RunResult, share
from dispel4py.run import run as run_graph
from dispel4py.workflow_graph import WorkflowGraph
from seismo_pes.correlate import CorrelateTiles
from seismo_pes.disk import telling_full_disk
from seismo_pes.pairs import Tiles, block_size
from seismo_pes.read import ReadWaveforms
from seismo_pes.report import Skipped
from seismo_pes.spectra import WindowSpectra
from seismo_pes.write import STAYS, WriteCorrelations
from xcorr_app.chain import Preprocess
from xcorr_app.config import Config
from xcorr_app.index import finalize
from xcorr_app.job import Job, prepare
from xcorr_app.layout import create_run
from xcorr_app.lock import RunLock
from xcorr_app.progress import Progress
from xcorr_app.summary import RunSummary

__all__ = ["build_graph", "run"]


class Spans(IterativePE):
    """The source: deals out what is to be read."""

    def _process(self, data: Any) -> Any:
        return data


def build_graph(job: Job) -> WorkflowGraph:
    """Connect the elements; all of them share all processes."""
    config, ids = job.config, [channel.id for channel in job.channels]
    spans, read = Spans(), ReadWaveforms()
    preprocess = Preprocess(job)
    spectra = WindowSpectra(job.settings, {id_: k for k, id_ in enumerate(ids)})
    size = block_size(len(ids), config.processes or 1)
    tiles = Tiles(size, job.spans_per_stretch)
    correlate = CorrelateTiles(
        job.settings,
        job.stretches,
        config.substack == "day",
        config.autocorrelations,
        ids,
    )
    write = WriteCorrelations(config.out)
    graph = WorkflowGraph()
    graph.connect(spans, "output", read, "input")
    graph.connect(read, "output", preprocess, "input")
    graph.connect(preprocess, "output", spectra, "input")
    graph.connect(spectra, "output", tiles, "input")
    graph.connect(tiles, "output", correlate, "input")
    graph.connect(correlate, "output", write, "input")
    graph.partitions = [graph.pes]
    return graph


def run(config: Config, progress: Progress | None = None) -> RunSummary | None:
    """Correlate as ``config`` says.

    Returns
    -------
    RunSummary or None
        None in the processes of an MPI run that have nothing to tell.

    Raises
    ------
    UserError
        Before anything starts.
    RunError
        If the run failed.
    """
    began = time.perf_counter()
    with RunLock(config.out) as lock, telling_full_disk(config.out, STAYS):
        job = share(config.mapping, lambda: _prepared(config, lock))
        result = run_graph(
            build_graph(job),
            {"Spans": [{"input": span} for span in job.spans]},
            mapping=config.mapping,
            processes=config.processes,
            on_error=config.on_error,
            observers=[] if progress is None else [_Follow(job, progress)],
        )
        if not result.complete:
            return None
        finalize(config.out)
        return _summary(job, result, time.perf_counter() - began)


def _prepared(config: Config, lock: RunLock) -> Job:
    job = prepare(config)
    lock.take()
    create_run(
        config.out,
        config=config.to_dict(),
        channels=job.channels,
        sampling_rate_hz=job.settings.rate_hz,
        n_lags=2 * job.settings.max_lag + 1,
        dtype=config.dtype,
        overwrite=config.force,
    )
    return job


class _Follow(Observer):
    """Turns the counts of the PEs into the progress of the run."""

    def __init__(self, job: Job, progress: Progress) -> None:
        self._job, self._progress = job, progress
        self._ids: dict[str, str] = {}

    def started(self, plan: Any) -> None:
        self._ids = {pe.name: pe.id for pe in plan.pes}

    def progress(self, counts: dict[str, Count]) -> None:
        read = counts[self._ids["WindowSpectra"]][0]
        self._progress.update("read and transform", read, len(self._job.spans))
        tiles = counts[self._ids["Tiles"]][1]
        if tiles:
            done = counts[self._ids["CorrelateTiles"]][0]
            self._progress.update("correlate", done, tiles)


def _summary(job: Job, result: RunResult, seconds: float) -> RunSummary:
    from xcorr_app import store

    skipped = list(job.skipped)
    for ports in result.outputs.values():
        for item in ports.get("skipped", []):
            assert isinstance(item, Skipped)
            skipped.append(item)
    with store.open(job.config.out) as results:
        windows = {s: results.windows(s)["n_windows"] for s in results.stacks}
        n_windows = windows[results.default_stack].sum() if windows else 0
        return RunSummary(
            n_channels=len(job.channels),
            n_pairs=len(results),
            n_rows=sum(int((n > 0).sum()) for n in windows.values()),
            n_windows=int(n_windows),
            seconds=seconds,
            out=Path(job.config.out),
            skipped=skipped,
            failures=result.failures,
        )
