"""The mapping ``multi`` by its path of dispel4py 1.x."""

from __future__ import annotations

import argparse
import queue
from typing import Any

from dispel4py.new.logger import simple_logger
from dispel4py.new.processes import in_partitions, option_parser, parsed, run_with_logs
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
    return parsed(parser, args, namespace)


def process(workflow: WorkflowGraph, inputs: Any, args: Any) -> Any:
    """Run a graph in processes of this host.

    Parameters
    ----------
    workflow : WorkflowGraph
    inputs : dict
        Source, or its id or name, to a number of calls or a list of inputs.
    args : object
        ``num``: processes. ``simple``: put PEs together into partitions, which is also
        done where there are more PEs than processes. ``results``: return the outputs.

    Returns
    -------
    queue.Queue, str or None
        With ``args.results`` a queue of ``(pe_id, output, item)``, at its end
        `STATUS_TERMINATED`. Where PEs are in partitions the entries are
        ``(partition, (pe_id, output), [item])``. A text if there are fewer processes
        than partitions.
    """
    together = getattr(args, "simple", False) or args.num < len(workflow.pes)
    partition_of: dict[str, str] = {}
    if together:
        partitions = get_partitions(workflow)
        if args.num < len(partitions):
            return "dispel4py.multi_process: Not enough processes for this graph"
        workflow = in_partitions(workflow, partitions)
        for k, partition in enumerate(partitions):
            partition_of |= {pe.id: f"SimpleProcessingPE{k}" for pe in partition}
    result = run_with_logs(workflow, inputs, "multi", args.num)
    if not getattr(args, "results", False):
        return None
    outputs: queue.Queue[Any] = queue.Queue()
    for pe_id, ports in result.outputs.items():
        for port, items in ports.items():
            for item in items:
                if together:
                    outputs.put((partition_of[pe_id], (pe_id, port), [item]))
                else:
                    outputs.put((pe_id, port, item))
    outputs.put(STATUS_TERMINATED)
    return outputs
