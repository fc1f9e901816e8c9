"""The time of small pieces of the work on this machine, measured or usual."""

from __future__ import annotations

import itertools
import math
import os
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from dispel4py.base import IterativePE
from dispel4py.errors import DataError, RunError
from dispel4py.run import run as run_graph
from dispel4py.workflow_graph import WorkflowGraph
from seismo_pes.correlating.spectra.window_spectra import WindowSpectra
from seismo_pes.correlating.substacks import Substacks
from seismo_pes.correlating.tiles.blocks import gather
from seismo_pes.correlating.tiles.correlation import CorrelateTiles
from seismo_pes.items.tiles import Spectra, Tile
from seismo_pes.items.times import NS
from seismo_pes.items.waveforms import ChannelSpan
from seismo_pes.reading.formats.waveform_files import read_file
from seismo_pes.reading.spans import ReadWaveforms
from xcorr_app.planning.memory import MB, Load
from xcorr_app.planning.plan import RunPlan
from xcorr_app.planning.preprocess import Preprocess
from xcorr_app.running.moving import MovingStack
from xcorr_app.running.restack import BATCH_BYTES, N_DRAWS
from xcorr_app.running.second_phase import derived_stacks
from xcorr_app.running.work import Work

__all__ = [
    "load_by_headers",
    "pair_seconds",
    "span_seconds",
    "stack_seconds",
    "usual_span_seconds",
]

READ_S = 0.004  # usual time to open the files of a span
PREPARE_BYTES_PER_S = 160 * MB  # usual rate of preprocessing, of float64 samples
PATIENCE_S = (
    1.0  # seconds: after a longer measurement of an instrument no more are measured
)
SOME_SPANS = 6  # instruments to measure: the estimate takes a few seconds at most
SOME_HEADERS = 3  # spans whose headers are read
HEADERS_BYTES = 100 * MB  # largest file whose headers are read
TILE_BYTES = 8 * MB  # largest block of noise
TILE_CHANNELS = 16  # largest number of channels of a block of noise
FLOPS = 1e10  # usual rate of matrix products in float64
MOST_STACKED = 100  # largest number of rows to measure the time of stacking


def usual_span_seconds(load: Load) -> float:
    """Return the usual time to read and preprocess a span, without a measurement."""
    return READ_S + load.trace / PREPARE_BYTES_PER_S


