"""Options of the table ``[run]``: where and how a run is executed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from seismo_pes.application.configuration import Configuration
from seismo_pes.application.options import option
from seismo_pes.application.shared_options import ProcessesOptions, RecordOptions

_run = partial(option, "run")


@dataclass(frozen=True, kw_only=True)
class LimitOptions(Configuration):
    """How much memory a run may take, and when it stops."""

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
    strict: bool = _run(
        "flag",
        "make it an error (exit status 1) if any data were skipped",
        default=False,
    )


@dataclass(frozen=True, kw_only=True)
class RunOptions(ProcessesOptions, LimitOptions, RecordOptions):
    """Where and how a run is executed."""
