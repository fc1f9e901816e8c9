"""The command ``xcorr-app``.

Exit status: 0 done; 1 the run failed, or ``--strict`` and something was skipped;
2 a mistake in what was asked for, said in one line; 130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
import textwrap
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dispel4py import __version__
from dispel4py.errors import DataError, ParameterError, RunError, UserError, suggest
from dispel4py.terminal import Terminated, mpi_rank, sigterm_unwinds, start_logging
from xcorr_app.config import TABLES, Config, resolve, template
from xcorr_app.options import Parser, add_arguments
from xcorr_app.terminal import launch_mpi, mapping_here

if TYPE_CHECKING:
    from xcorr_app.progress import Progress
    from xcorr_app.summary import RunSummary

PROG = "xcorr-app"
DEFAULT_CONFIG = "xcorr-app.toml"

RUN_USAGE = f"""{PROG} --stations FILE --data ARCHIVE --out OUT [options]
       {PROG} COMMAND ... (init, demo, info, plot, export)"""

RUN_ABOUT = """\
Cross-correlate the ambient noise of all pairs of stations.

commands:
  run             the default: correlate; its options are below
  init [FILE]     write a commented file of all parameters, for --config
  demo            make a synthetic network, correlate it, draw the result
  info OUT        list pairs: distance, windows stacked, largest value and its lag
  plot OUT        draw the record section, or one pair
  export OUT DEST write the correlations as npz or SAC
"""

RUN_EXAMPLES = f"""\
examples:
  {PROG} --stations list.txt --data SDS --out results --bandpass-hz 0.1 1
  {PROG} --config xcorr-app.toml --start 2022-01-02 --end 2022-01-09
  {PROG} --stations list.txt --data 'day*/*.sac' --out results --channels LHZ \\
      --window-s 1800 --step-s 900 --time-norm onebit --whiten band \\
      --whiten-hz 0.08 0.4 --mapping multi -n 8
  mpiexec -n 64 {PROG} --config xcorr-app.toml --mapping mpi

