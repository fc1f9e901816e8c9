"""The command ``dispel4py``.

Exit status: 0 done; 1 the run failed, or the module with the graph raised while it was
imported; 2 a mistake in what was asked for, said in one line; 130 interrupted (143 by
SIGTERM).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import reprlib
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from dispel4py import __version__
from dispel4py.errors import (
    Dispel4pyError,
    InputError,
    ParameterError,
    RunError,
    UserError,
    suggest,
)

if TYPE_CHECKING:
    from dispel4py.mappings.base import RunResult
    from dispel4py.plan import Plan
    from dispel4py.workflow_graph import WorkflowGraph

PROG = "dispel4py"

ABOUT = f"""\
Run a workflow graph.

  {PROG} MAPPING GRAPH [options]    run GRAPH, a Python module or file
  {PROG} draw GRAPH -o FILE         draw it
  {PROG} plan GRAPH -n N            say which process would run what
  {PROG} mappings                   list the mappings, and which can run here
  {PROG} pes [PACKAGE ...]          list the processing elements of a package
"""

EXAMPLES = f"""\
examples:
  {PROG} simple {PROG}.examples.squares -i 10
  {PROG} multi workflow.py -n 8 -d '{{"Reader": [{{"input": "day.mseed"}}]}}'
  {PROG} mpi workflow.py -n 8 -f inputs.json
  mpiexec -n 8 {PROG} mpi workflow.py -f inputs.json

Of the inputs, -f counts before -d and -d before -i; without any, each source is called
once. Items of outputs that lead nowhere go to standard output, the rest to standard
error. Exit status: 0 done, 1 failed, 2 a mistake in the call, 130 interrupted.
"""

LOOKING = ("draw", "plan")
LOG_LEVELS = ("debug", "info", "warning", "error")
START_METHODS = ("fork", "spawn", "forkserver")
ELEMENTS = "seismo_pes"
SHOWN_ITEMS = 20
SHOWN_FAILURES = 20
LONGEST_ITEM = 200
_RANK_VARIABLES = ("PMI_RANK", "PMIX_RANK", "OMPI_COMM_WORLD_RANK", "SLURM_PROCID")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        return _dispatch(words)
    except SystemExit as done:  # of --help and --version
        return int(done.code or 0)
    except _Terminated:
        return _complain("terminated", 128 + signal.SIGTERM)
    except KeyboardInterrupt:
        return _complain("interrupted", 128 + signal.SIGINT)
    except BrokenPipeError:
        # the reader has had enough; nothing more may be flushed on the way out
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except UserError as mistake:
        return _complain(f"error: {mistake}", 2)
    except RunError as failed:
        return _complain_of_failures(failed)
    except Dispel4pyError as problem:
        return _complain(f"error: {problem}", 1)


def _dispatch(words: list[str]) -> int:
    if not words:
        raise ParameterError(f"say a mapping and a graph; see {PROG} --help")
    command = words[0]
    if command == "mappings":
        return mappings_command(words[1:])
    if command == "pes":
        return pes_command(words[1:])
    if command in LOOKING:
        return look_command(command, words[1:])
    if not command.startswith("-"):
        from dispel4py.mappings import available

        known = available()
        if command not in known:
            raise ParameterError(
                f"unknown mapping {command!r}: "
                f"{suggest(command, [*known, *LOOKING, 'mappings'])}"
            )
    return run_command(words)


# ------------------------------------------------------------------- running


class _Parser(argparse.ArgumentParser):
    """Argument parser whose complaint is one line."""

    def error(self, message: str) -> NoReturn:
        raise ParameterError(f"{message}; see {PROG} --help")


def run_parser() -> argparse.ArgumentParser:
    """Return the parser of ``dispel4py MAPPING GRAPH``."""
    parser = _Parser(
        prog=PROG,
        usage=f"{PROG} MAPPING GRAPH [options]",
        description=ABOUT,
        epilog=EXAMPLES,
        allow_abbrev=False,
        formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(
            prog, max_help_position=26
        ),
    )
    add = parser.add_argument
    add("--version", action="version", version=f"{PROG} {__version__}")
    add("mapping", metavar="MAPPING", help="simple, multi, mpi; where the graph runs")
    add("graph", metavar="GRAPH", help="Python module, or .py file, with the graph")
    add("-a", metavar="NAME", dest="attribute", help="variable that holds the graph")
    add("-f", metavar="FILE", dest="file", help="JSON file of inputs")
    add("-d", metavar="JSON", dest="data", help="inputs of each PE: list of dicts")
    add("-i", metavar="N", dest="iterations", type=int, help="call each source N times")
    add("-n", metavar="N", dest="processes", type=int, help="number of processes")
    add(
        "--on-error",
        metavar="POLICY",
        default="stop",
        help="when a PE fails on an item: stop (the default), skip it, or retry:K",
    )
    add("--start-method", choices=START_METHODS, help="how multi starts processes")
    add("--log-level", choices=LOG_LEVELS, default="warning", help="(default: warning)")
    add("--quiet", action="store_true", help="no outputs and no summary")
    return parser


def run_command(words: list[str]) -> int:
    """``dispel4py MAPPING GRAPH``: run a graph."""
    given = run_parser().parse_args(words)
    logs = _Logs(given.log_level)
    logs.start()
    if given.mapping == "mpi":
        from dispel4py.mappings.launch import launched_by_mpi

        if not launched_by_mpi():
            return _launch(given, words)
        return _run(given, logs)
    with _sigterm_unwinds():
        return _run(given, logs)


def _run(given: argparse.Namespace, logs: _Logs) -> int:
    from dispel4py.run import run

    result = run(
        _load(given.graph, given.attribute),
        read_inputs(given.file, given.data, given.iterations),
        mapping=given.mapping,
        processes=given.processes,
        on_error=given.on_error,
        observers=[] if given.mapping == "simple" else [logs],
        start_method=given.start_method,
    )
    if result.complete and not given.quiet:
        show_outputs(result)
        show_summary(result)
    return 0


def _launch(given: argparse.Namespace, words: list[str]) -> int:
    """Start the MPI processes, each of which runs this command again."""
    from dispel4py.mappings.launch import launch
    from dispel4py.plan import make_plan
    from dispel4py.run import assign_inputs

    if given.processes is None:
        raise ParameterError(
            f"mpi needs -n N, or 'mpiexec -n N {PROG} mpi {given.graph}'"
        )
    # mistakes are told here, once, and not by each of the processes
    plan = make_plan(_load(given.graph, given.attribute), given.processes)
    assign_inputs(plan, read_inputs(given.file, given.data, given.iterations))
    with _sigterm_unwinds():
        return launch(given.processes, [sys.executable, "-m", "dispel4py", *words])


def _load(source: str, attribute: str | None) -> WorkflowGraph:
    """Load the graph; what the user's own module raises is shown with its traceback."""
    from dispel4py.loading import is_machinery, load_graph

    try:
        return load_graph(source, attribute)
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        frame = error.__traceback__
        while frame is not None and is_machinery(frame.tb_frame.f_code.co_filename):
            frame = frame.tb_next
        if _rank() == 0:
            traceback.print_exception(error.with_traceback(frame))
        kind = type(error).__name__
        raise Dispel4pyError(f"{source} cannot be imported: {kind}: {error}") from error


