"""Cases of calls: ways to send items, and inputs of sources."""

from __future__ import annotations

from typing import Any

import numpy as np

from dispel4py.base import (
    IterativePE,
    ProducerPE,
)
from dispel4py.core import GenericPE
from dispel4py.testing.conformance.cases import case
from dispel4py.testing.conformance.elements import (
    Add,
    Gather,
    Items,
    Join,
    Pass,
    Range,
    Total,
    chain,
    instances,
)
from dispel4py.workflow_graph import WorkflowGraph


class Repeat(IterativePE):
    """Writes each item many times."""

    def _process(self, data: Any) -> None:
        for k in range(50):
            self.write("output", (data, k))


@case()
def many_writes_per_call() -> Any:
    return chain(Range(), Repeat(), Pass()), None


class Divisors(GenericPE):
    """Is a generator; it yields nothing, one port or two ports at once."""

    def __init__(self) -> None:
        GenericPE.__init__(self)
        self._add_input("input")
        self._add_output("divisor")
        self._add_output("cofactor")

    def process(self, inputs: dict[str, Any]) -> Any:
        number = inputs["input"]
        yield None
        for k in range(1, number + 1):
            if number % k == 0:
                yield {"divisor": k, "cofactor": number // k}
        yield {}


@case(
    {
        "Divisors1.cofactor": [1, 1, 1, 1, 2, 2, 3, 4],
        "Pass2.output": [1, 1, 1, 1, 2, 2, 3, 4],
    }
)
def process_is_a_generator() -> Any:
    divisors, graph = Divisors(), WorkflowGraph()
    graph.connect(Range(5), "output", divisors, "input")
    graph.connect(divisors, "divisor", Pass(), "input")
    return graph, None


class Listed(GenericPE):
    """Returns a list of dicts."""

    def __init__(self) -> None:
        GenericPE.__init__(self)
        self._add_input("input")
        self._add_output("output")

    def process(self, inputs: dict[str, Any]) -> Any:
        return [{"output": inputs["input"]}, {"output": -inputs["input"]}]


@case({"Listed1.output": [0, 0, 1, -1]})
def process_returns_a_list() -> Any:
    return chain(Range(2), Listed()), None


@case({"Total1.output": [0], "Gather2.output": []})
def no_items_at_all() -> Any:
    source, graph = Range(0), WorkflowGraph()
    graph.connect(source, "output", Total(), "input")
    graph.connect(source, "output", Gather(), "input")
    return graph, None


@case({"Join1.output": [("left", None), ("left", 1), ("left", None)]})
def none_is_an_item() -> Any:
    join, graph = Join(), WorkflowGraph()
    graph.connect(Items(None, 1, None), "output", join, "left")
    return graph, None


@case({"Pass1.output": [0, "", False, [], {}, np.zeros(0)]})
def false_items_are_kept() -> Any:
    return chain(Items(0, "", None, False, [], {}, np.zeros(0)), Pass()), None


class Halves(GenericPE):
    """Has two outputs, of which the graph uses one."""

    def __init__(self) -> None:
        GenericPE.__init__(self)
        self._add_input("input")
        self._add_output("half")
        self._add_output("rest")

    def process(self, inputs: dict[str, Any]) -> dict[str, Any]:
        half, rest = divmod(inputs["input"], 2)
        return {"half": half, "rest": rest}


@case({"Halves1.rest": [0, 1, 0, 1, 0], "Pass2.output": [0, 0, 1, 1, 2]})
def outputs_that_lead_nowhere() -> Any:
    halves, graph = Halves(), WorkflowGraph()
    graph.connect(Range(5), "output", halves, "input")
    graph.connect(halves, "half", Pass(), "input")
    return graph, None


class Count(ProducerPE):
    """Sends 1 in each call."""

    def _process(self, inputs: Any) -> int:
        return 1


@case({"Total1.output": [25]})
def source_called_many_times() -> Any:
    return chain(Count(), Total()), 25


@case({"Total1.output": [25]})
def source_in_several_instances() -> Any:
    return chain(instances(Count(), 3), Total()), {"Count": 25}


@case({"Pass1.output": [2, 3, 4, 5, 6, 7, 8]})
def source_with_inputs() -> Any:
    source = instances(Add(), 2)
    given = [{"input": n} for n in range(1, 8)]
    return chain(source, Pass()), {source: given}


@case({"Join0.output": [("left", 1), ("right", "x"), ("left", 2)]})
def source_with_two_inputs() -> Any:
    graph = WorkflowGraph()
    graph.add(Join())
    return graph, {"Join0": [{"left": 1}, {"right": "x"}, {"left": 2}]}


@case({"Total1.output": [3 + 40]})
def sources_with_inputs_of_their_own() -> Any:
    sink, graph = Total(), WorkflowGraph()
    a, b = Count(), Add(10)
    graph.connect(a, "output", sink, "input")
    graph.connect(b, "output", sink, "input")
    return graph, {"Count0": 3, "Add2": [{"input": 10}, {"input": 10}]}


@case({"Pass1.output": []})
def source_never_called() -> Any:
    return chain(Add(), Pass()), {"Add": []}
