"""A source that writes ten items in each call."""

from dispel4py.examples.graph_testing.testing_PEs import (
    TestMultiProducer,
    TestOneInOneOut,
)
from dispel4py.workflow_graph import WorkflowGraph

prod = TestMultiProducer()
cons1, cons2 = TestOneInOneOut(), TestOneInOneOut()

graph = WorkflowGraph()
graph.connect(prod, "output", cons1, "input")
graph.connect(cons1, "output", cons2, "input")
