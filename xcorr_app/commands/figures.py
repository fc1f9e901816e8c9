"""The command ``xcorr-app plot``: figures of the correlations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dispel4py.errors import ParameterError, suggest
from seismo_pes.application.command_line import parse_command
from seismo_pes.application.options import command_option
from xcorr_app.commands.shared_options import (
    ComponentsOptions,
    EndedRunOptions,
    FigureOptions,
    PairOptions,
    StackOptions,
)
from xcorr_app.config import PROG

if TYPE_CHECKING:
    from xcorr_app.store import Store

__all__ = ["KINDS", "PlotOptions", "plot"]

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

ABOUT = f"""\
Draw the correlations of a run, or one pair.

examples:
  {PROG} plot results --velocity 3 --max-lag-s 60
  {PROG} plot results --kind map
  {PROG} plot results --pair CI.CCA CI.HEC --kind time

kinds:
  section     all pairs over lag and distance (the default)
  matrix      all pairs as an image, nearest on top
  azimuth     all pairs over lag / distance and azimuth
  direction   where the noise comes from: envelopes by direction of travel
  map         stations and pairs, coloured by signal-to-noise ratio
  snr         signal-to-noise ratios: histogram, and over distance
  rose        signal-to-noise ratios by direction of travel
kinds that need --pair:
  pair        both branches, their mean, substacks (the default with --pair)
  time        the substacks of the pair over time
  components  all pairs of components of two stations, ZZ to TT
"""


@dataclass(frozen=True, kw_only=True)
class PlotOptions(
    EndedRunOptions, PairOptions, FigureOptions, ComponentsOptions, StackOptions
):
    """Options of ``xcorr-app plot``."""

    kind: str | None = command_option(
        "text",
        "what to draw, see above",
        metavar="KIND",
        otherwise="section; pair with --pair",
    )
    output: str | None = command_option(
        "text",
        "the figure; its suffix sets the format: PNG, PDF or SVG",
        metavar="FILE",
        otherwise="a PNG of the kind's name in OUT",
    )


def plot(words: list[str]) -> str:
    """``xcorr-app plot OUT``: draw results."""
    options = parse_command(f"{PROG} plot", ABOUT, PlotOptions, words)
    kind = options.kind or ("pair" if options.pair else "section")
    _check_kind(kind, options.pair)
    from xcorr_app.pair_subsets import shown_components
    from xcorr_app.results.stack_names import file_label

    with options.open_results() as results:
        choices = options.band_choice(results)
        components = ""
        if not options.pair:
            components, choice = shown_components(results, options.components)
            choices += [choice] if choice else []
        label = file_label(results, options.stack_in(results), components)
        name = f"{_file_name(kind, options.pair)}{label}.png"
        path = Path(options.output or Path(options.out) / name)
        _draw(results, kind, path, options)
    return "\n".join([*choices, str(path)])


def _check_kind(kind: str, pair: tuple[str, str] | None) -> None:
    if kind not in KINDS:
        raise ParameterError(f"--kind {kind}: {suggest(kind, KINDS)}")
    if kind in OF_A_PAIR and not pair:
        raise ParameterError(f"--kind {kind} needs a pair: give --pair A B")
    if pair and kind not in OF_A_PAIR:
        raise ParameterError(f"--kind {kind} shows all pairs: leave --pair out")


def _file_name(kind: str, pair: tuple[str, str] | None) -> str:
    if pair:
        return "_".join(pair) + ("" if kind == "pair" else f"_{kind}")
    return "record_section" if kind == "section" else kind


def _draw(results: Store, kind: str, path: Path, options: PlotOptions) -> None:
    from xcorr_app.reporting import direction_figures as directions
    from xcorr_app.reporting import network_figures as network
    from xcorr_app.reporting import pair_figures as pairs

    pair = options.pair or ("", "")
    stack: dict[str, Any] = {"stack": options.stack_in(results)}
    lags = stack | {"max_lag_s": options.max_lag_s}
    lines = stack | options.lines
    choice: dict[str, Any] = {"components": options.components}
    draw: dict[str, Callable[[], Path]] = {
        "section": lambda: network.draw_record_section(
            results, path, **lines, **choice
        ),
        "matrix": lambda: network.draw_matrix(results, path, **lines, **choice),
        "azimuth": lambda: directions.draw_azimuths(results, path, **lines, **choice),
        "direction": lambda: directions.draw_directions(
            results, path, **lines, **choice
        ),
        "map": lambda: network.draw_map(results, path, **stack, **choice),
        "snr": lambda: network.draw_snr(results, path, **stack, **choice),
        "rose": lambda: directions.draw_rose(results, path, **stack, **choice),
        "pair": lambda: pairs.draw_pair(results, *pair, path, **lines),
        "time": lambda: pairs.draw_substacks(results, *pair, path, **lags),
        "components": lambda: pairs.draw_components(results, *pair, path, **lines),
    }
    draw[kind]()