def load_by_headers(plan: RunPlan, spans: list[ChannelSpan]) -> Load:
    """Return the sizes of the items of a run, from the headers of some files.

    The spans are days, but the files may have only an hour of each day.

    Parameters
    ----------
    plan
        The plan of the run.
    spans
        Spans; the headers of some of them are read.
    """
    load, grid = Load.of(plan), plan.settings.grid
    sample = spans[:: max(len(spans) // SOME_HEADERS, 1)]
    contents = [_content(span) for span in sample]
    if not contents or not all(seconds for seconds, _ in contents):
        return load
    seconds, n_samples = (max(values) for values in zip(*contents, strict=True))
    n_windows = 1 + math.floor((seconds * NS - grid.length_ns) / grid.step_ns + 0.01)
    n_windows = max(min(n_windows, load.n_windows), 1)
    return replace(
        load,
        trace=8 * n_samples,
        spectrum=load.spectrum * n_windows // max(load.n_windows, 1),
        n_windows=n_windows,
    )


def _content(span: ChannelSpan) -> tuple[float, int]:
    """Return seconds and samples that the files of a span hold; 0 if unknown."""
    seconds, n_samples = 0.0, 0
    for path in span.files:
        try:
            if "://" in path or os.stat(path).st_size > HEADERS_BYTES:
                return 0.0, 0
            stream = read_file(path, headonly=True, channel_id=span.channel_id)
        except (DataError, OSError):  # the run itself reports the file
            return 0.0, 0
        for trace in stream:
            start = max(trace.stats.starttime.ns, span.start_ns)
            end = min(trace.stats.endtime.ns, span.end_ns)
            if end > start:
                seconds += (end - start) / NS + trace.stats.delta
                n_samples += round((end - start) / NS / trace.stats.delta) + 1
    return seconds, n_samples


# ------------------------------------------------------------------ reading


class SpanSource(IterativePE):
    """The source of a graph that reads and preprocesses spans."""

    def _process(self, data: object) -> object:
        return data


def span_seconds(plan: RunPlan, spans: list[ChannelSpan]) -> float:
    """Return the time to read and preprocess a span, measured on some of them.

    The start of a graph, the first import of modules and computations for all
    instruments take additional time. The result is a difference of two measurements, in
    which this time cancels.

    Parameters
    ----------
    plan
        The plan of the run.
    spans
        Spans; some of them are read.
    """
    middle = spans[len(spans) // 2].period
    by_instrument: dict[str, list[ChannelSpan]] = {}
    for span in spans:
        if span.period == middle:
            by_instrument.setdefault(span.channel_id[:-1], []).append(span)
    instruments = list(by_instrument.values())
    try:
        first_s = _timed(plan, instruments[0])
        second = instruments[1 % len(instruments)]
        if len(instruments) < 3 or first_s > PATIENCE_S:
            return _timed(plan, second) / len(second)
        alone_s = _timed(plan, second)
        more = list(itertools.chain(*instruments[2 : 2 + SOME_SPANS]))
        more_s = _timed(plan, second + more) - alone_s
        return max(more_s, alone_s / 20) / len(more)
    except RunError:  # the run itself reports the failure
        return usual_span_seconds(Load.of(plan))


def _timed(plan: RunPlan, spans: list[ChannelSpan]) -> float:
    source, read, chain = SpanSource(), ReadWaveforms(), Preprocess(plan)
    ids = {channel.id: k for k, channel in enumerate(plan.channels)}
    graph = WorkflowGraph()
    graph.connect(source, "output", read, "input")
    graph.connect(read, "output", chain, "input")
    graph.connect(chain, "output", WindowSpectra(plan.settings, ids), "input")
    start = time.perf_counter()
    run_graph(graph, {"SpanSource": [{"input": span} for span in spans]})
    return time.perf_counter() - start


# ------------------------------------------------------------------ correlating


def pair_seconds(work: Work, load: Load) -> float:
    """Return the time to correlate a pair in a period, measured on a tile of noise.

    Parameters
    ----------
    work
        The work of the run.
    load
        Sizes of the items of the run.
    """
    plan, settings, config = work.plan, work.plan.settings, work.plan.config
    size = max(stop - first for first, stop in work.division.blocks)
    n = min(size, TILE_CHANNELS, TILE_BYTES // max(load.spectrum, 1) // 2)
    unit = work.division.unit if work.division.unit != "group" else "day"
    options = config.stack_options if config.window_stack != "linear" else None
    element = CorrelateTiles(
        settings,
        Substacks(unit),
        window_stack=config.window_stack,
        stack_options=options,
    )
    element.preprocess()
    n, n_windows = max(n, 1), load.n_windows
    if (
        settings.kind == "pcc1"
    ):  # a pair of windows may take a second: one pair is enough
        n, n_windows = 1, 1
    tile, times_s = _noise(plan, n_windows, n), list[float]()
    start = time.perf_counter()
    # at least two calls, because the first call plans the transforms
    while len(times_s) < 2 or time.perf_counter() - start < PATIENCE_S / 20:
        before = time.perf_counter()
        for _ in element.process({"input": tile}):
            pass
        times_s.append(time.perf_counter() - before)
        if times_s[-1] > PATIENCE_S:
            break
    return min(times_s) / n**2 * load.n_windows / n_windows


def _noise(plan: RunPlan, n_windows: int, n: int) -> Tile:
    """Return a tile of two blocks of ``n`` channels each."""
    settings = plan.settings
    windows = np.arange(n_windows, dtype=np.int64)
    shape = (
        len(windows) * settings.rows_per_window,
        settings.bins.stop - settings.bins.start,
    )
    rng = np.random.default_rng(0)
    dtype = np.result_type(settings.dtype, np.complex64)
    # the length is a prime, so that no row repeats another
    noise = (rng.standard_normal(99_991) + 1j).astype(dtype)
    factors = (
        np.ones((settings.n_bands, len(windows))) if settings.n_bands > 1 else None
    )
    blocks = []
    for first in (0, n):
        channels = [
            Spectra(
                *(first + k, 0, 0, 0),
                windows,
                np.resize(np.roll(noise, k), shape),
                factors,
            )
            for k in range(n)
        ]
        blocks.append(gather(channels, windows, (first, first + n)))
    period = min(span.period for span in plan.spans)
    return Tile(1, 0, 1, period, blocks[0], blocks[1])


# ------------------------------------------------------------------ stacking


def stack_seconds(plan: RunPlan, n_substacks: float, n_pairs: int) -> float:
    """Return the time of the second phase, without reading and writing.

    Parameters
    ----------
    plan
        The plan of the run.
    n_substacks
        Number of rows of substacks.
    n_pairs
        Number of pairs.
    """
    stacks = derived_stacks(plan)
    n_lags, n_added = plan.n_lags, n_substacks
    if stacks.moving:
        n_added += n_substacks * _overlap(stacks.moving)
    n_drawn = N_DRAWS * n_substacks if stacks.uncertainty else 0
    if stacks.kind != "linear":
        rows = min(max(round(n_substacks / max(n_pairs, 1)), 3), MOST_STACKED)
        start = time.perf_counter()
        stacks.check(n_lags, rows)
        return (n_added + n_drawn) * (time.perf_counter() - start) / rows
    rows = max(min(BATCH_BYTES // (8 * n_lags), 500), 1)
    data, total = np.ones((rows, n_lags), "f4"), np.zeros((rows, n_lags))
    start = time.perf_counter()
    total += np.ones((rows, 1)) * data
    row_s = (time.perf_counter() - start) / rows
    return n_added * row_s + 2 * n_drawn * n_lags / FLOPS


def _overlap(moving: Sequence[MovingStack]) -> float:
    """Return the number of moving stacks that overlap."""
    length_ns = moving[0].end_ns - moving[0].start_ns
    if len(moving) < 2:
        return 1.0
    return length_ns / max(moving[1].start_ns - moving[0].start_ns, 1)
