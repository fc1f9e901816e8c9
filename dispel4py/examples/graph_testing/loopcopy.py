"""A short and a long path from a source to the same PE."""

from dispel4py.examples.graph_testing.testing_PEs import TestOneInOneOut, TestProducer
from dispel4py.workflow_graph import WorkflowGraph

prod = TestProducer()
cons1, cons2 = TestOneInOneOut(), TestOneInOneOut()
cons3, cons4 = TestOneInOneOut(), TestOneInOneOut()

graph = WorkflowGraph()
graph.connect(prod, "output", cons1, "input")
graph.connect(prod, "output", cons2, "input")
graph.connect(cons1, "output", cons3, "input")
graph.connect(cons3, "output", cons4, "input")
graph.connect(cons4, "output", cons2, "input")
