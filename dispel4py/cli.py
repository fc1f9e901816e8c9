"""The command ``dispel4py``.

Exit status: 0 done; 1 the run failed, or the module with the graph raised while it was
imported; 2 a mistake of the user, reported in one line; 130 interrupted (143 by
SIGTERM).
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dispel4py.command_line import Parser, exit_status
from dispel4py.errors import Dispel4pyError, ParameterError, UserError, suggest
from dispel4py.inputs import read_inputs
from dispel4py.mappings import REGISTRY, available, get_mapping, mapping_class, place
from dispel4py.parsers import (
    PROG,
    job_parser,
    mapping_options,
    retry_parser,
    run_parser,
)
from dispel4py.schedulers import SCHEDULERS
from dispel4py.terminal import Logs, start_logging, unwind_at_sigterm

if TYPE_CHECKING:
    from dispel4py.mappings.base import Mapping
    from dispel4py.provenance.recorded_workflow import RecordedRun
    from dispel4py.result import RunResult
    from dispel4py.workflow_graph import WorkflowGraph

INSPECTIONS = ("draw", "plan")
OTHER_COMMANDS = ("mappings", "pes", "prov", "retry")
ELEMENTS = "seismo_pes"
#: A job asks for so many times the memory of the earlier run.
MEMORY_MARGIN = 1.25


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    return exit_status(PROG, lambda: _dispatch(words))


def _dispatch(words: list[str]) -> int:
    if not words:
        raise ParameterError(f"give a mapping and a graph; see {PROG} --help")
    command = words[0]
    if command == "mappings":
        return mappings_command(words[1:])
    if command == "pes":
        return pes_command(words[1:])
    if command == "retry":
        return retry_command(words[1:])
    if command == "prov":
        return prov_command(words[1:])
    if command in SCHEDULERS:
        return job_command(command, words[1:])
    if command in INSPECTIONS:
        return inspect_command(command, words[1:])
    is_option = command.startswith("-")
    if not is_option and command not in REGISTRY and command not in available():
        known = [*available(), *SCHEDULERS, *INSPECTIONS, *OTHER_COMMANDS]
        raise ParameterError(f"unknown mapping {command!r}: {suggest(command, known)}")
    if not is_option:
        status = mapping_class(command).companion(words[1:])
        if status is not None:
            return status
    return run_command(words)


# ------------------------------------------------------------------- running


def run_command(words: list[str]) -> int:
    """``dispel4py MAPPING GRAPH``: run a graph."""
    mappings = _known_mappings(words)
    arguments = run_parser(mappings, words).parse_args(words)
    return _start(arguments, words, mapping_options(arguments, mappings))


def retry_command(words: list[str]) -> int:
    """``dispel4py retry``: run the items again that an earlier run skipped."""
    mappings = _known_mappings(words)
    arguments = retry_parser(mappings, words).parse_args(words)
    return _start(arguments, ["retry", *words], mapping_options(arguments, mappings))


def _known_mappings(words: list[str]) -> list[type[Mapping]]:
    """Return the mappings named in a command line, then other mappings of REGISTRY.

    The parser gets the options of all these mappings. So the words may have any order,
    and the message about an option of another mapping can name that mapping.
    """
    named = [word for word in words if word in REGISTRY]
    if any(word.isidentifier() and word not in REGISTRY for word in words):
        named += [word for word in words if word in available()]
    return [mapping_class(name) for name in dict.fromkeys([*named, *REGISTRY])]


def _start(
    arguments: argparse.Namespace, words: list[str], options: dict[str, Any]
) -> int:
    from dispel4py.outputs import check_can_be_written

    start_logging(arguments.log_level, pes=not arguments.quiet)
    if not place().rank:
        check_can_be_written("--dead-letters", options.get("dead_letters"))
        check_can_be_written("--summary-json", arguments.summary_json)
        check_can_be_written("--trace", arguments.trace)
    mapping = mapping_class(arguments.mapping)
    if mapping.must_launch():
        return _launch(mapping, arguments, words, options)
    with mapping.membership(PROG) if mapping.joined() else unwind_at_sigterm():
        return _run(arguments, options)


def _run(arguments: argparse.Namespace, options: dict[str, Any]) -> int:
    from dispel4py.cost import read_costs
    from dispel4py.dead_letters import read_letters
    from dispel4py.progress import Progress
    from dispel4py.provenance.run_record import provenance_options
    from dispel4py.run import run
    from dispel4py.trace import Trace

    graph = _load_for_run(arguments)
    inputs = read_inputs(arguments.file, arguments.data, arguments.iterations)
    letters = getattr(arguments, "letters", None)
    progress = None if arguments.quiet or place().rank else Progress()
    observers: list[Any] = [Logs(arguments.log_level, not arguments.quiet)]
    observers += [] if progress is None else [progress]
    observers += [] if arguments.trace is None else [Trace(arguments.trace)]
    try:
        result = run(
            graph,
            inputs,
            mapping=arguments.mapping,
            processes=arguments.processes,
            observers=observers,
            letters=None if letters is None else read_letters(letters),
            measure=arguments.summary or arguments.summary_json is not None,
            costs=None if arguments.profile is None else read_costs(arguments.profile),
            compat=arguments.compat,
            provenance=provenance_options(
                arguments.provenance,
                arguments.capture,
                name=arguments.graph,
                configuration={"on_error": options.get("on_error")},
                files=[path for path in (arguments.file, letters) if path],
            ),
            **options,
        )
    except KeyboardInterrupt:
        if progress is not None:
            done = progress.last or "nothing yet"
            print(f"{PROG}: so far: {done}", file=sys.stderr)
        raise
    finally:
        if progress is not None:
            progress.close()
    if result.complete:
        _report(result, arguments, options.get("dead_letters"))
    return 0


def _load_for_run(arguments: argparse.Namespace) -> WorkflowGraph:
    """Load the graph, with the partitions that the options ask for."""
    graph = _load(arguments.graph, arguments.attribute)
    if arguments.simple and not graph.partitions:
        roots = graph.roots()
        other_pes = [pe for pe in graph.pes if pe not in roots]
        graph.partitions = [part for part in (roots, other_pes) if part]
    return graph


def _launch(
    mapping: type[Mapping],
    arguments: argparse.Namespace,
    words: list[str],
    options: dict[str, Any],
) -> int:
    """Start the processes of a mapping, each of which runs this command again."""
    if arguments.processes is None:
        raise ParameterError(
            f"{mapping.name} needs -n N, or '{mapping.launcher} {PROG} "
            f"{' '.join(words)}'"
        )
    _check_before_launch(mapping, arguments, options)
    with unwind_at_sigterm():
        command = [sys.executable, "-m", "dispel4py", *words]
        return mapping.launch(arguments.processes, command)


def _check_before_launch(
    mapping: type[Mapping], arguments: argparse.Namespace, options: dict[str, Any]
) -> None:
    """Report a mistake once, here, and not in each of the processes."""
    from dispel4py.plan import make_plan
    from dispel4py.run import assign_inputs

    get_mapping(mapping.name, **options)
    graph = _load(arguments.graph, arguments.attribute)
    plan = make_plan(graph, arguments.processes, compat=arguments.compat)
    assign_inputs(
        plan, read_inputs(arguments.file, arguments.data, arguments.iterations)
    )


def job_command(scheduler: str, words: list[str]) -> int:
    """``dispel4py slurm GRAPH``: write, or submit, a job that runs a graph.

    Parameters
    ----------
    scheduler : str
        One of `dispel4py.schedulers.SCHEDULERS`.
    words : list of str
        The words of the command line after the scheduler.

    Returns
    -------
    int
        The exit status.

    Raises
    ------
    ParameterError
        If the number of processes is not given.
    """
    from dispel4py import schedulers
    from dispel4py.cost import read_peak_bytes

    if words == ["--show-template"]:
        print(schedulers.template_text(scheduler), end="")
        return 0
    mapping = mapping_class(schedulers.job_mapping(None))
    arguments = job_parser(scheduler, mapping).parse_args(words)
    options = schedulers.job_options(vars(arguments), schedulers.JobOptions)
    assert options is not None
    arguments.mapping = mapping.name
    if arguments.processes is None:
        raise ParameterError(f"give the number of processes: {PROG} {scheduler} -n N")
    _check_before_launch(mapping, arguments, mapping_options(arguments, [mapping]))
    words = [mapping.name, *schedulers.words_of_run(words)]
    peak_bytes = arguments.profile and read_peak_bytes(arguments.profile)
    name = Path(arguments.graph).name.removesuffix(".py").rpartition(".")[2]
    command = [sys.executable, "-m", "dispel4py", *words]
    run = schedulers.BatchRun(
        name,
        command,
        arguments.processes,
        process_bytes=round(peak_bytes * MEMORY_MARGIN) if peak_bytes else None,
    )
    print(schedulers.write_job(run, options))
    return 0


def _load(source: str, attribute: str | None) -> WorkflowGraph:
    """Load the graph; show an exception of the user's module with its traceback."""
    from dispel4py.loading import is_internal, load_graph

    try:
        return load_graph(source, attribute)
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        frame = error.__traceback__
        while frame is not None and is_internal(frame.tb_frame.f_code.co_filename):
            frame = frame.tb_next
        if place().rank == 0:
            traceback.print_exception(error.with_traceback(frame))
        kind = type(error).__name__
        raise Dispel4pyError(f"{source} cannot be imported: {kind}: {error}") from error


