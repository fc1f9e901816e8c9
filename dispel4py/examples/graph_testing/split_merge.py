"""Two outputs, two branches, and two inputs of one PE."""

from dispel4py.examples.graph_testing.testing_PEs import (
    TestOneInOneOut,
    TestOneInOneOutWriter,
    TestProducer,
    TestTwoInOneOut,
)
from dispel4py.workflow_graph import WorkflowGraph


def testSplitMerge() -> WorkflowGraph:
    """Return the graph."""
    graph, prod, last = WorkflowGraph(), TestProducer(2), TestTwoInOneOut()
    for k, cons in enumerate([TestOneInOneOut(), TestOneInOneOutWriter()]):
        graph.connect(prod, f"output{k}", cons, "input")
        graph.connect(cons, "output", last, f"input{k}")
    return graph


graph = testSplitMerge()
