"""Options that several commands of every application have."""

from __future__ import annotations

from dataclasses import dataclass

from seismo_pes.application.configuration import Configuration
from seismo_pes.application.options import command_option

__all__ = ["EndedRunOptions", "ResultsOptions"]


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
