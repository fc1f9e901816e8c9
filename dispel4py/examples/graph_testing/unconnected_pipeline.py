"""Two pipelines without a connection between them."""

from dispel4py.examples.graph_testing.pipeline_test import testPipeline
from dispel4py.workflow_graph import WorkflowGraph


def testUnconnected() -> WorkflowGraph:
    """Return a graph of two pipelines."""
    return testPipeline(testPipeline(WorkflowGraph()))


graph = testUnconnected()
