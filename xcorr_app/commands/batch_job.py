"""A run as a job of a scheduler, such as Slurm: its script, and its job array."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from dispel4py import schedulers
from dispel4py.declaration import Option, declared
from dispel4py.errors import ParameterError
from seismo_pes.application.run_record import RUN_FILE
from seismo_pes.application.times import format_time, parse_time
from xcorr_app.config import PROG

if TYPE_CHECKING:
    from xcorr_app.config import Config

__all__ = ["JobOptions", "write_job"]

MARGIN = 1.25  # a job asks for so many times the memory that the run will take


@dataclass(frozen=True, kw_only=True)
class JobOptions(schedulers.JobOptions):
    """The options of a job, and those of a job array."""

    array_days: int | None = declared(
        None,
        Option(
            help="a job array: one run for each N days from --start to --end, each in "
            "a folder in OUT",
            metavar="N",
        ),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.array_days is not None and self.array_days < 1:
            raise ParameterError(f"--array-days {self.array_days}: must be 1 or more")


def write_job(config: Config, words: Sequence[str], options: JobOptions) -> str:
    """Write the script of a job; return what was done, for the user.

    Parameters
    ----------
    config : Config
        The options of the run; its mapping has a launcher.
    words : sequence of str
        The command line.
    options : JobOptions

    Raises
    ------
    ParameterError
        If the run or its job makes no sense.
    """
    n = config.processes
    if n is None:
        raise ParameterError("a job needs the number of processes: -n N")
    from xcorr_app.estimating.memory_of_job import memory_of_job

    memory = memory_of_job(config, n, options.placement(n)[1])
    own = schedulers.words_of_run(words, JobOptions)
    more = ["--mapping", config.mapping, "-n", str(n)]
    more += ["--memory-gb", f"{memory.run_bytes / 1e9:.3f}"]
    run = schedulers.BatchRun(
        name=PROG,
        command=[sys.executable, "-P", "-m", "xcorr_app", "run", *own, *more],
        processes=n,
        tasks=_tasks(config, options.array_days),
        process_bytes=round(memory.process_bytes * MARGIN),
    )
    return schedulers.write_job(run, options)


def _tasks(config: Config, n_days: int | None) -> list[schedulers.Task]:
    """Return the runs of a job."""
    # these options would begin anew, or need the run of an earlier start
    fresh = not (config.force or config.resume or config.update)
    if n_days is None:
        return [_task(Path(config.out), [], fresh)]
    if not fresh or config.start is None or config.end is None:
        raise ParameterError(
            "--array-days needs --start and --end, and no --force, --resume or "
            "--update: each run of the array continues by itself"
        )
    start, end = parse_time(config.start), parse_time(config.end)
    tasks = []
    while start < end:
        stop = min(start + timedelta(days=n_days), end)
        out = Path(config.out) / f"{start:%Y-%m-%dT%H%M%S}"
        times = ["--start", format_time(start), "--end", format_time(stop)]
        tasks.append(_task(out, [*times, "--out", str(out)], fresh))
        start = stop
    return tasks


def _task(out: Path, words: Sequence[str], continues: bool) -> schedulers.Task:
    return schedulers.Task(words, out / RUN_FILE if continues else None)
