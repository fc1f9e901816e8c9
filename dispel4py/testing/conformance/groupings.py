"""Cases of groupings: which instance gets an item."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dispel4py.testing.conformance.cases import case
from dispel4py.testing.conformance.elements import (
    Gather,
    Items,
    Pass,
    Range,
    Total,
    chain,
    instances,
)
from dispel4py.testing.conformance.results import distinct, freeze

STATIONS = [("CI.CCA", 1), ("CI.HEC", 2), ("CI.CCA", 3), ("IU.ANMO", 4), ("CI.HEC", 5)]


@dataclass(frozen=True)
class Reading:
    """An item with attributes."""

    station: str
    day: int


def first(item: Any) -> Any:
    return item[0]


def first_two(item: Any) -> Any:
    return item[0], item[1]


def station_of(item: Any) -> Any:
    return item["station"] if isinstance(item, dict) else item.station


def _by(grouping: Any, key: Any, *items: Any) -> Any:
    """Return a graph in which two instances send items to three that gather by key."""
    spread = instances(Pass(), 2)
    return chain(Items(*items), spread, instances(Gather(grouping, key), 3)), None


@case({"Pass1.output": list(range(20))})
def round_robin() -> Any:
    return chain(Range(), instances(Pass(), 3)), None


@case(
    {
        "Gather2.output": [
            ("CI.CCA", ["tuple('CI.CCA', 1)", "tuple('CI.CCA', 3)"]),
            ("CI.HEC", ["tuple('CI.HEC', 2)", "tuple('CI.HEC', 5)"]),
            ("IU.ANMO", ["tuple('IU.ANMO', 4)"]),
        ]
    },
    counts=False,
)
def group_by_string() -> Any:
    return _by([0], first, *STATIONS)


@case()
def group_by_two_fields() -> Any:
    return _by([0, 1], first_two, *((n % 2, str(n % 3), n) for n in range(24)))


@case()
def group_by_dict_key() -> Any:
    items = ({"station": s, "n": n} for s, n in STATIONS)
    return _by(["station"], station_of, *items)


@case()
def group_by_attribute() -> Any:
    return _by(["station"], station_of, *(Reading(s, n) for s, n in STATIONS))


@case()
def group_by_odd_keys() -> Any:
    keys = [
        None,
        7,
        7.5,
        True,
        b"b",
        (1, "a"),
        frozenset({1, 2}),
        "\u00e9",
        -3,
        1 << 80,
    ]
    return _by([0], first, *((key, n) for n in range(3) for key in keys))


@case()
def group_by_unhashable_keys() -> Any:
    keys = [{"a": 1}, {1, 2}, [3, 4], range(5), np.arange(3)]
    return _by([0], _frozen_first, *((key, n) for n in range(3) for key in keys))


def _frozen_first(item: Any) -> str:
    return freeze(item[0])


def _number_first(item: Any) -> float:
    return float(item[0])


@case()
def group_by_equal_numbers_of_many_types() -> Any:
    types = (int, float, np.int16, np.int64, np.float32, np.float64, np.uint8)
    items = ((kind(n), kind.__name__) for n in range(4) for kind in types)
    return _by([0], _number_first, *items)


@case(view=distinct, counts=False)
def grouping_all() -> Any:
    return _by("all", None, *range(30))


@case({"Gather2.output": [("all", sorted(map(str, range(30))))]})
def grouping_global() -> Any:
    return _by("global", None, *range(30))


def _modulo(item: int, n: int) -> int:
    return item % n


def _two_places(item: int, n: int) -> list[int]:
    return [0, n - 1]


@case({"Pass1.output": list(range(20))})
def grouping_by_function() -> Any:
    sink = instances(Pass(), 3)
    sink._add_input("input", grouping=_modulo)
    return chain(Range(), sink), None


@case(view=distinct)
def grouping_by_function_to_several() -> Any:
    sink = instances(Pass(), 3)
    sink._add_input("input", grouping=_two_places)
    return chain(Range(), sink), None


@case({"Total3.output": [190]}, counts=False)
def sums_of_sums() -> Any:
    return chain(Range(), Pass(), instances(Total(None), 4), Total("global")), None
