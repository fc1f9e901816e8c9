"""Many items go to one PE, and from it to two PEs."""

from dispel4py.examples.graph_testing.testing_PEs import NumberProducer, TestOneInOneOut
from dispel4py.workflow_graph import WorkflowGraph


def testTee(numIterations: int) -> WorkflowGraph:
    """Return the graph; each call of its source gives ``numIterations`` items."""
    graph, first = WorkflowGraph(), TestOneInOneOut()
    graph.connect(NumberProducer(numIterations), "output", first, "input")
    for _ in range(2):
        graph.connect(first, "output", TestOneInOneOut(), "input")
    return graph


graph = testTee(1000)
