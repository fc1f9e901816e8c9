"""Tests that every mapping must pass, also a mapping of another package.

What enters: the name of a mapping, and its options. What leaves: tests for pytest. Each
of the `cases` is a graph with its inputs; its results must be those of the mapping
``simple``. `layouts` has random graphs. A package that brings a mapping has a test file
such as::

    from dispel4py.testing.conformance import Conformance


    class TestMine(Conformance):
        mapping = "mine"
"""

from dispel4py.testing.conformance import (
    calls,
    failures,
    groupings,
    payloads,
    placing,
    shapes,
)
from dispel4py.testing.conformance.cases import CASES, Case, case, outcome
from dispel4py.testing.conformance.suite import (
    STOPPED,
    Conformance,
    run_all,
    under_simple,
)

__all__ = [
    "CASES",
    "STOPPED",
    "Case",
    "Conformance",
    "calls",
    "case",
    "failures",
    "groupings",
    "outcome",
    "payloads",
    "placing",
    "run_all",
    "shapes",
    "under_simple",
]
