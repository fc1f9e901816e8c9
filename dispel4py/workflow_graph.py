"""The workflow graph: PEs and composites, connected by their ports."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Union

from dispel4py.core import TYPE, GenericPE
from dispel4py.errors import GraphError, PortError, suggest
from dispel4py.nodes import WorkflowNode, as_networkx
from dispel4py.types import fits, is_text, type_name

__all__ = [
    "Connection",
    "WorkflowGraph",
    "WorkflowNode",
    "check_port",
    "check_types",
]

_log = logging.getLogger(__name__)

Node = Union[GenericPE, "WorkflowGraph"]
Port = tuple[Node, str]


@dataclass(frozen=True)
class Connection:
    """One edge, from an output port of a node to an input port of another node."""

    source: Any
    output: str
    destination: Any
    input: str


class WorkflowGraph:
    """A graph of PEs; it runs unchanged under every mapping.

    Attributes
    ----------
    pes : list of GenericPE
        All PEs, those inside composites included, in the order of adding.
    connections : list of Connection
        All edges between PEs, composites resolved, in the order of connecting.
    inputmappings, outputmappings : dict
        Outer port name to ``(node, port)``, or a list of these. A graph with outer
        ports can be connected like a PE.
    partitions : list of list of GenericPE, optional
        PEs that share processes.
    numprocesses : list of int, optional
        Processes of each partition.
    costs : dict, optional
        Measured seconds of each PE, by id or name, for the layout (`dispel4py.cost`).
    provenance : path or Provenance, optional
        Where a run records provenance, if its caller does not say it.

    Examples
    --------
    >>> from dispel4py.base import IterativePE, ProducerPE
    >>> graph, source, sink = WorkflowGraph(), ProducerPE(), IterativePE()
    >>> graph.connect(source, "output", sink, "input")
    >>> [pe.id for pe in graph.pes]
    ['ProducerPE0', 'IterativePE1']
    """

    def __init__(self) -> None:
        self.name = type(self).__name__
        self.nodes: list[Node] = []
        self.edges: list[Connection] = []
        self._views: dict[int, WorkflowNode] = {}
        self.inputmappings: dict[str, Port | list[Port]] = {}
        self.outputmappings: dict[str, Port | list[Port]] = {}
        self.partitions: list[list[GenericPE]] | None = None
        self.numprocesses: list[int] | None = None
        self.costs: dict[str, float] | None = None
        self.provenance: Any = None

    # -- building --------------------------------------------------------------

    def add(self, node: Node) -> WorkflowNode:
        """Add a PE or a composite; adding it again changes nothing.

        Raises
        ------
        GraphError
            If the node is this graph itself.
        """
        _check_node(node)
        if node is self:
            raise GraphError("a graph cannot contain itself")
        if any(node is known for known in self.nodes):
            return self._node_of(node)
        if isinstance(node, WorkflowGraph):
            node._add_mapped()
        ids = {pe.id for pe in self.pes}
        self.nodes.append(node)
        for pe in [node] if isinstance(node, GenericPE) else node.pes:
            number = len(ids)
            if isinstance(node, WorkflowGraph) and pe.id not in ids:
                ids.add(pe.id)
                continue
            while f"{pe.name}{number}" in ids:
                number += 1
            pe.id = f"{pe.name}{number}"
            ids.add(pe.id)
        return self._node_of(node)

    def connect(
        self, source: Node, output: str, destination: Node, input_name: str
    ) -> None:
        """Connect an output port to an input port; nodes not yet added are added.

        Parameters
        ----------
        source : GenericPE or WorkflowGraph
        output : str
            Output port of the source.
        destination : GenericPE or WorkflowGraph
        input_name : str
            Input port of the destination.

        Raises
        ------
        PortError
            If a port does not exist; the message names the existing ports.
        GraphError
            If one of the nodes is not a PE or graph, both are the same, or the type
            of the output does not fit that of the input.
        """
        for node in (source, destination):
            _check_node(node)
        if source is destination:
            raise GraphError(f"cannot connect {_label(source)} to itself")
        check_port(source, "output", output)
        check_port(destination, "input", input_name)
        for sender, sender_port in _resolve(source, "output", output):
            declared = sender.outputconnections[sender_port].get(TYPE)
            for receiver, receiver_port in _resolve(destination, "input", input_name):
                check_types(sender, sender_port, declared, receiver, receiver_port)
        self.add(source)
        self.add(destination)
        self.edges.append(Connection(source, output, destination, input_name))

    def _map_port(
        self, mappings: dict[str, Any], name: str, node: Node, port: str, side: str
    ) -> None:
        check_port(node, f"{side}put", port)
        self.add(node)
        known = mappings.get(name)
        if known is None:
            mappings[name] = (node, port)
        else:
            mappings[name] = [*_ports(known), (node, port)]

    def _add_mapped(self) -> None:
        """Add the nodes of outer ports that have no connection inside the graph."""
        for mapped in [*self.inputmappings.values(), *self.outputmappings.values()]:
            for node, _ in _ports(mapped):
                self.add(node)

    # -- reading ---------------------------------------------------------------

    @property
    def pes(self) -> list[GenericPE]:
        """All PEs, those inside composites included."""
        pes: dict[int, GenericPE] = {}
        for node in self.nodes:
            for pe in [node] if isinstance(node, GenericPE) else node.pes:
                pes.setdefault(id(pe), pe)
        return list(pes.values())

    @property
    def connections(self) -> list[Connection]:
        """All edges between PEs, composites resolved."""
        connections = []
        for node in self.nodes:
            if isinstance(node, WorkflowGraph):
                connections.extend(node.connections)
        for edge in self.edges:
            for source, output in _resolve(edge.source, "output", edge.output):
                for sink, port in _resolve(edge.destination, "input", edge.input):
                    connections.append(Connection(source, output, sink, port))
        return connections

    def roots(self) -> list[GenericPE]:
        """PEs without a connected input: the sources of a run."""
        fed = {id(c.destination) for c in self.connections}
        return [pe for pe in self.pes if id(pe) not in fed]

    def get_contained_objects(self) -> list[Node]:
        """Return the nodes of this graph; a composite is one node."""
        return list(self.nodes)

    getContainedObjects = get_contained_objects

    @property
    def objToNode(self) -> dict[Node, WorkflowNode]:
        """The nodes of dispel4py 1.x, by their PE or composite."""
        return {node: self._node_of(node) for node in self.nodes}

    @property
    def graph(self) -> Any:
        """A `networkx.Graph` of the nodes, a new one at each access."""
        return as_networkx([self._node_of(n) for n in self.nodes], self.edges)

    def _node_of(self, node: Node) -> WorkflowNode:
        view = self._views.get(id(node))
        if view is None or view.obj is not node:
            view = self._views[id(node)] = WorkflowNode(node)
        return view

    def flatten(self) -> None:
        """Replace composites by the PEs inside them; this cannot be undone."""
        edges = self.connections
        self.nodes = list(self.pes)
        self.edges = edges

    def propagate_types(self) -> None:
        """Pass the declared types along the connections, sources first.

        Each PE gets the types of its inputs by `set_input_types`. Its method
        `get_output_types` may depend on them. An output without a declaration has the
        type None.

        Raises
        ------
        GraphError
            If a type does not fit its input, or there is a cycle.
        """
        connections = self.connections
        for pe in self.sorted_pes():
            arriving: dict[str, Any] = {}
            for edge in connections:
                if edge.destination is pe:
                    get_types = _overridden_method(edge.source, "get_output_types")
                    declared = get_types().get(edge.output)
                    check_types(edge.source, edge.output, declared, pe, edge.input)
                    arriving[edge.input] = declared
            _overridden_method(pe, "set_input_types")(arriving)

    propagateTypes = propagate_types

    def sorted_pes(self) -> list[GenericPE]:
        """Return the PEs, each after the PEs whose outputs are connected to it.

        Raises
        ------
        GraphError
            If the graph is empty or has a cycle; the message names its PEs.
        """
        pes = self.pes
        if not pes:
            raise GraphError("the workflow graph has no processing elements")
        feeders: dict[int, list[GenericPE]] = {id(pe): [] for pe in pes}
        for edge in self.connections:
            feeders[id(edge.destination)].append(edge.source)
        done: dict[int, bool] = {}
        ordered: list[GenericPE] = []
        for pe in pes:
            _visit(pe, feeders, done, ordered)
        return ordered


def _visit(
    start: GenericPE,
    feeders: dict[int, list[GenericPE]],
    done: dict[int, bool],
    ordered: list[GenericPE],
) -> None:
    """Depth-first search without recursion; ``done`` is False while on the path."""
    if id(start) in done:
        return
    done[id(start)] = False
    path: list[tuple[GenericPE, Iterator[GenericPE]]] = [
        (start, iter(feeders[id(start)]))
    ]
    while path:
        pe, feeders_left = path[-1]
        for feeder in feeders_left:
            if done.get(id(feeder)) is False:
                loop = [p.id for p, _ in path]
                loop = loop[loop.index(feeder.id) :][::-1]
                raise GraphError(
                    f"the graph has a cycle: {' -> '.join([*loop, loop[0]])}"
                )
            if id(feeder) not in done:
                done[id(feeder)] = False
                path.append((feeder, iter(feeders[id(feeder)])))
                break
        else:
            done[id(pe)] = True
            ordered.append(pe)
            path.pop()


def check_port(node: Node, side: str, name: str) -> None:
    """Check that a node has a port.

    Parameters
    ----------
    node : GenericPE or WorkflowGraph
    side : str
        ``input`` or ``output``.
    name : str
        Name of the port.

    Raises
    ------
    PortError
        If the node has no such port.
    """
    known, opposite = _port_names(node, side)
    if name in known:
        return
    if name in opposite:
        other = "output" if side == "input" else "input"
        hint = f"it is an {other}; {suggest(name, known)}"
    else:
        hint = suggest(name, known)
    raise PortError(f"{_label(node)} has no {side} {name!r}: {hint}")


def check_types(
    source: GenericPE, output: str, declared: Any, destination: GenericPE, name: str
) -> None:
    """Check that the items of an output fit an input.

    Parameters
    ----------
    source : GenericPE
    output : str
    declared : object
        Type of the items of the output.
    destination : GenericPE
    name : str
        The input.

    Raises
    ------
    GraphError
        If the types do not fit. Names of types, as in dispel4py 1.x, only give a
        warning.
    """
    wanted = destination.inputconnections[name].get(TYPE)
    if fits(declared, wanted):
        return
    types = f"the output has {type_name(declared)}, the input needs {type_name(wanted)}"
    edge = f"{source.name}.{output} to {destination.name}.{name}"
    if is_text(declared) and is_text(wanted):
        _log.warning("%s: %s; these are only names, so they are connected", edge, types)
    else:
        raise GraphError(f"cannot connect {edge}: {types}")


_OLD_SPELLINGS = {
    "get_output_types": "getOutputTypes",
    "set_input_types": "setInputTypes",
}


def _overridden_method(pe: GenericPE, name: str) -> Callable[..., Any]:
    """Return the method that the PE overrides, by its new or its old name."""
    old = _OLD_SPELLINGS[name]
    if getattr(type(pe), old) is not getattr(GenericPE, old):
        name = old
    method: Callable[..., Any] = getattr(pe, name)
    return method


def _port_names(node: Node, side: str) -> tuple[list[str], list[str]]:
    if isinstance(node, WorkflowGraph):
        ports = list(node.inputmappings), list(node.outputmappings)
    else:
        try:
            ports = list(node.inputconnections), list(node.outputconnections)
        except AttributeError:
            raise GraphError(
                f"{type(node).__name__}.__init__ must call GenericPE.__init__(self)"
            ) from None
    return ports if side == "input" else (ports[1], ports[0])


def _check_node(node: Any) -> None:
    """Raise `GraphError` unless ``node`` can be part of a graph."""
    if isinstance(node, GenericPE | WorkflowGraph):
        return
    name = getattr(node, "__name__", "")
    if isinstance(node, type) and issubclass(node, GenericPE | WorkflowGraph):
        raise GraphError(f"{name} is a class: create a PE from it, {name}()")
    hint = f"; wrap it, SimpleFunctionPE({name})" if callable(node) and name else ""
    raise GraphError(
        f"{node!r} is neither a processing element nor a workflow graph{hint}"
    )


def _label(node: Node) -> str:
    return node.name


def _ports(mapped: Port | list[Port]) -> list[Port]:
    return list(mapped) if isinstance(mapped, list) else [mapped]


def _resolve(node: Any, side: str, port: str) -> list[tuple[GenericPE, str]]:
    """Return the PEs and ports to which a port leads; the node may be a composite."""
    if isinstance(node, GenericPE):
        check_port(node, side, port)
        return [(node, port)]
    mappings = node.inputmappings if side == "input" else node.outputmappings
    return [
        resolved
        for inner, inner_port in _ports(mappings[port])
        for resolved in _resolve(inner, side, inner_port)
    ]


_PICTURES = ("draw", "drawDot", "write_image")


def __getattr__(name: str) -> Any:
    """Return one of the drawing functions that dispel4py 1.x has in this module."""
    if name in _PICTURES:
        return getattr(importlib.import_module("dispel4py.visualisation"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
