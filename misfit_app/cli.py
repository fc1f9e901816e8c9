"""The command ``misfit-app``.

Exit status: 0 done; 1 the run failed, or ``--strict`` and something was rejected;
2 a mistake in the command line, reported in one line; 3 done, but files could not be
read that may be readable later; 130 interrupted.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from dispel4py import __version__, schedulers
from dispel4py.command_line import report_line
from dispel4py.terminal import printable, start_logging
from misfit_app import commands
from misfit_app.commands import DemoOptions, VerceOptions
from misfit_app.commands.batch_job import write_job
from misfit_app.commands.demonstration import ABOUT as DEMO_ABOUT
from misfit_app.commands.verce_run import ABOUT as VERCE_ABOUT
from misfit_app.commands.verce_run import verce_plan_of
from misfit_app.config import PROG, TABLES, Config
from misfit_app.config.run import StartOptions
from seismo_pes.application.command_line import (
    Command,
    Parser,
    add_arguments,
    add_configuration,
    command_parser,
    dispatch,
    parse_command,
    printed,
    report_failed_reads,
)
from seismo_pes.application.progress import progress_display
from seismo_pes.application.skipped import skipped_table
from seismo_pes.application.terminal import (
    exit_status,
    launched,
    membership,
    report_failed_steps,
    use_mapping_here,
)

if TYPE_CHECKING:
    from misfit_app.planning import Plan
    from misfit_app.workflow import Summary


NEEDED = (
    "--event FILE --stations DIR --observed DIR --synthetic DIR --periods-s LO-HI "
    "--out OUT"
)
RUN_USAGE = f"""{PROG} --event FILE --stations DIR --observed DIR --synthetic DIR
           --periods-s LO-HI --out OUT [options]
       {PROG} COMMAND ... (init, demo, download, verce, ledger, info,
       report, windows, export, scan, check)"""

RUN_ABOUT = """\
Compare observed with synthetic seismograms: windows, misfits, adjoint sources.

commands:
  run             the default: measure; its options are below
  init [FILE]     write a commented file of all parameters, for --config
  demo            make a synthetic event, measure it, compare with the truth
  download        get records and metadata of an event from a data centre
  verce           measure with the JSON files of the VERCE platform
  ledger OUT      print each measured and rejected trace, band and window
  info OUT        sums of misfits; --compare with those of another run
  windows OUT     write the windows, to edit them and give them to another run
  export OUT DEST write the ledger or the adjoint sources in another format
  scan            list the events and channels of files
  report OUT      write one HTML page for each event, with figures
  check OUT       read all files of a run, and report damage; --repair marks it
"""

RUN_EXAMPLES = f"""\
examples:
  {PROG} --event quake.xml --stations stationxml --observed data \\
      --synthetic synthetics --periods-s 10-30 30-60 --out results
  {PROG} --config misfit.toml --mapping multi -n 8 --out results
  {PROG} --config misfit.toml --measures waveform --adjoint specfem --out adjoint
  {PROG} --event quakes.xml --stations stationxml --observed 'data/{{event}}' \\
      --synthetic 'synthetics/{{event}}' --periods-s 10-30 --out results
  {PROG} --config misfit.toml --slurm -n 64 --time 1:00:00 --submit

