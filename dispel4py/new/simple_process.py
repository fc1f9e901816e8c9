"""The mapping ``simple`` under its import path of dispel4py 1.x."""

from __future__ import annotations

from typing import Any

from dispel4py.core import GenericPE
from dispel4py.message import private_copy
from dispel4py.new.logger import pe_logs, simple_logger, write_line
from dispel4py.new.processor import complete_inputs, main
from dispel4py.run import run
from dispel4py.workflow_graph import WorkflowGraph

__all__ = ["main", "process", "process_and_return", "simpleLogger", "simple_logger"]

simpleLogger = simple_logger

Outputs = dict[str, dict[str, list[Any]]]


def process_and_return(
    workflow: WorkflowGraph,
    inputs: Any,
    resultmappings: dict[str, list[str]] | None = None,
) -> Outputs:
    """Run a graph in this process, one item at a time.

    Parameters
    ----------
    workflow : WorkflowGraph
    inputs : dict
        Source, or its id or name, to a number of calls or a list of inputs.
    resultmappings : dict, optional
        PE id to the outputs that are collected, connected or not; by default all
        unconnected outputs.

    Returns
    -------
    dict
        ``{pe_id: {output: [items]}}`` of the outputs with items.
    """
    collector = None if resultmappings is None else _NamedOutputs(resultmappings)
    with pe_logs() as observers:
        if collector is not None:
            observers = [*observers, collector]
        result = run(workflow, complete_inputs(workflow, inputs), observers=observers)
    outputs = result.outputs if collector is None else collector.outputs
    filled = {
        pe_id: {port: items for port, items in ports.items() if items}
        for pe_id, ports in outputs.items()
    }
    return {pe_id: ports for pe_id, ports in filled.items() if ports}


def process(
    workflow: WorkflowGraph,
    inputs: Any,
    args: Any = None,
    resultmappings: dict[str, list[str]] | None = None,
) -> None:
    """Run a graph in this process, and write inputs and outputs to standard output."""
    shown = {
        pe.id if isinstance(pe, GenericPE) else pe: given
        for pe, given in inputs.items()
    }
    write_line(f"Inputs: {shown}")
    write_line(f"Outputs: {process_and_return(workflow, inputs, resultmappings)}")


class _NamedOutputs:
    """Collects the named outputs, as an observer of the run."""

    def __init__(self, names: dict[str, list[str]]) -> None:
        self.names = names
        self.outputs: Outputs = {}

    def emitted(self, instance: Any, port: str, item: Any) -> None:
        """Keep one item."""
        if port in self.names.get(instance.pe_id, ()):
            ports = self.outputs.setdefault(instance.pe_id, {})
            ports.setdefault(port, []).append(private_copy(item))
