"""Options of the table ``[run]``: where and how a run is executed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from seismo_pes.application.configuration import Configuration
from seismo_pes.application.options import option
from seismo_pes.application.shared_options import ProcessesOptions, RecordOptions

__all__ = ["StartOptions"]

_run = partial(option, "run")


@dataclass(frozen=True, kw_only=True)
class StopOptions(Configuration):
    """When a run stops, and whether it goes on from there."""

    resume: bool = _run(
        "flag", "continue the run in OUT: measure the stations that are left", False
    )
    on_error: str = _run(
        "choice",
        "when a step fails: stop the run, or skip the station and continue",
        default="stop",
        choices=("stop", "skip"),
    )
    strict: bool = _run(
        "flag",
        "make it an error (exit status 1) if a trace was rejected or a file skipped",
        default=False,
    )


@dataclass(frozen=True, kw_only=True)
class StartOptions(ProcessesOptions, StopOptions, RecordOptions):
    """Where and how a run is executed."""
