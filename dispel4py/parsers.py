"""The parsers of the command ``dispel4py``: its options, and the text of its help."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from dispel4py import __version__
from dispel4py.command_line import Parser
from dispel4py.mappings import REGISTRY
from dispel4py.mappings.base import Mapping
from dispel4py.mappings.options import Options, add_arguments, option_names
from dispel4py.schedulers import add_job_arguments

PROG = "dispel4py"

ABOUT = f"""\
Run a workflow graph.

  {PROG} MAPPING GRAPH [options]    run GRAPH, a Python module or file
  {PROG} MAPPING --help             show the options of a mapping, too
  {PROG} draw GRAPH -o FILE         draw it
  {PROG} plan GRAPH -n N            show which PEs each process would run
  {PROG} slurm GRAPH -n N           write or submit a job (also: pbs, lsf)
  {PROG} retry FILE GRAPH           run again the items that a run skipped
  {PROG} prov QUESTION ...          ask where products come from
  {PROG} mappings                   list the mappings, and which can run here
  {PROG} pes [PACKAGE ...]          list the processing elements of a package
"""

EXAMPLES = f"""\
examples:
  {PROG} simple {PROG}.examples.squares -i 10
  {PROG} multi workflow.py -n 8 -d '{{"Reader": [{{"input": "day.mseed"}}]}}'
  {PROG} mpi workflow.py -n 8 -f inputs.json
  mpiexec -n 8 {PROG} mpi workflow.py -f inputs.json

Only one of -f, -d and -i is used, in this order; without them each source is called
once. Items of unconnected outputs go to standard output, all messages to standard
error. Exit status: 0 done, 1 failed, 2 a mistake in the call, 130 interrupted (143 by
SIGTERM).
"""

MAPPINGS = ", ".join(REGISTRY)
LOG_LEVELS = ("debug", "info", "warning", "error")


def run_parser(
    mappings: Sequence[type[Mapping]], shown: Collection[str] = ()
) -> argparse.ArgumentParser:
    """Return the parser of ``dispel4py MAPPING GRAPH``.

    Parameters
    ----------
    mappings : sequence of type
        The parser has the options of these mappings.
    shown : collection of str
        Names of the mappings whose options the help has.
    """
    parser = Parser(
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
    add("mapping", metavar="MAPPING", help=f"how the graph runs: {MAPPINGS}")
    _add_graph_options(parser)
    _add_input_options(parser)
    _add_run_options(parser, mappings, shown)
    return parser


def _add_graph_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("graph", metavar="GRAPH", help="Python module, or .py file, with the graph")
    add(
        "-a",
        "--attr",
        metavar="NAME",
        dest="attribute",
        help="variable that holds the graph",
    )


def _add_input_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("-f", "--file", metavar="FILE", dest="file", help="JSON file of inputs")
    add(
        "-d",
        "--data",
        metavar="JSON",
        dest="data",
        help="inputs of each PE: list of dicts",
    )
    add(
        "-i",
        "--iter",
        metavar="N",
        dest="iterations",
        type=int,
        help="call each source N times",
    )


def _add_run_options(
    parser: argparse.ArgumentParser,
    mappings: Sequence[type[Mapping]],
    shown: Collection[str],
    taken: Iterable[str] = (),
) -> None:
    add = parser.add_argument
    add(
        "-n",
        "--num",
        metavar="N",
        dest="processes",
        type=int,
        help="number of processes",
    )
    add(
        "-s",
        "--simple",
        action="store_true",
        help="sources in one process, all other PEs in each of the other processes",
    )
    add(
        "--compat",
        action="store_true",
        help="as many instances of each PE as in dispel4py 1.2.1",
    )
    known = set(taken)
    add_arguments(parser.add_argument, Options, known)
    _add_report_options(parser)
    for mapping in mappings:
        is_shown = mapping.name in shown
        text = mapping.commands if is_shown and mapping.commands else None
        group = parser.add_argument_group(f"options of {mapping.name}", text)
        add_arguments(group.add_argument, mapping.Options, known, is_shown)


def mapping_options(
    arguments: argparse.Namespace, mappings: Iterable[type[Mapping]]
) -> dict[str, Any]:
    """Return the options of mappings in a command line, by name.

    Parameters
    ----------
    arguments : argparse.Namespace
        The parsed command line.
    mappings : iterable of type
        The parser has the options of these mappings.
    """
    names = {name for mapping in mappings for name in option_names(mapping.Options)}
    return {name: value for name, value in vars(arguments).items() if name in names}


def _add_report_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--profile",
        metavar="FILE",
        help="assign PEs to processes by the costs in the summary of an earlier run",
    )
    add("--summary", action="store_true", help="show busy time, memory and bytes")
    add("--summary-json", metavar="FILE", help="write the summary, for --profile")
    add("--trace", metavar="FILE", help="write every call, for chrome://tracing")
    add(
        "--provenance",
        metavar="DIR",
        help="record what each product was made of, in a new folder in DIR",
    )
    add(
        "--capture",
        metavar="FILE",
        help="TOML file: which terms of products --provenance records, and when",
    )
    add("--log-level", choices=LOG_LEVELS, default="warning", help="(default: warning)")
    add("--quiet", action="store_true", help="no outputs, progress or summary")


def job_parser(scheduler: str, mapping: type[Mapping]) -> argparse.ArgumentParser:
    """Return the parser of ``dispel4py slurm GRAPH`` and of other schedulers.

    Parameters
    ----------
    scheduler : str
        Name of the scheduler.
    mapping : type
        The mapping of the job.
    """
    parser = Parser(
        prog=f"{PROG} {scheduler}",
        description="Write a script that runs a graph as a job of a scheduler, with "
        f"the mapping {mapping.name!r}.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--show-template",
        action="store_true",
        help="print the template of the scripts, to edit it for --template, and exit",
    )
    add_job_arguments(parser.add_argument_group("job").add_argument, choose=False)
    _add_graph_options(parser)
    _add_input_options(parser)
    _add_run_options(parser, [mapping], [mapping.name])
    parser.set_defaults(scheduler=scheduler)
    return parser


def retry_parser(
    mappings: Sequence[type[Mapping]], shown: Collection[str]
) -> argparse.ArgumentParser:
    """Return the parser of ``dispel4py retry``.

    Parameters
    ----------
    mappings : sequence of type
        The parser has the options of these mappings.
    shown : collection of str
        Names of the mappings whose options the help has.
    """
    parser = Parser(
        prog=f"{PROG} retry",
        description="Run the items of a dead-letter file again, each by the PE that "
        "failed on it and the PEs after it. The file contains pickles, which can "
        "execute code: use only files that you wrote.",
        allow_abbrev=False,
    )
    parser.add_argument("letters", metavar="FILE", help="a file of --dead-letters")
    _add_graph_options(parser)
    parser.add_argument(
        "-m",
        "--mapping",
        metavar="MAPPING",
        default="simple",
        help=f"how the graph runs: {MAPPINGS} (default: simple)",
    )
    _add_run_options(parser, mappings, shown, taken=["-m"])
    parser.set_defaults(file=None, data=None, iterations=None)
    return parser
