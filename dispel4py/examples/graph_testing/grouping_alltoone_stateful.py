"""The graph of `grouping_alltoone`, with a source that is declared stateful."""

from dispel4py.examples.graph_testing.grouping_alltoone import testAlltoOne

graph = testAlltoOne()
graph.roots()[0].stateful = True
