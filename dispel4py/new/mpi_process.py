"""The mapping ``mpi`` under its import path of dispel4py 1.x.

The attributes ``comm``, ``rank`` and ``size`` belong to COMM_WORLD.
"""

from __future__ import annotations

import argparse
from typing import Any

from dispel4py.mappings.mpi.world import world
from dispel4py.new.logger import simple_logger
from dispel4py.new.processes import divide, option_parser, parse_into, run_with_logs
from dispel4py.new.processor import (
    STATUS_ACTIVE,
    STATUS_TERMINATED,
    get_partitions,
    main,
)
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
    """Parse ``-s`` and ``-n``, and add them to ``namespace``."""
    parser = option_parser("the processes of an MPI launcher")
    text = "number of processes; it must be the number of the launcher"
    parser.add_argument("-n", "--num_processes", metavar="N", type=int, help=text)
    return parse_into(parser, args, namespace)


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
        is_root = world().rank == 0
        workflow = divide(workflow, get_partitions(workflow), is_root)
    wanted = getattr(args, "num_processes", None)
    run_with_logs(workflow, inputs, "mpi", wanted)
