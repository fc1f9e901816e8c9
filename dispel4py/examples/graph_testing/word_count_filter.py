"""Words, about half of them, counted."""

from dispel4py.examples.graph_testing.testing_PEs import (
    RandomFilter,
    RandomWordProducer,
    WordCounter,
)
from dispel4py.workflow_graph import WorkflowGraph

words, chosen, count = RandomWordProducer(), RandomFilter(), WordCounter()
chosen.numprocesses = 5
count.numprocesses = 3

graph = WorkflowGraph()
graph.connect(words, "output", chosen, "input")
graph.connect(chosen, "output", count, "input")
