"""The commands ``dispel4py draw`` and ``dispel4py plan``: look at a graph."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dispel4py.workflow_graph import WorkflowGraph

#: What each command does, in a line.
ABOUT = {
    "draw": "Draw a graph: PEs with their ports, groupings, composites, partitions.",
    "plan": "Say which process runs what, and where items go, for N processes.",
}


def add_options(command: str, parser: argparse.ArgumentParser) -> None:
    """Declare the options of one of the commands."""
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
            help=".svg, .png, .pdf or .dot; without it DOT goes to standard output",
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
    """Carry out one of the commands."""
    if command == "plan":
        show_plan(given, graph)
        return
    from dispel4py.draw import draw, write_image

    if given.file is None:
        print(draw(graph), end="")
    else:
        write_image(graph, given.file)


def show_plan(given: argparse.Namespace, graph: WorkflowGraph) -> None:
    """Print how a graph is laid out."""
    from dispel4py.cost import read_costs
    from dispel4py.draw import plan_record, plan_text
    from dispel4py.plan import make_plan

    if given.profile is not None:
        graph.costs = read_costs(given.profile)
    plan = make_plan(graph, given.processes)
    if given.json:
        print(json.dumps(plan_record(plan), indent=2))
    else:
        print(plan_text(plan))
