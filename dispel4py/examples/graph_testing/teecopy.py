"""One output and two receivers: both get all items."""

from dispel4py.examples.graph_testing.testing_PEs import TestOneInOneOut, TestProducer
from dispel4py.workflow_graph import WorkflowGraph


def testTee() -> WorkflowGraph:
    """Return the graph."""
    graph, source = WorkflowGraph(), TestProducer()
    for _ in range(2):
        graph.connect(source, "output", TestOneInOneOut(), "input")
    return graph


graph = testTee()
