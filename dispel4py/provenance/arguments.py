"""The arguments of the questions of ``dispel4py prov``."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from dispel4py.provenance.export import FORMATS
from dispel4py.provenance.remarks import VERDICTS

__all__ = ["ARGUMENTS"]

#: Largest value of an option; all databases accept it.
_LARGEST = 10**15


def _number_from(least: int) -> Callable[[str], int]:
    """Return a function that reads a number of an option."""

    def read(text: str) -> int:
        if not (text.isdecimal() and least <= int(text) <= _LARGEST):
            raise argparse.ArgumentTypeError(f"use a number from {least}, not {text}")
        return int(text)

    return read


def _positional(name: str, about: str, **more: Any) -> Callable[[Any], None]:
    def add(parser: argparse.ArgumentParser) -> None:
        parser.add_argument(name, metavar=name.upper(), help=about, **more)

    return add


def _option(*names: str, about: str, **more: Any) -> Callable[[Any], None]:
    def add(parser: argparse.ArgumentParser) -> None:
        parser.add_argument(*names, help=about, **more)

    return add


def _output(about: str) -> Callable[[Any], None]:
    return _option("-o", "--output", metavar="FILE", about=about)


_RUN = "a run: its id, the beginning of its id, or 'last'"
_CONDITION = "for example: \"snr > 5 and station = 'FMP'\""
_DEPTH = "largest number of steps (default: no limit)"

ARGUMENTS: dict[str, Callable[[Any], None]] = {
    "dir": _positional(
        "dir", "the folder with the records (default: provenance)", nargs="?"
    ),
    "run": _positional("run", _RUN),
    "a run": _positional("run", f"{_RUN} (default: all runs)", nargs="?"),
    "id": _positional("id", "the id of a product, or the file that it was written to"),
    "run or id": _positional("id", "a run, or the id of a product"),
    "id or file": _positional("id", "a product, or a file that was written or read"),
    "runs": _option("runs", metavar="RUN", nargs=2, about="two runs"),
    "condition": _positional("condition", _CONDITION),
    "a condition": _positional(
        "condition", f"{_CONDITION} (default: all products with a file)", nargs="?"
    ),
    "verdict": _positional("verdict", "good or bad", choices=VERDICTS),
    "note": _option("--note", metavar="TEXT", default="", about="the reason"),
    "limit": _option(
        "--limit",
        type=_number_from(1),
        default=50,
        metavar="N",
        about="products on a page (default: 50)",
    ),
    "offset": _option(
        "--offset",
        type=_number_from(0),
        default=0,
        metavar="N",
        about="products before the page (default: 0)",
    ),
    "sort": _option(
        "--sort", metavar="TERM", about="sort by a term; --sort=-TERM: largest first"
    ),
    "depth": _option("--depth", type=_number_from(1), metavar="N", about=_DEPTH),
    "a file": _output("the file or folder to write (default: printed)"),
    "a zip": _output("the .zip or .sh file to write"),
    "a page": _output("the .html file to write"),
    "a picture": _output("the .png, .pdf or .svg file to write"),
    "format": _option(
        "--format",
        choices=FORMATS,
        default=FORMATS[0],
        metavar="FORMAT",
        about=f"one of {', '.join(FORMATS)} (default: {FORMATS[0]})",
    ),
    "failed": _option(
        "--failed",
        action="store_true",
        about="make the failed calls of a run again, and no product",
    ),
    "dry-run": _option(
        "--dry-run", action="store_true", about="only show what would be deleted"
    ),
}
