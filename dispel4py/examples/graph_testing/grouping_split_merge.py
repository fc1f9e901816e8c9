"""A source of words, two filters, and one word count."""

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
        filter_pe = RandomFilter()
        graph.connect(words, "output", filter_pe, "input")
        graph.connect(filter_pe, "output", count, "input")
    return graph


graph = testGrouping()
