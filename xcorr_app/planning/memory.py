"""The memory of a run: the sizes of its items, and the share of each element."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dispel4py.errors import ParameterError
from dispel4py.mappings import mapping_class
from xcorr_app.config.run import RunOptions
from xcorr_app.planning.plan import RunPlan

__all__ = [
    "GB",
    "MB",
    "Load",
    "Resources",
    "Shares",
    "available_bytes",
    "check_pairs",
    "shares",
]

GB = 10**9
MB = 10**6
# Measured memory of a process for cross-spectra, rows and blocks of the writer, in
# addition to its modules, traces and spectra.
WORK_BYTES = 190 * MB
USUAL_BYTES = 400 * MB  # usual memory of a process at work
TRACE_COPIES = 6  # copies of a trace during preprocessing, as float64
SPECTRUM_COPIES = 3  # copies of the spectra of a channel during the transform
TILES_UNDER_WAY = 4  # tiles of each process: one is correlated, others wait for it
PAIR_BYTES = 90  # measured memory of each pair while the index file is written
LEAST_BYTES = 48 * MB  # smallest memory in which spectra can be gathered


@dataclass(frozen=True)
class Load:
    """The sizes of the items of a run, in bytes.

    Parameters
    ----------
    trace
        The longest span of a channel, as float64.
    spectrum
        The spectra of one channel and period.
    row
        One correlation.
    sums
        The sums of one pair in all bands, in float64.
    n_windows
        Number of windows of the longest period.
    """

    trace: int
    spectrum: int
    row: int
    sums: int
    n_windows: int = 1

    @classmethod
    def of(cls, plan: RunPlan) -> Load:
        """Return the sizes of the items of a plan."""
        settings, rate_hz = plan.settings, plan.settings.rate_hz
        times = {(span.start_ns, span.end_ns) for span in plan.spans}
        limits = {span.read_limits for span in plan.spans}
        seconds = max((end - start) / 1e9 for start, end in limits)
        n_windows = max(len(settings.grid.windows_between(*time)) for time in times)
        n_bins = settings.bins.stop - settings.bins.start
        item = np.dtype(settings.dtype).itemsize
        n_lags = 2 * settings.max_lag + 1
        recorded_hz = plan.config.recorded_hz or rate_hz
        return cls(
            trace=round(seconds * max(rate_hz, recorded_hz) * 8),
            spectrum=n_windows * settings.rows_per_window * n_bins * 2 * item,
            row=n_lags * item,
            sums=n_lags * 8 * max(settings.n_bands, 1),
            n_windows=n_windows,
        )

    @property
    def process(self) -> int:
        """Memory of a process for its present item."""
        return WORK_BYTES + TRACE_COPIES * self.trace + SPECTRUM_COPIES * self.spectrum


@dataclass(frozen=True)
class Resources:
    """The processes and the memory of a run.

    Parameters
    ----------
    processes
        Number of processes.
    memory_bytes
        Memory of all processes together, without the modules that they load.
    in_one_process
        The run works on one item at a time, so no tiles wait between processes.
    """

    processes: int
    memory_bytes: int
    in_one_process: bool = False

    @classmethod
    def of(cls, options: RunOptions) -> Resources:
        """Return the resources that the options allow.

        Parameters
        ----------
        options
            The mapping, the number of processes and the memory that the user gave.
        """
        mapping = mapping_class(options.mapping)
        processes = mapping.expected(options.processes)
        memory_bytes = (
            available_bytes(processes)
            if options.memory_gb is None
            else round(options.memory_gb * GB)
        )
        return cls(processes, memory_bytes, mapping.in_one_process)


@dataclass(frozen=True)
class Shares:
    """How the memory of a run is shared, in bytes.

    Parameters
    ----------
    gather
        Spectra that wait until their period is complete, and their blocks.
    block
        One block of channels. Several are in memory at the same time.
    sums
        All sums of groups of periods.
    restack
        Each process of the second phase.
    """

    gather: int
    block: int
    sums: int
    restack: int


def shares(resources: Resources, load: Load, sums: int = 0) -> Shares:
    """Divide the memory of a run.

    Parameters
    ----------
    resources
        Processes and memory.
    load
        Sizes of the items of the run.
    sums
        Bytes of all sums of groups of periods.

    Raises
    ------
    ParameterError
        If the memory is too small.

    Examples
    --------
    >>> load = Load(trace=7 * 10**6, spectrum=10**7, row=40_004, sums=80_008)
    >>> two = shares(Resources(2, 2 * 10**9), load)
    >>> two.gather // 10**6, two.block // 10**6
    (811, 34)
    """
    processes, memory_bytes = resources.processes, resources.memory_bytes
    own = processes * load.process
    free = memory_bytes - own
    if free < LEAST_BYTES:
        least = (own + LEAST_BYTES) / GB
        fewer = ", or take fewer processes" if processes > 1 else ""
        raise ParameterError(
            f"--memory-gb {memory_bytes / GB:.2g}: {processes} "
            f"process{'es' if processes > 1 else ''} with "
            f"{load.trace / MB:,.0f} MB of samples and {load.spectrum / MB:,.0f} MB of "
            f"spectra of a channel and day need {least:.2g} GB: give that much{fewer}"
        )
    summing = min(sums, free // 2)
    free -= summing
    under_way = 2 * (1 if resources.in_one_process else TILES_UNDER_WAY * processes)
    return Shares(
        gather=round(0.55 * free),
        block=max(round(0.37 * free) // under_way, 1),
        sums=summing,
        restack=max((memory_bytes - processes * WORK_BYTES) // processes, LEAST_BYTES)
        // 2,
    )


def check_pairs(resources: Resources, n_pairs: int) -> None:
    """Refuse a run whose index file, at its end, needs more memory.

    Parameters
    ----------
    resources
        Processes and memory.
    n_pairs
        Number of pairs of the run.

    Raises
    ------
    ParameterError
        If the memory is too small.
    """
    if n_pairs * PAIR_BYTES > resources.memory_bytes:
        raise ParameterError(
            f"--memory-gb {resources.memory_bytes / GB:.2g}: the index file of "
            f"{n_pairs:,} pairs needs {n_pairs * PAIR_BYTES / GB:.2g} GB: give that "
            "much, or choose fewer pairs (--distance-km)"
        )


def available_bytes(processes: int = 1) -> int:
    """Return the usual memory of a run: half of the free memory.

    On a machine with many cores and little memory it is more: the least memory that the
    processes need.

    Parameters
    ----------
    processes
        Number of processes.
    """
    free = min(_machine_bytes(), _container_bytes())
    return max(free // 2, min(round(0.8 * free), processes * USUAL_BYTES))


def _machine_bytes() -> int:
    try:
        for line in Path("/proc/meminfo").read_text("ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _container_bytes() -> int:
    """Return the free memory below the limit of the control group, if there is one."""
    root = Path("/sys/fs/cgroup")
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        try:
            most = (root / limit).read_text("ascii").strip()
            if most != "max":
                return max(int(most) - int((root / used).read_text("ascii")), 0)
        except (OSError, ValueError):
            continue
    return 2**62
