"""The mapping ``multi`` by its path of dispel4py 1.x."""

from __future__ import annotations

import argparse
import copy
import queue
from typing import Any

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


def parse_args(args: list[str], namespace: Any) -> argparse.Namespace:
    """Add ``-n`` and ``-s`` to what is known of a command line."""
    parser = argparse.ArgumentParser(
        prog="dispel4py", description="Run a graph in processes of this host."
    )
    add = parser.add_argument
    add("-s", "--simple", action="store_true", help="put PEs together into partitions")
    add("-n", "--num", metavar="N", type=int, required=True, help="processes")
    known: argparse.Namespace = parser.parse_args(args, namespace)
    return known


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
        workflow = copy.copy(workflow)
        workflow.partitions = partitions
        for k, partition in enumerate(partitions):
            tell(f"Partition {k}: {', '.join(pe.id for pe in partition)}")
            partition_of |= {pe.id: f"SimpleProcessingPE{k}" for pe in partition}
    given = complete_inputs(workflow, inputs)
    with pe_logs() as observers:
        result = run(
            workflow, given, mapping="multi", processes=args.num, observers=observers
        )
    if not getattr(args, "results", False):
        return None
    found: queue.Queue[Any] = queue.Queue()
    for pe_id, ports in result.outputs.items():
        for port, items in ports.items():
            for item in items:
                if together:
                    found.put((partition_of[pe_id], (pe_id, port), [item]))
                else:
                    found.put((pe_id, port, item))
    found.put(STATUS_TERMINATED)
    return found
