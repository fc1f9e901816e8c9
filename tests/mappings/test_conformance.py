"""Every mapping gives the same: the graphs of `graphs.py`, and random ones."""

from __future__ import annotations

from functools import cache
from typing import Any

import graphs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dispel4py.core import GenericPE
from dispel4py.run import run
from dispel4py.workflow_graph import WorkflowGraph

SPAWNED = (
    "composite",
    "group_by_string",
    "unpicklable_state_made_in_preprocess",
    "arrays_of_every_kind",
    "failures_are_listed",
)
PLACES = [(mapping, n) for mapping in ("multi", "mpi") for n in (1, 2, 5)]
RUNS = [
    pytest.param(mapping, n, name, id=f"{mapping}-{n}-{name}")
    for mapping, n in PLACES
    for name, case in graphs.CASES.items()
    if n <= case.at_most
]


@cache
def under_simple(name: str) -> dict[str, Any]:
    found = graphs.outcome(name, mapping="simple")
    assert found is not None
    return found


@pytest.mark.parametrize(
    "name", [name for name, case in graphs.CASES.items() if case.expected is not None]
)
def test_simple_gives_what_is_expected(name):
    case = graphs.CASES[name]
    expected = {
        port: [graphs.freeze(item) for item in items]
        for port, items in case.expected.items()
    }
    if case.view is not graphs.sequences:
        expected = {port: sorted(items) for port, items in expected.items()}
    found = under_simple(name)["view"]
    assert {port: found.get(port) for port in expected} == expected


@pytest.mark.timeout(240)  # the first of each place waits for all cases there
@pytest.mark.parametrize(("mapping", "n", "name"), RUNS)
def test_every_mapping_gives_the_same(mapping, n, name, outcomes):
    found = outcomes(mapping, n)
    assert name in found, found[""]
    assert found[name] == under_simple(name)


@pytest.mark.timeout(240)
@pytest.mark.parametrize(("mapping", "n"), PLACES)
def test_every_mapping_ends_well(mapping, n, outcomes):
    assert outcomes(mapping, n)[""].startswith("exit 0\n")


@pytest.mark.parametrize("name", SPAWNED)
def test_workers_that_are_not_forked(name):
    found = graphs.outcome(name, mapping="multi", processes=3, start_method="spawn")
    assert found == under_simple(name)


# --------------------------------------------------------------- random graphs


class Node(GenericPE):
    """Sends each number on, changed, by an output that depends on it."""

    N_OUTPUTS = 2

    def __init__(self, number: int) -> None:
        GenericPE.__init__(self)
        self.number = number
        self._add_input("input")
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
    return {
        "n": n,
        "edges": draw(st.lists(edges, max_size=8)) if pairs else [],
        "groupings": draw(
            st.lists(
                st.sampled_from([None, [0], [1], "global"]), min_size=n, max_size=n
            )
        ),
        "wanted": draw(st.lists(st.integers(1, 3), min_size=n, max_size=n)),
        "processes": draw(st.integers(1, 6)),
        "values": draw(st.lists(st.integers(0, 1000), max_size=12)),
    }


def build(layout: dict[str, Any]) -> tuple[WorkflowGraph, dict[str, Any]]:
    graph, nodes = WorkflowGraph(), [Node(k) for k in range(layout["n"])]
    for k, node in enumerate(nodes):
        node.numprocesses = layout["wanted"][k]
        node._add_input("input", grouping=layout["groupings"][k])
        graph.add(node)
    for (a, b), port in layout["edges"]:
        graph.connect(nodes[a], f"output{port}", nodes[b], "input")
    given_items = [{"input": (value, "")} for value in layout["values"]]
    return graph, {pe.id: given_items for pe in graph.roots()}


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(random_graphs())
def test_random_graphs(layout):
    graph, inputs = build(layout)
    expected = graphs.multisets(run(graph, inputs))
    graph, inputs = build(layout)
    found = run(graph, inputs, mapping="multi", processes=layout["processes"])
    assert graphs.multisets(found) == expected
