"""Count words: equal words go to the same instance (group-by).

``dispel4py multi dispel4py.examples.word_count -n 4``
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from dispel4py.base import ProducerPE
from dispel4py.core import GenericPE
from dispel4py.workflow_graph import WorkflowGraph

TEXT = """\
The ground is never at rest
The sea beats on the coast and the coast hums
The hum of the sea is heard on land far from the sea
"""


class Lines(ProducerPE):
    """Writes the lines of a text."""

    def _process(self, inputs: Any) -> None:
        for line in inputs.get("input", TEXT).splitlines():
            self.write("output", line)


class Words(GenericPE):
    """Cuts each line into words."""

    def __init__(self) -> None:
        GenericPE.__init__(self)
        self._add_input("input")
        self._add_output("output")

    def process(self, inputs: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield the words of a line, each with the number 1."""
        for word in inputs["input"].lower().split():
            yield {"output": (word, 1)}


class Count(GenericPE):
    """Adds up the numbers of each word; equal words go to the same instance."""

    def __init__(self) -> None:
        GenericPE.__init__(self)
        self._add_input("input", grouping=[0])
        self._add_output("output")

    def preprocess(self) -> None:
        """Begin without words."""
        self.counts: Counter[str] = Counter()

    def process(self, inputs: dict[str, Any]) -> None:
        """Count one word."""
        word, number = inputs["input"]
        self.counts[word] += number

    def postprocess(self) -> None:
        """Write the words with their counts, the most frequent words first."""
        for word, number in self.counts.most_common():
            self.write("output", (word, number))


words = Words()
graph = WorkflowGraph()
graph.connect(Lines(), "output", words, "input")
graph.connect(words, "output", Count(), "input")
