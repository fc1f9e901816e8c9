"""Laying graphs out on processes."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispel4py.base import IterativePE, ProducerPE
from dispel4py.errors import GraphError, ParameterError, PlanError
from dispel4py.plan import make_plan
from dispel4py.workflow_graph import WorkflowGraph


def row(n, source=None):
    """A source and n - 1 PEs behind it."""
    pes = [source or ProducerPE(), *(IterativePE() for _ in range(n - 1))]
    graph = WorkflowGraph()
    graph.add(pes[0])
    for giving, taking in itertools.pairwise(pes):
        graph.connect(giving, "output", taking, "input")
    return graph, pes


def places(plan):
    """Processes of each PE, in the order of the instances."""
    return [
        [spec.process for spec in plan.instances_of(k)] for k in range(len(plan.pes))
    ]


def test_each_pe_has_processes_of_its_own():
    graph, _ = row(3)
    assert places(make_plan(graph, 3)) == [[0], [1], [2]]


def test_remaining_processes_are_shared():
    graph, _ = row(3)
    assert places(make_plan(graph, 6)) == [[0], [1, 2, 3], [4, 5]]


def test_declared_numbers_come_first():
    graph, pes = row(3)
    pes[2].numprocesses = 3
    assert places(make_plan(graph, 5)) == [[0], [1], [2, 3, 4]]


def test_a_source_gets_its_declared_number_of_instances():
    graph, pes = row(2)
    assert places(make_plan(graph, 4)) == [[0], [1, 2, 3]]
    pes[0].numprocesses = 2
    assert places(make_plan(graph, 4)) == [[0, 1], [2, 3]]


def test_single_and_global_have_one_instance():
    graph, pes = row(3)
    pes[1].single = True
    pes[2]._add_input("input", grouping="global")
    assert [len(p) for p in places(make_plan(graph, 8))] == [1, 1, 1]
    assert [len(p) for p in places(make_plan(graph, 2))] == [1, 1, 1]


def test_pes_share_processes_if_there_are_too_few():
    graph, _ = row(4)
    plan = make_plan(graph, 2)
    assert places(plan)[1:] == [[0, 1]] * 3
    assert [route.stays_local for route in plan.routes] == [False, True, True]


def test_a_grouping_may_lead_away():
    graph, pes = row(3)
    pes[2]._add_input("input", grouping=[0])
    assert not any(route.stays_local for route in make_plan(graph, 2).routes)


def test_depths_roots_and_results():
    graph, pes = row(3)
    other = ProducerPE()
    graph.connect(other, "output", pes[2], "input")
    plan = make_plan(graph, 1)
    depth = {spec.pe_id: spec.depth for spec in plan.instances}
    assert [depth[pe.id] for pe in (*pes, other)] == [0, 1, 2, 0]
    assert {plan.pes[k] for k in plan.roots()} == {pes[0], other}
    number = plan.pes.index(pes[2])
    assert plan.unconnected_outputs(number) == ["output"]
    assert plan.unconnected_outputs(plan.pes.index(pes[0])) == []


@pytest.mark.parametrize("n", [0, -1])
def test_no_processes_are_refused(n):
    with pytest.raises(ParameterError, match="1 or more"):
        make_plan(row(2)[0], n)


@pytest.mark.parametrize("wanted", [0, -2, 1.5, "2"])
def test_invalid_numprocesses_are_refused(wanted):
    graph, pes = row(2)
    pes[1].numprocesses = wanted
    with pytest.raises(PlanError, match="numprocesses must be 1 or more"):
        make_plan(graph, 4)


def test_an_invalid_grouping_names_its_input():
    graph, pes = row(2)
    pes[1]._add_input("input", grouping="al")
    with pytest.raises(GraphError, match="input 'input' of IterativePE1"):
        make_plan(graph, 2)


# ------------------------------------------------------------------ partitions


def test_partitions_share_processes():
    graph, pes = row(4)
    graph.partitions = [pes[:2], pes[2:]]
    assert places(make_plan(graph, 2)) == [[0], [0], [1], [1]]


def test_partition_sizes():
    graph, pes = row(4)
    graph.partitions = [pes[:1], pes[1:]]
    graph.numprocesses = [1, 3]
    assert places(make_plan(graph, 4)) == [[0], [1, 2, 3], [1, 2, 3], [1, 2, 3]]


def test_pes_in_no_partition_make_one_of_their_own():
    graph, pes = row(4)
    graph.partitions = [pes[:2]]
    assert places(make_plan(graph, 2)) == [[0], [0], [1], [1]]


def test_too_few_processes_for_the_partitions():
    graph, pes = row(3)
    graph.partitions = [[pe] for pe in pes]
    assert {p for ps in places(make_plan(graph, 2)) for p in ps} == {0, 1}


def test_a_pe_in_two_partitions_is_refused():
    graph, pes = row(3)
    graph.partitions = [pes[:2], pes[1:]]
    with pytest.raises(PlanError, match="in two partitions"):
        make_plan(graph, 2)


def test_a_partition_without_processes_is_refused():
    graph, pes = row(2)
    graph.partitions, graph.numprocesses = [pes[:1], pes[1:]], [2, 0]
    with pytest.raises(PlanError, match="one process or more"):
        make_plan(graph, 2)


# -------------------------------------------------------------------- any plan


@st.composite
def layouts(draw):
    n = draw(st.integers(1, 7))
    pairs = [(a, b) for b in range(n) for a in range(b)]
    return (
        draw(st.lists(st.integers(1, 4), min_size=n, max_size=n)),
        draw(st.lists(st.sampled_from(pairs), max_size=9)) if pairs else [],
        draw(st.lists(st.sampled_from([None, [0], "all", "global"]), min_size=n)),
        draw(st.integers(1, 12)),
    )


def build(wanted, edges, groupings):
    graph, pes = WorkflowGraph(), [IterativePE(number) for number in wanted]
    for pe, grouping in zip(pes, groupings, strict=False):
        pe._add_input("input", grouping=grouping)
        graph.add(pe)
    for a, b in edges:
        graph.connect(pes[a], "output", pes[b], "input")
    return graph


@given(layouts())
def test_every_plan_is_sound(layout):
    *shape, n = layout
    plan = make_plan(build(*shape), n)
    used = {spec.process for spec in plan.instances}
    assert used <= set(range(n))
    for k in range(len(plan.pes)):
        processes = [spec.process for spec in plan.instances_of(k)]
        assert processes
        assert len(set(processes)) == len(processes)
    for route in plan.routes:
        depths = [plan.instances[i].depth for i in (*route.sources[:1],)]
        assert all(plan.instances[i].depth > depths[0] for i in route.destinations)
        if route.stays_local:
            at = [
                {plan.instances[i].process for i in side}
                for side in (route.sources, route.destinations)
            ]
            assert at[0] == at[1]


@given(layouts())
def test_the_same_graph_has_the_same_plan(layout):
    *shape, n = layout
    first, second = make_plan(build(*shape), n), make_plan(build(*shape), n)
    assert first.instances == second.instances
    assert first.routes == second.routes
