"""Process assignment: every PE has a process, and no process is needlessly idle."""

import itertools
import pickle
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispel4py.core import GenericPE
from dispel4py.errors import PlanError
from dispel4py.layout import (
    Demand,
    distribute,
    estimate_loads,
    place_separately,
    place_together,
)
from dispel4py.plan import make_plan
from dispel4py.workflow_graph import WorkflowGraph


class Node(GenericPE):
    def __init__(self, numprocesses=1, grouping=None, single=False, weight=1.0):
        GenericPE.__init__(self, numprocesses)
        self._add_input("input", grouping=grouping)
        self._add_output("output")
        if single:
            self.single = True
        if weight != 1.0:
            self.process_weight = weight


def chain(*pes):
    graph = WorkflowGraph()
    graph.add(pes[0])
    for before, after in itertools.pairwise(pes):
        graph.connect(before, "output", after, "input")
    return graph


def placement(plan):
    """Processes of each PE, in the order of the plan."""
    return [[i.process for i in plan.instances_of(k)] for k in range(len(plan.pes))]


def sizes(plan):
    return [len(processes) for processes in placement(plan)]


def idle(plan):
    return set(range(plan.n_processes)) - {i.process for i in plan.instances}


# ------------------------------------------------------------------ one by one


@pytest.mark.parametrize(
    ("pes", "n", "expected"),
    [
        # the leftovers of dispel4py 1.2.1: four PEs used 4 of 5, 4 of 6, 7 of 8 ...
        ([Node() for _ in range(4)], 5, [1, 2, 1, 1]),
        ([Node() for _ in range(4)], 6, [1, 2, 2, 1]),
        ([Node() for _ in range(4)], 8, [1, 3, 2, 2]),
        ([Node() for _ in range(4)], 32, [1, 11, 10, 10]),
        # numbers are kept as long as other PEs can use the remaining processes
        ([Node(), Node(4), Node()], 9, [1, 4, 4]),
        ([Node(2), Node(4), Node()], 9, [2, 4, 3]),
        # they are cut in proportion, and grow in proportion
        ([Node(), Node(4), Node(2)], 4, [1, 2, 1]),
        ([Node(), Node(2), Node(4)], 10, [1, 3, 6]),
        # one instance, for any declaration and any number of free processes
        ([Node(), Node(grouping="global"), Node()], 7, [1, 1, 5]),
        ([Node(), Node(5, single=True), Node()], 7, [1, 1, 5]),
        # weights
        ([Node(), Node(weight=3.0), Node()], 9, [1, 6, 2]),
        ([Node(), Node(weight=0.5), Node(weight=0.5)], 9, [1, 4, 4]),
    ],
)
def test_processes_of_their_own(pes, n, expected):
    plan = make_plan(chain(*pes), n)
    assert sizes(plan) == expected
    assert not idle(plan)
    own = [process for processes in placement(plan) for process in processes]
    assert len(own) == len(set(own)) == n


def test_processes_that_no_pe_can_use_are_noted_in_one_line():
    plan = make_plan(chain(Node(2), Node(single=True), Node(grouping="global")), 9)
    assert sizes(plan) == [2, 1, 1]
    assert plan.notes == (
        "5 processes of 9 without work: no PE can have more instances "
        "(source: Node0; single: Node1; global: Node2)",
    )


def test_a_pe_with_fewer_instances_than_requested_is_noted():
    plan = make_plan(chain(Node(), Node(4), Node()), 4)
    assert "Node1 asks for 4 instances and has 2" in plan.notes


def test_fewer_processes_than_pes_share_them():
    plan = make_plan(chain(*[Node() for _ in range(5)]), 3)
    assert placement(plan) == [[0], *[[0, 1, 2]] * 4]
    assert plan.notes == ("3 processes for 5 PEs: PEs share processes",)
    # no item leaves its process if two PEs share all their processes
    assert [route.stays_local for route in plan.routes] == [False, True, True, True]


def test_single_pes_are_spread_over_shared_processes():
    pes = [Node(), *[Node(single=True) for _ in range(4)], Node()]
    plan = make_plan(chain(*pes), 5)
    few = placement(plan)[:-1]
    assert sorted(process for [process] in few) == [0, 1, 2, 3, 4]


def test_partitions_get_what_is_declared_and_the_rest():
    pes = [Node(), Node(), Node(), Node()]
    graph = chain(*pes)
    graph.partitions, graph.numprocesses = [pes[:1], pes[1:3]], [1, 3]
    assert placement(make_plan(graph, 8)) == [
        [0],
        [1, 2, 3],
        [1, 2, 3],
        [4, 5, 6, 7],
    ]
    graph.partitions = [pes[:1], pes[1:]]
    assert sizes(make_plan(graph, 8)) == [1, 7, 7, 7]
    assert sizes(make_plan(graph, 3)) == [1, 2, 2, 2]


