"""What a run will take: time, memory and disk, before it starts.

One span goes through the real chain, and one tile of noise through the real
correlation; the rest is counting. Nothing is written.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from dispel4py.base import IterativePE
from dispel4py.errors import RunError
from dispel4py.run import run as run_graph
from dispel4py.workflow_graph import WorkflowGraph
from seismo_pes.correlate import CorrelateTiles
from seismo_pes.holdings import ChannelSpan
from seismo_pes.pairs import Tile, gather
from seismo_pes.parts import RECORD
from seismo_pes.periods import Periods
from seismo_pes.read import ReadWaveforms
from seismo_pes.spectra import Spectra, WindowSpectra
from xcorr_app.chain import Preprocess
from xcorr_app.config import Config
from xcorr_app.geometry import (
    BYTES_PER_S,
    PAIR_S,
    SPAN_S,
    Geometry,
    divide,
    extend,
    pairs_of_tiles,
)
from xcorr_app.job import Job, prepare
from xcorr_app.layout import finished_tiles
from xcorr_app.memory import MB, Load, n_processes
from xcorr_app.progress import duration
from xcorr_app.restack import BATCH_BYTES, Derived
from xcorr_app.resume import check_config, read_started
from xcorr_app.session import Todo, derived, memory_bytes, n_lags_of, to_do

__all__ = ["Estimate", "estimate", "estimate_of", "roughly_s"]

DISK_BYTES_PER_S = 400 * MB
ROW_S = 3e-6  # an entry of the index
START_S = {"simple": 0.3, "multi": 1.0, "mpi": 1.5}
PATIENCE_S = 0.7  # for each of the two measurements
TILE_BYTES = 48 * MB


@dataclass(frozen=True)
class Estimate:
    """What a run will take.

    Parameters
    ----------
    n_channels, n_pairs, n_days
        What is correlated.
    n_tiles, n_rows
        Tiles to make, a day at a time, and rows to write.
    input_bytes, disk_bytes
        Files that are read, and what the results take.
    memory_bytes, processes
        Bound of the memory of all processes beside their modules.
    seconds
        For each phase.
    """

    n_channels: int
    n_pairs: int
    n_days: int
    n_tiles: int
    n_rows: int
    input_bytes: int
    disk_bytes: int
    memory_bytes: int
    processes: int
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def total_s(self) -> float:
        """Time in seconds."""
        return sum(self.seconds.values())

    def line(self) -> str:
        """Return it in one line."""
        return (
            f"{self.n_pairs:,} pairs, {self.n_days:,} days, {_size(self.input_bytes)} "
            f"to read: about {duration(max(self.total_s, 1))}, "
            f"{_size(self.disk_bytes)} on disk, up to {_size(self.memory_bytes)} of "
            "memory"
        )

    def text(self) -> str:
        """Return it as a table."""
        n = self.processes
        rows = [
            ("channels", f"{self.n_channels:,}"),
            ("pairs", f"{self.n_pairs:,}"),
            ("days", f"{self.n_days:,}"),
            ("to read", _size(self.input_bytes)),
            ("tiles", f"{self.n_tiles:,} (two blocks of channels, one day)"),
            ("rows", f"{self.n_rows:,}"),
            ("disk", _size(self.disk_bytes)),
            (
                "memory",
                f"up to {_size(self.memory_bytes)} in {n} process"
                f"{'es' if n > 1 else ''}, beside the program itself",
            ),
            *((f"time: {name}", duration(s)) for name, s in self.seconds.items()),
            ("time", f"about {duration(max(self.total_s, 1))}"),
        ]
        width = max(len(name) for name, _ in rows)
        return "\n".join(f"{name:<{width}}  {text}" for name, text in rows)


def _size(n_bytes: float) -> str:
    """Write a number of bytes.

    >>> _size(2_340_000_000), _size(12_000), _size(0)
    ('2.3 GB', '12 kB', '0 kB')
    """
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if n_bytes >= size:
            return (
                f"{n_bytes / size:.2g} {unit}"
                if n_bytes < 10 * size
                else (f"{n_bytes / size:,.0f} {unit}")
            )
    return f"{n_bytes / 1e3:.0f} kB"


# ------------------------------------------------------------------ the estimate


def estimate(config: Config) -> Estimate:
    """Say what a run will take, without writing anything.

    Raises
    ------
    ParameterError
        As the run itself would.
    """
    processes, memory = n_processes(config), memory_bytes(config)
    if not (config.resume or config.update):
        job = prepare(config)
        geometry = divide(job, processes, memory)
        return estimate_of(to_do(job, geometry, processes, memory))
    out = Path(config.out)
    run = read_started(out, "--update" if config.update else "--resume")
    check_config(run, config, config.update)
    job = prepare(config, run.channels["id"].tolist())
    geometry = Geometry.from_dict(run.geometry)
    if config.update:
        geometry = extend(geometry, job, len(run.channels), processes, memory)
    return estimate_of(to_do(job, geometry, processes, memory, finished_tiles(out)))


def estimate_of(todo: Todo) -> Estimate:
    """Say what will be taken by what is to be done."""
    job, config = todo.job, todo.job.config
    processes, load = n_processes(config), Load.of(job)
    pairs = pairs_of_tiles(job, todo.geometry)
    n_pairs = sum(pairs.values())
    stretches = {s for needed in todo.rounds for s in needed}
    n_correlated = sum(
        pairs[place] for one in todo.rounds for v in one.values() for place in v
    )
    n_base = n_correlated * _periods_per_stretch(job, todo.geometry)
    n_derived = _derived_rows(job, todo.geometry, n_pairs) if n_base else 0
    n_bands = max(job.settings.n_bands, 1)
    n_rows = round(n_base + n_derived) * n_bands
    disk = n_rows * (load.row + RECORD.itemsize)
    at_once = max(min(processes, len(os.sched_getaffinity(0))), 1)
    spans = [span for span in job.spans if span.stretch in stretches]
    seconds = {"start": START_S.get(config.mapping, 1.0)}
    if spans:
        seconds["read and prepare"] = todo.n_spans * _span_s(job, spans) / at_once
        seconds["correlate"] = n_correlated * _pair_s(job, load, todo) / at_once
    if n_derived:
        made = derived(job)
        stacked = _stack_s(job, made, n_base * n_bands, n_derived * n_bands)
        reading = n_base * n_bands * load.row / DISK_BYTES_PER_S
        seconds["stack"] = reading + stacked / at_once
    seconds["write"] = disk / DISK_BYTES_PER_S + n_rows * ROW_S
    return Estimate(
        len(job.channels),
        n_pairs,
        len(stretches),
        todo.n_tiles,
        n_rows,
        _input_bytes(spans),
        disk,
        memory_bytes(config),
        processes,
        seconds,
    )


def roughly_s(todo: Todo) -> float:
    """Return about how long a run takes, without measuring anything."""
    load, pairs = Load.of(todo.job), pairs_of_tiles(todo.job, todo.geometry)
    places = [p for one in todo.rounds for chosen in one.values() for p in chosen]
    correlating = sum(pairs[place] for place in places) * PAIR_S
    return todo.n_spans * (SPAN_S + load.trace / BYTES_PER_S) + correlating


def _input_bytes(spans: Iterable[ChannelSpan]) -> int:
    total = 0
    for path in {path for span in spans for path in span.files}:
        try:
            total += os.stat(path).st_size
        except OSError:  # not on a disk
            continue
    return total


def _periods_per_stretch(job: Job, geometry: Geometry) -> float:
    """Return how many base rows a pair has in a stretch, at most."""
    grid = job.settings.grid
    times = {(span.start_ns, span.end_ns) for span in job.spans}
    n_windows = max(len(grid.windows_between(*one)) for one in times)
    if geometry.unit == "window":
        return n_windows
    if geometry.unit == "hour":
        hours = n_windows * grid.step_ns / 3.6e12
        return min(n_windows, max(hours, 1))
    if geometry.unit == "day":
        return 1
    return len(geometry.groups) / sum(len(one.stretches) for one in geometry.groups)


def _derived_rows(job: Job, geometry: Geometry, n_pairs: int) -> int:
    if not geometry.derives:
        return 0
    made = derived(job)
    return n_pairs * (1 + made.uncertainty + len(made.moving))


# ------------------------------------------------------------------ measuring


class _Pass(IterativePE):
    def _process(self, data: object) -> object:
        return data


def _span_s(job: Job, spans: list[ChannelSpan]) -> float:
    """Return the time that a span takes, by some of them in the real chain.

    The first is not counted if there is time for more: it loads modules, and what is
    the same for all.
    """
    middle = spans[len(spans) // 2].stretch
    instruments: dict[str, list[ChannelSpan]] = {}
    for span in spans:
        if span.stretch == middle:
            instruments.setdefault(span.channel_id[:-1], []).append(span)
    taken, began = 0.0, time.perf_counter()
    for k, members in enumerate(list(instruments.values())[:4]):
        before = time.perf_counter()
        try:
            run_graph(_chain(job), {"_Pass": [{"input": one} for one in members]})
        except RunError:
            continue  # the run will tell of it
        taken = (time.perf_counter() - before) / len(members)
        if k and time.perf_counter() - began > PATIENCE_S / 2:
            break
        if time.perf_counter() - began > PATIENCE_S:
            break
    return taken


def _chain(job: Job) -> WorkflowGraph:
    start, read, chain = _Pass(), ReadWaveforms(), Preprocess(job)
    ids = {channel.id: k for k, channel in enumerate(job.channels)}
    spectra = WindowSpectra(job.settings, ids)
    graph = WorkflowGraph()
    graph.connect(start, "output", read, "input")
    graph.connect(read, "output", chain, "input")
    graph.connect(chain, "output", spectra, "input")
    return graph


def _pair_s(job: Job, load: Load, todo: Todo) -> float:
    """Return the time that a pair takes in a stretch, by a tile of noise."""
    settings, config = job.settings, job.config
    windows = np.arange(_n_windows(job), dtype=np.int64)
    size = max(stop - first for first, stop in todo.geometry.blocks)
    n = max(min(size, TILE_BYTES // max(load.spectrum, 1) // 2), 1)
    shape = (
        len(windows) * settings.rows_per_window,
        settings.bins.stop - settings.bins.start,
    )
    rng = np.random.default_rng(0)
    kind = np.result_type(settings.dtype, np.complex64)
    data = (rng.standard_normal(shape) + 1j).astype(kind)
    factors = (
        np.ones((settings.n_bands, len(windows))) if settings.n_bands > 1 else None
    )
    blocks = []
    for first in (0, n):
        members = [Spectra(first + k, 0, windows, data, factors) for k in range(n)]
        blocks.append(gather(members, windows, (first, first + n)))
    unit = todo.geometry.unit if todo.geometry.unit != "group" else "day"
    element = CorrelateTiles(
        settings,
        Periods(unit),
        window_stack=config.window_stack,
        stack_options=(
            config.stack_options if config.window_stack != "linear" else None
        ),
    )
    element.preprocess()
    stretch = min(span.stretch for span in job.spans)
    tile = Tile(1, 0, 1, stretch, blocks[0], blocks[1])
    best, began = np.inf, time.perf_counter()
    while time.perf_counter() - began < PATIENCE_S / 2:
        before = time.perf_counter()
        for _ in element.process({"input": tile}):
            pass
        best = min(best, time.perf_counter() - before)
    return best / n**2


def _n_windows(job: Job) -> int:
    times = {(span.start_ns, span.end_ns) for span in job.spans}
    return max(len(job.settings.grid.windows_between(*one)) for one in times)


def _stack_s(job: Job, made: Derived, n_base: float, n_derived: float) -> float:
    """Return the time of stacking, without reading and writing."""
    n_lags = n_lags_of(job)
    if made.kind == "linear" and not made.uncertainty:
        rows = max(min(BATCH_BYTES // (8 * n_lags), 500), 1)
        data, total = np.ones((rows, n_lags), "f4"), np.zeros((rows, n_lags))
        before = time.perf_counter()
        total += np.ones((rows, 1)) * data
        n_added = n_base
        if made.moving:
            length_ns = made.moving[0].end_ns - made.moving[0].start_ns
            n_added += n_base * length_ns / max(_step_ns(made), 1)
        return n_added * (time.perf_counter() - before) / rows
    before = time.perf_counter()
    made.check(n_lags)
    each = (time.perf_counter() - before) / 3  # three rows
    draws = 20 if made.uncertainty else 1
    return n_base * each * draws


def _step_ns(made: Derived) -> int:
    if len(made.moving) < 2:
        return made.moving[0].end_ns - made.moving[0].start_ns
    return made.moving[1].start_ns - made.moving[0].start_ns
