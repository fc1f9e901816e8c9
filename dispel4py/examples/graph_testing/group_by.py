"""A source of words, three PEs in one partition, and a word count."""

from itertools import pairwise

from dispel4py.examples.graph_testing.testing_PEs import (
    RandomWordProducer,
    TestOneInOneOut,
    WordCounter,
)
from dispel4py.workflow_graph import WorkflowGraph


def testGrouping() -> WorkflowGraph:
    """Return the graph."""
    words, count = RandomWordProducer(), WordCounter()
    between = [TestOneInOneOut() for _ in range(3)]
    graph = WorkflowGraph()
    for source, sink in pairwise([words, *between, count]):
        graph.connect(source, "output", sink, "input")
    graph.partitions = [[words], [*between], [count]]
    return graph


graph = testGrouping()
