"""The command ``misfit-app ledger``: the rows of a run."""

from __future__ import annotations

from dataclasses import dataclass

from misfit_app.config import PROG
from seismo_pes.application.command_line import parse_command
from seismo_pes.application.options import command_option
from seismo_pes.application.shared_options import EndedRunOptions

__all__ = ["LedgerOptions", "ledger"]

ABOUT = f"""\
Print the ledger of a run: one row for each trace, period band, window and measure,
with its value, or with the stage and the reason of its rejection.

examples:
  {PROG} ledger results --format csv > ledger.csv
  {PROG} ledger results --totals
"""


@dataclass(frozen=True, kw_only=True)
class LedgerOptions(EndedRunOptions):
    """Options of ``misfit-app ledger``."""

    format: str = command_option(
        "choice", "format of the rows", default="csv", choices=("csv", "json")
    )
    totals: bool = command_option(
        "flag",
        "print the numbers of measured and rejected traces, and the sums of misfits",
        default=False,
    )


def ledger(words: list[str]) -> str:
    """``misfit-app ledger OUT``: the rows of a run."""
    options = parse_command(f"{PROG} ledger", ABOUT, LedgerOptions, words)
    from misfit_app.ledger import as_csv, as_json, totals
    from misfit_app.store import read_ledger

    rows = read_ledger(options.out, options.unfinished)
    if options.totals:
        return totals(rows).text()
    text = as_csv(rows) if options.format == "csv" else as_json(rows)
    return text.rstrip("\n")
