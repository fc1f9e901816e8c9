"""The commands ``dispel4py draw`` and ``dispel4py plan``: look at a graph."""

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

#: What each command does, in a line.
ABOUT = {
    "draw": "Draw a graph: PEs with their ports, groupings, composites, partitions.",
    "plan": "Say which process runs what, and where items go, for N processes.",
}


def add_options(command: str, parser: argparse.ArgumentParser) -> None:
    """Declare the options of one of the commands.

    Parameters
    ----------
    command : str
        ``draw`` or ``plan``.
    parser : argparse.ArgumentParser
        Gets the options.
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
            help="what to write (default: by the suffix of FILE, .dot, .mmd, .svg, "
            ".png or .pdf; without FILE dot); images need graphviz",
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
    add("--profile", metavar="FILE", help="summary of an earlier run, for its costs")
    add("--json", action="store_true", help="as JSON")


def run_command(command: str, given: argparse.Namespace, graph: WorkflowGraph) -> None:
    """Carry out one of the commands.

    Parameters
    ----------
    command : str
        ``draw`` or ``plan``.
    given : argparse.Namespace
        Its options.
    graph : WorkflowGraph
    """
    if command == "plan":
        show_plan(given, graph)
    else:
        show_picture(given, graph)


def show_picture(given: argparse.Namespace, graph: WorkflowGraph) -> None:
    """Write a picture of a graph to a file, or as text to standard output.

    Parameters
    ----------
    given : argparse.Namespace
        The options of ``draw``.
    graph : WorkflowGraph

    Raises
    ------
    ParameterError
        If an image that is no text has no file.
    """
    if given.file is not None:
        write_image(graph, given.file, given.format)
        return
    kind = given.format or "dot"
    if kind not in TEXTS:
        raise ParameterError(f"--format {kind}: name a file with -o")
    print(image_bytes(graph, kind).decode(), end="")


def show_plan(given: argparse.Namespace, graph: WorkflowGraph) -> None:
    """Print the layout of a graph on processes.

    Parameters
    ----------
    given : argparse.Namespace
        The options of ``plan``.
    graph : WorkflowGraph
    """
    if given.profile is not None:
        graph.costs = read_costs(given.profile)
    plan = make_plan(graph, given.processes)
    if given.json:
        print(json.dumps(plan_record(plan), indent=2))
    else:
        print(plan_text(plan))
