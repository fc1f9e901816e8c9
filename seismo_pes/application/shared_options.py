"""Options that runs and commands of every application have."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from dispel4py.mappings import REGISTRY
from seismo_pes.application.configuration import Configuration
from seismo_pes.application.options import Needs, When, command_option, option

__all__ = [
    "DemoOptions",
    "EndedRunOptions",
    "ProcessesOptions",
    "RecordOptions",
    "ResultsOptions",
]

# ------------------------------------------------------------------ of a run

_run = partial(option, "run")


@dataclass(frozen=True, kw_only=True)
class ProcessesOptions(Configuration):
    """The processes of a run."""

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


def _can_be_read(path: str, label: str, config: Any) -> None:
    # imports numpy, which `--help` does not need
    from dispel4py.provenance.selection import read_selection

    read_selection(path)


@dataclass(frozen=True, kw_only=True)
class RecordOptions(Configuration):
    """What is recorded and shown of a run."""

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
    log_level: str = _run(
        "choice",
        "lowest level of the log messages shown",
        default="warning",
        choices=("debug", "info", "warning", "error"),
    )
    quiet: bool = _run(
        "flag", "no progress and no summary, only warnings and errors", default=False
    )


# ------------------------------------------------------------------ of commands


@dataclass(frozen=True, kw_only=True)
class ResultsOptions(Configuration):
    """The results that a command works on."""

    out: str = command_option(
        "text",
        "folder of the results of a run",
        metavar="OUT",
        positional=True,
        required=True,
    )


@dataclass(frozen=True, kw_only=True)
class EndedRunOptions(ResultsOptions):
    """The results of a run that has ended, unless the user accepts others."""

    unfinished: bool = command_option(
        "flag", "accept the results of a run that has not ended", default=False
    )


def _usual_processes(options: Any) -> int | None:
    return None if options.mapping == ProcessesOptions.mapping else 2


@dataclass(frozen=True, kw_only=True)
class DemoOptions(Configuration):
    """The processes of the run of a demonstration, and what it shows."""

    mapping: str = command_option(
        "mapping", "where it runs", default="multi", choices=tuple(REGISTRY)
    )
    processes: int | None = command_option(
        "count",
        "processes of any --mapping but simple",
        short="-n",
        fill=_usual_processes,
        otherwise="2",
    )
    quiet: bool = command_option(
        "flag", "no progress, only the outcome and errors", default=False
    )

    @property
    def words_of_run(self) -> list[str]:
        """The options as words of the command line of the run."""
        words = ["--mapping", self.mapping]
        if self.processes is not None:
            words += ["-n", str(self.processes)]
        return [*words, "--quiet"] if self.quiet else words
