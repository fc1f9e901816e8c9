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


ARGUMENTS: dict[str, Callable[[Any], None]] = {
    "dir": _positional("dir", "the folder with the records"),
    "run": _positional("run", "a run"),
    "a run": _positional("run", "a run (default: all)", nargs="?"),
    "id": _positional("id", "a product, or the file that it was written to"),
    "run or id": _positional("id", "a run or a product"),
    "id or file": _positional("id", "a product, or a file that was written or read"),
    "runs": _positional("runs", "two runs", nargs=2),
    "condition": _positional("condition", "a condition"),
    "a condition": _positional("condition", "a condition (default: all)", nargs="?"),
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
        about="products before the page",
    ),
    "sort": _option(
        "--sort", metavar="TERM", about="sort by a term; --sort=-TERM: largest first"
    ),
    "depth": _option("--depth", type=_number_from(1), metavar="N", about="most steps"),
    "output": _option("-o", "--output", metavar="FILE", about="the file to write"),
    "format": _option(
        "--format",
        choices=FORMATS,
        default=FORMATS[0],
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
