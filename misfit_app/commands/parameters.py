"""The command ``misfit-app init``: a commented file of all options of a run."""

from __future__ import annotations

from misfit_app.config import PROG, template
from seismo_pes.application import parameters

__all__ = ["InitOptions", "init"]

InitOptions = parameters.init_options(PROG)


def init(words: list[str]) -> str:
    """``misfit-app init``: write a commented TOML file."""
    return parameters.init(PROG, template(), words)
