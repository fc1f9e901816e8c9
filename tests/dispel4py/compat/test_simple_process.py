"""Public behaviour of small graphs, the same under each mapping."""

import itertools
from collections import Counter as Multiset

import pytest
from users_pes import (
    Counter,
    Either,
    Same,
    SameIterative,
    SameWritten,
    Sink,
    Span,
    WordCounter,
    Words,
)

from dispel4py.base import CompositePE, create_iterative_chain
from dispel4py.new import simple_process
from dispel4py.workflow_graph import WorkflowGraph


def pipeline(*pes):
    graph = WorkflowGraph()
    for source, sink in itertools.pairwise(pes):
        graph.connect(source, "output", sink, "input")
    return graph


def two_in_one(composite, name_in="comp_input", name_out="comp_output"):
    first, second = Same(), Same()
    composite.connect(first, "output", second, "input")
    composite._map_input(name_in, first, "input")
    composite._map_output(name_out, second, "output")


def around(composite):
    source, last = Counter(), Same()
    graph = WorkflowGraph()
    graph.connect(source, "output", composite, "comp_input")
    graph.connect(composite, "comp_output", last, "input")
    return graph, source, last


def test_pipeline(returned):
    source, first, last = Counter(), Same(), Same()
    graph = pipeline(source, first, last)
    assert returned(graph, {source: 5}) == {last.id: {"output": [1, 2, 3, 4, 5]}}


def test_square(returned):
    source, left, right, last = Counter(2), Same(), Same(), Either()
    graph = WorkflowGraph()
    graph.connect(source, "output0", left, "input")
    graph.connect(source, "output1", right, "input")
    graph.connect(left, "output", last, "input0")
    graph.connect(right, "output", last, "input1")
    assert returned(graph, {source: 1}) == {last.id: {"output": ["1", "1"]}}


def test_tee(returned):
    source, left, right = Counter(), Same(), Same()
    graph = WorkflowGraph()
    graph.connect(source, "output", left, "input")
    graph.connect(source, "output", right, "input")
    whole = {"output": [1, 2, 3, 4, 5]}
    assert returned(graph, {source: 5}) == {left.id: whole, right.id: whole}


def test_writer(returned):
    source, last = Counter(), SameWritten()
    graph = pipeline(source, last)
    assert returned(graph, {source: 5}) == {last.id: {"output": [1, 2, 3, 4, 5]}}


def test_iterative(returned):
    source, last = Counter(), SameIterative()
    graph = pipeline(source, last)
    assert returned(graph, {source: 25}) == {last.id: {"output": list(range(1, 26))}}


def test_producer(returned):
    source, last = Span(5, 234), SameIterative()
    graph = pipeline(source, last)
    assert returned(graph, {source: 1}) == {last.id: {"output": list(range(5, 234))}}


def test_consumer(returned):
    source, last = Counter(), Sink()
    assert returned(pipeline(source, last), {source: 10}) == {}


def test_inputs_and_outputs(returned):
    source, last = Counter(), Same()
    last._add_output("output", tuple_type=["integer"])
    last._add_input("input", grouping=[0], tuple_type=["integer"])
    last._add_input("input", tuple_type=["integer"])  # the later one counts
    last.setInputTypes({"input": ["number"]})
    assert last.getOutputTypes() == {"output": ["number"]}
    last._add_output("output2")
    assert "output2" not in last.getOutputTypes()
    graph = pipeline(source, last)
    assert returned(graph, {source: 10}) == {last.id: {"output": list(range(1, 11))}}


def add(a, b):
    return a + b


def mult(a, b):
    return a * b


def is_odd(a):
    return a % 2 == 1


def test_create_chain(returned):
    chain = create_iterative_chain([(add, {"b": 1}), (mult, {"b": 3}), is_odd])
    source = Counter()
    graph = WorkflowGraph()
    graph.connect(source, "output", chain, "input")
    graph.flatten()
    assert list(returned(graph, {source: 2}).values()) == [{"output": [False, True]}]


def test_composite(returned):
    composite = CompositePE()
    two_in_one(composite)
    graph, source, last = around(composite)
    graph.flatten()
    assert returned(graph, {source: 10}) == {last.id: {"output": list(range(1, 11))}}


def test_composite_with_create(returned):
    graph, source, last = around(CompositePE(two_in_one))  # and not flattened
    assert returned(graph, {source: 10}) == {last.id: {"output": list(range(1, 11))}}


def connect_often(composite, first, second, connections):
    for _ in range(connections):
        composite.connect(first, "output", second, "input")


def test_composite_with_create_params(returned):
    first, second = Same(), Same()
    params = {"first": first, "second": second, "connections": 2}
    composite = CompositePE(connect_often, params)
    composite._map_input("comp_input", first, "input")
    composite._map_output("comp_output", second, "output")
    graph, source, _ = around(composite)
    graph.flatten()
    (result,) = returned(graph, {source: 10}).values()
    expected = [i for i in range(1, 11) for _ in range(2)]
    if returned.__name__ != "through_simple":  # each of the two edges is in order
        result["output"].sort()
    assert result == {"output": expected}


def test_process(capfd):
    source, last = Counter(), Same()
    graph = pipeline(source, last)
    assert simple_process.process(graph, inputs={source: 5}) is None
    assert capfd.readouterr().out.splitlines() == [
        f"Inputs: {{'{source.id}': 5}}",
        f"Outputs: {{'{last.id}': {{'output': [1, 2, 3, 4, 5]}}}}",
    ]


def test_process_input_by_id(capfd):
    source, last = Counter(), Same()
    graph = pipeline(source, last)
    simple_process.process(graph, inputs={source.id: 2})
    assert "[1, 2]" in capfd.readouterr().out


@pytest.mark.parametrize("key", [lambda pe: pe, lambda pe: pe.id, lambda pe: pe.name])
def test_inputs_by_pe_id_and_name(returned, key):
    source, last = Counter(), Same()
    graph = pipeline(source, last)
    assert returned(graph, {key(source): 2}) == {last.id: {"output": [1, 2]}}


def test_word_count(returned):
    source, passing, count = Words("a b a c a b"), Same(), WordCounter()
    graph = pipeline(source, passing, count)
    (result,) = returned(graph, {source: 1}).values()
    assert Multiset(map(tuple, result["output"])) == Multiset(
        [("a", 1), ("a", 2), ("a", 3), ("b", 1), ("b", 2), ("c", 1)]
    )


def test_result_mappings():
    source, middle, last = Counter(), Same(), Same()
    graph = pipeline(source, middle, last)
    named = {source.id: ["output"], middle.id: ["output"]}
    result = simple_process.process_and_return(graph, {source: 2}, named)
    whole = {"output": [1, 2]}
    assert result == {source.id: whole, middle.id: whole}
