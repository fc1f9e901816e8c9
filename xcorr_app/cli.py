"""The command ``xcorr-app``.

Exit status: 0 done; 1 the run failed, or ``--strict`` and something was skipped;
2 a mistake in the command line, reported in one line; 3 done, but files could not be
read that may be readable later; 130 interrupted.
"""

from __future__ import annotations

import shlex
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dispel4py import __version__, schedulers
from dispel4py.command_line import report_line
from dispel4py.errors import ParameterError
from dispel4py.terminal import printable, printable_line, start_logging
from seismo_pes.application.command_line import (
    Command,
    Parser,
    add_configuration,
    command_parser,
    dispatch,
    parse_command,
    printed,
    report_failed_reads,
)
from seismo_pes.application.progress import progress_display
from seismo_pes.application.skipped import n_skipped, skipped_table, write_skipped
from seismo_pes.application.terminal import (
    exit_status,
    launched,
    membership,
    report_failed_steps,
    use_mapping_here,
)
from xcorr_app import commands
from xcorr_app.commands import DemoOptions
from xcorr_app.commands.batch_job import JobOptions, write_job
from xcorr_app.commands.demonstration import ABOUT
from xcorr_app.config import PROG, TABLES, Config
from xcorr_app.config.live import LiveOptions

if TYPE_CHECKING:
    from xcorr_app.running.summary import RunSummary

NEEDED = "--stations FILE --data ARCHIVE --out OUT"
RUN_USAGE = f"""{PROG} {NEEDED} [options]
       {PROG} COMMAND ... (init, demo, info, check, plot, report, export,
       dvv, disp, clocks, scan, live)"""

RUN_ABOUT = """\
Cross-correlate the ambient noise of all pairs of stations.

commands:
  run             the default: correlate; its options are below
  init [FILE]     write a commented file of all parameters, for --config
  demo            make a synthetic network, correlate it, draw the results
  info OUT        list the pairs: distance, windows, largest value and its lag
  check OUT       read all files of a run, and report damage; --repair marks it
  plot OUT        draw the record section, one pair, a map and more
  report OUT      write one HTML page about the run, with figures
  export OUT DEST write the correlations as npz, SAC, ASDF, netCDF and more
  dvv OUT         measure velocity changes over time
  disp OUT        measure the dispersion of surface waves
  clocks OUT      measure the clock errors of the stations over time
  scan            list and draw the data of an archive, by channel and day
  live            correlate live stations, near real time; live demo shows it
"""

RUN_EXAMPLES = f"""\
examples:
  {PROG} --stations list.txt --data SDS --out results --bandpass-hz 0.1 1
  {PROG} --config xcorr-app.toml --start 2022-01-02 --end 2022-01-09
  {PROG} --out results --resume
  {PROG} --stations list.txt --data fdsn://IRIS --inventory fdsn://IRIS \\
      --start 2022-01-02 --end 2022-01-04 --response VEL --taper-s 60 \\
      --components RR TT ZZ --bands-hz 0.05-0.1 0.1-0.2 0.2-0.4 --out results
  {PROG} --stations list.txt --data 'day*/*.sac' --out results \\
      --channels LHZ --window-s 1800 --step-s 900 --time-norm onebit \\
      --whiten band --whiten-hz 0.08 0.4 --mapping multi -n 8
  mpiexec -n 64 {PROG} --config xcorr-app.toml --mapping mpi
  {PROG} --config xcorr-app.toml --slurm -n 64 --time 1:00:00 --submit

Precedence: option, then key of the --config file, then default. Times are UTC.
A switch is turned off by its opposite, --no-strict.
Exit status: 0 done, 1 failed, 2 a mistake in the options, 130 interrupted,
3 done, but files could not be read (--resume tries again).
"""


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    return exit_status(PROG, lambda: dispatch(PROG, COMMANDS, words, NEEDED))


# ----------------------------------------------------------------------- run


def run_parser(every: bool = False) -> Parser:
    """Return the parser of ``xcorr-app run``, the default command.

    Parameters
    ----------
    every : bool
        Whether the help names the rare options, too.
    """
    parser = command_parser(PROG, RUN_ABOUT, RUN_USAGE, RUN_EXAMPLES)
    parser.add_argument("--version", action="version", version=f"{PROG} {__version__}")
    add_configuration(parser, PROG, Config, TABLES, every)
    group = parser.add_argument_group("Job of a cluster, with --slurm, --pbs or --lsf")
    schedulers.add_job_arguments(group.add_argument, options=JobOptions)
    return parser


def run_command(words: list[str]) -> int:
    """``xcorr-app [run]``: correlate."""
    if "--help-all" in words:
        run_parser(every=True).print_help()
        return 0
    given = vars(run_parser().parse(words))
    config_file = given.pop("config")
    job = schedulers.job_options(given, JobOptions)
    if job is not None:
        given["mapping"] = schedulers.job_mapping(given.get("mapping"))
        config = Config.resolve(given, config_file, _earlier(given, config_file))
        start_logging(config.log_level)
        print(write_job(config, words, job))
        return 0
    use_mapping_here(given)
    with membership(PROG):
        config = Config.resolve(given, config_file, _earlier(given, config_file))
        start_logging(config.log_level)
        return launched(
            config.mapping,
            config.processes,
            "xcorr_app",
            ["run", *words],
            partial(correlate, config),
        )


def _earlier(given: dict[str, Any], config_file: str | None) -> dict[str, Any]:
    """Return the options of the run that is continued, unless a file is given."""
    continues = given.get("resume") or given.get("update")
    if config_file is not None or not continues or "out" not in given:
        return {}
    from xcorr_app.running.resume import read_started

    # These options belong to one start of a run.
    own = ["resume", "update", "force", "dry_run"]
    if given.get("update"):
        own.append("end")  # an update adds new days
    option = "--resume" if given.get("resume") else "--update"
    values = read_started(Path(given["out"]), option).config
    return {key: value for key, value in values.items() if key not in own}


