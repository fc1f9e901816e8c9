"""Options of the table ``[run]``: where and how a run is executed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from dispel4py.mappings import REGISTRY
from seismo_pes.application.configuration import Configuration
from seismo_pes.application.options import Needs, When, option

__all__ = ["StartOptions"]

_run = partial(option, "run")


def _can_be_read(path: str, label: str, config: Any) -> None:
    # imports numpy, which `--help` does not need
    from dispel4py.provenance.selection import read_selection

    read_selection(path)


@dataclass(frozen=True, kw_only=True)
class StartOptions(Configuration):
    """Where and how a run is executed."""

    mapping: str = _run(
        "mapping",
        "where it runs: simple is one process, multi several on this machine; others "
        "are for clusters (docs/mappings.md)",
        default="simple",
        choices=tuple(REGISTRY),
    )
    processes: int | None = _run(
        "count",
        "number of processes of any --mapping but simple",
        short="-n",
        otherwise="the number of cores",
        example="4",
    )
    resume: bool = _run(
        "flag", "continue the run in OUT: measure the stations that are left", False
    )
    on_error: str = _run(
        "choice",
        "when a step fails: stop the run, or skip the station and continue",
        default="stop",
        choices=("stop", "skip"),
    )
    provenance: str | None = _run(
        "text",
        "record what each product was made of, in a new folder in DIR",
        metavar="DIR",
        example='"provenance"',
    )
    capture: str | None = _run(
        "text",
        "TOML file: which terms of products --provenance records, and when",
        metavar="FILE",
        needs=(Needs((When("provenance"),), "needs --provenance DIR"),),
        check=_can_be_read,
        example='"capture.toml"',
    )
    strict: bool = _run(
        "flag",
        "make it an error (exit status 1) if a trace was rejected or a file skipped",
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
