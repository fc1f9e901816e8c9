"""The assignment of PEs to processes, in the form of the mappings of dispel4py 1.x."""

from __future__ import annotations

from typing import Any

from dispel4py.core import GenericPE
from dispel4py.layout import numbers_of_1x
from dispel4py.new.communication import communication
from dispel4py.nodes import WorkflowNode
from dispel4py.workflow_graph import WorkflowGraph

#: Process, to input, to the processes that send to it.
Feeders = dict[int, dict[str, list[int]]]
#: Process, to output, to its inputs and communications.
Targets = dict[int, dict[str, list[tuple[str, Any]]]]


def get_inputs(pe: GenericPE, inputs: Any) -> Any:
    """Return the inputs of a PE, by the PE, its name or its id; None without inputs."""
    for key in (pe, pe.name, pe.id):
        if key in inputs:
            return inputs[key]
    return None


def _is_root(node: WorkflowNode, workflow: WorkflowGraph) -> bool:
    """Return whether a node is a source."""
    return all(edge.destination is not node.obj for edge in workflow.edges)


def _assign_processes(
    workflow: WorkflowGraph, size: int
) -> tuple[bool, list[str], dict[str, range]]:
    """Return: are there enough processes; the sources; the processes of each PE.

    Each PE has its own processes.
    """
    pes = workflow.sorted_pes()
    sources = [pe.id for pe in workflow.roots()]
    declared = [pe.numprocesses for pe in pes]
    numbers = numbers_of_1x(declared, [pe.id in sources for pe in pes], size)
    if numbers is None:
        return False, sources, {}
    processes, first = {}, 0
    for pe, number in zip(pes, numbers, strict=True):
        processes[pe.id] = range(first, first + number)
        first += number
    return True, sources, processes


def _connect(
    workflow: WorkflowGraph, processes: dict[str, range]
) -> tuple[Feeders, Targets]:
    """Return the senders and the receivers of each process."""
    feeders: Feeders = {p: {} for numbers in processes.values() for p in numbers}
    targets: Targets = {p: {} for p in feeders}
    for edge in workflow.connections:
        sources = list(processes[edge.source.id])
        destinations = list(processes[edge.destination.id])
        for p in destinations:
            feeders[p].setdefault(edge.input, []).extend(sources)
        for p in sources:
            chooser = communication(
                p, sources, edge.destination, edge.input, destinations
            )
            targets[p].setdefault(edge.output, []).append((edge.input, chooser))
    return feeders, targets


def assign_and_connect(
    workflow: WorkflowGraph, size: int
) -> tuple[dict[str, range], Feeders, Targets] | None:
    """Lay a graph out on ``size`` processes; each PE gets its own processes.

    Returns
    -------
    processes : dict
        PE id to a range of processes.
    feeders : dict
        ``{process: {input: [processes]}}``.
    targets : dict
        ``{process: {output: [(input, communication)]}}``.

    The result is None if there are fewer processes than PEs.
    """
    success, _, processes = _assign_processes(workflow, size)
    if not success:
        return None
    feeders, targets = _connect(workflow, processes)
    return processes, feeders, targets


def get_partitions(workflow: WorkflowGraph) -> list[list[GenericPE]]:
    """Return the declared partitions, and one more with all other PEs.

    Without declared partitions the sources are one partition.
    """
    pes, roots = workflow.pes, workflow.roots()
    declared = workflow.partitions or [roots]
    placed = {id(pe) for partition in declared for pe in partition}
    others = [pe for pe in pes if id(pe) not in placed]
    return [list(p) for p in [*declared, others] if p]
