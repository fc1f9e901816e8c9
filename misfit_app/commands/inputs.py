"""The command ``misfit-app scan``: what the files of a run have."""

from __future__ import annotations

from dataclasses import dataclass

from misfit_app.config import PROG
from seismo_pes.application.command_line import parse_command
from seismo_pes.application.configuration import Configuration
from seismo_pes.application.options import command_option

__all__ = ["ScanOptions", "scan"]

ABOUT = f"""\
List the events, and for each station the observed and synthetic channels with their
times and rates, from the headers of the files.

examples:
  {PROG} scan --event quake.xml --observed data --synthetic synthetics
"""


@dataclass(frozen=True, kw_only=True)
class ScanOptions(Configuration):
    """Options of ``misfit-app scan``."""

    event: tuple[str, ...] | None = command_option(
        "paths", "QuakeML files", metavar="FILE", otherwise="none"
    )
    observed: str | None = command_option(
        "text", "folder or pattern of observed waveforms", metavar="DIR",
        otherwise="none",
    )  # fmt: skip
    synthetic: str | None = command_option(
        "text", "folder or pattern of synthetics", metavar="DIR", otherwise="none"
    )


def scan(words: list[str]) -> tuple[str, int]:
    """``misfit-app scan``: events and channels of files.

    Returns a text, and the number of files and folders that could not be read.
    """
    options = parse_command(f"{PROG} scan", ABOUT, ScanOptions, words)
    from dispel4py.errors import ParameterError
    from misfit_app.scanning import channel_lines, event_lines
    from seismo_pes.items.skipped import FAILED_READ, Skipped

    if options == ScanOptions():
        raise ParameterError("scan: give --event, --observed or --synthetic")
    skipped: list[Skipped] = []
    lines = event_lines(options.event or ())
    for side, source in (
        ("observed", options.observed),
        ("synthetic", options.synthetic),
    ):
        if source is not None:
            lines += ["", f"{side}: {source}", *channel_lines(source, side, skipped)]
    failed = {entry.what for entry in skipped if entry.stage == FAILED_READ}
    return "\n".join(lines).strip("\n"), len(failed)
