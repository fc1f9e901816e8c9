"""The command ``xcorr-app init``: a commented file of all options of a run."""

from __future__ import annotations

from seismo_pes.application import parameters
from xcorr_app.config import PROG, template

__all__ = ["InitOptions", "init"]

InitOptions = parameters.init_options(PROG)


def init(words: list[str]) -> str:
    """``xcorr-app init``: write a commented TOML file."""
    return parameters.init(PROG, template(), words)
