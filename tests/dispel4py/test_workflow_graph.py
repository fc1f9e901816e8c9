"""Building and checking graphs."""

import itertools

import pytest

from dispel4py.base import CompositePE, ConsumerPE, IterativePE, ProducerPE
from dispel4py.core import GenericPE
from dispel4py.errors import GraphError, PortError
from dispel4py.workflow_graph import WorkflowGraph


def row(*pes):
    graph = WorkflowGraph()
    for source, sink in itertools.pairwise(pes):
        graph.connect(source, "output", sink, "input")
    return graph


def test_ids_count_on():
    graph = row(ProducerPE(), IterativePE(), IterativePE())
    assert [pe.id for pe in graph.pes] == [
        "ProducerPE0",
        "IterativePE1",
        "IterativePE2",
    ]


def test_ids_are_unique_with_composites():
    inner = CompositePE()
    pe = IterativePE()
    inner.add(pe)
    inner._map_input("input", pe, "input")
    graph = WorkflowGraph()
    for node in (IterativePE(), inner, IterativePE(), CompositePE()):
        graph.add(node)
    ids = [pe.id for pe in graph.pes]
    assert len(set(ids)) == len(ids) == 3


def test_adding_again_changes_nothing():
    graph, pe = WorkflowGraph(), IterativePE()
    graph.add(pe)
    known = pe.id
    graph.add(pe)
    assert graph.pes == [pe]
    assert pe.id == known


def test_roots():
    source, sink = ProducerPE(), ConsumerPE()
    graph = row(source, IterativePE(), sink)
    alone = ProducerPE()
    graph.add(alone)
    assert graph.roots() == [source, alone]


@pytest.mark.parametrize(
    ("node", "hint"),
    [(IterativePE, r"IterativePE is a class: .* IterativePE\(\)"), (abs, "wrap it")],
)
def test_a_class_instead_of_a_pe_is_recognised(node, hint):
    with pytest.raises(GraphError, match=hint):
        WorkflowGraph().add(node)


@pytest.mark.parametrize("node", [None, "text", 3, int])
def test_only_pes_and_graphs_can_be_nodes(node):
    graph = WorkflowGraph()
    with pytest.raises(GraphError, match="neither a processing element"):
        graph.add(node)
    with pytest.raises(GraphError, match="neither a processing element"):
        graph.connect(node, "output", IterativePE(), "input")
    assert graph.pes == []


def test_a_graph_cannot_contain_itself():
    graph = WorkflowGraph()
    with pytest.raises(GraphError, match="cannot contain itself"):
        graph.add(graph)


def test_a_pe_cannot_feed_itself():
    pe = IterativePE()
    with pytest.raises(GraphError, match="to itself"):
        WorkflowGraph().connect(pe, "output", pe, "input")


def test_ports_of_the_wrong_side_are_named():
    with pytest.raises(PortError, match="it is an input"):
        WorkflowGraph().connect(IterativePE(), "input", IterativePE(), "input")
    with pytest.raises(PortError, match="it is an output"):
        WorkflowGraph().connect(IterativePE(), "output", IterativePE(), "output")


def test_a_pe_without_ports_is_named():
    with pytest.raises(PortError, match="there are none"):
        WorkflowGraph().connect(ConsumerPE(), "output", IterativePE(), "input")


def test_a_forgotten_init_is_named():
    class Forgetful(GenericPE):
        def __init__(self):
            self.name = "Forgetful"

    with pytest.raises(GraphError, match=r"must call GenericPE.__init__\(self\)"):
        WorkflowGraph().connect(Forgetful(), "output", IterativePE(), "input")


def test_cycles_are_named():
    a, b, c = IterativePE(), IterativePE(), IterativePE()
    graph = row(a, b, c)
    graph.connect(c, "output", a, "input")
    with pytest.raises(GraphError, match="cycle") as caught:
        graph.sorted_pes()
    assert all(pe.id in str(caught.value) for pe in (a, b, c))


def test_an_empty_graph_is_refused():
    with pytest.raises(GraphError, match="no processing elements"):
        WorkflowGraph().sorted_pes()


def test_sorted_pes_follow_their_senders():
    late, early = IterativePE(), ProducerPE()
    graph = WorkflowGraph()
    graph.add(late)
    graph.connect(early, "output", late, "input")
    assert graph.sorted_pes() == [early, late]


def test_a_very_long_row_needs_no_recursion():
    graph = row(ProducerPE(), *(IterativePE() for _ in range(1500)))
    assert len(graph.sorted_pes()) == 1501


def test_flatten_leaves_pes_and_their_edges():
    inner = CompositePE()
    a, b = IterativePE(), IterativePE()
    inner.connect(a, "output", b, "input")
    inner._map_input("input", a, "input")
    graph, source = WorkflowGraph(), ProducerPE()
    graph.connect(source, "output", inner, "input")
    before = set(graph.connections)
    assert graph.getContainedObjects() == graph.get_contained_objects()
    assert graph.get_contained_objects() == [source, inner]
    graph.flatten()
    assert graph.get_contained_objects() == [source, a, b]
    assert set(graph.connections) == before
