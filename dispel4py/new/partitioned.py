"""Partitions as PEs, in the form of the mappings of dispel4py 1.x.

The engine itself does not need them: see ``WorkflowGraph.partitions``.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Mapping
from typing import Any

from dispel4py.core import GROUPING, GenericPE
from dispel4py.errors import InputError
from dispel4py.grouping import CUSTOM, GROUP_BY, SHUFFLE, Grouping
from dispel4py.message import private_copy
from dispel4py.new.assignment import (
    Feeders,
    Targets,
    assign_and_connect,
    get_inputs,
    get_partitions,
)
from dispel4py.workflow_graph import WorkflowGraph


class SimpleProcessingPE(GenericPE):
    """Runs several PEs as one PE; an item passes all of them before the next item.

    Parameters
    ----------
    input_mappings, output_mappings : dict
        Results of `dispel4py.new.processor.assign_and_connect`; each PE has one
        process.
    proc_to_pe : dict
        Process to PE.

    Attributes
    ----------
    result_mappings : dict, optional
        PE id to the outputs whose items this PE writes; by default the unconnected
        outputs. An item is written as a list of one item, to the port
        ``(pe_id, output)``.
    """

    def __init__(
        self,
        input_mappings: Feeders,
        output_mappings: Targets,
        proc_to_pe: Mapping[int, GenericPE],
    ) -> None:
        super().__init__()
        self.input_mappings = input_mappings
        self.output_mappings = output_mappings
        self.proc_to_pe = dict(proc_to_pe)
        self.ordered = _feeding_order(input_mappings, self.proc_to_pe)
        self.result_mappings: dict[str, list[str]] | None = None

    def _preprocess(self) -> None:
        for proc in self.ordered:
            pe = self.proc_to_pe[proc]
            pe.rank = self.rank
            pe._writer = functools.partial(self._pass_on, proc)
            pe.preprocess()

    def _process(self, inputs: Any) -> None:
        """Work on ``{(pe_id, input): [items]}``, or on ``{pe: calls or inputs}``."""
        inputs_of_pes = _by_pe(inputs)
        for proc in self.ordered:
            pe = self.proc_to_pe[proc]
            own_inputs = get_inputs(pe, inputs_of_pes)
            if own_inputs is None:
                own_inputs = int(not inputs_of_pes and not self.input_mappings[proc])
            for data in (
                range(own_inputs) if isinstance(own_inputs, int) else own_inputs
            ):
                self._call(proc, {} if isinstance(data, int) else data)

    def _postprocess(self) -> None:
        for proc in self.ordered:
            self.proc_to_pe[proc].postprocess()

    def _call(self, proc: int, inputs: dict[str, Any]) -> None:
        outputs: Any = self.proc_to_pe[proc].process(inputs) or {}
        for output, item in outputs.items():
            self._pass_on(proc, output, item)

    def _pass_on(self, proc: int, output: str, item: Any) -> None:
        pe_id = self.proc_to_pe[proc].id
        targets = self.output_mappings[proc].get(output, [])
        selected = self.result_mappings
        if output in selected.get(pe_id, ()) if selected is not None else not targets:
            self._write_result((pe_id, output), [item])
        for name, chooser in targets:
            for destination in chooser.destinations:
                self._call(destination, {name: private_copy(item)})

    def _write_result(self, port: Any, block: list[Any]) -> None:
        if self._writer is not None:
            self._writer(port, block)
        else:
            self.wrapper._write(port, block)


def _feeding_order(feeders: Feeders, pes: Mapping[int, GenericPE]) -> list[int]:
    ordered: list[int] = []

    def visit(proc: int) -> None:
        if proc not in ordered:
            for sources in feeders[proc].values():
                for source in sources:
                    visit(source)
            ordered.append(proc)

    for proc in pes:
        visit(proc)
    return ordered


def _by_pe(inputs: Mapping[Any, Any]) -> dict[Any, Any]:
    inputs_of_pes: dict[Any, Any] = {}
    for key, value in inputs.items():
        if isinstance(key, tuple):
            pe_id, name = key
            inputs_of_pes.setdefault(pe_id, []).extend({name: item} for item in value)
        else:
            inputs_of_pes[key] = value
    return inputs_of_pes


class _BlockGrouping:
    """A grouping of items, applied to the lists of one item between partitions."""

    def __init__(self, grouping: Grouping) -> None:
        self.grouping = grouping

    def __call__(self, block: Any, n: int) -> Any:
        return self.grouping.select(block[0], n)


def create_partitioned(workflow_all: WorkflowGraph) -> WorkflowGraph:
    """Return a graph that has one `SimpleProcessingPE` per partition.

    Its attributes are ``partition_pes``, and ``pe_to_partition``: PE id to the number
    of its partition.
    """
    partitions = get_partitions(workflow_all)
    partition_of = {pe.id: k for k, part in enumerate(partitions) for pe in part}
    crossing = [
        edge
        for edge in workflow_all.connections
        if partition_of[edge.source.id] != partition_of[edge.destination.id]
    ]
    parts = [_partition(workflow_all, partition_of, k) for k in range(len(partitions))]
    graph: Any = WorkflowGraph()
    graph.partition_pes, graph.pe_to_partition = parts, partition_of
    for part in parts:
        graph.add(part)
    for edge in crossing:
        source: Any = parts[partition_of[edge.source.id]]
        sink: Any = parts[partition_of[edge.destination.id]]
        out, into = (edge.source.id, edge.output), (edge.destination.id, edge.input)
        source._add_output(out)
        sink._add_input(into, grouping=_block_grouping(edge.destination, edge.input))
        graph.connect(source, out, sink, into)
    whole: WorkflowGraph = graph
    return whole


def _block_grouping(pe: GenericPE, name: str) -> Any:
    declared = pe.inputconnections[name].get(GROUPING)
    grouping = Grouping.of(declared, f"input {name!r} of {pe.id}")
    if grouping.kind in (GROUP_BY, CUSTOM):
        return _BlockGrouping(grouping)
    return None if grouping.kind == SHUFFLE else declared


def _partition(
    workflow: WorkflowGraph, partition_of: dict[str, int], number: int
) -> SimpleProcessingPE:
    """Return a partition as a PE; its PEs are copies with the same ids."""
    inside = copy.deepcopy(workflow)
    inside.flatten()
    inside.nodes = [pe for pe in inside.pes if partition_of[pe.id] == number]
    edges = [e for e in inside.edges if partition_of[e.source.id] == number]
    inside.edges = [e for e in edges if partition_of[e.destination.id] == number]
    laid_out = assign_and_connect(inside, len(inside.pes))
    assert laid_out is not None
    processes, feeders, targets = laid_out
    pes = {processes[pe.id][0]: pe for pe in inside.pes}
    part: Any = SimpleProcessingPE(feeders, targets, pes)
    part.workflow, part.partition_id, part.result_mappings = inside, number, {}
    for proc, pe in pes.items():
        connected = {e.output for e in edges if e.source is pe}
        outside = {e.output for e in edges if e.source is pe and e not in inside.edges}
        unconnected = set(pe.outputconnections) - connected
        part.result_mappings[pe.id] = sorted(outside | unconnected)
        for output in sorted(unconnected):
            part._add_output((pe.id, output))
        for name in () if feeders[proc] else pe.inputconnections:
            part._add_input((pe.id, name))
    if workflow.numprocesses:
        part.numprocesses = workflow.numprocesses[number]
    partition: SimpleProcessingPE = part
    return partition


def map_inputs_to_partitions(ubergraph: Any, inputs: Mapping[Any, Any]) -> Any:
    """Return the inputs of the sources as inputs of their partitions.

    Raises
    ------
    InputError
        If there is no such source.
    """
    mapped: dict[Any, Any] = {}
    for pe, inputs_of_pes in inputs.items():
        pe_id = getattr(pe, "id", pe)
        if pe_id not in ubergraph.pe_to_partition:
            raise InputError(f"no PE {pe_id!r} in any partition")
        part = ubergraph.partition_pes[ubergraph.pe_to_partition[pe_id]]
        if isinstance(inputs_of_pes, int):
            mapped[part] = inputs_of_pes
        else:
            mapped[part] = [
                {(pe_id, name): [item] for name, item in data.items()}
                for data in inputs_of_pes
            ]
    return mapped
