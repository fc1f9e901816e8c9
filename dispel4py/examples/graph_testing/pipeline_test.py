"""A source and five PEs in a row."""

from itertools import pairwise

from dispel4py.examples.graph_testing.testing_PEs import TestOneInOneOut, TestProducer
from dispel4py.workflow_graph import WorkflowGraph


def testPipeline(graph: WorkflowGraph) -> WorkflowGraph:
    """Add the pipeline to ``graph`` and return it."""
    pes = [TestProducer(), *(TestOneInOneOut() for _ in range(5))]
    for source, sink in pairwise(pes):
        graph.connect(source, "output", sink, "input")
    return graph


graph = testPipeline(WorkflowGraph())
