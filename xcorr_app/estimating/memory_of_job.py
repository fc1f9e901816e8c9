"""The memory that a run on the hosts of a cluster needs."""

from __future__ import annotations

from dataclasses import dataclass

from xcorr_app.config import Config
from xcorr_app.estimating.estimate import bytes_at_work, planned_work
from xcorr_app.planning.memory import GB, USUAL_BYTES, Load, Resources
from xcorr_app.planning.plan import plan_run

__all__ = ["JobMemory", "memory_of_job"]

# Processes on a host, if the user leaves their places to the scheduler: hosts of
# clusters have more cores, so this asks for too much memory rather than too little.
USUAL_PER_HOST = 8


@dataclass(frozen=True)
class JobMemory:
    """The memory of a job, in bytes.

    Parameters
    ----------
    run_bytes
        Memory of all processes without their modules, for ``--memory-gb``.
    process_bytes
        Memory of each process, with its modules.
    """

    run_bytes: int
    process_bytes: int


def memory_of_job(config: Config, n: int, per_host: int | None) -> JobMemory:
    """Return the memory that a job should ask for, from the plan of its run.

    The spectra and sums that wait are in one process, which shares the memory of its
    host with the other processes there.

    Parameters
    ----------
    config
        The options. Without ``--memory-gb`` each process gets its usual memory.
    n
        Number of processes.
    per_host
        Number of processes on each host, if the user chose it.

    Raises
    ------
    ParameterError
        If the run itself would refuse the options or the data.
    """
    if config.memory_gb is not None:
        memory_bytes = round(config.memory_gb * GB)
    else:
        memory_bytes = n * (Load.of(plan_run(config)).process + USUAL_BYTES)
    work = planned_work(config, Resources(n, memory_bytes))
    each, waiting = bytes_at_work(work, Load.of(work.plan))
    on_host = per_host or min(n, USUAL_PER_HOST)
    return JobMemory(memory_bytes, each + -(-waiting // on_host))