# ------------------------------------------------------------------- showing


def _report(
    result: RunResult, arguments: argparse.Namespace, dead_letters: str | None
) -> None:
    """Print the outputs of a run, and its summary."""
    from dispel4py import summary
    from dispel4py.outputs import outputs_text

    if arguments.summary_json is not None:
        content = json.dumps(summary.as_dict(result), indent=2) + "\n"
        with open(arguments.summary_json, "w", encoding="utf-8") as file:
            file.write(content)
    if arguments.quiet:
        return
    text = outputs_text(result)
    if text:
        print(text, flush=True)
    summarize = summary.as_text if arguments.summary else summary.brief
    print(summarize(result), file=sys.stderr)
    if dead_letters is not None and result.n_failures:
        print(
            f"the skipped items are in {dead_letters}; to run them again: "
            f"{PROG} retry {dead_letters} {arguments.graph}",
            file=sys.stderr,
        )


# ------------------------------------------------------------ other commands


def inspect_command(command: str, words: list[str]) -> int:
    """``dispel4py draw`` and ``dispel4py plan``: show a graph without running it.

    Parameters
    ----------
    command : str
        ``draw`` or ``plan``.
    words : list of str
        The words of the command line after the command.

    Returns
    -------
    int
        The exit status.
    """
    from dispel4py.draw import cli

    parser = Parser(
        prog=f"{PROG} {command}", description=cli.ABOUT[command], allow_abbrev=False
    )
    cli.add_options(command, parser)
    arguments = parser.parse_args(words)
    cli.run_command(command, arguments, _load(arguments.graph, arguments.attribute))
    return 0


