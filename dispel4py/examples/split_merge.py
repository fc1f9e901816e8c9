"""One output to two PEs, two outputs to one input, and a chain used as one PE.

``dispel4py simple dispel4py.examples.split_merge -i 6``
"""

from typing import Any

from dispel4py.base import create_iterative_chain
from dispel4py.core import GenericPE
from dispel4py.examples.squares import Numbers
from dispel4py.workflow_graph import WorkflowGraph


class EvenOdd(GenericPE):
    """Sends even numbers one way, odd ones another."""

    def __init__(self) -> None:
        GenericPE.__init__(self)
        self._add_input("input")
        self._add_output("even")
        self._add_output("odd")

    def process(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Choose the way of one number."""
        number = inputs["input"]
        return {"odd" if number % 2 else "even": number}


class Label(GenericPE):
    """Says what arrives, wherever it comes from."""

    def __init__(self) -> None:
        GenericPE.__init__(self)
        self._add_input("halved")
        self._add_input("as_it_is")
        self._add_output("output")

    def process(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Name the input that one item came by."""
        ((port, item),) = inputs.items()
        return {"output": f"{port}: {item}"}


def half(number: int) -> int:
    """Return half of ``number``."""
    return number // 2


def add(number: int, summand: int) -> int:
    """Return the sum."""
    return number + summand


split, label = EvenOdd(), Label()
halve = create_iterative_chain([half, (add, {"summand": 100})])
graph = WorkflowGraph()
graph.connect(Numbers(), "output", split, "input")
graph.connect(split, "even", halve, "input")
graph.connect(halve, "output", label, "halved")
graph.connect(split, "odd", label, "as_it_is")
