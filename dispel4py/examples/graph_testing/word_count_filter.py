"""A source of words, a filter that drops about half, and a word count."""

from dispel4py.examples.graph_testing.testing_PEs import (
    RandomFilter,
    RandomWordProducer,
    WordCounter,
)
from dispel4py.workflow_graph import WorkflowGraph

words, filter_pe, count = RandomWordProducer(), RandomFilter(), WordCounter()
filter_pe.numprocesses = 5
count.numprocesses = 3

graph = WorkflowGraph()
graph.connect(words, "output", filter_pe, "input")
graph.connect(filter_pe, "output", count, "input")
