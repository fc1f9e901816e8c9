"""The graph of `grouping_alltoone`, whose source says that it remembers."""

from dispel4py.examples.graph_testing.grouping_alltoone import testAlltoOne

graph = testAlltoOne()
graph.roots()[0].stateful = True
