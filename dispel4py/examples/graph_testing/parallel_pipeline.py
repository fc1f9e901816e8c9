"""A pipeline with two branches."""

from dispel4py.examples.graph_testing.testing_PEs import TestOneInOneOut, TestProducer
from dispel4py.workflow_graph import WorkflowGraph


def testParallelPipeline() -> WorkflowGraph:
    """Return the graph."""
    graph, prod = WorkflowGraph(), TestProducer()
    cons1, cons2, cons3 = TestOneInOneOut(), TestOneInOneOut(), TestOneInOneOut()
    graph.connect(prod, "output", cons1, "input")
    graph.connect(cons1, "output", cons2, "input")
    graph.connect(cons1, "output", cons3, "input")
    return graph


graph = testParallelPipeline()