Precedence: option, then key of the --config file, then default. Times are UTC.
Exit status: 0 done, 1 failed, 2 a mistake in the options, 130 interrupted.
"""


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        return _dispatch(words)
    except SystemExit as done:  # of --help and --version
        return int(done.code or 0)
    except Terminated:
        return _complain("terminated", 143)
    except KeyboardInterrupt:
        return _complain("interrupted", 130)
    except BrokenPipeError:
        # the reader has had enough; nothing more may be flushed on the way out
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except UserError as mistake:
        return _complain(f"error: {mistake}", 2)
    except RunError as failed:
        return _complain_of_failures(failed)
    except DataError as failure:
        return _complain(f"error: {failure}", 1)
    except OSError as problem:
        if problem.filename is None:
            raise
        return _complain(f"error: {problem.filename}: {problem.strerror}", 1)


def _complain(text: str, status: int) -> int:
    if mpi_rank() == 0:  # of several MPI processes the first says it for all
        print(f"{PROG}: {text}", file=sys.stderr)
    return status


def _complain_of_failures(failed: RunError) -> int:
    for failure in failed.failures:
        if full := _full_disk(failure):
            return _complain(f"error: {full}", 1)
    for failure in failed.failures:
        if failure.traceback:
            print(failure.traceback.rstrip(), file=sys.stderr)
    for failure in failed.failures:
        print(f"{PROG}: error: {failure.summary}", file=sys.stderr)
    return 1


def _full_disk(failure: Any) -> str:
    """Return what a failure says of a full disk; "" where it is another."""
    kind, _, text = str(failure.cause).partition(": ")
    return text if kind == "DiskFull" else ""


def _dispatch(words: list[str]) -> int:
    if not words:
        raise ParameterError(
            "nothing to do: give --stations FILE --data ARCHIVE --out OUT, or see "
            f"{PROG} --help"
        )
    if words[0] in COMMANDS:
        return COMMANDS[words[0]](words[1:])
    if not words[0].startswith("-"):
        raise ParameterError(
            f"no command {words[0]!r}: {suggest(words[0], COMMANDS)}; see {PROG} --help"
        )
    return run_command(words)


def _parser(
    command: str, about: str, usage: str | None = None, epilog: str = ""
) -> Parser:
    return Parser(
        prog=f"{PROG} {command}".strip(),
        usage=usage,
        description=about,
        epilog=textwrap.dedent(epilog),
        allow_abbrev=False,
        formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(
            prog, max_help_position=28, width=min(_columns(), 100)
        ),
    )


def _columns() -> int:
    import shutil

    return shutil.get_terminal_size().columns


# ----------------------------------------------------------------------- run


def run_parser() -> Parser:
    """Return the parser of ``xcorr-app run``, the default command."""
    parser = _parser("", RUN_ABOUT, RUN_USAGE, RUN_EXAMPLES)
    parser.add_argument("--version", action="version", version=f"{PROG} {__version__}")
    parser.add_argument(
        "--config", metavar="FILE", help=f"TOML file of parameters (see {PROG} init)"
    )
    add_arguments(parser, Config, TABLES)
    return parser


def run_command(words: list[str]) -> int:
    """``xcorr-app [run]``: correlate."""
    from dispel4py.mappings.launch import launched_by_mpi

    given = vars(run_parser().parse(words))
    mapping = mapping_here(given.get("mapping"))
    if mapping is not None:
        given["mapping"] = mapping
    config = resolve(given, given.pop("config"))
    with sigterm_unwinds():
        if config.mapping == "mpi" and not launched_by_mpi():
            return launch_mpi(config.processes, words)
        return correlate(config)


def correlate(config: Config) -> int:
    """Run a configuration, tell its outcome, return the exit status."""
    start_logging(config.log_level)
    from xcorr_app.workflow import run

    with _progress(quiet=config.quiet) as progress:
        summary = run(config, progress)
    if summary is None:  # another process of an MPI run has it
        return 0
    return _tell(summary, config)


def _tell(summary: RunSummary, config: Config) -> int:
    from seismo_pes.disk import telling_full_disk

    with telling_full_disk(config.out, "the correlations are complete"):
        summary.write(config.out)
    if not config.quiet:
        for text in (summary.table(), summary.headline()):
            if text:
                print(text)
        if summary.skipped:
            print(f"All that was skipped: {Path(config.out) / 'skipped.tsv'}")
    for failure in summary.failures:
        if full := _full_disk(failure):
            return _complain(f"error: {full}", 1)
        print(f"{PROG}: failed: {failure.summary}", file=sys.stderr)
    if config.strict and summary.skipped:
        return _complain(
            f"error: --strict, and {summary.n_skipped:,} skipped: see "
            f"{Path(config.out) / 'skipped.tsv'}",
            1,
        )
    return 0


def _progress(quiet: bool) -> AbstractContextManager[Progress | None]:
    if quiet:
        return nullcontext()
    from xcorr_app.progress import Progress

    return Progress()


# ------------------------------------------------------------ other commands


def init_command(words: list[str]) -> int:
    """``xcorr-app init``: write a commented TOML file."""
    parser = _parser("init", "Write a commented file of all parameters, for --config.")
    parser.add_argument(
        "file",
        metavar="FILE",
        nargs="?",
        default=DEFAULT_CONFIG,
        help=f"where to write; - is standard output (default: {DEFAULT_CONFIG})",
    )
    parser.add_argument("--force", action="store_true", help="replace FILE")
    given = parser.parse(words)
    if given.file == "-":
        print(template(), end="")
        return 0
    try:
        with open(given.file, "w" if given.force else "x", encoding="utf-8") as file:
            file.write(template())
    except FileExistsError:
        raise ParameterError(
            f"{given.file} is there already: --force replaces it"
        ) from None
    print(f"Wrote {given.file}. Edit it, then: {PROG} --config {given.file}")
    return 0


def demo_command(words: list[str]) -> int:
    """``xcorr-app demo``: a synthetic network, correlated and drawn."""
    from xcorr_app.synthetic import Network

    usual = Network()
    parser = _parser(
        "demo",
        "Make a network of synthetic stations in noise from all around, correlate all\n"
        "pairs, draw the record section over the true moveout, and measure the fit.",
    )
    add = parser.add_argument
    add("--out", metavar="DIR", default="demo-out", help="folder (default: demo-out)")
    add("--stations", metavar="N", default=usual.n_stations, help="(default: 24)")
    add(
        "--hours",
        metavar="H",
        default=usual.hours,
        help=f"length of the record (default: {usual.hours:g})",
    )
    add("--seed", metavar="N", default=usual.seed, help=f"(default: {usual.seed})")
    add("--mapping", metavar="simple|multi|mpi", default="multi")
    add("-n", "--processes", metavar="N", default="2", help="(default: 2)")
    add("--quiet", action="store_true", help="no progress")
    given = parser.parse(words)
    network = Network(
        n_stations=_whole("--stations", given.stations),
        hours=_number("--hours", given.hours),
        seed=_whole("--seed", given.seed),
    )
    from xcorr_app import demo, store

    if network.hours * 3600 < demo.WINDOW_S:
        raise ParameterError(f"--hours {network.hours:g}: must be 0.5 or more")
    folder = Path(given.out)
    with _progress(given.quiet) as progress:
        demo.prepare(network, folder, progress)
    options = ["--mapping", given.mapping, "-n", str(given.processes)]
    options += ["--quiet"] if given.quiet else []
    run_words = demo.run_words(network, folder, options)
    print(f"$ {PROG} {shlex.join(run_words)}", flush=True)
    status = run_command(run_words)
    if status != 0:
        return status
    with store.open(folder / demo.RESULTS) as results:
        picture = demo.draw(results, network, folder / "record_section.png")
        fit = demo.measure(results, folder / "truth.json")
    print(f"\n{fit}\n\nPicture: {picture}\n\nNext:")
    for step in demo.next_steps(results, folder):
        print(f"  {PROG} {shlex.join(step)}")
    return 0


def _whole(name: str, text: Any) -> int:
    try:
        return int(text)
    except ValueError:
        raise ParameterError(f"{name}: {text!r} is not a whole number") from None


def _number(name: str, text: Any) -> float:
    try:
        return float(text)
    except ValueError:
        raise ParameterError(f"{name}: {text!r} is not a number") from None


def info_command(words: list[str]) -> int:
    """``xcorr-app info OUT``: list the pairs."""
    parser = _parser(
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
            print(json.dumps(info.info_json(results, **chosen), indent=1))
        else:
            print(info.info_text(results, all_pairs=given.all, **chosen))
    return 0


def plot_command(words: list[str]) -> int:
    """``xcorr-app plot OUT``: draw the record section, or a pair."""
    parser = _parser("plot", "Draw the record section of all pairs, or one pair.")
    parser.add_argument("out", metavar="OUT", help="results of a run")
    _add_pair(parser)
    parser.add_argument(
        "--output",
        metavar="FILE",
        help="picture, PNG, PDF or SVG (default: record_section.png or A_B.png in OUT)",
    )
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
    _add_stack(parser)
    given = parser.parse(words)
    velocities = [_number("--velocity", one) for one in given.velocity]
    max_lag_s = None
    if given.max_lag_s is not None:
        max_lag_s = _number("--max-lag-s", given.max_lag_s)
    from xcorr_app import plot, store

    name = "_".join(given.pair) if given.pair else "record_section"
    path = Path(given.output or Path(given.out) / f"{name}.png")
    chosen: dict[str, Any] = {
        "velocities_km_s": velocities,
        "max_lag_s": max_lag_s,
        "stack": given.stack,
    }
    with store.open(given.out) as results:
        if given.pair:
            first, second = given.pair
            plot.pair_plot(results, first, second, path, **chosen)
        else:
            plot.record_section(results, path, **chosen)
    print(path)
    return 0


def export_command(words: list[str]) -> int:
    """``xcorr-app export OUT --format npz|sac DEST``."""
    parser = _parser(
        "export",
        "Write the correlations as one npz file, lags_s and an array for each pair\n"
        "(NET.STA.LOC.CHA_NET.STA.LOC.CHA), or as a folder of SAC files, one per pair.",
    )
    parser.add_argument("out", metavar="OUT", help="results of a run")
    parser.add_argument("dest", metavar="DEST", help="file (npz) or folder (sac)")
    parser.add_argument("--format", metavar="npz|sac", required=True)
    parser.add_argument("--force", action="store_true", help="replace DEST")
    parser.add_argument("--quiet", action="store_true", help="no progress")
    _add_stack(parser)
    given = parser.parse(words)
    if given.format not in ("npz", "sac"):
        raise ParameterError(f"--format {given.format}: not one of npz, sac")
    from xcorr_app import export, store

    write = export.export_npz if given.format == "npz" else export.export_sac
    with store.open(given.out) as results, _progress(given.quiet) as progress:
        follow = None
        if progress is not None:
            follow = partial(progress.update, "pairs")
        write(
            results, given.dest, stack=given.stack, force=given.force, progress=follow
        )
    print(given.dest)
    return 0


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


COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "run": run_command,
    "init": init_command,
    "demo": demo_command,
    "info": info_command,
    "plot": plot_command,
    "export": export_command,
}
