"""Small test graphs, under the names of dispel4py 1.x.

Run one with ``dispel4py simple dispel4py.examples.graph_testing.pipeline_test -i 5``.
"""
