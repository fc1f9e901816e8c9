"""Options that several commands share, and the name of the program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from seismo_pes.application.command_line import command_parser, parsed
from seismo_pes.application.configuration import Configuration
from seismo_pes.application.options import option

__all__ = [
    "PROG",
    "EndedRunOptions",
    "ResultsOptions",
    "command_option",
    "parse_command",
]

PROG = "misfit-app"

Options = TypeVar("Options")

# Options of commands stand in no table of a TOML file.
command_option = partial(option, "")


def parse_command(
    command: str, about: str, cls: type[Options], words: Sequence[str]
) -> Options:
    """Return the options of a command.

    Parameters
    ----------
    command : str
        Name of the command.
    about : str
        What the command does, for its help.
    cls : type
        Options of the command.
    words : sequence of str
        The command line after the name.

    Raises
    ------
    ParameterError
        If there is a mistake in the command line.
    """
    return parsed(command_parser(f"{PROG} {command}", about), cls, words)


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
