"""The memory of a run: what its pieces weigh, and who may take how much."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dispel4py.errors import ParameterError
from dispel4py.mappings import mapping_class
from xcorr_app.config import Config
from xcorr_app.planning.plan import RunPlan

__all__ = ["GB", "MB", "Load", "Resources", "Shares", "available_bytes", "shares"]

GB = 10**9
MB = 10**6
# What a process takes beside the modules it has loaded and what is counted below:
# cross-spectra on their way to lags, a batch of rows, blocks of the writer.
WORK_BYTES = 190 * MB
USUAL_BYTES = 400 * MB  # of a process at work
TRACE_COPIES = 6  # of a trace while it is prepared, as float64
SPECTRUM_COPIES = 3
TILES_UNDER_WAY = 4  # for each process: being correlated, and in its mailbox
LEAST_BYTES = 48 * MB  # what must be left to gather spectra in


@dataclass(frozen=True)
class Load:
    """What the pieces of a run weigh, in bytes.

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
        """Weigh a plan."""
        settings, rate_hz = plan.settings, plan.settings.rate_hz
        times = {(span.start_ns, span.end_ns) for span in plan.spans}
        seconds = max((end - start) / 1e9 for start, end in times)
        n_windows = max(len(settings.grid.windows_between(*one)) for one in times)
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
        """What a process takes for the piece that it works on."""
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
        The run works on one item at a time: no tile waits in a mailbox.
    """

    processes: int
    memory_bytes: int
    in_one_process: bool = False

    @classmethod
    def of(cls, config: Config) -> Resources:
        """Return the resources that the options allow."""
        mapping = mapping_class(config.mapping)
        processes = mapping.expected(config.processes)
        memory_bytes = (
            available_bytes(processes)
            if config.memory_gb is None
            else round(config.memory_gb * GB)
        )
        return cls(processes, memory_bytes, mapping.in_one_process)


@dataclass(frozen=True)
class Shares:
    """Who may take how much memory, in bytes.

    Parameters
    ----------
    gather
        Spectra that wait for their period, and the blocks made of them.
    block
        One block: some are under way at any time.
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
    left = memory_bytes - own
    if left < LEAST_BYTES:
        least = (own + LEAST_BYTES) / GB
        fewer = ", or take fewer processes" if processes > 1 else ""
        raise ParameterError(
            f"--memory-gb {memory_bytes / GB:.2g}: {processes} "
            f"process{'es' if processes > 1 else ''} with "
            f"{load.trace / MB:,.0f} MB of samples and {load.spectrum / MB:,.0f} MB of "
            f"spectra of a channel and day need {least:.2g} GB: give that much{fewer}"
        )
    summing = min(sums, left // 2)
    left -= summing
    under_way = 2 * (1 if resources.in_one_process else TILES_UNDER_WAY * processes)
    return Shares(
        gather=round(0.55 * left),
        block=max(round(0.37 * left) // under_way, 1),
        sums=summing,
        restack=max((memory_bytes - processes * WORK_BYTES) // processes, LEAST_BYTES)
        // 2,
    )


def available_bytes(processes: int = 1) -> int:
    """Return what a run may take if nobody says: half of the memory that is left.

    On a machine of many cores and little memory it is more, as much as the processes
    need to work at all.
    """
    left = min(_machine_bytes(), _container_bytes())
    return max(left // 2, min(round(0.8 * left), processes * USUAL_BYTES))


def _machine_bytes() -> int:
    try:
        for line in Path("/proc/meminfo").read_text("ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _container_bytes() -> int:
    """Return what is left below the limit of the control group; huge without one."""
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
