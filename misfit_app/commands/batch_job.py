"""A run as a job of a scheduler, such as Slurm: its script."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dispel4py import schedulers
from dispel4py.errors import ParameterError
from misfit_app.config import PROG
from seismo_pes.application.run_record import RUN_FILE

if TYPE_CHECKING:
    from misfit_app.config import Config

__all__ = ["write_job"]


def write_job(
    config: Config, words: Sequence[str], options: schedulers.JobOptions
) -> str:
    """Write the script of a job; return what was done, for the user.

    Parameters
    ----------
    config : Config
        The options of the run; its mapping has a launcher.
    words : sequence of str
        The command line.
    options : schedulers.JobOptions

    Raises
    ------
    ParameterError
        If the run or its job makes no sense.
    """
    n = config.processes
    if n is None:
        raise ParameterError("a job needs the number of processes: -n N")
    from misfit_app.planning import run_plan

    plan = run_plan(config)  # reports mistakes now, and not when the job begins
    own = [*schedulers.words_of_run(words), "--mapping", config.mapping, "-n", str(n)]
    record = None if config.resume else plan.out / RUN_FILE
    run = schedulers.BatchRun(
        name=PROG,
        command=[sys.executable, "-P", "-m", "misfit_app", "run", *own],
        processes=n,
        tasks=[schedulers.Task(record=record)],
    )
    return schedulers.write_job(run, options)
