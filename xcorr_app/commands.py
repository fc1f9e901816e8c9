"""The commands that look at results and archives; each returns the text to print."""

from __future__ import annotations

import argparse
import json
import shutil
import textwrap
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dispel4py.errors import ParameterError, suggest
from xcorr_app.options import Parser, parse_time, time_ns

if TYPE_CHECKING:
    from xcorr_app.progress import Progress
    from xcorr_app.store import Store

__all__ = ["export", "info", "plot", "report", "scan"]

PROG = "xcorr-app"
KINDS = ("section", "pair", "matrix", "map", "snr", "azimuth", "time")
FORMATS = ("npz", "sac", "mseed", "asdf", "netcdf", "zarr", "noisepy", "msnoise")

PLOT_EXAMPLES = f"""\
kinds:
  section   all pairs over lag and distance (the default)
  pair      one pair: both sides, folded, substacks (the default with --pair)
  matrix    all pairs as an image, the closest above
  map       stations and pairs, coloured by signal-to-noise ratio
  snr       signal-to-noise ratios: histogram, and over distance
  azimuth   from where the noise comes: envelopes by direction of travel
  time      the substacks of one pair over time (needs --pair)

examples:
  {PROG} plot results --velocity 3 --max-lag-s 60
  {PROG} plot results --pair CI.CCA CI.HEC --kind time
"""

EXPORT_FORMATS = """\
formats:
  npz       a numpy file: lags_s, and an array NET.STA.LOC.CHA_NET.STA.LOC.CHA a pair
  sac       a folder of SAC files, one for each pair
  mseed     a folder of miniSEED files, one for each pair
  asdf      an ASDF file, the pairs as auxiliary data
  netcdf    a netCDF-4 file of dimensions pair and lag
  zarr      a Zarr folder of dimensions pair and lag
  noisepy   a folder of NoisePy's stacks and daily correlations
  msnoise   an output folder of MSNoise 2: references and daily correlations
"""


def command_parser(
    command: str, about: str, usage: str | None = None, epilog: str = ""
) -> Parser:
    """Return the parser of a command."""
    width = min(shutil.get_terminal_size().columns, 100)
    return Parser(
        prog=f"{PROG} {command}".strip(),
        usage=usage,
        description=about,
        epilog=textwrap.dedent(epilog),
        allow_abbrev=False,
        formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(
            prog, max_help_position=28, width=width
        ),
    )


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


def progress_shown(quiet: bool) -> AbstractContextManager[Progress | None]:
    """Return a display of progress, or nothing."""
    if quiet:
        return nullcontext()
    from xcorr_app.progress import Progress

    return Progress()


def _add_pair(parser: Parser) -> None:
    parser.add_argument(
        "--pair",
        nargs=2,
        metavar=("A", "B"),
        help="two channels (NET.STA.LOC.CHA), or stations where that is unambiguous",
    )


def _add_stack(parser: Parser) -> None:
    parser.add_argument(
        "--stack",
        metavar="NAME",
        help="all, or a day such as 2022-05-17 (default: all)",
    )


def _add_drawing(parser: Parser) -> None:
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


def _drawing(given: argparse.Namespace) -> tuple[list[float], float | None]:
    velocities = [number("--velocity", one) for one in given.velocity]
    if given.max_lag_s is None:
        return velocities, None
    return velocities, number("--max-lag-s", given.max_lag_s)


# ------------------------------------------------------------------ results


def info(words: list[str]) -> str:
    """``xcorr-app info OUT``: list the pairs."""
    parser = command_parser(
        "info", "List pairs: distance, windows stacked, largest value and its lag."
    )
    parser.add_argument("out", metavar="OUT", help="results of a run")
    parser.add_argument("--json", action="store_true", help="as JSON, for programs")
    parser.add_argument("--all", action="store_true", help="every pair, however many")
    _add_pair(parser)
    _add_stack(parser)
    given = parser.parse(words)
    from xcorr_app import info, store

    chosen = {"pair": given.pair, "stack": given.stack}
    with store.open(given.out) as results:
        if given.json:
            return json.dumps(info.info_json(results, **chosen), indent=1)
        return info.info_text(results, all_pairs=given.all, **chosen)


def plot(words: list[str]) -> str:
    """``xcorr-app plot OUT``: draw results."""
    parser = command_parser(
        "plot", "Draw the correlations of a run, or one pair.", epilog=PLOT_EXAMPLES
    )
    parser.add_argument("out", metavar="OUT", help="results of a run")
    parser.add_argument(
        "--kind",
        metavar="KIND",
        help="what to draw, see below (default: section; pair with --pair)",
    )
    _add_pair(parser)
    parser.add_argument(
        "--output",
        metavar="FILE",
        help="picture, PNG, PDF or SVG (default: a PNG of the kind's name in OUT)",
    )
    _add_drawing(parser)
    _add_stack(parser)
    given = parser.parse(words)
    velocities, max_lag_s = _drawing(given)
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
    if kind in ("pair", "time") and not given.pair:
        raise ParameterError(f"--kind {kind}: of which pair? Give --pair A B")
    if given.pair and kind not in ("pair", "time"):
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
    from xcorr_app import plot, views

    first, second = given.pair or ("", "")
    stack: dict[str, Any] = {"stack": given.stack}
    lags = stack | {"max_lag_s": max_lag_s}
    lines = lags | {"velocities_km_s": velocities}
    draw: dict[str, Callable[[], Path]] = {
        "section": lambda: plot.record_section(results, path, **lines),
        "pair": lambda: plot.pair_plot(results, first, second, path, **lines),
        "matrix": lambda: views.matrix_view(results, path, **lines),
        "map": lambda: views.map_view(results, path, **stack),
        "snr": lambda: views.snr_view(results, path, **stack),
        "azimuth": lambda: views.azimuth_view(results, path, **lines),
        "time": lambda: views.time_view(results, first, second, path, **lags),
    }
    draw[kind]()


