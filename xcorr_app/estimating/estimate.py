"""What a run will take: time, memory and disk, before it starts.

A small tile of noise goes through the real correlation, and where there is time for it
(``--dry-run``) some spans go through the real chain; the rest is counting. Nothing is
written.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from dispel4py.mappings import mapping_class
from seismo_pes.application.progress import duration
from seismo_pes.items.waveforms import ChannelSpan
from seismo_pes.writing.part_files import RECORD
from xcorr_app.config import Config
from xcorr_app.estimating.calibration import (
    held_by,
    pair_seconds,
    span_seconds,
    usual_span_seconds,
)
from xcorr_app.planning.division import (
    PAIR_S,
    Division,
    divide,
    extend,
    pairs_of_tiles,
)
from xcorr_app.planning.memory import MB, TILES_UNDER_WAY, Load, n_processes
from xcorr_app.planning.plan import RunPlan, plan_run
from xcorr_app.results.layout import finished_tiles
from xcorr_app.running.restack import BATCH_BYTES, N_DRAWS, Derived
from xcorr_app.running.resume import check_config, read_started
from xcorr_app.running.session import Todo, derived, memory_bytes, n_lags_of, to_do

__all__ = ["Estimate", "estimate", "estimate_of", "roughly_s"]

DISK_BYTES_PER_S = 1000 * MB
COPY_BYTES_PER_S = 3000 * MB  # rows on their way to the disk, for the processor
ROW_S = 2e-6  # an entry of the index
SHARING = 1.25  # cores that work at the same time share their memory's bandwidth
MODULES_BYTES = 160 * MB  # of a process
FLOPS = 1e10  # of matrix products in float64
MOST_STACKED = 100  # rows that are stacked to know how long it takes


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
    probable_bytes
        Memory that all processes will probably take, with their modules.
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
    probable_bytes: int = 0

    @property
    def total_s(self) -> float:
        """Time in seconds."""
        return sum(self.seconds.values())

    def line(self) -> str:
        """Return it in one line."""
        return (
            f"{self.n_pairs:,} pairs, {self.n_days:,} days, {_size(self.input_bytes)} "
            f"to read: about {duration(max(self.total_s, 1))}, "
            f"{_size(self.disk_bytes)} on disk, {_size(self.probable_bytes)} of memory"
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
                f"about {_size(self.probable_bytes)} in {n} process"
                f"{'es' if n > 1 else ''}; at most {_size(self.memory_bytes)} beside "
                "the program itself",
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
        plan = plan_run(config)
        division = divide(plan, processes, memory)
        return estimate_of(to_do(plan, division, processes, memory), True)
    out = Path(config.out)
    run = read_started(out, "--update" if config.update else "--resume")
    check_config(run, config, config.update)
    plan = plan_run(config, run.channels["id"].tolist())
    division = Division.from_dict(run.division)
    if config.update:
        division = extend(division, plan, len(run.channels), processes, memory)
    todo = to_do(plan, division, processes, memory, finished_tiles(out))
    return estimate_of(todo, True)


def estimate_of(todo: Todo, reads: bool = False) -> Estimate:
    """Say what will be taken by what is to be done.

    Parameters
    ----------
    todo
        What is to be done.
    reads
        Read and prepare some spans to know how long that takes: it may take seconds.
    """
    plan, config = todo.plan, todo.plan.config
    processes = n_processes(config)
    pairs = pairs_of_tiles(plan.pairs, todo.division.blocks)
    n_pairs = sum(pairs.values())
    periods = {s for needed in todo.rounds for s in needed}
    n_correlated = sum(
        pairs[place] for one in todo.rounds for v in one.values() for place in v
    )
    n_bands = max(plan.settings.n_bands, 1)
    n_base = n_correlated * _substacks_per_period(plan, todo.division) * n_bands
    n_derived = _derived_rows(plan, todo.division, n_pairs) * n_bands if n_base else 0
    n_rows = round(n_base + n_derived)
    spans = [span for span in plan.spans if span.period in periods]
    n_windows, load = held_by(plan, spans)
    at_once = max(min(processes, len(os.sched_getaffinity(0))), 1)
    speed = at_once / (SHARING if at_once > 1 else 1)
    seconds = {"start": mapping_class(config.mapping).start_s}
    if spans:
        span_s = span_seconds(plan, spans) if reads else usual_span_seconds(load)
        seconds["read and prepare"] = todo.n_spans * span_s / speed
        correlating = n_correlated * pair_seconds(todo, n_windows, load)
        seconds["correlate and write"] = _writing(n_base, load, correlating, speed)
    if n_derived:
        stacking = _stack_s(plan, derived(plan), n_base, n_pairs)
        reading = n_base * load.row / DISK_BYTES_PER_S
        writing = _writing(n_derived, load, stacking, speed)
        seconds["stack and write"] = reading + writing
    seconds["index"] = n_rows * ROW_S
    return Estimate(
        len(plan.channels),
        n_pairs,
        len(periods),
        todo.n_tiles,
        n_rows,
        _input_bytes(spans),
        n_rows * (load.row + RECORD.itemsize),
        memory_bytes(config),
        processes,
        seconds,
        _probable_bytes(todo, load, processes, sum(pairs.values())),
    )


def _writing(n_rows: float, load: Load, computing_s: float, speed: float) -> float:
    """Return the time of making rows, while the disk writes those made before."""
    n_bytes = n_rows * (load.row + RECORD.itemsize)
    busy = (computing_s + n_bytes / COPY_BYTES_PER_S) / speed
    return max(busy, n_bytes / DISK_BYTES_PER_S)


def _probable_bytes(todo: Todo, load: Load, processes: int, n_pairs: int) -> int:
    """Return the memory that the first phase fills; its shares are bounds only."""
    plan = todo.plan
    counts = Counter(span.period for span in plan.spans)
    spectra = 2 * max(counts.values(), default=0) * load.spectrum  # and their blocks
    size = max((stop - first for first, stop in todo.division.blocks), default=0)
    under_way = 2 * TILES_UNDER_WAY * size * load.spectrum
    each = load.process + under_way + MODULES_BYTES
    sums = n_pairs * load.sums if todo.division.sums_up else 0
    return (
        processes * each
        + min(spectra, todo.shares.gather)
        + min(sums, todo.shares.sums)
    )


def roughly_s(todo: Todo) -> float:
    """Return about how long a run takes, without measuring anything."""
    load, pairs = (
        Load.of(todo.plan),
        pairs_of_tiles(todo.plan.pairs, todo.division.blocks),
    )
    places = [p for one in todo.rounds for chosen in one.values() for p in chosen]
    correlating = sum(pairs[place] for place in places) * PAIR_S
    return todo.n_spans * usual_span_seconds(load) + correlating


def _input_bytes(spans: Iterable[ChannelSpan]) -> int:
    total = 0
    for path in {path for span in spans for path in span.files}:
        try:
            total += os.stat(path).st_size
        except OSError:  # not on a disk
            continue
    return total


def _substacks_per_period(plan: RunPlan, division: Division) -> float:
    """Return how many base rows a pair has in a period, at most."""
    grid = plan.settings.grid
    times = {(span.start_ns, span.end_ns) for span in plan.spans}
    n_windows = max(len(grid.windows_between(*one)) for one in times)
    if division.unit == "window":
        return n_windows
    if division.unit == "hour":
        hours = n_windows * grid.step_ns / 3.6e12
        return min(n_windows, max(hours, 1))
    if division.unit == "day":
        return 1
    return len(division.groups) / sum(len(one.periods) for one in division.groups)


def _derived_rows(plan: RunPlan, division: Division, n_pairs: int) -> int:
    if not division.derives:
        return 0
    made = derived(plan)
    return n_pairs * (1 + made.uncertainty + len(made.moving))


# ------------------------------------------------------------------ stacking


def _stack_s(plan: RunPlan, made: Derived, n_base: float, n_pairs: int) -> float:
    """Return the time of stacking, without reading and writing."""
    n_lags, n_added = n_lags_of(plan), n_base
    if made.moving:
        length_ns = made.moving[0].end_ns - made.moving[0].start_ns
        n_added += n_base * length_ns / max(_step_ns(made), 1)
    n_drawn = N_DRAWS * n_base if made.uncertainty else 0
    before = time.perf_counter()
    if made.kind != "linear":
        rows = min(max(round(n_base / max(n_pairs, 1)), 3), MOST_STACKED)
        made.check(n_lags, rows)
        return (n_added + n_drawn) * (time.perf_counter() - before) / rows
    rows = max(min(BATCH_BYTES // (8 * n_lags), 500), 1)
    data, total = np.ones((rows, n_lags), "f4"), np.zeros((rows, n_lags))
    before = time.perf_counter()
    total += np.ones((rows, 1)) * data
    each = (time.perf_counter() - before) / rows
    return n_added * each + 2 * n_drawn * n_lags / FLOPS


def _step_ns(made: Derived) -> int:
    if len(made.moving) < 2:
        return made.moving[0].end_ns - made.moving[0].start_ns
    return made.moving[1].start_ns - made.moving[0].start_ns
