"""The graph of `grouping_onetoall`, whose source says that it remembers."""

from dispel4py.examples.graph_testing.grouping_onetoall import testOnetoAll

graph = testOnetoAll()
graph.roots()[0].stateful = True
