"""The estimate of a run before it starts: time, memory and disk.

The time of a correlation is measured on noise. With ``--dry-run`` the time of reading
and preprocessing is measured on some of the data; otherwise it is taken from their
size. Nothing is written.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dispel4py.mappings import mapping_class
from seismo_pes.application.progress import duration
from seismo_pes.items.waveforms import ChannelSpan
from seismo_pes.writing.part_records import RECORD
from xcorr_app.config import Config
from xcorr_app.estimating.calibration import (
    load_by_headers,
    pair_seconds,
    span_seconds,
    stack_seconds,
    usual_span_seconds,
)
from xcorr_app.planning.division import (
    PAIR_S,
    Division,
    Place,
    divide,
    extend,
    pairs_of_tiles,
)
from xcorr_app.planning.memory import MB, TILES_UNDER_WAY, Load, Resources
from xcorr_app.planning.plan import plan_run
from xcorr_app.running.accounted import accounted_tiles
from xcorr_app.running.resume import (
    check_config,
    failed_reads,
    read_started,
    was_planned,
)
from xcorr_app.running.second_phase import derived_stacks
from xcorr_app.running.work import Work, work_left

__all__ = [
    "Estimate",
    "bytes_at_work",
    "estimate",
    "estimate_of",
    "planned_work",
    "rough_seconds",
]

HOUR_NS = 3600 * 10**9
# Usual figures of a machine of 2020 with a solid-state disk.
DISK_BYTES_PER_S = 1000 * MB
COPY_BYTES_PER_S = 3000 * MB  # rate of copying rows in memory before they are written
ROW_S = 2e-6  # seconds to write one entry of the index
SHARING = 1.25  # slowdown of each core if several share the bandwidth of the memory
MODULES_BYTES = 160 * MB  # modules that a process loads


@dataclass(frozen=True)
class Estimate:
    """Time, memory and disk of a run.

    Parameters
    ----------
    n_channels, n_pairs, n_days
        Channels, pairs and days that are correlated.
    n_rows
        Correlations to write: pairs times stacks.
    input_bytes, disk_bytes
        Size of the files that are read, and of the results.
    memory_bytes, processes
        Upper bound of the memory of all processes without their modules, and the number
        of processes.
    seconds
        Time of each phase.
    probable_bytes
        Memory that all processes will probably take, with their modules.
    """

    n_channels: int
    n_pairs: int
    n_days: int
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
        """Return the estimate in one line."""
        return (
            f"{self.n_pairs:,} pairs, {self.n_days:,} days, {_size(self.input_bytes)} "
            f"to read: about {duration(max(self.total_s, 1))}, "
            f"{_size(self.disk_bytes)} on disk, {_size(self.probable_bytes)} of memory"
        )

    def text(self) -> str:
        """Return the estimate as a table."""
        n = self.processes
        rows = [
            ("channels", f"{self.n_channels:,}"),
            ("pairs", f"{self.n_pairs:,}"),
            ("days", f"{self.n_days:,}"),
            ("to read", _size(self.input_bytes)),
            ("correlations", f"{self.n_rows:,} to write (pairs times stacks)"),
            ("disk", _size(self.disk_bytes)),
            (
                "memory",
                f"about {_size(self.probable_bytes)} in {n} process"
                f"{'es' if n > 1 else ''}; at most {_size(self.memory_bytes)} besides "
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
    """Estimate the time, memory and disk of a run, without writing anything.

    Parameters
    ----------
    config
        The options.

    Raises
    ------
    ParameterError
        If the run itself would refuse the options or the data.
    """
    return estimate_of(planned_work(config, Resources.of(config)), measured=True)


def planned_work(config: Config, resources: Resources) -> Work:
    """Return the work of a run, without writing anything.

    Parameters
    ----------
    config
        The options.
    resources
        Processes and memory.

    Raises
    ------
    ParameterError
        If the run itself would refuse the options or the data.
    """
    if not (config.resume or config.update):
        plan = plan_run(config)
        division = divide(plan, resources)
        return work_left(plan, division, resources)
    out = Path(config.out)
    run = read_started(out, "--update" if config.update else "--resume")
    check_config(run, config, config.update)
    plan = plan_run(config, run.channels["id"].tolist())
    division = Division.from_dict(run.division)
    if config.update or not all(map(was_planned, failed_reads(out))):
        division = extend(division, plan, len(run.channels), resources)
    finished = accounted_tiles(out, plan, division)
    return work_left(plan, division, resources, finished)


def estimate_of(work: Work, measured: bool = False) -> Estimate:
    """Estimate the time, memory and disk of one start of a run.

    Parameters
    ----------
    work
        The work.
    measured
        Read and preprocess some of the data to measure the time, which may take some
        seconds.
    """
    plan, n_bands = work.plan, max(work.plan.settings.n_bands, 1)
    pairs = pairs_of_tiles(plan.pairs, work.division.blocks)
    n_pairs, n_correlated = sum(pairs.values()), _n_correlated(work, pairs)
    periods = {period for needed in work.rounds for period in needed}
    spans = [span for span in plan.spans if span.period in periods]
    load = load_by_headers(plan, spans)
    n_substacks = n_correlated * _substacks_per_period(work) * n_bands
    n_derived = _n_derived(work) * n_pairs * n_bands if n_substacks else 0
    n_rows = round(n_substacks + n_derived)
    speed = _speed(work.resources.processes)
    seconds = {"start": mapping_class(plan.config.mapping).start_s}
    if spans:
        span_s = span_seconds(plan, spans) if measured else usual_span_seconds(load)
        seconds["read and prepare"] = work.n_spans * span_s / speed
        correlating_s = n_correlated * pair_seconds(work, load)
        writing_s = _writing_s(n_substacks, load, correlating_s, speed)
        seconds["correlate and write"] = writing_s
    if n_derived:
        stacking_s = stack_seconds(plan, n_substacks, n_pairs)
        reading_s = n_substacks * load.row / DISK_BYTES_PER_S
        writing_s = _writing_s(n_derived, load, stacking_s, speed)
        seconds["stack and write"] = reading_s + writing_s
    seconds["index"] = n_rows * ROW_S
    each, waiting = bytes_at_work(work, load)
    return Estimate(
        len(plan.channels),
        n_pairs,
        len(periods),
        n_rows,
        _input_bytes(spans),
        n_rows * (load.row + RECORD.itemsize),
        work.resources.memory_bytes,
        work.resources.processes,
        seconds,
        work.resources.processes * each + waiting,
    )


def rough_seconds(work: Work) -> float:
    """Return the approximate time of some work, without measuring anything."""
    pairs = pairs_of_tiles(work.plan.pairs, work.division.blocks)
    correlating_s = _n_correlated(work, pairs) * PAIR_S
    return work.n_spans * usual_span_seconds(Load.of(work.plan)) + correlating_s


# ------------------------------------------------------------------ counts


def _n_correlated(work: Work, pairs: Mapping[Place, int]) -> int:
    """Return the number of pairs to correlate, counted for each period."""
    return sum(
        pairs[place]
        for needed in work.rounds
        for places in needed.values()
        for place in places
    )


def _substacks_per_period(work: Work) -> float:
    """Return the number of substacks of a pair in a period full of data."""
    division, n_windows = work.division, Load.of(work.plan).n_windows
    if division.unit == "window":
        return n_windows
    if division.unit == "hour":
        hours = n_windows * work.plan.settings.grid.step_ns / HOUR_NS
        return min(n_windows, max(hours, 1))
    if division.unit == "day":
        return 1
    return len(division.groups) / sum(len(group.periods) for group in division.groups)


def _n_derived(work: Work) -> int:
    """Return the number of stacks of substacks of each pair."""
    if not work.division.derives:
        return 0
    stacks = derived_stacks(work.plan)
    return 1 + stacks.uncertainty + len(stacks.moving)


# ------------------------------------------------------------------ time, memory, disk


def _speed(processes: int) -> float:
    """Return the speed of several processes relative to one."""
    n_at_work = max(min(processes, len(os.sched_getaffinity(0))), 1)
    return n_at_work / (SHARING if n_at_work > 1 else 1)


def _writing_s(n_rows: float, load: Load, computing_s: float, speed: float) -> float:
    """Return the time to compute rows while the disk writes the rows before them."""
    n_bytes = n_rows * (load.row + RECORD.itemsize)
    computing_s = (computing_s + n_bytes / COPY_BYTES_PER_S) / speed
    return max(computing_s, n_bytes / DISK_BYTES_PER_S)


def bytes_at_work(work: Work, load: Load) -> tuple[int, int]:
    """Return the probable memory of the first phase; the shares are upper bounds.

    Parameters
    ----------
    work
        The work.
    load
        Sizes of its items.

    Returns
    -------
    each, waiting
        Bytes of each process, with its modules; bytes of the spectra and sums that
        wait in one of them.
    """
    counts = Counter(span.period for span in work.plan.spans)
    spectra = 2 * max(counts.values(), default=0) * load.spectrum  # and their blocks
    size = max((stop - first for first, stop in work.division.blocks), default=0)
    under_way = 2 * TILES_UNDER_WAY * size * load.spectrum
    n_pairs = sum(pairs_of_tiles(work.plan.pairs, work.division.blocks).values())
    sums = n_pairs * load.sums if work.division.sums_up else 0
    return (
        load.process + under_way + MODULES_BYTES,
        min(spectra, work.shares.gather) + min(sums, work.shares.sums),
    )


def _input_bytes(spans: Iterable[ChannelSpan]) -> int:
    """Return the size of the files of spans that are on a disk."""
    total = 0
    for path in {path for span in spans for path in span.files}:
        try:
            total += os.stat(path).st_size
        except OSError:  # not on a disk
            continue
    return total
