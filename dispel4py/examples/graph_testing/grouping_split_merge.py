"""Words by two filters to one count."""

from dispel4py.examples.graph_testing.testing_PEs import (
    RandomFilter,
    RandomWordProducer,
    WordCounter,
)
from dispel4py.workflow_graph import WorkflowGraph


def testGrouping() -> WorkflowGraph:
    """Return the graph."""
    graph, words, count = WorkflowGraph(), RandomWordProducer(), WordCounter()
    for _ in range(2):
        chosen = RandomFilter()
        graph.connect(words, "output", chosen, "input")
        graph.connect(chosen, "output", count, "input")
    return graph


graph = testGrouping()
