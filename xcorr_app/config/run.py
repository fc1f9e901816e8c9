"""Options of the table ``[run]``: where and how a run is executed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from dispel4py.mappings import REGISTRY
from seismo_pes.application.configuration import Configuration
from seismo_pes.application.options import Needs, When, option

_run = partial(option, "run")


def _can_be_read(path: str, label: str, config: Any) -> None:
    # imports numpy, which `--help` does not need
    from dispel4py.provenance.selection import read_selection

    read_selection(path)


@dataclass(frozen=True, kw_only=True)
class RunOptions(Configuration):
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
    memory_gb: float | None = _run(
        "number",
        "memory of all processes together (10^9 bytes); data that do not fit are "
        "processed in parts, through temporary files in OUT",
        unit="GB",
        otherwise="half of the free memory of the machine",
        example="4.0",
        above=0,
    )
    dry_run: bool = _run(
        "flag",
        "estimate time, memory and disk of the run, without running it",
        default=False,
    )
    on_error: str = _run(
        "choice",
        "when a step fails: stop the run, or skip the item and continue",
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
        "make it an error (exit status 1) if any data were skipped",
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
