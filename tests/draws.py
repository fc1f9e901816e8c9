"""Which combinations of parameters are tested: some by a fixed rule, or all of them.

``make test-all`` sets the variable `ALL`, and tests all combinations.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Collection
from typing import Any

ALL = "DISPEL4PY_TEST_ALL"
#: Whether all combinations run.
ALL_RUN = bool(os.environ.get(ALL))


def chosen(few: Collection[Any], every: Collection[Any]) -> list[Any]:
    """Return a few values; all of them if the variable `ALL` is set."""
    return list(every if ALL_RUN else few)


def each_once(*parameters: Collection[Any]) -> list[tuple[Any, ...]]:
    """Return combinations in which each value of each parameter occurs."""
    lists = [list(values) for values in parameters]
    longest = max(map(len, lists))
    few = [tuple(p[k % len(p)] for p in lists) for k in range(longest)]
    return chosen(few, list(itertools.product(*lists)))


def last_once(
    places: Collection[Any], values: Collection[Any]
) -> list[tuple[Any, Any]]:
    """Return all combinations; the last place, which is slow, has the first value."""
    *quick, slow = places
    few = [*itertools.product(quick, values), (slow, next(iter(values)))]
    return chosen(few, list(itertools.product(places, values)))
