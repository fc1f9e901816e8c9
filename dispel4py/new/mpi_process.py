"""The mapping ``mpi`` by its path of dispel4py 1.x.

``comm``, ``rank`` and ``size`` are those of all processes.
"""

from __future__ import annotations

import argparse
import copy
from typing import Any

from dispel4py.mappings.mpi import world
from dispel4py.new.logger import pe_logs, simple_logger, tell
from dispel4py.new.processor import (
    STATUS_ACTIVE,
    STATUS_TERMINATED,
    complete_inputs,
    get_partitions,
    main,
)
from dispel4py.run import run
from dispel4py.workflow_graph import WorkflowGraph

__all__ = [
    "STATUS_ACTIVE",
    "STATUS_TERMINATED",
    "main",
    "parse_args",
    "process",
    "simpleLogger",
    "simple_logger",
]

simpleLogger = simple_logger


def __getattr__(name: str) -> Any:
    if name == "comm":
        return world().library.COMM_WORLD
    if name in ("rank", "size"):
        return getattr(world(), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def parse_args(args: list[str], namespace: Any) -> argparse.Namespace:
    """Add ``-s`` and ``-n`` to what is known of a command line."""
    parser = argparse.ArgumentParser(
        prog="dispel4py", description="Run a graph in the processes of an MPI launcher."
    )
    add = parser.add_argument
    add("-s", "--simple", action="store_true", help="put PEs together into partitions")
    add("-n", "--num_processes", metavar="N", type=int, help="as the launcher has it")
    known: argparse.Namespace = parser.parse_args(args, namespace)
    return known


def process(workflow: WorkflowGraph, inputs: Any, args: Any = None) -> None:
    """Run a graph in all processes of the MPI launcher; each of them calls this.

    Parameters
    ----------
    workflow : WorkflowGraph
    inputs : dict
        Source, or its id or name, to a number of calls or a list of inputs.
    args : object, optional
        ``simple``: put PEs together into partitions. ``num_processes``: must be the
        number of processes that the launcher started.
    """
    if getattr(args, "simple", False):
        workflow, partitions = copy.copy(workflow), get_partitions(workflow)
        workflow.partitions = partitions
        if world().rank == 0:
            for k, partition in enumerate(partitions):
                tell(f"Partition {k}: {', '.join(pe.id for pe in partition)}")
    given = complete_inputs(workflow, inputs)
    wanted = getattr(args, "num_processes", None)
    with pe_logs() as observers:
        run(workflow, given, mapping="mpi", processes=wanted, observers=observers)
