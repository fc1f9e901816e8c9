"""The command ``misfit-app init``: a commented file of all options of a run."""

from __future__ import annotations

from dataclasses import dataclass

from dispel4py.errors import ParameterError
from misfit_app.config import PROG, template
from seismo_pes.application.command_line import parse_command
from seismo_pes.application.configuration import Configuration
from seismo_pes.application.options import command_option

__all__ = ["InitOptions", "init"]

ABOUT = "Write a commented file of all parameters, for --config."


@dataclass(frozen=True, kw_only=True)
class InitOptions(Configuration):
    """Options of ``misfit-app init``."""

    file: str = command_option(
        "text",
        "file to write; - is standard output",
        default="misfit-app.toml",
        metavar="FILE",
        positional=True,
    )
    force: bool = command_option("flag", "replace the file", default=False)


def init(words: list[str]) -> str:
    """``misfit-app init``: write a commented TOML file."""
    options = parse_command(f"{PROG} init", ABOUT, InitOptions, words)
    if options.file == "-":
        return template().rstrip("\n")
    mode = "w" if options.force else "x"
    try:
        with open(options.file, mode, encoding="utf-8") as file:
            file.write(template())
    except FileExistsError:
        raise ParameterError(
            f"{options.file} exists already: --force replaces it"
        ) from None
    return f"Wrote {options.file}. Edit it, then: {PROG} --config {options.file}"
