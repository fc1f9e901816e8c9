"""The command line of an application: parsers made from declared options."""

from __future__ import annotations

import argparse
import difflib
import shutil
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, TypeVar

from dispel4py import command_line
from dispel4py.errors import ParameterError, suggest
from dispel4py.terminal import printable
from seismo_pes.application.options import (
    MANY,
    Option,
    defaults_of,
    flag,
    help_text,
    options_of,
)

__all__ = [
    "Command",
    "Parser",
    "add_arguments",
    "add_configuration",
    "command_parser",
    "dispatch",
    "parse_command",
    "printed",
    "report_failed_reads",
]

WIDEST_HELP = 80  # columns, also on wider terminals: long lines are hard to read
HELP_COLUMN = 28  # where the texts of the help begin
LONGEST_PLACEHOLDER = 40  # characters; longer lists of choices wrap in the help

Settings = TypeVar("Settings")
#: Takes the words after the name of a command; returns the exit status.
Command = Callable[[list[str]], int]


class Formatter(argparse.RawDescriptionHelpFormatter):
    """Help whose lines do not break within a word such as ``--max-lag-s``."""

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(text, width, break_on_hyphens=False)


class Parser(command_line.Parser):
    """An argument parser that raises a mistake of the user as one line.

    A message about an option begins with the option, whether the parser or the check of
    the value raises it.
    """

    def error(self, message: str) -> NoReturn:
        """Raise the message of argparse.

        Raises
        ------
        ParameterError
            Always.
        """
        super().error(message.removeprefix("argument "))

    def parse(self, argv: Sequence[str]) -> argparse.Namespace:
        """Parse the words of a command line.

        Raises
        ------
        ParameterError
            If an option is unknown (the message names a similar one), or a word is not
            expected.
        """
        namespace, unknown = self.parse_known_args(argv)
        if unknown:
            raise ParameterError(self._unknown(unknown[0]))
        return namespace

    def _unknown(self, word: str) -> str:
        if not word.startswith("-"):
            return f"{word!r} is not expected here (see {self.prog} --help)"
        word = word.split("=")[0]
        known = [name for action in self._actions for name in action.option_strings]
        close = difflib.get_close_matches(word, known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"see {self.prog} --help"
        return f"unknown option {word}: {hint}"


def command_parser(
    program: str, about: str, usage: str | None = None, epilog: str = ""
) -> Parser:
    """Return the parser of a command, without options.

    Parameters
    ----------
    program : str
        Name of the program and, if it has several commands, of the command.
    about : str
        What the command does; printed unchanged.
    usage : str, optional
        First lines of the help; made from the options by default.
    epilog : str
        Text after the options, such as examples.
    """
    width = min(shutil.get_terminal_size().columns, WIDEST_HELP)
    return Parser(
        prog=program,
        usage=usage,
        description=about,
        epilog=textwrap.dedent(epilog),
        allow_abbrev=False,
        formatter_class=lambda prog: Formatter(
            prog, max_help_position=HELP_COLUMN, width=width
        ),
    )


def parse_command(
    program: str, about: str, cls: type[Settings], words: Sequence[str]
) -> Settings:
    """Return the options of a command, checked.

    Parameters
    ----------
    program : str
        Name of the program and of the command.
    about : str
        What the command does, for its help.
    cls : type
        A `seismo_pes.application.configuration.Configuration`.
    words : sequence of str
        The command line after the name of the command.

    Raises
    ------
    ParameterError
        If there is a mistake in the command line.
    """
    parser = command_parser(program, about)
    add_arguments(parser, cls)
    return cls(**vars(parser.parse(words)))


def add_arguments(
    parser: argparse.ArgumentParser,
    cls: Any,
    titles: Mapping[str, str] | None = None,
    every: bool = True,
) -> None:
    """Add every option of a dataclass to a parser.

    An option that the user does not give is absent from the result: its value comes
    from the file or is the default.

    Parameters
    ----------
    parser : argparse.ArgumentParser
    cls : type
        A dataclass of options.
    titles : mapping of str to str, optional
        Title of the group of each table; by default there is one group.
    every : bool
        Whether the help names the rare options, too.
    """
    groups: dict[str, Any] = {
        table: parser.add_argument_group(title)
        for table, title in (titles or {}).items()
    }
    defaults = defaults_of(cls)
    for name, opt in options_of(cls).items():
        group = groups.get(opt.table, parser)
        text = _with_choices(opt, help_text(opt, defaults[name])).replace("%", "%%")
        kw: dict[str, Any] = {"default": argparse.SUPPRESS}
        kw["help"] = text if every or not opt.rare else argparse.SUPPRESS
        if opt.positional:
            nargs = None if opt.required else "?"
            group.add_argument(name, metavar=opt.placeholder, nargs=nargs, **kw)
            continue
        kw["dest"] = name
        names = [spelling for spelling in (opt.short, flag(name)) if spelling]
        group.add_argument(*names, **kw, **_argument_values(opt))
        if opt.kind == "flag":  # the help does not list the opposites of switches
            opposite = {"help": argparse.SUPPRESS, "action": "store_false"}
            group.add_argument(f"--no-{flag(name)[2:]}", **(kw | opposite))


def add_configuration(
    parser: argparse.ArgumentParser,
    program: str,
    cls: Any,
    titles: Mapping[str, str],
    every: bool,
) -> None:
    """Add every option of a run, ``--config`` and ``--help-all`` to a parser.

    Parameters
    ----------
    parser : argparse.ArgumentParser
    program : str
        Name of the program, whose command ``init`` writes a file for ``--config``.
    cls, titles, every
        As for `add_arguments`.
    """
    parser.add_argument(
        "--help-all",
        action="store_true",
        default=argparse.SUPPRESS,
        help="show this help with the rare options, and exit",
    )
    parser.add_argument(
        "--config", metavar="FILE", help=f"TOML file of parameters (see {program} init)"
    )
    add_arguments(parser, cls, titles, every)


def _with_choices(opt: Option, text: str) -> str:
    """Put choices before the help, unless it or the placeholder names all of them."""
    unnamed = [choice for choice in opt.choices if choice not in opt.help]
    if not unnamed or "|".join(opt.choices) == _metavar(opt):
        return text
    return f"{', '.join(opt.choices)}: {text}"


def _argument_values(opt: Option) -> dict[str, Any]:
    if opt.kind == "flag":
        return {"action": "store_true"}
    if isinstance(opt.placeholder, tuple):
        values = {"nargs": len(opt.placeholder), "metavar": opt.placeholder}
        return values | ({"action": "append"} if opt.kind == "pairs" else {})
    if opt.kind in MANY:
        return {"nargs": "+", "metavar": opt.placeholder}
    return {"metavar": _metavar(opt)}


def _metavar(opt: Option) -> str | tuple[str, ...]:
    choices = "|".join(opt.choices)
    if opt.kind in ("choice", "mapping") and len(choices) <= LONGEST_PLACEHOLDER:
        return choices
    return opt.placeholder


# ------------------------------------------------------------------ commands


def dispatch(
    program: str, commands: Mapping[str, Command], words: list[str], needed: str
) -> int:
    """Run the command that the first word names, or the command ``run``.

    Parameters
    ----------
    program : str
        Name of the program.
    commands : mapping of str to callable
        The commands by name, ``run`` among them.
    words : list of str
        The command line; options without a command belong to ``run``.
    needed : str
        The options that a run needs, for a command line without words.

    Returns
    -------
    int
        The exit status.

    Raises
    ------
    ParameterError
        If there are no words, or no such command.
    """
    if not words:
        raise ParameterError(f"nothing to do: give {needed}, or see {program} --help")
    if words[0] in commands:
        return commands[words[0]](words[1:])
    if not words[0].startswith("-"):
        raise ParameterError(
            f"no command {words[0]!r}: {suggest(words[0], commands)}; see {program} "
            "--help"
        )
    return commands["run"](words)


def printed(command: Callable[[list[str]], str]) -> Command:
    """Return a command that prints the text of a function.

    Parameters
    ----------
    command : callable
        Takes the words after the name of the command; returns the text, "" in all
        processes of a launcher except the first.
    """

    def run(words: list[str]) -> int:
        if text := command(words):
            sys.stdout.write(printable(text) + "\n")
        return 0

    return run


def report_failed_reads(prog: str, n_inputs: int, way_out: str) -> int:
    """Report inputs that could not be read but may be later; return the exit status.

    Parameters
    ----------
    prog : str
        The program.
    n_inputs : int
        Number of the inputs.
    way_out : str
        What reads them again.
    """
    if not n_inputs:
        return 0
    inputs = "1 input" if n_inputs == 1 else f"{n_inputs:,} inputs"
    text = f"done, but {inputs} could not be read: {way_out}"
    return command_line.report_line(prog, text, 3)
