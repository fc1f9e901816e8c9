"""What the parsers of the commands share: layout, numbers, options of several."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from dispel4py.errors import ParameterError
from seismo_pes.application.command_line import Parser
from seismo_pes.application.command_line import command_parser as kit_parser

if TYPE_CHECKING:
    from xcorr_app.store import Store

PROG = "xcorr-app"


def command_parser(
    command: str, about: str, usage: str | None = None, epilog: str = ""
) -> Parser:
    """Return the parser of a command."""
    return kit_parser(f"{PROG} {command}".strip(), about, usage, epilog)


def whole(name: str, text: Any) -> int:
    """Read a whole number."""
    try:
        return int(text)
    except ValueError:
        raise ParameterError(f"{name}: {text!r} is not a whole number") from None


def number(name: str, text: Any) -> float:
    """Read a number."""
    try:
        return float(text)
    except ValueError:
        raise ParameterError(f"{name}: {text!r} is not a number") from None


def span(name: str, texts: Any) -> tuple[float, float] | None:
    """Read two numbers, the second larger than the first; None where none are given."""
    if texts is None:
        return None
    low, high = (number(name, text) for text in texts)
    if not low < high:
        raise ParameterError(f"{name} {low:g} {high:g}: the second must be larger")
    return low, high


# ------------------------------------------------------- options of several


def add_results(parser: Parser) -> None:
    """Add the folder of a run."""
    parser.add_argument("out", metavar="OUT", help="results of a run")


def add_pair(parser: Parser, help: str = "") -> None:
    """Add ``--pair``."""
    parser.add_argument(
        "--pair",
        nargs=2,
        metavar=("A", "B"),
        help=help
        or "two channels (NET.STA.LOC.CHA), or stations where that is unambiguous",
    )


def add_stack(parser: Parser, help: str = "") -> None:
    """Add ``--stack`` and ``--band``."""
    parser.add_argument(
        "--stack",
        metavar="NAME",
        help=help or "all, or a period such as 2022-05-17 (default: all)",
    )
    parser.add_argument(
        "--band",
        nargs=2,
        metavar=("LO", "HI"),
        help="filter band of a run of several, Hz (default: the lowest)",
    )


def chosen_stack(store: Store, given: argparse.Namespace) -> str | None:
    """Return the full name of the stack that is meant."""
    from xcorr_app.results.stack_names import full_name

    return full_name(store, given.stack, span("--band", given.band))


def add_components(parser: Parser, otherwise: str = "ZZ if there are any") -> None:
    """Add ``--components``."""
    parser.add_argument(
        "--components",
        metavar="ZZ|RR|TT|...",
        help=f"only pairs of these (default: {otherwise})",
    )


def add_drawing(parser: Parser) -> None:
    """Add ``--velocity`` and ``--max-lag-s``."""
    parser.add_argument(
        "--velocity",
        metavar="KM_S",
        nargs="+",
        default=[],
        help="velocities to draw as lines, km/s",
    )
    parser.add_argument(
        "--max-lag-s", metavar="SECONDS", help="lags drawn (default: all)"
    )


def drawing(given: argparse.Namespace) -> tuple[list[float], float | None]:
    """Return velocities and the largest lag."""
    velocities = [number("--velocity", one) for one in given.velocity]
    if given.max_lag_s is None:
        return velocities, None
    return velocities, number("--max-lag-s", given.max_lag_s)