Precedence: option, then key of the --config file, then default. Times are UTC.
A switch is turned off by its opposite, --no-strict.
Exit status: 0 done, 1 failed, 2 a mistake in the options, 3 done, but files could not
be read (--resume tries again), 130 interrupted.
"""


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    return exit_status(PROG, lambda: dispatch(PROG, COMMANDS, words, NEEDED))


def run_parser(every: bool = False) -> Parser:
    """Return the parser of ``misfit-app run``, the default command.

    Parameters
    ----------
    every : bool
        Whether the help names the rare options, too.
    """
    parser = command_parser(PROG, RUN_ABOUT, RUN_USAGE, RUN_EXAMPLES)
    parser.add_argument("--version", action="version", version=f"{PROG} {__version__}")
    add_configuration(parser, PROG, Config, TABLES, every)
    group = parser.add_argument_group("Job of a cluster, with --slurm, --pbs or --lsf")
    schedulers.add_job_arguments(group.add_argument)
    return parser


def run_command(words: list[str]) -> int:
    """``misfit-app [run]``: measure the misfits of events."""
    if "--help-all" in words:
        run_parser(every=True).print_help()
        return 0
    given = vars(run_parser().parse(words))
    config_file = given.pop("config")
    job = schedulers.job_options(given, schedulers.JobOptions)
    if job is not None:
        given["mapping"] = schedulers.job_mapping(given.get("mapping"))
        config = Config.resolve(given, config_file)
        start_logging(config.log_level)
        print(write_job(config, words, job))
        return 0
    use_mapping_here(given)
    with membership(PROG):
        config = Config.resolve(given, config_file)
        return _started(config, partial(_plan_of, config), ["run", *words])


def _plan_of(config: Config) -> Plan:
    from misfit_app.planning import run_plan

    return run_plan(config)


def verce_command(words: list[str]) -> int:
    """``misfit-app verce``: a run with the JSON files of VERCE."""
    parser = command_parser(f"{PROG} verce", VERCE_ABOUT)
    add_arguments(parser, VerceOptions)
    given = vars(parser.parse(words))
    use_mapping_here(given)
    with membership(PROG):
        options = VerceOptions(**given)
        return _started(options, partial(verce_plan_of, options), ["verce", *words])


def _started(
    options: StartOptions, plan_of: Callable[[], Plan], words: list[str]
) -> int:
    start_logging(options.log_level)  # before the plan, whose messages it shows
    return launched(
        options.mapping,
        options.processes,
        "misfit_app",
        words,
        lambda: measure(options, plan_of()),
    )


def measure(options: StartOptions, plan: Plan) -> int:
    """Run a plan, report its outcome, return the exit status."""
    from misfit_app.workflow import run

    with progress_display(options.quiet) as progress:
        summary = run(plan, progress)
    if summary is None:  # another process of the run has the summary
        return 0
    return _report(summary, options)


def _report(summary: Summary, options: StartOptions) -> int:
    if not options.quiet:
        listed = *summary.skipped, *summary.remarks
        for text in (skipped_table(listed), summary.text()):
            if text:
                print(printable(text))
    if report_failed_steps(PROG, summary.failures):
        return 1
    if failed := summary.failed_reads:
        return report_failed_reads(PROG, len(failed), "--resume tries again")
    totals = summary.totals
    if not totals.n_measured:
        hint = f"see {PROG} ledger {summary.out} --totals"
        return report_line(PROG, f"error: nothing was measured: {hint}", 1)
    if options.strict and (totals.n_rejected or summary.skipped):
        text = f"error: --strict, and {totals.n_rejected:,} traces were rejected"
        return report_line(PROG, text, 1)
    return 0


def demo_command(words: list[str]) -> int:
    """``misfit-app demo``: a synthetic event, measured and compared with the truth."""
    options = parse_command(f"{PROG} demo", DEMO_ABOUT, DemoOptions, words)
    from misfit_app import demo
    from misfit_app.reporting.report import write_reports
    from misfit_app.store import read_ledger
    from misfit_app.synthetic import Scene, write_scene

    folder = Path(options.out)
    demo.check_folder(folder)
    scene = Scene(n_stations=options.stations, noise=options.noise, seed=options.seed)
    truths = write_scene(scene, folder)
    run_words = demo.run_words(folder, options.words_of_run)
    print(f"$ {PROG} {shlex.join(run_words)}", flush=True)
    status = run_command(run_words)
    if status != 0:
        return status
    results = folder / demo.RESULTS
    rows = read_ledger(results)
    figure = demo.draw(rows, truths, folder / "measured_and_true.png")
    (page,) = write_reports(results)
    print(f"\n{demo.Fit.of(rows, truths)}\n\nFigure: {figure}\nReport: {page}")
    return 0


def scan_command(words: list[str]) -> int:
    """``misfit-app scan``: events and channels of files."""
    text, n_failed_reads = commands.scan(words)
    print(printable(text))
    way_out = "the same command tries again"
    return report_failed_reads(PROG, n_failed_reads, way_out)


def check_command(words: list[str]) -> int:
    """``misfit-app check``: the files of a run, and their damage."""
    text, is_intact = commands.check(words)
    print(printable(text))
    return 0 if is_intact else 1


COMMANDS: dict[str, Command] = {
    "run": run_command,
    "init": printed(commands.init),
    "demo": demo_command,
    "download": printed(commands.download),
    "verce": verce_command,
    "ledger": printed(commands.ledger),
    "info": printed(commands.info),
    "windows": printed(commands.windows),
    "export": printed(commands.export),
    "scan": scan_command,
    "report": printed(commands.report),
    "check": check_command,
}
