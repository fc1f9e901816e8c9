"""The graph of `group_by`, with two instances of the word count."""

from dispel4py.examples.graph_testing.group_by import testGrouping

graph = testGrouping()
graph.pes[-1].numprocesses = 2
