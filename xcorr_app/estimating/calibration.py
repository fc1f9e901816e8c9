"""What a span and a pair cost on this machine: small pieces of the work, timed."""

from __future__ import annotations

import itertools
import math
import os
import time
from dataclasses import replace

import numpy as np

from dispel4py.base import IterativePE
from dispel4py.errors import DataError, RunError
from dispel4py.run import run as run_graph
from dispel4py.workflow_graph import WorkflowGraph
from seismo_pes.correlating.spectra.window_spectra import Spectra, WindowSpectra
from seismo_pes.correlating.tiles.correlation import CorrelateTiles
from seismo_pes.correlating.tiles.gathering import gather
from seismo_pes.correlating.windows.substacks import Substacks
from seismo_pes.items.tiles import Tile
from seismo_pes.items.waveforms import ChannelSpan
from seismo_pes.reading.formats.waveform_files import read_file
from seismo_pes.reading.spans import ReadWaveforms
from xcorr_app.planning.chain import Preprocess
from xcorr_app.planning.memory import MB, Load
from xcorr_app.planning.plan import RunPlan
from xcorr_app.running.session import Todo

__all__ = ["held_by", "pair_seconds", "span_seconds", "usual_span_seconds"]

READ_S = 0.004  # a span, beside what its samples take
PREPARE_BYTES_PER_S = 160 * MB  # its samples, as float64
PATIENCE_S = 1.0  # if the first span takes longer, it is not followed by many
SOME_SPANS = 6
SOME_HEADERS = 3
HEADERS_BYTES = 100 * MB  # of a file that is looked into
TILE_BYTES = 8 * MB
TILE_CHANNELS = 16


def usual_span_seconds(load: Load) -> float:
    """Return about how long a span is read and prepared, without measuring."""
    return READ_S + load.trace / PREPARE_BYTES_PER_S


