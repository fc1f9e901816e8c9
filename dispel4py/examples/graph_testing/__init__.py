"""Small graphs that exercise one thing each, under the names that dispel4py 1.x has.

Run one with ``dispel4py simple dispel4py.examples.graph_testing.pipeline_test -i 5``.
"""