def read_inputs(
    file: str | None, data: str | None, iterations: int | None
) -> dict[str, Any] | int | None:
    """Return the inputs of the sources: of ``file``, else ``data``, else a number.

    >>> read_inputs(None, '{"Reader": [{"input": 1}]}', 5)
    {'Reader': [{'input': 1}]}

    Raises
    ------
    InputError
        If they cannot be read.
    """
    if file is not None:
        try:
            with open(file, encoding="utf-8") as stream:
                return _object(stream.read(), f"-f {file}")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not UTF-8 text"
            raise InputError(f"-f {file}: {reason}") from None
    if data is not None:
        return _object(data, "-d")
    if iterations is not None and iterations < 0:
        raise InputError(f"-i {iterations}: use 0 or more")
    return iterations


def _object(text: str, where: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        at = f"line {error.lineno}, column {error.colno}"
        raise InputError(f"{where}: not JSON: {error.msg} ({at})") from None
    if not isinstance(found, dict):
        raise InputError(
            f"{where}: give an object of PE names, each with a list of inputs or a "
            f"number of calls, not {type(found).__name__}"
        )
    return found


class _Logs:
    """Logging to standard error, in worker processes that were not forked as well."""

    def __init__(self, level: str) -> None:
        self.level = level

    def start(self) -> None:
        """Log from now on."""
        import logging

        logging.basicConfig(
            level=self.level.upper(), format="%(levelname)s %(name)s: %(message)s"
        )

    def worker_started(self, plan: Plan, process: int) -> None:
        """Be told, as an observer, that a worker begins."""
        self.start()


class _Terminated(KeyboardInterrupt):
    """SIGTERM: unwinds the stack as Ctrl-C does, so that nothing is left behind."""


@contextlib.contextmanager
def _sigterm_unwinds() -> Iterator[None]:
    def terminate(signum: int, frame: Any) -> NoReturn:
        raise _Terminated

    try:
        before = signal.signal(signal.SIGTERM, terminate)
    except ValueError:  # not the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


# ------------------------------------------------------------------- telling


def show_outputs(result: RunResult) -> None:
    """Print the items of the outputs that lead nowhere, those of each in a list."""
    for pe_id, ports in result.outputs.items():
        for port, items in ports.items():
            if not items:
                continue
            plural = "" if len(items) == 1 else "s"
            print(f"{pe_id}.{port}: {len(items)} item{plural}")
            for item in items[:SHOWN_ITEMS]:
                print(f"  {short(item)}")
            if len(items) > SHOWN_ITEMS:
                print(f"  ... and {len(items) - SHOWN_ITEMS} more")
    sys.stdout.flush()


def show_summary(result: RunResult) -> None:
    """Print what went in and out, how long it took, and what was given up."""
    counts = result.counts
    wide = max([len("PE"), *map(len, counts)])
    lines = [f"{'PE':{wide}} {'in':>10} {'out':>10}"]
    lines += [f"{pe:{wide}} {n:>10} {out:>10}" for pe, (n, out) in counts.items()]
    processes = "process" if result.n_processes == 1 else "processes"
    lines.append(f"{result.seconds:.2f} s, {result.n_processes} {processes}")
    given_up = result.failures
    if given_up:
        lines.append(f"given up: {len(given_up)}")
        lines += [f"  {failure.summary}" for failure in given_up[:SHOWN_FAILURES]]
    if len(given_up) > SHOWN_FAILURES:
        lines.append(f"  ... and {len(given_up) - SHOWN_FAILURES} more")
    print("\n".join(lines), file=sys.stderr)


class _Short(reprlib.Repr):
    """Text of any item, bounded whatever its size; it never fails."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = self.maxlong = LONGEST_ITEM
        self.maxlist = self.maxtuple = self.maxdict = self.maxset = 10

    def repr_ndarray(self, array: Any, level: int) -> str:
        """Say type and shape of an array, and its first values."""
        first = ", ".join(map(str, array.ravel()[:4].tolist()))
        more = ", ..." if array.size > 4 else ""
        return f"<{array.dtype} array {array.shape}: {first}{more}>"


def short(item: Any) -> str:
    """Return ``item`` as one line of bounded length.

    >>> short(list(range(1000)))
    '[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ...]'
    """
    text = " ".join(_Short().repr(item).split())
    return text if len(text) <= LONGEST_ITEM else f"{text[: LONGEST_ITEM - 3]}..."


def _complain(text: str, status: int) -> int:
    """Say one line on standard error; of several MPI processes the first says it."""
    if _rank() == 0:
        print(f"{PROG}: {text}", file=sys.stderr)
    return status


def _complain_of_failures(error: RunError) -> int:
    for failure in error.failures:
        if failure.traceback:
            print(failure.traceback.rstrip(), file=sys.stderr)
    for failure in error.failures:
        print(f"{PROG}: error: {failure.summary}", file=sys.stderr)
    return 1


def _rank() -> int:
    """Return which process of an MPI launcher this is; 0 without one."""
    found = (os.environ.get(name, "") for name in _RANK_VARIABLES)
    return next((int(text) for text in found if text.isdigit()), 0)


# ------------------------------------------------------------ other commands


def look_command(command: str, words: list[str]) -> int:
    """``dispel4py draw`` and ``dispel4py plan``: look at a graph without running it."""
    from dispel4py.draw import cli

    parser = _Parser(
        prog=f"{PROG} {command}", description=cli.ABOUT[command], allow_abbrev=False
    )
    cli.add_options(command, parser)
    given = parser.parse_args(words)
    cli.run_command(command, given, _load(given.graph, given.attribute))
    return 0


def mappings_command(words: list[str]) -> int:
    """``dispel4py mappings``: list the mappings, and whether each can run here."""
    from dispel4py.mappings import available, get_mapping
    from dispel4py.mappings.base import Options

    parser = _Parser(
        prog=f"{PROG} mappings",
        description="List the mappings, and whether each can run here.",
        allow_abbrev=False,
    )
    parser.parse_args(words)
    names = available()
    wide = max(map(len, names))
    for name in names:
        try:
            mapping = get_mapping(name, Options())
            mapping.processes(None)
        except UserError as reason:
            print(f"{name:{wide}}  cannot run here: {reason}")
        else:
            about = (type(mapping).__doc__ or "").strip().partition("\n")[0]
            print(f"{name:{wide}}  {about}")
    return 0


def pes_command(words: list[str]) -> int:
    """``dispel4py pes``: list the PEs of packages, with ports and parameters."""
    from dispel4py.catalog import as_json, as_text, find_pes

    parser = _Parser(
        prog=f"{PROG} pes",
        description="List processing elements: what they do, ports, parameters.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "package", nargs="*", metavar="PACKAGE", help=f"(default: {ELEMENTS})"
    )
    parser.add_argument("--json", action="store_true", help="as a list of objects")
    given = parser.parse_args(words)
    found = [pe for name in given.package or [ELEMENTS] for pe in find_pes(name)]
    print(as_json(found) if given.json else as_text(found))
    return 0
