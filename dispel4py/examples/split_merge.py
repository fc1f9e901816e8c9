"""Two outputs, two branches, two inputs, and a chain that is used as one PE.

``dispel4py simple dispel4py.examples.split_merge -i 6``
"""

from typing import Any

from dispel4py.base import create_iterative_chain
from dispel4py.core import GenericPE
from dispel4py.examples.squares import Numbers
from dispel4py.workflow_graph import WorkflowGraph


class EvenOdd(GenericPE):
    """Writes even numbers to one output, odd numbers to the other."""

    def __init__(self) -> None:
        GenericPE.__init__(self)
        self._add_input("input")
        self._add_output("even")
        self._add_output("odd")

    def process(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Choose the output of one number."""
        number = inputs["input"]
        return {"odd" if number % 2 else "even": number}


class Label(GenericPE):
    """Writes each item as text, with the name of its input."""

    def __init__(self) -> None:
        GenericPE.__init__(self)
        self._add_input("halved")
        self._add_input("unchanged")
        self._add_output("output")

    def process(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Write one item as text."""
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
graph.connect(split, "odd", label, "unchanged")