def correlate(config: Config) -> int:
    """Run a configuration, report its outcome, return the exit status."""
    if config.dry_run:
        from xcorr_app.estimating.estimate import estimate

        print(printable(estimate(config).text()))
        return 0
    from xcorr_app.workflow import run

    with progress_display(config.quiet) as progress:
        summary = run(config, progress)
    if summary is None:  # another process of the run has the summary
        return 0
    return _report(summary, config)


def _report(summary: RunSummary, config: Config) -> int:
    from seismo_pes.full_disk import report_full_disk
    from seismo_pes.items.skipped import FAILED_READ

    skipped = summary.skipped
    with report_full_disk(config.out, "the correlations are complete"):
        listed = skipped if summary.account is None else summary.account.skipped
        path = write_skipped(config.out, listed)
    if not config.quiet:
        for text in (skipped_table(skipped), summary.losses(), summary.headline()):
            if text:
                print(printable(text))
        if skipped:
            print(printable_line(f"The list of skipped data: {path}"))
    if report_failed_steps(PROG, summary.failures):
        return 1
    if failed := {entry.what for entry in skipped if entry.stage == FAILED_READ}:
        return report_failed_reads(PROG, len(failed), "--resume tries again")
    if lack := summary.lack():
        return report_line(PROG, f"error: no window was correlated: {lack}", 1)
    if config.strict and skipped:
        text = f"error: --strict, and {n_skipped(skipped):,} skipped: see {path}"
        return report_line(PROG, text, 1)
    return 0


# ------------------------------------------------------------ other commands


def demo_command(words: list[str]) -> int:
    """``xcorr-app demo``: a synthetic network, correlated and drawn."""
    options = parse_command(f"{PROG} demo", ABOUT, DemoOptions, words)
    from xcorr_app import demo, store
    from xcorr_app.synthetic import Network

    network = Network(
        n_stations=options.stations, hours=options.hours, seed=options.seed
    )
    if network.hours * 3600 < demo.WINDOW_S:
        raise ParameterError(f"--hours {network.hours:g}: must be 0.5 or more")
    folder = Path(options.out)
    with progress_display(options.quiet) as progress:
        demo.prepare(network, folder, progress)
    run_words = demo.run_words(network, folder, options.words_of_run)
    print(f"$ {PROG} {shlex.join(run_words)}", flush=True)
    status = run_command(run_words)
    if status != 0:
        return status
    with store.open(folder / demo.RESULTS) as results:
        figure = demo.draw(results, network, folder / "record_section.png")
        fit = demo.measure(results, folder / "truth.json")
    print(f"\n{fit}\n\nFigure: {figure}\n\nNext:")
    for step in demo.next_steps(results, folder):
        print(f"  {PROG} {shlex.join(step)}")
    return 0


def live_command(words: list[str]) -> int:
    """``xcorr-app live``: correlate live stations."""
    if words[:1] == ["demo"] and not {"-h", "--help"} & set(words):
        words = commands.demo_words(words[1:])
        print(f"$ {PROG} live {shlex.join(words)}", flush=True)
    if "--help-all" in words:
        commands.live_parser(every=True).print_help()
        return 0
    given = vars(commands.live_parser().parse(words))
    config_file = given.pop("config")
    use_mapping_here(given)
    with membership(PROG):
        options = LiveOptions.resolve(given, config_file)
        start_logging(options.log_level)
        run = partial(_live, options, words)
        words = ["live", *words]
        return launched(options.mapping, options.processes, "xcorr_app", words, run)


def _live(options: LiveOptions, words: list[str]) -> int:
    """Do what a command line of ``live`` asks for, in one of its processes."""
    failures: list[str] = []
    n_failed_reads = 0
    if options.service:
        text = commands.write_service(options, words)
    elif options.mend:
        text = commands.mend_live(options)
    elif not options.has_source and (options.serve or options.png):
        text = commands.show_run(options, _tell_address)
    else:
        with commands.shown(options) as address:
            _tell_address(address)
            text, failures, n_failed_reads = commands.run_live(options)
    if text and not options.quiet:
        print(printable(text))
    for failure in failures:
        report_line(PROG, f"failed: {failure}", 1)
    if n_failed_reads and not failures:
        text = f"done, but {n_failed_reads:,} times a file could not be read"
        return report_line(PROG, f"{text}: --mend --data ARCHIVE adds its data", 3)
    return 1 if failures else 0


def _tell_address(address: str) -> None:
    if address:
        print(f"The page of the run: {address}", flush=True)


def check_command(words: list[str]) -> int:
    """``xcorr-app check``: the files of a run, and their damage."""
    text, is_intact = commands.check(words)
    print(printable(text))
    return 0 if is_intact else 1


def scan_command(words: list[str]) -> int:
    """``xcorr-app scan``: the data of an archive."""
    text, n_failed_reads = commands.scan(words)
    print(printable(text))
    way_out = "the same command tries again"
    return report_failed_reads(PROG, n_failed_reads, way_out)


COMMANDS: dict[str, Command] = {
    "run": run_command,
    "init": printed(commands.init),
    "demo": demo_command,
    "info": printed(commands.info),
    "check": check_command,
    "plot": printed(commands.plot),
    "report": printed(commands.report),
    "export": printed(commands.export),
    "scan": scan_command,
    "live": live_command,
    "dvv": printed(commands.dvv),
    "disp": printed(commands.disp),
    "clocks": printed(commands.clocks),
}
