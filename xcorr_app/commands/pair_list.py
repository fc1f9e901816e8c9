"""The command ``xcorr-app info``: the list of pairs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from seismo_pes.application.command_line import parse_command
from seismo_pes.application.options import Needs, When, command_option
from seismo_pes.application.shared_options import ResultsOptions
from xcorr_app.commands.shared_options import PairOptions, StackOptions
from xcorr_app.config import PROG

__all__ = ["InfoOptions", "info"]

ABOUT = f"""\
List the pairs: distance, windows stacked, largest value and its lag.

examples:
  {PROG} info results
  {PROG} info results --pair CI.CCA CI.HEC
  {PROG} info results --pair CI.CCA CI.HEC --lineage
  {PROG} info results --json --stack 2022-05-17
"""


@dataclass(frozen=True, kw_only=True)
class InfoOptions(ResultsOptions, PairOptions, StackOptions):
    """Options of ``xcorr-app info``."""

    json: bool = command_option("flag", "print JSON, for programs", default=False)
    all: bool = command_option(
        "flag", "list every pair, not only the first 40", default=False
    )
    lineage: bool = command_option(
        "flag",
        "show the files and the steps that the correlation of a pair was made of; the "
        "run needs --provenance",
        default=False,
        needs=(Needs((When("pair"),), "needs --pair A B"),),
    )
    provenance: str | None = command_option(
        "text",
        "folder of provenance",
        metavar="DIR",
        otherwise="that of the run",
        needs=(Needs((When("lineage"),), "needs --lineage"),),
    )


def info(words: list[str]) -> str:
    """``xcorr-app info OUT``: list the pairs."""
    options = parse_command(f"{PROG} info", ABOUT, InfoOptions, words)
    from xcorr_app import store
    from xcorr_app.reporting.info import info_json, info_text

    with store.open(options.out) as results:
        if options.pair and options.lineage:
            return _lineage(results, options)
        stack = options.stack_in(results)
        if options.json:
            return json.dumps(
                info_json(results, pair=options.pair, stack=stack), indent=1
            )
        text = info_text(results, all_pairs=options.all, pair=options.pair, stack=stack)
        choice = [] if options.pair else options.band_choice(results)
        return "\n".join([*choice, text])


def _lineage(results: Any, options: InfoOptions) -> str:
    from xcorr_app.reporting.lineage import lineage_json, lineage_text

    assert options.pair is not None
    if options.json:
        found = lineage_json(results, options.pair, options.provenance)
        return json.dumps(found, indent=1)
    return lineage_text(results, options.pair, options.provenance)