def test_a_partition_of_single_pes_spreads_only_over_idle_processes():
    pes = [Node(), Node(single=True), Node(single=True), Node()]
    graph = chain(*pes)
    graph.partitions = [pes[:3], pes[3:]]
    assert placement(make_plan(graph, 4)) == [[0], [0], [0], [1, 2, 3]]
    graph.partitions = [pes[:3]]
    graph = chain(*pes[:3])
    graph.partitions = [pes[:3]]
    assert not idle(make_plan(graph, 3))


def test_more_partitions_than_processes_are_put_together():
    pes = [Node(), Node(), Node()]
    graph = chain(*pes)
    graph.partitions = [[pe] for pe in pes]
    plan = make_plan(graph, 2)
    assert placement(plan) == [[0], [0, 1], [0, 1]]
    assert plan.notes == ("2 processes for 3 partitions: all PEs share processes",)


@pytest.mark.parametrize(
    ("numprocesses", "expected_message"),
    [([1], "1 number for 2 partitions"), ([0, 2], "one process or more")],
)
def test_impossible_partitions_are_refused(numprocesses, expected_message):
    pes = [Node(), Node()]
    graph = chain(*pes)
    graph.partitions, graph.numprocesses = [[pes[0]], [pes[1]]], numprocesses
    with pytest.raises(PlanError, match=expected_message):
        make_plan(graph, 4)


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf"), "much"])
def test_impossible_weights_are_refused(weight):
    with pytest.raises(PlanError, match="process_weight"):
        make_plan(chain(Node(), Node(weight=weight)), 4)


# --------------------------------------------------------------- measured costs


def test_costs_settle_the_shares():
    costs = {"Node0": 0.9, "Node1": 6.0, "Node2": 2.0}
    plan = make_plan(chain(Node(), Node(), Node()), 9, costs)
    assert sizes(plan) == [1, 6, 2]
    assert max(plan.seconds) == 1.0


def test_pes_share_processes_where_that_ends_sooner():
    graph = chain(Node(), Node(), Node(), Node())
    graph.costs = {"Node0": 0.1, "Node1": 10.0, "Node2": 0.1, "Node3": 0.1}
    plan = make_plan(graph, 4)
    assert sizes(plan) == [1, 4, 4, 4]
    assert plan.seconds == pytest.approx([10.3 / 4] * 4)
    assert "expected to take 2.57 s instead of 10 s" in plan.notes[0]


def test_costs_do_not_change_a_good_layout():
    # every PE has a process of its own and all take as long
    graph = chain(Node(), Node(), Node(), Node())
    assert sizes(make_plan(graph, 4, dict.fromkeys(["Node"], 4.0))) == [1] * 4


def test_estimated_loads_end_level():
    # 6 s in all processes on top of 1 s and 3 s in two of them
    assert (
        estimate_loads([[0], [2], [0, 1, 2]], [1.0, 3.0, 6.0], 3)
        == [pytest.approx(10 / 3)] * 3
    )
    # the work of a single instance stays in its process
    assert estimate_loads([[0], [0, 1]], [5.0, 1.0], 2) == [5.0, 1.0]


# --------------------------------------------------------------- for any graph


@st.composite
def graphs(draw: Any) -> WorkflowGraph:
    n = draw(st.integers(1, 7))
    nodes = [
        Node(
            draw(st.sampled_from([1, 1, 1, 2, 3, 5])),
            draw(st.sampled_from([None, None, [0], "all", "global"])),
            draw(st.sampled_from([False, False, True])),
            draw(st.sampled_from([1.0, 1.0, 0.1, 7.0])),
        )
        for _ in range(n)
    ]
    graph = WorkflowGraph()
    for node in nodes:
        graph.add(node)
    for b in range(1, n):
        for a in draw(st.sets(st.integers(0, b - 1), max_size=2)):
            graph.connect(nodes[a], "output", nodes[b], "input")
    if draw(st.booleans()):
        named = draw(st.lists(st.integers(0, 3), min_size=n, max_size=n))
        graph.partitions = [
            [node for node, p in zip(nodes, named, strict=True) if p == which]
            for which in range(3)
        ]
        if draw(st.booleans()):
            graph.numprocesses = draw(
                st.lists(st.integers(1, 4), min_size=3, max_size=3)
            )
    if draw(st.booleans()):
        seconds = st.sampled_from([0.0, 0.1, 1.0, 30.0])
        graph.costs = {node.id: draw(seconds) for node in nodes}
    return graph


