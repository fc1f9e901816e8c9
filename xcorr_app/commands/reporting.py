"""The commands that look at results: ``info``, ``plot``, ``report``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dispel4py.errors import ParameterError, suggest
from xcorr_app.commands.arguments import (
    PROG,
    add_components,
    add_drawing,
    add_pair,
    add_results,
    add_stack,
    chosen_stack,
    command_parser,
    drawing,
)

if TYPE_CHECKING:
    from xcorr_app.store import Store

__all__ = ["KINDS", "info", "plot", "report"]

OF_A_PAIR = ("pair", "time", "components")
KINDS = (
    "section",
    "matrix",
    "azimuth",
    "direction",
    "map",
    "snr",
    "rose",
    *OF_A_PAIR,
)

INFO_ABOUT = f"""\
List pairs: distance, windows stacked, largest value and its lag.

examples:
  {PROG} info results
  {PROG} info results --pair CI.CCA CI.HEC
  {PROG} info results --json --stack 2022-05-17
"""

PLOT_ABOUT = f"""\
Draw the correlations of a run, or one pair.

examples:
  {PROG} plot results --velocity 3 --max-lag-s 60
  {PROG} plot results --kind map
  {PROG} plot results --pair CI.CCA CI.HEC --kind time

kinds:
  section     all pairs over lag and distance (the default)
  matrix      all pairs as an image, the closest above
  azimuth     all pairs over lag / distance and azimuth
  direction   from where the noise comes: envelopes by direction of travel
  map         stations and pairs, coloured by signal-to-noise ratio
  snr         signal-to-noise ratios: histogram, and over distance
  rose        signal-to-noise ratios by direction of travel
kinds that need --pair:
  pair        both sides, folded, substacks (the default with --pair)
  time        the substacks of the pair over time
  components  all pairs of components of two stations, ZZ to TT
"""

REPORT_ABOUT = f"""\
Write one HTML page about a run: pictures, pairs, what was skipped, settings
and versions, all inside the file.

examples:
  {PROG} report results
  {PROG} report results --velocity 2 3 --max-lag-s 60 --output page.html
"""


def info(words: list[str]) -> str:
    """``xcorr-app info OUT``: list the pairs."""
    parser = command_parser("info", INFO_ABOUT)
    add_results(parser)
    parser.add_argument("--json", action="store_true", help="as JSON, for programs")
    parser.add_argument("--all", action="store_true", help="every pair, however many")
    add_pair(parser)
    add_stack(parser)
    given = parser.parse(words)
    from xcorr_app import store
    from xcorr_app.reporting import info

    with store.open(given.out) as results:
        chosen = {"pair": given.pair, "stack": chosen_stack(results, given)}
        if given.json:
            return json.dumps(info.info_json(results, **chosen), indent=1)
        return info.info_text(results, all_pairs=given.all, **chosen)


def plot(words: list[str]) -> str:
    """``xcorr-app plot OUT``: draw results."""
    parser = command_parser("plot", PLOT_ABOUT)
    add_results(parser)
    parser.add_argument(
        "--kind",
        metavar="KIND",
        help="what to draw, see above (default: section; pair with --pair)",
    )
    add_pair(parser)
    parser.add_argument(
        "--output",
        metavar="FILE",
        help="picture, PNG, PDF or SVG (default: a PNG of the kind's name in OUT)",
    )
    add_drawing(parser)
    add_components(parser)
    add_stack(parser)
    given = parser.parse(words)
    velocities, max_lag_s = drawing(given)
    kind = given.kind or ("pair" if given.pair else "section")
    _check_kind(kind, given)
    from xcorr_app import store

    path = Path(given.output or Path(given.out) / _picture_name(kind, given.pair))
    with store.open(given.out) as results:
        _draw(results, kind, path, given, velocities, max_lag_s)
    return str(path)


def _check_kind(kind: str, given: argparse.Namespace) -> None:
    if kind not in KINDS:
        raise ParameterError(f"--kind {kind}: {suggest(kind, KINDS)}")
    if kind in OF_A_PAIR and not given.pair:
        raise ParameterError(f"--kind {kind}: of which pair? Give --pair A B")
    if given.pair and kind not in OF_A_PAIR:
        raise ParameterError(f"--kind {kind} is of all pairs: leave --pair out")


def _picture_name(kind: str, pair: list[str] | None) -> str:
    if pair:
        return "_".join(pair) + ("" if kind == "pair" else f"_{kind}") + ".png"
    return f"{'record_section' if kind == 'section' else kind}.png"


def _draw(
    results: Store,
    kind: str,
    path: Path,
    given: argparse.Namespace,
    velocities: list[float],
    max_lag_s: float | None,
) -> None:
    from xcorr_app.reporting import direction_figures as directions
    from xcorr_app.reporting import network_figures as network
    from xcorr_app.reporting import pair_figures as pairs

    pair: tuple[str, str] = tuple(given.pair or ("", ""))
    stack: dict[str, Any] = {"stack": chosen_stack(results, given)}
    lags = stack | {"max_lag_s": max_lag_s}
    lines = lags | {"velocities_km_s": velocities}
    some = {"components": given.components}
    draw: dict[str, Callable[[], Path]] = {
        "section": lambda: network.draw_record_section(results, path, **lines, **some),
        "matrix": lambda: network.draw_matrix(results, path, **lines, **some),
        "azimuth": lambda: directions.draw_azimuths(results, path, **lines, **some),
        "direction": lambda: directions.draw_directions(results, path, **lines, **some),
        "map": lambda: network.draw_map(results, path, **stack, **some),
        "snr": lambda: network.draw_snr(results, path, **stack, **some),
        "rose": lambda: directions.draw_rose(results, path, **stack, **some),
        "pair": lambda: pairs.draw_pair(results, *pair, path, **lines),
        "time": lambda: pairs.draw_substacks(results, *pair, path, **lags),
        "components": lambda: pairs.draw_components(results, *pair, path, **lines),
    }
    draw[kind]()


def report(words: list[str]) -> str:
    """``xcorr-app report OUT``: one HTML page about a run."""
    parser = command_parser("report", REPORT_ABOUT)
    add_results(parser)
    parser.add_argument(
        "--output", metavar="FILE", help="the page (default: report.html in OUT)"
    )
    parser.add_argument("--force", action="store_true", help="replace the page")
    add_drawing(parser)
    add_components(parser)
    add_stack(parser)
    given = parser.parse(words)
    velocities, max_lag_s = drawing(given)
    from xcorr_app import store
    from xcorr_app.reporting.report import write_report

    path = Path(given.output or Path(given.out) / "report.html")
    with store.open(given.out) as results:
        write_report(
            results,
            path,
            velocities_km_s=velocities,
            max_lag_s=max_lag_s,
            stack=chosen_stack(results, given),
            components=given.components,
            force=given.force,
        )
    return str(path)
