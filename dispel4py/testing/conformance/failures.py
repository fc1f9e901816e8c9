"""Cases of elements that fail, and of their policies."""

from __future__ import annotations

from typing import Any

from dispel4py.base import (
    BasePE,
    ConsumerPE,
    IterativePE,
)
from dispel4py.core import GenericPE
from dispel4py.testing.conformance.cases import case
from dispel4py.testing.conformance.elements import (
    Add,
    Pass,
    Range,
    chain,
)
from dispel4py.testing.conformance.results import (
    multisets,
    with_failures,
)
from dispel4py.workflow_graph import WorkflowGraph


class Fragile(IterativePE):
    """Fails on multiples of 5."""

    def _process(self, data: Any) -> Any:
        if data % 5 == 0:
            raise ValueError(f"{data} is a multiple of 5")
        return data


@case(
    {"Add2.output": [n + 1 for n in range(20) if n % 5]},
    view=multisets,
    on_error="skip",
)
def failures_are_skipped() -> Any:
    return chain(Range(), Fragile(), Add()), None


@case(view=with_failures, on_error="skip")
def failures_are_listed() -> Any:
    return chain(Range(), Fragile(), Add()), None


class Forgiving(Fragile):
    """Has a failure policy of its own."""

    on_error = "skip"


@case({"Forgiving1.output": [n for n in range(20) if n % 5]})
def pe_with_a_policy_of_its_own() -> Any:
    return chain(Range(), Forgiving()), None


class Halfway(GenericPE):
    """Writes, then fails on odd numbers."""

    def __init__(self) -> None:
        GenericPE.__init__(self)
        self._add_input("input")
        self._add_output("output")

    def process(self, inputs: dict[str, Any]) -> Any:
        """Write twice.

        Raises
        ------
        RuntimeError
            On an odd number, between the two.
        """
        yield {"output": inputs["input"]}
        if inputs["input"] % 2:
            raise RuntimeError("odd")
        yield {"output": -inputs["input"]}


@case({"Pass2.output": [0, 0, 1, 2, -2, 3]}, on_error="skip")
def what_was_written_before_a_failure_stays() -> Any:
    return chain(Range(4), Halfway(), Pass()), None


class Copier(BasePE):
    """Has ports that are listed."""

    def process(self, inputs: dict[str, Any]) -> dict[str, Any]:
        ((port, item),) = inputs.items()
        return {"output0" if port == "input0" else "rest": item}


@case({"Copier1.rest": [0, 1], "Add2.output": [1, 2]})
def listed_ports_and_a_consumer() -> Any:
    source, copier = Range(2), Copier(["extra"], ["rest"], 1, 1)
    graph, add = WorkflowGraph(), Add()
    graph.connect(source, "output", copier, "input0")
    graph.connect(copier, "output0", add, "input")
    graph.connect(copier, "output0", ConsumerPE(), "input")
    graph.connect(source, "output", copier, "extra")
    return graph, None
