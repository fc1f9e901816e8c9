"""A pipeline with a slow last PE, whose time is measured."""

from typing import Any

from dispel4py.examples.graph_testing.testing_PEs import (
    TestDelayOneInOneOut,
    TestOneInOneOut,
    TestProducer,
)
from dispel4py.new.monitoring import ProcessTimingPE
from dispel4py.workflow_graph import WorkflowGraph

prod, cons1 = TestProducer(), TestOneInOneOut()
cons2: Any = ProcessTimingPE(TestDelayOneInOneOut(0.1))

graph = WorkflowGraph()
graph.connect(prod, "output", cons1, "input")
graph.connect(cons1, "output", cons2, "input")
