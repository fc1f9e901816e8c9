"""The example graphs run by their old names, under each mapping."""

import copy
import importlib
import math
import pkgutil
from collections import Counter as Multiset
from functools import cache
from itertools import product

import pytest

from dispel4py.examples import graph_testing
from dispel4py.loading import load_graph
from dispel4py.new.processes import divide
from dispel4py.new.processor import get_partitions
from dispel4py.run import run
from tests.draws import chosen

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
SIZES = ("6", "3", "3 -s")
PLACES = [f"{mapping} {n}" for mapping in ("multi", "mpi") for n in SIZES]
#: Each example once under both mappings, with other sizes.
SOME = [
    (name, f"{mapping} {SIZES[(k + shift) % 3]}")
    for k, name in enumerate(NAMES)
    for shift, mapping in enumerate(("multi", "mpi"))
]


def graph_of(name):
    # examples keep their counts, so each run gets a copy
    return copy.deepcopy(load_graph(f"{graph_testing.__name__}.{name}"))


def items(outputs):
    return {
        f"{pe_id}.{port}": Multiset(map(str, result))
        for pe_id, ports in outputs.items()
        for port, result in ports.items()
        if result
    }


def calls_of(name):
    """Return how often sources are called: a random filter drops half of the items."""
    return 60 if name in RANDOM else 4


@cache
def under_simple(name):
    return items(run(graph_of(name), calls_of(name)).outputs)


def test_the_number_of_example_graphs_is_unchanged():
    assert len(NAMES) == 22


@pytest.mark.parametrize(("name", "place"), chosen(SOME, list(product(NAMES, PLACES))))
def test_example(name, place, request):
    mapping, n, *option = place.split()
    graph, calls, expected = graph_of(name), calls_of(name), under_simple(name)
    if option:  # -s
        graph = divide(graph, get_partitions(graph), is_root=False)
    if mapping == "mpi":
        through_mpi = request.getfixturevalue("through_mpi")
        output = items(through_mpi(graph, dict.fromkeys(graph.roots(), calls), int(n)))
    else:
        result = run(graph, calls, mapping=mapping, processes=int(n))
        output = items(result.outputs)
    if name in RANDOM:
        assert set(output) == set(expected)
    elif name in PER_INSTANCE:
        assert set(*output.values()) == set(*expected.values())
    else:
        assert output == expected


def test_results_of_the_example_graphs():
    counted = run(graph_of("pipeline_test"), 5).output("TestOneInOneOut5")
    assert counted == [1, 2, 3, 4, 5]
    assert run(graph_of("pipeline_composite"), 1).output("PE_subtract3") == [5.0]
    primes = run(graph_of("sieveoferatosthenes")).output("PrimeCollector2")
    assert sorted(primes) == [
        n for n in range(2, 100) if all(n % k for k in range(2, math.isqrt(n) + 1))
    ]


def test_each_call_gives_other_numbers():
    pes = importlib.import_module(f"{graph_testing.__name__}.testing_PEs")
    results = []
    source = pes.NumberProducer(3)
    source._writer = lambda name, item: results.append(item)
    source.process({})
    source.process({})
    assert results == [[0], [1], [2], [0], [2], [4]]
