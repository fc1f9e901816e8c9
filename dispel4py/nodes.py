"""The nodes of a graph, and the graph of networkx, as dispel4py 1.x shows them.

The engine itself does not use them. They are made for existing code that reads
``graph.graph`` and ``graph.objToNode``.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from typing import Any

from dispel4py.core import GenericPE
from dispel4py.errors import GraphError

FROM_CONNECTION = "from_connection"
TO_CONNECTION = "to_connection"
DIRECTION = "direction"


class WorkflowNode:
    """A PE or a composite as a node of a graph.

    Attributes
    ----------
    obj : GenericPE or WorkflowGraph
    nodeType : int
        ``WORKFLOW_NODE_PE`` or ``WORKFLOW_NODE_CP``.
    inputs, outputs : list of dict
        One empty dict per port.
    node_counter : int
        Without effect: PEs are numbered within their graph.

    Raises
    ------
    GraphError
        If the object is neither a PE nor a graph.
    """

    WORKFLOW_NODE_PE = 0
    WORKFLOW_NODE_FN = 1
    WORKFLOW_NODE_CP = 2
    node_counter = 0

    def __init__(self, obj: Any) -> None:
        self.obj = obj
        if isinstance(obj, GenericPE):
            self.nodeType = self.WORKFLOW_NODE_PE
            ports = obj.inputconnections, obj.outputconnections
        elif hasattr(obj, "inputmappings"):
            self.nodeType = self.WORKFLOW_NODE_CP
            ports = obj.inputmappings, obj.outputmappings
        else:
            raise GraphError(
                f"{obj!r} is neither a processing element nor a workflow graph"
            )
        self.inputs: list[dict[str, Any]] = [{} for _ in ports[0]]
        self.outputs: list[dict[str, Any]] = [{} for _ in ports[1]]

    def get_contained_object(self) -> Any:
        """Return the PE or composite."""
        return self.obj

    getContainedObject = get_contained_object

    def __repr__(self) -> str:
        return f"<WorkflowNode {self.obj!r}>"


def as_networkx(nodes: Iterable[WorkflowNode], edges: Iterable[Any]) -> Any:
    """Return a new `networkx.Graph` of nodes, with one edge per pair of nodes.

    Parameters
    ----------
    nodes : iterable of WorkflowNode
    edges : iterable of Connection
        Connections between the objects of these nodes.

    Returns
    -------
    networkx.Graph
        Each edge has ``DIRECTION``, the two objects; ``ALL_CONNECTIONS``, a list of
        ``(output, input)``; the first of them as ``FROM_CONNECTION`` and
        ``TO_CONNECTION``.

    Raises
    ------
    GraphError
        If networkx is not installed.
    """
    try:
        networkx = importlib.import_module("networkx")
    except ImportError as error:
        raise GraphError(
            "graph.graph needs networkx: 'pip install dispel4py-seismo[graph]'; "
            "or use graph.pes and graph.connections"
        ) from error
    graph = networkx.Graph()
    graph.add_nodes_from(nodes)
    node_of = {id(node.obj): node for node in graph.nodes}
    for edge in edges:
        source = node_of[id(edge.source)]
        sink = node_of[id(edge.destination)]
        pair = (edge.output, edge.input)
        if graph.has_edge(source, sink):
            graph[source][sink]["ALL_CONNECTIONS"].append(pair)
        else:
            graph.add_edge(
                source,
                sink,
                FROM_CONNECTION=edge.output,
                TO_CONNECTION=edge.input,
                DIRECTION=(edge.source, edge.destination),
                ALL_CONNECTIONS=[pair],
            )
    return graph
