"""Random graphs without cycles, for every mapping to agree on."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import graphs
from hypothesis import strategies as st

from dispel4py.base import CompositePE
from dispel4py.core import GenericPE
from dispel4py.run import run
from dispel4py.workflow_graph import WorkflowGraph

GROUPINGS = {"value": [0], "trail": [1], "global": "global", "own": None, "none": None}


def by_last_digits(item: Any, n: int) -> int:
    """Choose an instance, as a grouping of the user's own does."""
    return item[0] % 100 % n


class Node(GenericPE):
    """Sends each number on, changed, by an output that depends on it."""

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


@st.composite
def random_graphs(draw: Any) -> Any:
    """Edges of a graph without cycles, and how its PEs are laid out."""
    n = draw(st.integers(1, 6))
    pairs = [(a, b) for b in range(n) for a in range(b)]
    edges = st.tuples(st.sampled_from(pairs or [(0, 0)]), st.integers(0, 1))

    def one_each(values: Any) -> Any:
        return draw(st.lists(values, min_size=n, max_size=n))

    return {
        "n": n,
        "edges": draw(st.lists(edges, max_size=8)) if pairs else [],
        "groupings": one_each(st.sampled_from(sorted(GROUPINGS))),
        "wanted": one_each(st.integers(1, 3)),
        "in_composites": one_each(st.integers(0, 2)),
        "processes": draw(st.integers(1, 6)),
        "values": draw(st.lists(st.integers(0, 1000), max_size=12)),
    }


def wrapped(node: Any, depth: int) -> Any:
    """Put a PE into a composite in a composite."""
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
    """Return the outputs of a run; None in a process without the whole result."""
    graph, inputs = build(layout)
    result = run(graph, inputs, **how)
    return graphs.multisets(result) if result.complete else None


if __name__ == "__main__":
    layouts = json.loads(Path(sys.argv[1]).read_text())
    found = [given_by(layout, mapping="mpi") for layout in layouts]
    if None not in found:
        sys.stdout.write(json.dumps(found))
