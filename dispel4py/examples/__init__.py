"""Small workflows to run, read and change.

Run one with ``dispel4py simple dispel4py.examples.NAME``.
"""
