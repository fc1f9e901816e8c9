"""Calls of `run`: mistakes that it refuses before it starts, and its results."""

import itertools

import pytest

from dispel4py.base import ConsumerPE, IterativePE, ProducerPE
from dispel4py.core import GenericPE
from dispel4py.errors import (
    GraphError,
    InputError,
    MappingUnavailable,
    ParameterError,
    UserError,
)
from dispel4py.run import run
from dispel4py.workflow_graph import WorkflowGraph


class Add(IterativePE):
    def _process(self, data):
        return data + 1


class Ones(ProducerPE):
    def _process(self, inputs):
        return 1


class TwoInputs(GenericPE):
    def __init__(self):
        GenericPE.__init__(self)
        self._add_input("left")
        self._add_input("right")
        self._add_output("output")

    def process(self, inputs):
        return {"output": sorted(inputs.items())}


def row(*pes):
    graph = WorkflowGraph()
    graph.add(pes[0])
    for source, sink in itertools.pairwise(pes):
        graph.connect(source, "output", sink, "input")
    return graph


# ---------------------------------------------------------------- what is given


@pytest.mark.parametrize("name", ["Add", "Add0"])
def test_inputs_by_name_or_id(name):
    result = run(row(Add(), Add()), {name: [{"input": 1}, {"input": 2}]})
    assert result.output("Add1") == [3, 4]


def test_inputs_by_pe():
    first = Add()
    assert run(row(first), {first: [{"input": 1}]}).output("Add0") == [2]


def test_inputs_by_a_name_that_several_have():
    graph = WorkflowGraph()
    for _ in range(2):
        graph.add(Add())
    result = run(graph, {"Add": [{"input": 1}]})
    assert result.output("Add0") == result.output("Add1") == [2]
    result = run(graph, {"Add1": [{"input": 1}], "Add0": []})
    assert (result.output("Add0"), result.output("Add1")) == ([], [2])


@pytest.mark.parametrize(
    ("inputs", "n"), [(None, 1), (3, 3), ({"Ones": 4}, 4), ({"Ones0": [{}, {}]}, 2)]
)
def test_a_source_is_called_the_given_number_of_times(inputs, n):
    assert run(row(Ones()), inputs).output("Ones0") == [1] * n


def test_a_call_may_have_several_inputs():
    graph = row(TwoInputs())
    result = run(graph, {"TwoInputs": [{"left": 1, "right": 2}]})
    assert result.output("TwoInputs0") == [[("left", 1), ("right", 2)]]


@pytest.mark.parametrize(
    ("inputs", "expected_message"),
    [
        ("Add", "must be a dict or a number, not str"),
        (2.5, "must be a dict or a number, not float"),
        ({"Ad": 1}, "inputs for 'Ad', which is no source: did you mean 'Add0'"),
        ({"Add1": 1}, "Add1 is fed by another PE: only sources take inputs"),
        ({"Add0": -1}, "-1 calls; use 0 or more"),
        (-1, "-1 calls; use 0 or more"),
        ({"Add0": "file"}, "must be a list of dicts or a number of calls, not str"),
        ({"Add0": {"input": 1}}, "list of dicts or a number of calls, not dict"),
        ({"Add0": True}, "must be a list of dicts or a number of calls, not bool"),
        ({"Add0": [1]}, "1 is not a dict {port: item}"),
        ({"Add0": [{"imput": 1}]}, "no input 'imput'; did you mean 'input'"),
    ],
    ids=str,
)
def test_inputs_that_do_not_fit_are_refused(inputs, expected_message):
    with pytest.raises(InputError) as caught:
        run(row(Add(), Add()), inputs)
    assert expected_message in str(caught.value)


def test_inputs_do_not_change():
    given = {"Add": [{"input": 1}]}
    run(row(Add()), given)
    assert given == {"Add": [{"input": 1}]}


# ------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("options", "kind", "expected_message"),
    [
        ({"mapping": "smple"}, MappingUnavailable, "did you mean 'simple'"),
        ({"on_error": "skipp"}, ParameterError, "did you mean 'skip'"),
        ({"processes": 0}, ParameterError, "1 or more"),
        (
            {"mapping": "multi", "start_method": "spoon"},
            ParameterError,
            "unknown start method 'spoon'",
        ),
    ],
    ids=str,
)
def test_invalid_options_are_refused(options, kind, expected_message):
    with pytest.raises(kind, match=expected_message) as caught:
        run(row(Ones()), **options)
    assert isinstance(caught.value, UserError)


def test_graphs_that_cannot_be_run_are_refused():
    with pytest.raises(GraphError, match="no processing elements"):
        run(WorkflowGraph())
    a, b = Add(), Add()
    graph = row(a, b)
    graph.connect(b, "output", a, "input")
    with pytest.raises(GraphError, match="cycle"):
        run(graph)


def test_no_process_starts_before_all_checks():
    started = []

    class Loud(ProducerPE):
        def preprocess(self):
            started.append(self.id)

    with pytest.raises(UserError):
        run(row(Loud()), {"Lout": 3})
    assert started == []


# ------------------------------------------------------------ what is returned


@pytest.mark.parametrize(("mapping", "processes"), [("simple", None), ("multi", 3)])
def test_result(mapping, processes):
    graph = row(Ones(), Add())
    graph.connect(graph.pes[1], "output", ConsumerPE(), "input")
    graph.connect(graph.pes[0], "output", Add(), "input")
    result = run(graph, 7, mapping=mapping, processes=processes)
    assert result.outputs == {"Add3": {"output": [2] * 7}}
    assert result.output("Add3") == [2] * 7
    assert result.output("Add1") == result.output("Nobody") == []
    assert result.counts == {
        "Ones0": (7, 7),
        "Add1": (7, 7),
        "ConsumerPE2": (7, 0),
        "Add3": (7, 7),
    }
    assert result.failures == []
    assert result.complete
    assert result.n_processes == (processes or 1)
    assert result.seconds > 0.0


def test_a_long_row_in_one_process():
    result = run(row(Ones(), *(Add() for _ in range(300))))
    assert result.output("Add300") == [301]
