"""Functions of the mappings with several processes, ``multi`` and ``mpi``."""

from __future__ import annotations

import argparse
import copy
from typing import Any

from dispel4py.core import GenericPE
from dispel4py.new.logger import pe_logs, write_line
from dispel4py.new.processor import complete_inputs
from dispel4py.run import RunResult, run
from dispel4py.workflow_graph import WorkflowGraph


def option_parser(where: str) -> argparse.ArgumentParser:
    """Return a parser with the option ``-s``."""
    parser = argparse.ArgumentParser(
        prog="dispel4py", description=f"Run a graph in {where}."
    )
    text = "put PEs into partitions"
    parser.add_argument("-s", "--simple", action="store_true", help=text)
    return parser


def parse_into(
    parser: argparse.ArgumentParser, args: list[str], namespace: Any
) -> argparse.Namespace:
    """Parse a command line into ``namespace``."""
    known: argparse.Namespace = parser.parse_args(args, namespace)
    return known


def divide(
    workflow: WorkflowGraph, partitions: list[list[GenericPE]], is_root: bool = True
) -> WorkflowGraph:
    """Return a copy of the graph with partitions, and print the partitions."""
    divided = copy.copy(workflow)
    divided.partitions = partitions
    for k, partition in enumerate(partitions):
        if is_root:
            write_line(f"Partition {k}: {', '.join(pe.id for pe in partition)}")
    return divided


def run_with_logs(
    workflow: WorkflowGraph, inputs: Any, mapping: str, processes: int | None
) -> RunResult:
    """Run a graph, and show the logs of its PEs."""
    given = complete_inputs(workflow, inputs)
    with pe_logs() as observers:
        return run(
            *(workflow, given, mapping, processes), observers=observers, compat=True
        )
