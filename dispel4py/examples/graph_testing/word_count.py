"""Words, counted by three instances."""

from dispel4py.examples.graph_testing.testing_PEs import RandomWordProducer, WordCounter
from dispel4py.workflow_graph import WorkflowGraph

words, counter = RandomWordProducer(), WordCounter()
counter.numprocesses = 3

graph = WorkflowGraph()
graph.connect(words, "output", counter, "input")