def held_by(plan: RunPlan, spans: list[ChannelSpan]) -> tuple[int, Load]:
    """Return how many windows a span has, and what it weighs, by headers of some.

    Spans are days, of which there may be data for an hour.
    """
    load, grid = Load.of(plan), plan.settings.grid
    times = {(span.start_ns, span.end_ns) for span in plan.spans}
    most = max(len(grid.windows_between(*one)) for one in times)
    held = [_held(span) for span in spans[:: max(len(spans) // SOME_HEADERS, 1)]]
    if not held or not all(seconds for seconds, _ in held):
        return most, load
    seconds, n_samples = (max(values) for values in zip(*held, strict=True))
    n_windows = 1 + math.floor((seconds * 1e9 - grid.length_ns) / grid.step_ns + 0.01)
    n_windows = max(min(n_windows, most), 1)
    return n_windows, replace(
        load,
        trace=8 * n_samples,
        spectrum=load.spectrum * n_windows // max(most, 1),
    )


def _held(span: ChannelSpan) -> tuple[float, int]:
    """Return seconds and samples that the files of a span hold; 0 if unknown."""
    seconds, n_samples = 0.0, 0
    for path in span.files:
        try:
            if "://" in path or os.stat(path).st_size > HEADERS_BYTES:
                return 0.0, 0
            stream = read_file(path, headonly=True, channel_id=span.channel_id)
        except (DataError, OSError):  # the run will tell of it
            return 0.0, 0
        for trace in stream:
            start = max(trace.stats.starttime.ns, span.start_ns)
            end = min(trace.stats.endtime.ns, span.end_ns)
            if end > start:
                seconds += (end - start) / 1e9 + trace.stats.delta
                n_samples += round((end - start) / 1e9 / trace.stats.delta) + 1
    return seconds, n_samples


class _Pass(IterativePE):
    def _process(self, data: object) -> object:
        return data


def span_seconds(plan: RunPlan, spans: list[ChannelSpan]) -> float:
    """Return the time that a span takes, by some of them in the real chain.

    A first one loads modules and what is the same for all, and the graph itself takes
    time to start: what counts is by how much some take longer than one.
    """
    middle = spans[len(spans) // 2].period
    found: dict[str, list[ChannelSpan]] = {}
    for span in spans:
        if span.period == middle:
            found.setdefault(span.channel_id[:-1], []).append(span)
    instruments = list(found.values())
    try:
        first = _timed(plan, instruments[0])
        one = instruments[1 % len(instruments)]
        if len(instruments) < 3 or first > PATIENCE_S:
            return _timed(plan, one) / len(one)
        alone = _timed(plan, one)
        some = list(itertools.chain(*instruments[2 : 2 + SOME_SPANS]))
        return max(_timed(plan, one + some) - alone, alone / 20) / len(some)
    except RunError:  # the run will tell of it
        return usual_span_seconds(Load.of(plan))


def _timed(plan: RunPlan, spans: list[ChannelSpan]) -> float:
    graph, began = _chain(plan), time.perf_counter()
    run_graph(graph, {"_Pass": [{"input": one} for one in spans]})
    return time.perf_counter() - began


def _chain(plan: RunPlan) -> WorkflowGraph:
    start, read, chain = _Pass(), ReadWaveforms(), Preprocess(plan)
    ids = {channel.id: k for k, channel in enumerate(plan.channels)}
    spectra = WindowSpectra(plan.settings, ids)
    graph = WorkflowGraph()
    graph.connect(start, "output", read, "input")
    graph.connect(read, "output", chain, "input")
    graph.connect(chain, "output", spectra, "input")
    return graph


def pair_seconds(todo: Todo, n_windows: int, load: Load) -> float:
    """Return the time that a pair takes in a period, by a small tile of noise."""
    plan, settings, config = todo.plan, todo.plan.settings, todo.plan.config
    size = max(stop - first for first, stop in todo.division.blocks)
    n = min(size, TILE_CHANNELS, TILE_BYTES // max(load.spectrum, 1) // 2)
    unit = todo.division.unit if todo.division.unit != "group" else "day"
    options = config.stack_options if config.window_stack != "linear" else None
    element = CorrelateTiles(
        settings,
        Substacks(unit),
        window_stack=config.window_stack,
        stack_options=options,
    )
    element.preprocess()
    # windows that are not summed first may take a second: of these one pair does
    n, n_made = (1, 1) if settings.kind == "pcc1" else (max(n, 1), n_windows)
    tile, taken = _noise(plan, n_made, n), list[float]()
    began = time.perf_counter()
    # the first plans transforms
    while len(taken) < 2 or time.perf_counter() - began < PATIENCE_S / 20:
        before = time.perf_counter()
        for _ in element.process({"input": tile}):
            pass
        taken.append(time.perf_counter() - before)
        if taken[-1] > PATIENCE_S:
            break
    return min(taken) / n**2 * n_windows / n_made


def _noise(plan: RunPlan, n_windows: int, n: int) -> Tile:
    """Return a tile of two blocks of ``n`` channels each."""
    settings = plan.settings
    windows = np.arange(n_windows, dtype=np.int64)
    shape = (
        len(windows) * settings.rows_per_window,
        settings.bins.stop - settings.bins.start,
    )
    rng = np.random.default_rng(0)
    kind = np.result_type(settings.dtype, np.complex64)
    some = (rng.standard_normal(99_991) + 1j).astype(kind)  # a prime: no row is another
    factors = (
        np.ones((settings.n_bands, len(windows))) if settings.n_bands > 1 else None
    )
    blocks = []
    for first in (0, n):
        members = [
            Spectra(first + k, 0, windows, np.resize(np.roll(some, k), shape), factors)
            for k in range(n)
        ]
        blocks.append(gather(members, windows, (first, first + n)))
    period = min(span.period for span in plan.spans)
    return Tile(1, 0, 1, period, blocks[0], blocks[1])
