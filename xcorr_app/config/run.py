"""Options: where the results go, and how the run goes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from dispel4py.mappings import REGISTRY
from xcorr_app.config.options import option

_output = partial(option, "output")
_run = partial(option, "run")


@dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """The folder of the results, and what happens to what is in it."""

    out: str = _output(
        "text",
        "folder for the results, made by the run",
        metavar="OUT",
        example='"results"',
    )
    resume: bool = _output(
        "flag", "go on with the run that was broken off in OUT", default=False
    )
    update: bool = _output(
        "flag",
        "add new days and stations to the results in OUT: only what is new is computed",
        default=False,
    )
    force: bool = _output(
        "flag", "replace the results that are already there", default=False
    )
    dtype: str = _output(
        "choice",
        "precision of the computation and of the stored correlations",
        default="float32",
        choices=("float32", "float64"),
    )


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Where and how it runs."""

    mapping: str = _run(
        "choice",
        "where it runs: one process, several on this machine, or MPI",
        default="simple",
        choices=tuple(REGISTRY),
    )
    processes: int | None = _run(
        "count",
        "processes of --mapping multi and mpi",
        short="-n",
        metavar="N",
        otherwise="the number of cores",
        example="4",
    )
    memory_gb: float | None = _run(
        "number",
        "memory of all processes together, GB (10^9 bytes); what does not fit goes "
        "through OUT by periods of time",
        metavar="GB",
        otherwise="half of what the machine has free",
        example="4.0",
        above=0,
    )
    dry_run: bool = _run(
        "flag", "say how long it would take and how much memory and disk", default=False
    )
    on_error: str = _run(
        "choice",
        "when a step raises: stop the run, or skip that item and go on",
        default="stop",
        choices=("stop", "skip"),
    )
    strict: bool = _run(
        "flag",
        "make it an error (exit status 1) when any data had to be skipped",
        default=False,
    )
    log_level: str = _run(
        "choice",
        "lowest level of the log messages shown",
        default="warning",
        choices=("debug", "info", "warning", "error"),
    )
    quiet: bool = _run(
        "flag", "no progress and no summary, only warnings and errors", default=False
    )
