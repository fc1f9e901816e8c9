"""Public behaviour of `dispel4py.new.multi_process`."""

from collections import Counter as Multiset
from collections import defaultdict
from types import SimpleNamespace

import pytest
from queues import drained
from users_pes import Counter, Either, Numbers, Same

from dispel4py.new.multi_process import STATUS_TERMINATED, parse_args, process
from dispel4py.workflow_graph import WorkflowGraph


def chain(n, source=None):
    source = source or Counter()
    graph, last = WorkflowGraph(), source
    for _ in range(n):
        following = Same()
        graph.connect(last, "output", following, "input")
        last = following
    return graph, source, last


def results(graph, inputs, num, simple=False):
    args = SimpleNamespace(num=num, simple=simple, results=True)
    return drained(process(graph, inputs=inputs, args=args))


def test_pipeline():
    graph, source, last = chain(2)
    source.numprocesses = 1
    result = results(graph, {source: 5}, 3)
    assert result == [(last.id, "output", i) for i in range(1, 6)]
    assert STATUS_TERMINATED == 12


def test_pipeline_with_several_instances():
    graph, source, last = chain(2)
    result = results(graph, {source: 5}, 4)
    assert Multiset(result) == Multiset((last.id, "output", i) for i in range(1, 6))


def test_square():
    source, left, right, last = Counter(2), Same(), Same(), Either()
    graph = WorkflowGraph()
    graph.connect(source, "output0", left, "input")
    graph.connect(source, "output1", right, "input")
    graph.connect(left, "output", last, "input0")
    graph.connect(right, "output", last, "input1")
    result = results(graph, {source: 10}, 4)
    assert {(pe_id, port) for pe_id, port, _ in result} == {(last.id, "output")}
    assert Multiset(i for *_, i in result) == {str(i): 2 for i in range(1, 11)}


def test_tee():
    source, left, right = Counter(), Same(), Same()
    graph = WorkflowGraph()
    graph.connect(source, "output", left, "input")
    graph.connect(source, "output", right, "input")
    result = defaultdict(list)
    for pe_id, port, item in results(graph, {source: 5}, 3):
        assert port == "output"
        result[pe_id].append(item)
    assert result == {left.id: [1, 2, 3, 4, 5], right.id: [1, 2, 3, 4, 5]}


@pytest.mark.parametrize(("length", "simple"), [(2, True), (4, False)])
def test_pipeline_simple_and_not_enough_processes(length, simple, capfd):
    graph, source, last = chain(length)
    result = results(graph, {source: 10}, 4, simple)
    assert {port for _, port, _ in result} == {(last.id, "output")}
    assert {name for name, *_ in result} == {"SimpleProcessingPE1"}
    items = [item for *_, block in result for item in block]
    assert Multiset(items) == Multiset(range(1, 11))
    assert f"Partition 0: {source.id}" in capfd.readouterr().out
    assert graph.partitions is None


def test_not_enough_processes():
    graph, source, _ = chain(2)
    args = SimpleNamespace(num=1, simple=False, results=True)
    message = process(graph, inputs={source: 5}, args=args)
    assert "Not enough processes" in message


@pytest.mark.parametrize("grouping", [None, [0], "all", "global"])
def test_groupings(grouping):
    graph, source, last = chain(4, Numbers(10))
    middle = graph.pes[2]
    middle.inputconnections["input"]["grouping"] = grouping
    result = results(graph, {source: 1}, 7)
    assert {(pe_id, port) for pe_id, port, _ in result} == {(last.id, "output")}
    times = Multiset(item for *_, (item,) in result)
    assert set(times) == set(range(10))
    assert grouping == "all" or set(times.values()) == {1}
    assert len(set(times.values())) == 1


def test_nothing_is_returned_unless_asked_for():
    graph, source, _ = chain(1)
    assert process(graph, {source: 2}, SimpleNamespace(num=2, simple=False)) is None


def test_arguments_may_be_a_class():
    graph, source, _ = chain(1)

    class Arguments:
        num, simple, results = 2, False, True

    assert len(drained(process(graph, {source: 2}, Arguments))) == 2


def test_many_results():
    graph, source, _ = chain(1, Numbers(20_000))
    assert len(results(graph, {source: 1}, 2)) == 20_000


def test_command_line():
    known = parse_args(["-n", "3", "-s"], SimpleNamespace(attr=None))
    assert (known.num, known.simple, known.attr) == (3, True, None)
