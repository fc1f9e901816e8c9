"""The command ``xcorr-app info``: the list of pairs."""

from __future__ import annotations

import json
from dataclasses import dataclass

from xcorr_app.commands.options import (
    PROG,
    PairOptions,
    ResultsOptions,
    StackOptions,
    command_option,
    parse_command,
)

__all__ = ["InfoOptions", "info"]

ABOUT = f"""\
List the pairs: distance, windows stacked, largest value and its lag.

examples:
  {PROG} info results
  {PROG} info results --pair CI.CCA CI.HEC
  {PROG} info results --json --stack 2022-05-17
"""


@dataclass(frozen=True, kw_only=True)
class InfoOptions(ResultsOptions, PairOptions, StackOptions):
    """Options of ``xcorr-app info``."""

    json: bool = command_option("flag", "print JSON, for programs", default=False)
    all: bool = command_option(
        "flag", "list every pair, not only the first 40", default=False
    )


def info(words: list[str]) -> str:
    """``xcorr-app info OUT``: list the pairs."""
    options = parse_command("info", ABOUT, InfoOptions, words)
    from xcorr_app import store
    from xcorr_app.reporting.info import info_json, info_text

    with store.open(options.out) as results:
        stack = options.stack_in(results)
        if options.json:
            return json.dumps(
                info_json(results, pair=options.pair, stack=stack), indent=1
            )
        text = info_text(results, all_pairs=options.all, pair=options.pair, stack=stack)
        choice = [] if options.pair else options.band_choice(results)
        return "\n".join([*choice, text])
