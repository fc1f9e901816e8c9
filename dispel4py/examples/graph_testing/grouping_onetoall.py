"""Each item goes to both instances."""

from dispel4py.examples.graph_testing.testing_PEs import TestOneInOneOut, TestProducer
from dispel4py.workflow_graph import WorkflowGraph


def testOnetoAll() -> WorkflowGraph:
    """Return the graph."""
    graph, prod, cons = WorkflowGraph(), TestProducer(), TestOneInOneOut()
    cons.numprocesses = 2
    cons.inputconnections["input"]["grouping"] = "all"
    graph.connect(prod, "output", cons, "input")
    return graph


graph = testOnetoAll()
