"""The router chooses the same instances as the mappings, without using them."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys

import pytest
from programs import HERE, environment, require_mpi

from dispel4py.base import IterativePE
from dispel4py.core import GenericPE
from dispel4py.errors import ItemError, PlanError
from dispel4py.grouping import Grouping
from dispel4py.mappings.channel import SLOW_WINDOW
from dispel4py.plan import make_plan
from dispel4py.router import Router
from dispel4py.run import run
from dispel4py.workflow_graph import WorkflowGraph

N = 3
#: So few items that every channel always has room for a shuffle.
ITEMS = [{"station": f"S{k}", "k": k} for k in range(N * SLOW_WINDOW)]


def first_or_last(item, n):
    return 0 if item["k"] % 2 else n - 1


def none_or_several(item, n):
    return [k for k in range(n) if (item["k"] + k) % 3]


GROUPINGS = {
    "shuffle": None,
    "group-by": ["station"],
    "all": "all",
    "global": "global",
    "custom": first_or_last,
    "custom of several": none_or_several,
}


class Source(GenericPE):
    """Writes all items in one call."""

    def __init__(self):
        GenericPE.__init__(self)
        self._add_output("output")

    def process(self, inputs):
        for item in ITEMS:
            self.write("output", item)


class Place(IterativePE):
    """Adds the process in which an item arrives."""

    numprocesses = N

    def __init__(self, grouping):
        IterativePE.__init__(self)
        self._add_input("input", grouping=grouping)

    def _process(self, item):
        return item["k"], self.rank


def graph_of(name):
    graph = WorkflowGraph()
    graph.connect(Source(), "output", Place(GROUPINGS[name]), "input")
    return graph


def arrivals(name, **how):
    """Return the pairs of item and instance."""
    graph = graph_of(name)
    plan = make_plan(graph, how["processes"] or N + 1)
    (sink,) = [k for k, pe in enumerate(plan.pes) if isinstance(pe, Place)]
    numbers = {spec.process: spec.number for spec in plan.instances_of(sink)}
    assert len(numbers) == (1 if name == "global" else N)
    result = run(graph, **how)
    output = result.output(plan.pes[sink].id)
    return sorted([k, numbers[rank]] for k, rank in output)


def choices(name):
    router = Router(Grouping.of(GROUPINGS[name]), N)
    return sorted(
        [item["k"], number] for item in ITEMS for number in router.choose(item)
    )


@pytest.mark.parametrize("name", GROUPINGS)
def test_items_arrive_at_the_instances_of_the_router(name):
    assert arrivals(name, mapping="multi", processes=N + 1) == choices(name)


def test_items_arrive_at_the_instances_of_the_router_under_mpi():
    done = subprocess.run(
        [require_mpi(), "-n", str(N + 1), sys.executable, HERE / "test_router.py"],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {name: choices(name) for name in GROUPINGS}


@pytest.mark.parametrize("name", GROUPINGS)
def test_a_router_can_be_pickled_and_continues(name):
    router = Router(Grouping.of(GROUPINGS[name]), N, first=1)
    before = [router.choose(item) for item in ITEMS[:4]]
    copy = pickle.loads(pickle.dumps(router))
    assert [copy.choose(item) for item in ITEMS] == [
        router.choose(item) for item in ITEMS
    ]
    again = Router(Grouping.of(GROUPINGS[name]), N, first=1)
    assert [again.choose(item) for item in ITEMS[:4]] == before


@pytest.mark.parametrize("first", range(5))
def test_a_shuffle_starts_at_its_own_instance(first):
    router = Router(Grouping(), N, first)
    assert router.round()[0] == first % N
    assert [router.choose(None) for _ in range(2 * N)] == [
        ((first + k) % N,) for k in range(2 * N)
    ]


def test_items_that_cannot_be_routed_are_refused():
    with pytest.raises(PlanError, match="1 instance or more, not 0"):
        Router(Grouping(), 0)
    with pytest.raises(ItemError, match="chose instance 3 out of 3"):
        Router(Grouping.of(lambda item, n: n), N).choose(ITEMS[0])


if __name__ == "__main__":
    from dispel4py.mappings.mpi.world import world

    arrivals_by_grouping = {
        name: arrivals(name, mapping="mpi", processes=None) for name in GROUPINGS
    }
    if world().rank == 0:
        sys.stdout.write(json.dumps(arrivals_by_grouping))
