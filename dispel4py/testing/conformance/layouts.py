"""Random graphs without cycles, which give the same results under every mapping."""

from __future__ import annotations

import random
from typing import Any

from dispel4py.base import CompositePE
from dispel4py.core import GenericPE
from dispel4py.run import run
from dispel4py.testing.conformance.results import multisets
from dispel4py.workflow_graph import WorkflowGraph

GROUPINGS = {"value": [0], "trail": [1], "global": "global", "own": None, "none": None}


def by_last_digits(item: tuple[int, str], n: int) -> int:
    """Choose an instance, as a grouping by a user's function does.

    Parameters
    ----------
    item : tuple
        The item.
    n : int
        Number of instances.
    """
    return item[0] % 100 % n


class Node(GenericPE):
    """Changes each number, and sends it from an output that depends on it.

    Parameters
    ----------
    number : int
        Is added to each number.
    grouping : object
        Of the input.
    """

    N_OUTPUTS = 2

    def __init__(self, number: int, grouping: Any) -> None:
        GenericPE.__init__(self)
        self.number = number
        self._add_input("input", grouping=grouping)
        for k in range(self.N_OUTPUTS):
            self._add_output(f"output{k}")

    def process(self, inputs: dict[str, Any]) -> Any:
        value, trail = inputs["input"]
        item = (value * 31 + self.number) % 1009, f"{trail}/{self.number}"
        if value % 3 == 0:
            self.write("output0", item)
        return {f"output{value % self.N_OUTPUTS}": item}


def drawn(seed: int) -> dict[str, Any]:
    """Return the edges of a random graph without cycles, and the layout of its PEs."""
    numbers = random.Random(seed)
    n = numbers.randint(1, 6)
    pairs = [(a, b) for b in range(n) for a in range(b)]
    n_edges = numbers.randint(0, 8) if pairs else 0
    return {
        "n": n,
        "edges": [
            (numbers.choice(pairs), numbers.randint(0, 1)) for _ in range(n_edges)
        ],
        "groupings": numbers.choices(sorted(GROUPINGS), k=n),
        "wanted": numbers.choices([1, 2, 3], k=n),
        "in_composites": numbers.choices([0, 1, 2], k=n),
        "processes": numbers.randint(1, 6),
        "values": [numbers.randint(0, 1000) for _ in range(numbers.randint(0, 12))],
    }


def wrapped(node: Any, depth: int) -> Any:
    """Put a PE into a composite in a composite.

    Parameters
    ----------
    node : GenericPE
    depth : int
        Number of composites.
    """
    for _ in range(depth):
        outer = CompositePE()
        outer.add(node)
        outer._map_input("input", node, "input")
        for k in range(Node.N_OUTPUTS):
            outer._map_output(f"output{k}", node, f"output{k}")
        node = outer
    return node


def build(layout: dict[str, Any]) -> tuple[WorkflowGraph, dict[str, Any]]:
    """Return a fresh graph and the inputs of its sources."""
    graph, nodes = WorkflowGraph(), []
    for k in range(layout["n"]):
        name = layout["groupings"][k]
        node = Node(k, by_last_digits if name == "own" else GROUPINGS[name])
        node.numprocesses = layout["wanted"][k]
        nodes.append(wrapped(node, layout["in_composites"][k]))
        graph.add(nodes[k])
    for (a, b), port in layout["edges"]:
        graph.connect(nodes[a], f"output{port}", nodes[b], "input")
    items = [{"input": (value, "")} for value in layout["values"]]
    return graph, {pe.id: items for pe in graph.roots()}


def given_by(layout: dict[str, Any], **how: Any) -> dict[str, list[str]] | None:
    """Run a graph; return its outputs, None in a process without the whole result.

    Parameters
    ----------
    layout : dict
        As of `drawn`.
    **how : object
        The mapping, its options, and the number of processes, as for `run`.
    """
    graph, inputs = build(layout)
    result = run(graph, inputs, **how)
    return multisets(result) if result.complete else None
