"""Five instances send all items to one instance."""

from dispel4py.examples.graph_testing.testing_PEs import TestOneInOneOut, TestProducer
from dispel4py.workflow_graph import WorkflowGraph


def testAlltoOne() -> WorkflowGraph:
    """Return the graph."""
    graph, prod = WorkflowGraph(), TestProducer()
    cons1, cons2 = TestOneInOneOut(), TestOneInOneOut()
    cons1.numprocesses = cons2.numprocesses = 5
    cons2.inputconnections["input"]["grouping"] = "global"
    graph.connect(prod, "output", cons1, "input")
    graph.connect(cons1, "output", cons2, "input")
    return graph


graph = testAlltoOne()
