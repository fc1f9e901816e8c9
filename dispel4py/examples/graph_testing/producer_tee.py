"""A source with two receivers; one of them has a receiver, too."""

from dispel4py.examples.graph_testing.testing_PEs import TestOneInOneOut, TestProducer
from dispel4py.workflow_graph import WorkflowGraph

prod = TestProducer()
cons1a, cons1b, cons2 = TestOneInOneOut(), TestOneInOneOut(), TestOneInOneOut()

graph = WorkflowGraph()
graph.connect(prod, "output", cons1a, "input")
graph.connect(prod, "output", cons1b, "input")
graph.connect(cons1a, "output", cons2, "input")
