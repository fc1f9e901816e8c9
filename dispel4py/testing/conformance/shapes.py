"""Cases of the shape of a graph: order, branches, composites."""

from __future__ import annotations

from typing import Any

import numpy as np

from dispel4py.base import (
    CompositePE,
    IterativePE,
    create_iterative_chain,
)
from dispel4py.testing.conformance.cases import case
from dispel4py.testing.conformance.elements import (
    Add,
    Items,
    Join,
    Pass,
    Range,
    Split,
    Spoil,
    alone,
    chain,
    instances,
    power,
    square,
)
from dispel4py.testing.conformance.results import (
    sequences,
)
from dispel4py.workflow_graph import WorkflowGraph


@case({"Add2.output": list(range(2, 302))}, view=sequences)
def pipeline_order() -> Any:
    return chain(Range(300), alone(Add()), alone(Add())), None


@case(view=sequences)
def order_of_large_and_small() -> Any:
    items = [np.full(30_000, k) if k % 3 else k for k in range(40)]
    return chain(Items(*items), alone(Pass()), alone(Pass())), None


class Closing(IterativePE):
    """Passes items on, and sends their number at the end."""

    n = 0

    def _process(self, data: Any) -> Any:
        self.n += 1
        return data

    def _postprocess(self) -> None:
        self.write("output", (self.name, self.n))


@case(
    {"c3.output": [0, 1, ("a", 2), ("b", 3), ("c", 4)]},
    view=sequences,
)
def postprocess_order() -> Any:
    closing = [alone(Closing()) for _ in range(3)]
    for pe, name in zip(closing, "abc", strict=True):
        pe.name = name
    return chain(Range(2), *closing), None


@case({"Add1.output": list(range(1, 21)), "Pass2.output": list(range(20))})
def tee() -> Any:
    source, graph = Range(), WorkflowGraph()
    graph.connect(source, "output", Add(), "input")
    graph.connect(source, "output", Pass(), "input")
    return graph, None


@case()
def tee_of_ten() -> Any:
    source, graph = Range(), WorkflowGraph()
    for k in range(10):
        graph.connect(source, "output", Add(100 * k), "input")
    return graph, None


def _tee_with_spoiler(first: Any, second: Any) -> Any:
    source, graph = Items(*(np.arange(n) for n in (3, 40_000))), WorkflowGraph()
    graph.connect(source, "output", first, "input")
    graph.connect(source, "output", second, "input")
    return graph, None


@case({"Pass2.output": [np.arange(3), np.arange(40_000)]})
def tee_to_one_that_spoils() -> Any:
    return _tee_with_spoiler(Spoil(), Pass())


@case({"Pass1.output": [np.arange(3), np.arange(40_000)]})
def tee_to_one_that_spoils_last() -> Any:
    return _tee_with_spoiler(Pass(), Spoil())


@case(
    {
        "Join2.output": [
            *(("left", n) for n in (0, 2, 4, 6)),
            *(("right", n) for n in (0, 3, 6)),
        ]
    }
)
def two_edges_between_two_pes() -> Any:
    split, join, graph = Split(), Join(), WorkflowGraph()
    graph.connect(Range(7), "output", split, "input")
    graph.connect(split, "twos", join, "left")
    graph.connect(split, "threes", join, "right")
    return graph, None


@case({"Join1.output": [(port, n) for n in range(9) for port in ("left", "right")]})
def one_output_to_both_inputs() -> Any:
    source, join, graph = Range(9), Join(), WorkflowGraph()
    graph.connect(source, "output", join, "left")
    graph.connect(source, "output", join, "right")
    return graph, None


@case({"Pass2.output": [0, 0, 2, 3, 4, 6, 6]})
def two_outputs_into_one_input() -> Any:
    split, sink, graph = Split(), instances(Pass(), 3), WorkflowGraph()
    graph.connect(Range(7), "output", split, "input")
    graph.connect(split, "twos", sink, "input")
    graph.connect(split, "threes", sink, "input")
    return graph, None


@case({"Pass1.output": [0, 0, 1, 1, 2, 2]})
def the_same_edge_twice() -> Any:
    source, sink, graph = Range(3), Pass(), WorkflowGraph()
    graph.connect(source, "output", sink, "input")
    graph.connect(source, "output", sink, "input")
    return graph, None


@case({"Pass1.output": [0, 1, 2, 100, 101]})
def merge_of_two_sources() -> Any:
    sink, graph = Pass(), WorkflowGraph()
    graph.connect(Range(3), "output", sink, "input")
    graph.connect(Range(2, first=100), "output", sink, "input")
    return graph, None


@case(
    {
        "Join2.output": [
            (s, n + d) for n in range(20) for s, d in (("left", 1), ("right", 5))
        ]
    }
)
def diamond() -> Any:
    source, join, graph = Range(), Join(), WorkflowGraph()
    for port, summand in (("left", 1), ("right", 5)):
        add = Add(summand)
        graph.connect(source, "output", add, "input")
        graph.connect(add, "output", join, port)
    return graph, None


@case({"Add12.output": list(range(12, 32))})
def more_pes_than_processes() -> Any:
    return chain(Range(), *(Add() for _ in range(12))), None


@case({"Pass1.output": [0, 1], "Add3.output": [11, 12, 13], "Range4.output": [0]})
def graphs_apart() -> Any:
    graph = WorkflowGraph()
    graph.connect(Range(2), "output", Pass(), "input")
    graph.connect(Range(3, first=10), "output", Add(), "input")
    graph.add(Range(1))
    return graph, None


def _add_twice(composite: CompositePE, first: int, second: int = 1) -> None:
    """Connect two additions inside a composite."""
    a, b = Add(first), Add(second)
    composite.connect(a, "output", b, "input")
    composite._map_input("input", a, "input")
    composite._map_output("output", b, "output")


@case({"Pass3.output": list(range(11, 31))})
def composite() -> Any:
    inner = CompositePE(_add_twice, {"first": 10})
    return chain(Range(), inner, Pass()), None


@case({"Pass5.output": list(range(22, 42))})
def nested_composite() -> Any:
    class Nested(CompositePE):
        def __init__(self) -> None:
            CompositePE.__init__(self)
            single = CompositePE(_add_twice, {"first": 10})
            two = CompositePE(_add_twice, {"first": 10})
            self.connect(single, "output", two, "input")
            self._map_input("input", single, "input")
            self._map_output("output", two, "output")

    return chain(Range(), Nested(), Pass()), None


@case({"Join0.output": [(port, n + 1) for n in range(4) for port in ("left", "right")]})
def composite_with_one_input_for_two() -> Any:
    doubled, join = CompositePE(), Join()
    doubled._map_input("input", join, "left")
    doubled._map_input("input", join, "right")
    return chain(Range(4), Add(), doubled), None


@case({"Pass4.output": [11, 12, 111, 112]})
def composite_fed_by_two_sources() -> Any:
    inner, graph = CompositePE(_add_twice, {"first": 10}), WorkflowGraph()
    graph.connect(Range(2), "output", inner, "input")
    graph.connect(Range(2, first=100), "output", inner, "input")
    graph.connect(inner, "output", Pass(), "input")
    return graph, None


@case({"PE_power1.output": [n**6 for n in range(20)]})
def chain_of_functions() -> Any:
    functions = create_iterative_chain([square, (power, {"exponent": 3})])
    return chain(Range(), functions), None


@case({"Add1.output": [6, 7]})
def composite_as_whole_graph() -> Any:
    inner = CompositePE()
    inner.connect(Range(2, first=5), "output", Add(), "input")
    graph = WorkflowGraph()
    graph.add(inner)
    return graph, None
