"""The example graphs run by their old names, under each mapping."""

import copy
import importlib
import math
import pkgutil
from collections import Counter as Multiset
from functools import cache

import pytest

from dispel4py.examples import graph_testing
from dispel4py.loading import load_graph
from dispel4py.new.processes import divide
from dispel4py.new.processor import get_partitions
from dispel4py.run import run

NAMES = sorted(
    module.name
    for module in pkgutil.iter_modules(graph_testing.__path__)
    if module.name != "testing_PEs"
)
RANDOM = {name for name in NAMES if "word" in name or "group_by" in name} | {
    "grouping_split_merge"
}
PER_INSTANCE = {"grouping_onetoall", "grouping_onetoall_stateful"}
#: More processes than most have PEs, fewer, and fewer by the option ``-s``.
PLACES = [f"{mapping} {n}" for mapping in ("multi", "mpi") for n in ("6", "3", "3 -s")]


def graph_of(name):
    # examples keep what they have counted: each run has a copy
    return copy.deepcopy(load_graph(f"{graph_testing.__name__}.{name}"))


def items(outputs):
    return {
        f"{pe_id}.{port}": Multiset(map(str, found))
        for pe_id, ports in outputs.items()
        for port, found in ports.items()
        if found
    }


def calls_of(name):
    """How often sources are called: a filter by chance drops half of what they give."""
    return 60 if name in RANDOM else 4


@cache
def under_simple(name):
    return items(run(graph_of(name), calls_of(name)).outputs)


def test_there_are_as_many_as_there_were():
    assert len(NAMES) == 22


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("place", PLACES)
def test_example(name, place, request):
    mapping, n, *option = place.split()
    graph, calls, expected = graph_of(name), calls_of(name), under_simple(name)
    if option:  # -s
        graph = divide(graph, get_partitions(graph), is_root=False)
    if mapping == "mpi":
        through_mpi = request.getfixturevalue("through_mpi")
        found = items(through_mpi(graph, dict.fromkeys(graph.roots(), calls), int(n)))
    else:
        result = run(graph, calls, mapping=mapping, processes=int(n))
        found = items(result.outputs)
    if name in RANDOM:
        assert set(found) == set(expected)
    elif name in PER_INSTANCE:
        assert set(*found.values()) == set(*expected.values())
    else:
        assert found == expected


def test_what_they_give():
    counted = run(graph_of("pipeline_test"), 5).output("TestOneInOneOut5")
    assert counted == [1, 2, 3, 4, 5]
    assert run(graph_of("pipeline_composite"), 1).output("PE_subtract3") == [5.0]
    primes = run(graph_of("sieveoferatosthenes")).output("PrimeCollector2")
    assert sorted(primes) == [
        n for n in range(2, 100) if all(n % k for k in range(2, math.isqrt(n) + 1))
    ]


def test_a_number_of_calls_gives_other_numbers_each():
    pes = importlib.import_module(f"{graph_testing.__name__}.testing_PEs")
    found = []
    source = pes.NumberProducer(3)
    source._writer = lambda name, item: found.append(item)
    source.process({})
    source.process({})
    assert found == [[0], [1], [2], [0], [2], [4]]
