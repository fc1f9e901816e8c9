"""The graph of `grouping_onetoall`, with a source that is declared stateful."""

from dispel4py.examples.graph_testing.grouping_onetoall import testOnetoAll

graph = testOnetoAll()
graph.roots()[0].stateful = True
