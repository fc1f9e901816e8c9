"""A source and a function: ``dispel4py simple dispel4py.examples.squares -i 10``."""

from typing import Any

from dispel4py.base import ProducerPE, SimpleFunctionPE
from dispel4py.workflow_graph import WorkflowGraph


class Numbers(ProducerPE):
    """Writes 1, 2, 3 and so on, one number in each call."""

    derives = "accumulate"  # from the number before

    def preprocess(self) -> None:
        """Set the counter to 0."""
        self.number = 0

    def _process(self, inputs: Any) -> int:
        self.number += 1
        return self.number


def square(number: int) -> int:
    """Return the square of ``number``."""
    return number**2


graph = WorkflowGraph()
graph.connect(Numbers(), "output", SimpleFunctionPE(square), "input")
