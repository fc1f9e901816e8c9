"""The command ``init`` of an application: a commented file of all options of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dispel4py.errors import ParameterError
from seismo_pes.application.command_line import parse_command
from seismo_pes.application.configuration import Configuration
from seismo_pes.application.options import command_option
from seismo_pes.application.toml_file import write_toml

__all__ = ["InitOptions", "init", "init_options", "template"]

ABOUT = "Write a commented file of all parameters, for --config."


@dataclass(frozen=True, kw_only=True)
class InitOptions(Configuration):
    """Options of ``init``; `init_options` adds the default of the file."""

    file: str
    force: bool = command_option("flag", "replace the file", default=False)


def init_options(program: str) -> type[InitOptions]:
    """Return the options of the command ``init`` of an application.

    Parameters
    ----------
    program : str
        Name of the program, and of the file without ``.toml``.
    """

    @dataclass(frozen=True, kw_only=True)
    class Options(InitOptions):
        file: str = command_option(
            "text",
            "file to write; - is standard output",
            default=f"{program}.toml",
            metavar="FILE",
            positional=True,
        )

    return Options


def init(program: str, text: str, words: Sequence[str]) -> str:
    """Write a file of all parameters; return what was done, for the user.

    Parameters
    ----------
    program : str
        Name of the program.
    text : str
        The content of the file, see `template`.
    words : sequence of str
        The command line after ``init``.

    Returns
    -------
    str
        The content itself, if the user wants it on standard output.

    Raises
    ------
    ParameterError
        If there is a mistake in the command line, or the file exists already.
    """
    options = parse_command(f"{program} init", ABOUT, init_options(program), words)
    if options.file == "-":
        return text.rstrip("\n")
    mode = "w" if options.force else "x"
    try:
        with open(options.file, mode, encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ParameterError(
            f"{options.file} exists already: --force replaces it"
        ) from None
    return f"Wrote {options.file}. Edit it, then: {program} --config {options.file}"


def template(
    program: str,
    cls: Any,
    titles: Mapping[str, str],
    values: Mapping[str, Any] | None = None,
) -> str:
    """Return the text of a commented TOML file of all options of a run.

    Parameters
    ----------
    program : str
        Name of the program.
    cls, titles, values
        As for `seismo_pes.application.toml_file.write_toml`.
    """
    head = (
        f"# Parameters of {program}: {program} --config THIS_FILE\n"
        "# A key that is commented out has no value. An option of the command line\n"
        "# replaces its key. Paths are relative to the present folder.\n\n"
    )
    return head + write_toml(cls, titles, values)
