"""The mapping ``multi`` under its import path of dispel4py 1.x."""

from __future__ import annotations

import argparse
import queue
from typing import Any

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


def parse_args(args: list[str], namespace: Any) -> argparse.Namespace:
    """Parse ``-n`` and ``-s``, and add them to ``namespace``."""
    parser = option_parser("processes of this host")
    parser.add_argument(
        "-n", "--num", metavar="N", type=int, required=True, help="processes"
    )
    return parse_into(parser, args, namespace)


def process(workflow: WorkflowGraph, inputs: Any, args: Any) -> Any:
    """Run a graph in processes of this host.

    Parameters
    ----------
    workflow : WorkflowGraph
    inputs : dict
        Source, or its id or name, to a number of calls or a list of inputs.
    args : object
        ``num``: number of processes. ``simple``: put PEs into partitions; this is also
        done if there are more PEs than processes. ``results``: return the outputs.

    Returns
    -------
    queue.Queue, str or None
        With ``args.results`` a queue of ``(pe_id, output, item)``; the last entry is
        `STATUS_TERMINATED`. If PEs are in partitions, the entries are
        ``(partition, (pe_id, output), [item])``. An error message if there are fewer
        processes than partitions.
    """
    has_partitions = getattr(args, "simple", False) or args.num < len(workflow.pes)
    partition_of: dict[str, str] = {}
    if has_partitions:
        partitions = get_partitions(workflow)
        if args.num < len(partitions):
            return "dispel4py.multi_process: Not enough processes for this graph"
        workflow = divide(workflow, partitions)
        for k, partition in enumerate(partitions):
            partition_of |= {pe.id: f"SimpleProcessingPE{k}" for pe in partition}
    result = run_with_logs(workflow, inputs, "multi", args.num)
    if not getattr(args, "results", False):
        return None
    outputs: queue.Queue[Any] = queue.Queue()
    for pe_id, ports in result.outputs.items():
        for port, items in ports.items():
            for item in items:
                if has_partitions:
                    outputs.put((partition_of[pe_id], (pe_id, port), [item]))
                else:
                    outputs.put((pe_id, port, item))
    outputs.put(STATUS_TERMINATED)
    return outputs