def is_bound(plan, k):
    """Return whether a PE may not have more instances than it declares."""
    into = [route for route in plan.routes if route.destination_pe == k]
    return (
        getattr(plan.pes[k], "single", False)
        or not into
        or all(route.grouping.kind == "global" for route in into)
    )


def layout_of(plan):
    return plan.instances, plan.routes, plan.notes, plan.seconds


@settings(deadline=None, max_examples=100)
@given(graphs(), st.integers(1, 12))
def test_every_pe_has_an_instance_and_keeps_its_limits(graph, n):
    plan = make_plan(graph, n)
    for k, pe in enumerate(plan.pes):
        processes = placement(plan)[k]
        assert processes
        assert len(set(processes)) == len(processes)
        assert set(processes) <= set(range(n))
        if getattr(pe, "single", False):
            assert len(processes) == 1
        elif is_bound(plan, k):
            source = not any(route.destination_pe == k for route in plan.routes)
            assert len(processes) <= (pe.numprocesses if source else 1)


@settings(deadline=None, max_examples=100)
@given(graphs(), st.integers(1, 12))
def test_no_process_is_idle_that_a_pe_could_use(graph, n):
    plan = make_plan(graph, n)
    without_work = idle(plan)
    assert any("without work" in note for note in plan.notes) == bool(without_work)
    if without_work and not graph.numprocesses:
        # nobody could have more
        for k, pe in enumerate(plan.pes):
            assert is_bound(plan, k)
            if not any(route.destination_pe == k for route in plan.routes):
                assert getattr(pe, "single", False) or sizes(plan)[k] == pe.numprocesses


@settings(deadline=None, max_examples=60)
@given(graphs(), st.integers(1, 12))
def test_the_plan_is_the_same_every_time_and_after_pickling(graph, n):
    plan = make_plan(graph, n)
    assert layout_of(make_plan(graph, n)) == layout_of(plan)
    assert layout_of(make_plan(pickle.loads(pickle.dumps(graph)), n)) == layout_of(plan)
    assert layout_of(pickle.loads(pickle.dumps(plan))) == layout_of(plan)


@settings(deadline=None, max_examples=100)
@given(graphs(), st.integers(1, 12))
def test_partitions_are_kept_apart(graph, n):
    partitions = [set(map(id, p)) for p in graph.partitions or [] if p]
    rest = [pe for pe in graph.pes if not any(id(pe) in p for p in partitions)]
    if not partitions or n < len(partitions) + bool(rest):
        return
    plan = make_plan(graph, n)
    where = {id(pe): set(p) for pe, p in zip(plan.pes, placement(plan), strict=True)}
    rooms = [set().union(*(where[pe] for pe in p)) for p in partitions]
    rooms.append(set().union(*(where[id(pe)] for pe in rest)))
    for k, room in enumerate(rooms):
        assert not any(room & other for other in rooms[k + 1 :])
    if graph.numprocesses and all(graph.partitions):
        for room, size in zip(rooms, graph.numprocesses, strict=False):
            assert len(room) <= size or sum(graph.numprocesses) < n


DEMANDS = st.lists(
    st.builds(
        lambda wanted, bound, weight: Demand(wanted, wanted if bound else None, weight),
        st.integers(1, 5),
        st.booleans(),
        st.floats(0.0, 100.0),
    ),
    min_size=1,
    max_size=8,
)


@given(DEMANDS, st.integers(0, 40))
def test_counts_leave_no_usable_process(demands, more):
    n = len(demands) + more
    result = distribute(demands, n)
    assert min(result) >= 1
    assert sum(result) <= n
    assert all(
        d.limit is None or c <= d.limit for d, c in zip(demands, result, strict=True)
    )
    if any(demand.limit is None for demand in demands):
        assert sum(result) == n
    else:
        assert sum(result) == min(n, sum(d.wanted for d in demands))


@given(DEMANDS, st.integers(1, 9))
def test_loads_add_up_to_all_the_work(demands, n):
    weights = [demand.weight for demand in demands]
    for laid in (
        place_together(demands, range(n)),
        place_separately(distribute(demands, len(demands))),
    ):
        wide = max(n, len(demands))
        assert sum(estimate_loads(laid, weights, wide)) == pytest.approx(
            sum(weights), abs=1e-9
        )


PROGRAM = """
from dispel4py.examples.word_count import graph
from dispel4py.plan import make_plan
plan = make_plan(graph, 7)
print(plan.instances, [(r.sources, r.destinations) for r in plan.routes])
"""


def test_the_plan_is_the_same_in_other_processes():
    expected_message = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(expected_message) == 1
