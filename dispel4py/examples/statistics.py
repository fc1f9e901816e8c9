"""Mean and standard deviation of many numbers, added up in parallel.

``dispel4py multi dispel4py.examples.statistics -n 5 -i 10``
"""

import math
import random
from typing import Any

from dispel4py.base import ProducerPE
from dispel4py.core import GenericPE
from dispel4py.workflow_graph import WorkflowGraph

Sums = tuple[int, float, float]


class RandomNumbers(ProducerPE):
    """Writes 1000 numbers of mean 5 and standard deviation 2 in each call."""

    def __init__(self, seed: int = 2015) -> None:
        ProducerPE.__init__(self)
        self.seed = seed

    def preprocess(self) -> None:
        """Make the generator of random numbers."""
        self.random = random.Random(self.seed)

    def _process(self, inputs: Any) -> None:
        for _ in range(1000):
            self.write("output", self.random.gauss(5.0, 2.0))


class PartialSums(GenericPE):
    """Computes number, sum and sum of squares of the items of its instance."""

    def __init__(self) -> None:
        GenericPE.__init__(self)
        self._add_input("input")
        self._add_output("output")

    def preprocess(self) -> None:
        """Begin without items."""
        self.sums: Sums = (0, 0.0, 0.0)

    def process(self, inputs: dict[str, Any]) -> None:
        """Add one number."""
        n, total, squares = self.sums
        x = inputs["input"]
        self.sums = (n + 1, total + x, squares + x * x)

    def postprocess(self) -> None:
        """Write the sums."""
        self.write("output", self.sums)


class Statistics(GenericPE):
    """Adds up the sums of all instances; ``'global'`` sends them to one instance."""

    def __init__(self) -> None:
        GenericPE.__init__(self)
        self._add_input("input", grouping="global")
        self._add_output("mean")
        self._add_output("standard_deviation")

    def preprocess(self) -> None:
        """Begin without items."""
        self.parts: list[Sums] = []

    def process(self, inputs: dict[str, Any]) -> None:
        """Add the sums of one instance."""
        self.parts.append(inputs["input"])

    def postprocess(self) -> None:
        """Write mean and standard deviation."""
        n, total, squares = map(sum, zip(*self.parts, strict=True))
        if n:
            mean = total / n
            self.write("mean", mean)
            self.write("standard_deviation", math.sqrt(squares / n - mean * mean))


partial = PartialSums()
graph = WorkflowGraph()
graph.connect(RandomNumbers(), "output", partial, "input")
graph.connect(partial, "output", Statistics(), "input")