def mappings_command(words: list[str]) -> int:
    """``dispel4py mappings``: list the mappings, and whether each can run here."""
    parser = Parser(
        prog=f"{PROG} mappings",
        description="List the mappings, and whether each can run here.",
        allow_abbrev=False,
    )
    parser.parse_args(words)
    names = available()
    wide = max(map(len, names))
    for name in names:
        try:
            mapping = mapping_class(name)
            mapping.require()
        except UserError as reason:
            print(f"{name:{wide}}  cannot run here: {reason}")
        else:
            print(f"{name:{wide}}  {mapping.summary()}")
    return 0


def pes_command(words: list[str]) -> int:
    """``dispel4py pes``: list the PEs of packages, with ports and parameters."""
    from dispel4py.catalog import as_json, as_text, find_pes

    parser = Parser(
        prog=f"{PROG} pes",
        description="List processing elements: what they do, ports, parameters.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "package", nargs="*", metavar="PACKAGE", help=f"(default: {ELEMENTS})"
    )
    parser.add_argument(
        "--json", action="store_true", help="print a list of JSON objects"
    )
    arguments = parser.parse_args(words)
    entries = [pe for name in arguments.package or [ELEMENTS] for pe in find_pes(name)]
    print(as_json(entries) if arguments.json else as_text(entries))
    return 0


def prov_command(words: list[str]) -> int:
    """``dispel4py prov``: ask where products come from."""
    from dispel4py.provenance import cli
    from dispel4py.provenance.record_folder import check_folder, with_folder

    parser = Parser(prog=f"{PROG} prov", description=cli.ABOUT, allow_abbrev=False)
    cli.add_options(parser)
    arguments, rest = parser.parse_known_args(with_folder(words))
    if rest:
        has_word = len(rest) == 1 and not rest[0].startswith("-")
        if has_word and arguments.provenance is None:
            check_folder(rest[0])  # a word too many is mostly a wrong folder
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    return cli.run_command(arguments, _reload)


def _reload(record: dict[str, Any], scratch: Path) -> RecordedRun:
    """Return what is needed to make products of a recorded run again."""
    from dispel4py.plan import plan_again
    from dispel4py.provenance.recorded_workflow import RecordedRun, RecordedWorkflow
    from dispel4py.run import assign_inputs

    mapping = mapping_class(str(record.get("mapping")))
    n = int(record["processes"])
    if record.get("package"):
        module = importlib.import_module(f"{record['package']}.recorded_run")
        workflow = module.reload(record, scratch)
        plan = plan_again(workflow.graph, n, apart=mapping.apart)
        return RecordedRun(plan, workflow)
    arguments = _arguments_of(record)
    graph = _load_for_run(arguments)
    costs = None
    if arguments.profile is not None:
        from dispel4py.cost import read_costs

        costs = read_costs(arguments.profile)
    runner = get_mapping(mapping.name, **mapping_options(arguments, [mapping]))
    plan = plan_again(graph, n, costs, arguments.compat, runner.apart)
    inputs = read_inputs(arguments.file, arguments.data, arguments.iterations)
    return RecordedRun(plan, RecordedWorkflow(graph), assign_inputs(plan, inputs))


def _arguments_of(record: dict[str, Any]) -> argparse.Namespace:
    """Return the arguments of a recorded run of this command."""
    command = [str(word) for word in record.get("command") or []]
    words = command[1:]
    program = Path(command[0] if command else "")
    is_ours = program.name == PROG or program.parts[-2:] == (PROG, "__main__.py")
    if not is_ours or not words or words[0] not in available():
        raise ParameterError(
            f"the run was started by {' '.join(command) or 'a program'!r}: only runs "
            f"of '{PROG} MAPPING GRAPH' and of the applications can be made again"
        )
    return run_parser(_known_mappings(words)).parse_args(words)
