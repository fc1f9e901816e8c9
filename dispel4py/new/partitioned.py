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
from dispel4py.new.layout import (
    Feeders,
    Targets,
    assign_and_connect,
    get_inputs,
    get_partitions,
)
from dispel4py.workflow_graph import WorkflowGraph


class SimpleProcessingPE(GenericPE):
    """Runs several PEs as one, each item through all of them before the next.

    Parameters
    ----------
    input_mappings, output_mappings : dict
        As `dispel4py.new.processor.assign_and_connect` returns them; each PE has one
        process.
    proc_to_pe : dict
        Process to PE.

    Attributes
    ----------
    result_mappings : dict, optional
        PE id to the outputs whose items this PE writes, connected inside or not; by
        default the unconnected outputs. An item is written as a list of one item, to
        the port ``(pe_id, output)``.
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
        self.ordered = _feeders_first(input_mappings, self.proc_to_pe)
        self.result_mappings: dict[str, list[str]] | None = None

    def _preprocess(self) -> None:
        for proc in self.ordered:
            pe = self.proc_to_pe[proc]
            pe.rank = self.rank
            pe._writer = functools.partial(self._pass_on, proc)
            pe.preprocess()

    def _process(self, inputs: Any) -> None:
        """Work on ``{(pe_id, input): [items]}``, or on ``{pe: calls or inputs}``."""
        given = _by_pe(inputs)
        for proc in self.ordered:
            pe = self.proc_to_pe[proc]
            mine = get_inputs(pe, given)
            if mine is None:
                mine = int(not given and not self.input_mappings[proc])
            for data in range(mine) if isinstance(mine, int) else mine:
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
        named = self.result_mappings
        if output in named.get(pe_id, ()) if named is not None else not targets:
            self._leave((pe_id, output), [item])
        for name, how in targets:
            for destination in how.destinations:
                self._call(destination, {name: private_copy(item)})

    def _leave(self, port: Any, block: list[Any]) -> None:
        if self._writer is not None:
            self._writer(port, block)
        else:
            self.wrapper._write(port, block)


def _feeders_first(feeders: Feeders, pes: Mapping[int, GenericPE]) -> list[int]:
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
    given: dict[Any, Any] = {}
    for key, value in inputs.items():
        if isinstance(key, tuple):
            pe_id, name = key
            given.setdefault(pe_id, []).extend({name: item} for item in value)
        else:
            given[key] = value
    return given


class _OfBlock:
    """A grouping of items, for the lists of one item that partitions exchange."""

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
        sink._add_input(into, grouping=_across(edge.destination, edge.input))
        graph.connect(source, out, sink, into)
    whole: WorkflowGraph = graph
    return whole


def _across(pe: GenericPE, name: str) -> Any:
    declared = pe.inputconnections[name].get(GROUPING)
    grouping = Grouping.of(declared, f"input {name!r} of {pe.id}")
    if grouping.kind in (GROUP_BY, CUSTOM):
        return _OfBlock(grouping)
    return None if grouping.kind == SHUFFLE else declared


def _partition(
    workflow: WorkflowGraph, partition_of: dict[str, int], number: int
) -> SimpleProcessingPE:
    """Return one partition as a PE; the PEs in it are copies with the same ids."""
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
        led_on = {e.output for e in edges if e.source is pe}
        outside = {e.output for e in edges if e.source is pe and e not in inside.edges}
        loose = set(pe.outputconnections) - led_on
        part.result_mappings[pe.id] = sorted(outside | loose)
        for output in sorted(loose):
            part._add_output((pe.id, output))
        for name in () if feeders[proc] else pe.inputconnections:
            part._add_input((pe.id, name))
    if workflow.numprocesses:
        part.numprocesses = workflow.numprocesses[number]
    partition: SimpleProcessingPE = part
    return partition


def map_inputs_to_partitions(ubergraph: Any, inputs: Mapping[Any, Any]) -> Any:
    """Return the inputs of the sources as inputs of the partitions that they are in.

    Raises
    ------
    InputError
        If there is no such source.
    """
    mapped: dict[Any, Any] = {}
    for pe, given in inputs.items():
        pe_id = getattr(pe, "id", pe)
        if pe_id not in ubergraph.pe_to_partition:
            raise InputError(f"no PE {pe_id!r} in any partition")
        part = ubergraph.partition_pes[ubergraph.pe_to_partition[pe_id]]
        if isinstance(given, int):
            mapped[part] = given
        else:
            mapped[part] = [
                {(pe_id, name): [item] for name, item in data.items()} for data in given
            ]
    return mapped