def export(words: list[str]) -> str:
    """``xcorr-app export OUT --format FORMAT DEST``."""
    parser = command_parser(
        "export",
        "Write the correlations in a form that other programs read.",
        epilog=EXPORT_FORMATS,
    )
    parser.add_argument("out", metavar="OUT", help="results of a run")
    parser.add_argument("dest", metavar="DEST", help="file or folder to write")
    parser.add_argument("--format", metavar="FORMAT", required=True, help="see below")
    parser.add_argument("--force", action="store_true", help="replace DEST")
    parser.add_argument("--quiet", action="store_true", help="no progress")
    parser.add_argument(
        "--stack",
        metavar="NAME",
        help="all, or a day such as 2022-05-17 (default: all; noisepy and msnoise: "
        "every one)",
    )
    given = parser.parse(words)
    if given.format not in FORMATS:
        known = ", ".join(FORMATS)
        raise ParameterError(f"--format {given.format}: not one of {known}")
    from seismo_pes.disk import telling_full_disk
    from xcorr_app import store
    from xcorr_app.export import export

    with (
        store.open(given.out) as results,
        progress_shown(given.quiet) as progress,
        telling_full_disk(given.dest, "what is there is not whole"),
    ):
        follow = None if progress is None else partial(progress.update, "pairs")
        export(
            results,
            given.dest,
            given.format,
            stack=given.stack,
            force=given.force,
            progress=follow,
        )
    return str(given.dest)


def report(words: list[str]) -> str:
    """``xcorr-app report OUT``: one HTML page about a run."""
    parser = command_parser(
        "report",
        "Write one HTML page about a run: pictures, pairs, what was skipped, settings\n"
        "and versions, all inside the file.",
    )
    parser.add_argument("out", metavar="OUT", help="results of a run")
    parser.add_argument(
        "--output", metavar="FILE", help="the page (default: report.html in OUT)"
    )
    parser.add_argument("--force", action="store_true", help="replace the page")
    _add_drawing(parser)
    _add_stack(parser)
    given = parser.parse(words)
    velocities, max_lag_s = _drawing(given)
    from xcorr_app import store
    from xcorr_app.report import write_report

    path = Path(given.output or Path(given.out) / "report.html")
    with store.open(given.out) as results:
        write_report(
            results,
            path,
            velocities_km_s=velocities,
            max_lag_s=max_lag_s,
            stack=given.stack,
            force=given.force,
        )
    return str(path)


# ------------------------------------------------------------------ archives


def scan(words: list[str]) -> str:
    """``xcorr-app scan --data ARCHIVE``: what an archive has."""
    parser = command_parser(
        "scan",
        "Say what an archive has of each channel, from the headers of its files, and\n"
        "draw a picture of every day.",
    )
    add = parser.add_argument
    add("--data", metavar="ARCHIVE", required=True, help="as for a run")
    add("--stations", metavar="FILE", help="only these stations (default: all)")
    add("--channels", metavar="CODE", nargs="+", help="only these codes (default: all)")
    add("--start", metavar="TIME", help="from here (default: start of the data)")
    add("--end", metavar="TIME", help="to here (default: end of the data)")
    add("--output", metavar="FILE", default="availability.png",
        help="picture, PNG, PDF or SVG (default: availability.png)")  # fmt: skip
    add("--json", action="store_true", help="print JSON, for programs")
    add("--quiet", action="store_true", help="no progress")
    given = parser.parse(words)
    edges = [_edge(name, getattr(given, name)) for name in ("start", "end")]
    if None not in edges and edges[0] >= edges[1]:  # type: ignore[operator]
        raise ParameterError("--end must be later than --start")
    from seismo_pes.archive import open_archive
    from seismo_pes.availability import find_availability
    from seismo_pes.stations import read_station_list
    from xcorr_app import scan

    patterns = None if given.stations is None else read_station_list(given.stations)
    codes = ",".join(given.channels or ["*"]).split(",")
    with progress_shown(given.quiet) as progress:
        found = find_availability(
            open_archive(given.data),
            patterns,
            codes,
            start_ns=edges[0],
            end_ns=edges[1],
            progress=None if progress is None else partial(progress.update, "channels"),
        )
    path = scan.draw(found, given.output, given.data)
    if given.json:
        return json.dumps(scan.as_json(found, path), indent=1)
    return f"{scan.as_text(found)}\n{path}"


def _edge(name: str, text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return time_ns(parse_time(text).isoformat())
    except ValueError as problem:
        raise ParameterError(f"--{name}: {problem}") from None
