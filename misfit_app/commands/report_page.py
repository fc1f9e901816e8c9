"""The command ``misfit-app report``: one HTML page for each event of a run."""

from __future__ import annotations

from dataclasses import dataclass

from misfit_app.config import PROG
from seismo_pes.application.command_line import parse_command
from seismo_pes.application.options import command_option
from seismo_pes.application.shared_options import EndedRunOptions

__all__ = ["ReportOptions", "report"]

ABOUT = f"""\
Write one HTML page for each event of a run: totals, rejected traces with reasons, maps,
histograms, stations, parameters and versions, all in one file. The figures of the
stations are those of a run with --figures.

examples:
  {PROG} report results
  {PROG} report results --force
"""


@dataclass(frozen=True, kw_only=True)
class ReportOptions(EndedRunOptions):
    """Options of ``misfit-app report``."""

    force: bool = command_option("flag", "replace pages that exist", default=False)


def report(words: list[str]) -> str:
    """``misfit-app report OUT``: one HTML page for each event of a run."""
    options = parse_command(f"{PROG} report", ABOUT, ReportOptions, words)
    from misfit_app.reporting.report import write_reports

    paths = write_reports(
        options.out, force=options.force, unfinished=options.unfinished
    )
    return "\n".join(str(path) for path in paths)
