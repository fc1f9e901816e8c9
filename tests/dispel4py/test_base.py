"""PEs with ready-made ports, composites and chains."""

import itertools

import pytest

from dispel4py.base import (
    BasePE,
    CompositePE,
    ConsumerPE,
    IterativePE,
    ProducerPE,
    SimpleFunctionPE,
    create_iterative_chain,
)
from dispel4py.errors import PortError
from dispel4py.run import run
from dispel4py.workflow_graph import WorkflowGraph


def test_numbered_ports():
    pe = BasePE(num_inputs=2, num_outputs=3)
    assert list(pe.inputconnections) == ["input0", "input1"]
    assert list(pe.outputconnections) == ["output0", "output1", "output2"]


def test_listed_ports():
    pe = BasePE(inputs=["a"], outputs=["b", "c"])
    assert list(pe.inputconnections) == ["a"]
    assert list(pe.outputconnections) == ["b", "c"]


def test_iterative_drops_none_and_nothing_else():
    pe = IterativePE()
    assert pe.process({"input": 1}) is None
    for item in (0, "", False, []):
        pe._process = lambda data, item=item: item
        assert pe.process({"input": 1}) == {"output": item}


def test_producer():
    class One(ProducerPE):
        def _process(self, inputs):
            return 1

    assert One().process(None) == {"output": 1}
    assert ProducerPE().process({}) is None


def test_consumer():
    taken = []
    pe = ConsumerPE()
    pe._process = taken.append
    assert pe.process({"input": 4}) is None
    assert taken == [4]


def test_function_with_parameters():
    def add(data, summand):
        return data + summand

    pe = SimpleFunctionPE(add, {"summand": 3})
    assert pe.process({"input": 1}) == {"output": 4}
    assert pe.name == "PE_add"


def test_chain_names_and_ports():
    def one(data):
        return data + 1

    def times(data, factor):
        return data * factor

    chain = create_iterative_chain(
        [one, (times, {"factor": 10})], name_prefix="a_", name_suffix="_b"
    )
    assert [pe.name for pe in chain.pes] == ["a_one_b", "a_times_b"]
    assert list(chain.inputmappings) == ["input"]
    assert list(chain.outputmappings) == ["output"]


def test_chain_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one function"):
        create_iterative_chain([])


def test_chain_keeps_false_items():
    chain = create_iterative_chain([bool])
    graph = WorkflowGraph()
    graph.add(chain)
    (pe,) = chain.pes
    result = run(graph, {pe: [{"input": 0}, {"input": 1}]})
    assert result.output(pe.id) == [False, True]


def test_composite_refuses_ports_that_are_not_there():
    composite, pe = CompositePE(), IterativePE()
    with pytest.raises(PortError, match="did you mean 'input'"):
        composite._map_input("in", pe, "imput")
    with pytest.raises(PortError, match="did you mean 'output'"):
        composite._map_output("out", pe, "ouptut")


def test_composite_connected_by_its_outer_names():
    def build(composite, n):
        pes = [IterativePE() for _ in range(n)]
        for source, sink in itertools.pairwise(pes):
            composite.connect(source, "output", sink, "input")
        composite._map_input("in", pes[0], "input")
        composite._map_output("out", pes[-1], "output")

    composite, graph = CompositePE(build, {"n": 3}), WorkflowGraph()
    graph.connect(ProducerPE(), "output", composite, "in")
    graph.connect(composite, "out", ConsumerPE(), "input")
    assert len(graph.pes) == 5
    assert len(graph.connections) == 4
    with pytest.raises(PortError, match="did you mean 'out'"):
        graph.connect(composite, "output", ConsumerPE(), "input")


def test_workflow_graph_as_composite():
    inner, pe = WorkflowGraph(), IterativePE()
    inner.add(pe)
    inner.inputmappings = {"in": (pe, "input")}
    inner.outputmappings = {"out": (pe, "output")}
    graph, sink = WorkflowGraph(), IterativePE()
    graph.connect(inner, "out", sink, "input")
    assert [(c.source, c.destination) for c in graph.connections] == [(pe, sink)]
