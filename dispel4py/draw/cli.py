"""The commands ``dispel4py draw`` and ``dispel4py plan``: show a graph."""

from __future__ import annotations

import argparse
import json

from dispel4py.cost import read_costs
from dispel4py.draw import (
    FORMATS,
    TEXTS,
    image_bytes,
    plan_record,
    plan_text,
    write_image,
)
from dispel4py.errors import ParameterError
from dispel4py.plan import make_plan
from dispel4py.workflow_graph import WorkflowGraph

#: Description of each command in one line.
ABOUT = {
    "draw": "Draw a graph: PEs with their ports, groupings, composites, partitions.",
    "plan": "Show the PEs of each process, and the routes of items, for N processes.",
}


def add_options(command: str, parser: argparse.ArgumentParser) -> None:
    """Declare the options of one of the commands.

    Parameters
    ----------
    command : str
        ``draw`` or ``plan``.
    parser : argparse.ArgumentParser
        The options are added to this parser.
    """
    add = parser.add_argument
    add("graph", metavar="GRAPH", help="Python module, or .py file, with the graph")
    add(
        "-a",
        "--attr",
        metavar="NAME",
        dest="attribute",
        help="variable that holds the graph",
    )
    if command == "draw":
        add(
            "-o",
            "--output",
            metavar="FILE",
            dest="file",
            help="file to write; without it the text goes to standard output",
        )
        add(
            "--format",
            choices=FORMATS,
            help="format (default: by the suffix of FILE, .dot, .mmd, .svg, .png or "
            ".pdf; without FILE dot); images need graphviz",
        )
        return
    add(
        "-n",
        "--num",
        metavar="N",
        dest="processes",
        type=int,
        required=True,
        help="number of processes",
    )
    add(
        "--profile", metavar="FILE", help="summary of an earlier run, with costs of PEs"
    )
    add("--compat", action="store_true", help="plan as dispel4py 1.2.1 does")
    add("--json", action="store_true", help="print the plan as JSON")


def run_command(
    command: str, arguments: argparse.Namespace, graph: WorkflowGraph
) -> None:
    """Run one of the commands.

    Parameters
    ----------
    command : str
        ``draw`` or ``plan``.
    arguments : argparse.Namespace
        The options of the command.
    graph : WorkflowGraph
    """
    if command == "plan":
        show_plan(arguments, graph)
    else:
        show_picture(arguments, graph)


def show_picture(arguments: argparse.Namespace, graph: WorkflowGraph) -> None:
    """Write a picture of a graph to a file, or as text to standard output.

    Parameters
    ----------
    arguments : argparse.Namespace
        The options of ``draw``.
    graph : WorkflowGraph

    Raises
    ------
    ParameterError
        If a binary image has no file.
    """
    if arguments.file is not None:
        write_image(graph, arguments.file, arguments.format)
        return
    kind = arguments.format or "dot"
    if kind not in TEXTS:
        raise ParameterError(f"--format {kind}: name a file with -o")
    print(image_bytes(graph, kind).decode(), end="")


def show_plan(arguments: argparse.Namespace, graph: WorkflowGraph) -> None:
    """Print the layout of a graph on processes.

    Parameters
    ----------
    arguments : argparse.Namespace
        The options of ``plan``.
    graph : WorkflowGraph
    """
    if arguments.profile is not None:
        graph.costs = read_costs(arguments.profile)
    plan = make_plan(graph, arguments.processes, compat=arguments.compat)
    if arguments.json:
        print(json.dumps(plan_record(plan), indent=2))
    else:
        print(plan_text(plan))
