"""Public behaviour of graphs: both spellings, nodes, types, pictures."""

import copy
import pickle
import shutil

import pytest
from users_pes import Counter, Same

from dispel4py import workflow_graph
from dispel4py.base import create_iterative_chain
from dispel4py.core import GenericPE
from dispel4py.draw import draw
from dispel4py.errors import GraphError, PortError
from dispel4py.new.simple_process import process_and_return
from dispel4py.workflow_graph import WorkflowGraph, WorkflowNode


def pipeline():
    graph, source, sink = WorkflowGraph(), Counter(), Same()
    graph.connect(source, "output", sink, "input")
    return graph, source, sink


def test_types():
    graph, source, sink = pipeline()
    graph.propagate_types()
    given = source.outputconnections["output"]["type"]
    assert given == sink.inputconnections["input"]["type"] == ["number"]


def test_dot_pipeline():
    graph, source, sink = pipeline()
    text = workflow_graph.draw(graph)
    assert text == draw(graph)
    assert source.id in text
    assert sink.id in text


def test_dot_composite():
    def inc(a):
        return a + 1

    def dec(a):
        return a - 1

    graph, first, last = WorkflowGraph(), Same(), Same()
    chain = create_iterative_chain([inc, dec])
    graph.connect(first, "output", chain, "input")
    graph.connect(chain, "output", last, "input")
    graph.inputmappings = {"input": (first, "input")}
    outer = WorkflowGraph()
    outer.connect(Counter(), "output", graph, "input")
    assert "subgraph cluster_" in workflow_graph.draw(outer)


@pytest.mark.parametrize("kind", ["png", "svg", "dot"])
def test_pictures(kind, tmp_path):
    if kind != "dot" and shutil.which("dot") is None:
        pytest.skip("graphviz's program dot is not installed")
    graph, *_ = pipeline()
    workflow_graph.write_image(graph, tmp_path / "graph", kind)
    picture = workflow_graph.drawDot(graph, kind)
    assert picture[:4] == (tmp_path / "graph").read_bytes()[:4]
    assert {"png": b"PNG", "svg": b"<svg", "dot": b"digraph"}[kind] in picture


def test_nodes():
    graph, source, sink = pipeline()
    node = graph.objToNode[source]
    assert isinstance(node, WorkflowNode)
    assert node.getContainedObject() is node.get_contained_object() is source
    assert node.nodeType == WorkflowNode.WORKFLOW_NODE_PE
    assert (node.inputs, node.outputs) == ([], [{}])
    assert graph.add(source) is node
    assert graph.getContainedObjects() == graph.get_contained_objects()
    assert graph.getContainedObjects() == [source, sink]
    composite = create_iterative_chain([abs])
    assert graph.add(composite).nodeType == WorkflowNode.WORKFLOW_NODE_CP
    with pytest.raises(GraphError, match="neither"):
        WorkflowNode("text")


def test_networkx():
    pytest.importorskip("networkx", reason="networkx is not installed")
    graph, source, sink = pipeline()
    graph.connect(source, "output", sink, "input")
    (edge,) = graph.graph.edges(data=True)
    assert edge[2]["DIRECTION"] == (source, sink)
    assert edge[2]["ALL_CONNECTIONS"] == [("output", "input")] * 2
    assert (edge[2]["FROM_CONNECTION"], edge[2]["TO_CONNECTION"]) == (
        "output",
        "input",
    )
    for node in graph.graph.nodes():
        node.getContainedObject().numprocesses = 3
    assert (source.numprocesses, sink.numprocesses) == (3, 3)


def test_without_networkx_the_message_names_the_remedy(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "networkx", None)
    graph, *_ = pipeline()
    with pytest.raises(GraphError, match=r"dispel4py-seismo\[graph\]"):
        _ = graph.graph


def test_graphs_are_copied_and_pickled_with_their_nodes():
    graph, *_ = pipeline()
    for other in (copy.deepcopy(graph), pickle.loads(pickle.dumps(graph))):
        source = other.pes[0]
        assert other.objToNode[source].obj is source
        (result,) = process_and_return(other, {source: 2}).values()
        assert result == {"output": [1, 2]}


@pytest.mark.parametrize(
    ("defined", "other"),
    [
        ("setInputTypes", "set_input_types"),
        ("set_input_types", "setInputTypes"),
        ("getOutputTypes", "get_output_types"),
        ("get_output_types", "getOutputTypes"),
    ],
)
def test_a_method_overridden_by_one_name_is_called_by_both(defined, other):
    kind = type("Own", (GenericPE,), {defined: lambda self, *types: ["own", *types]})
    pe = kind()
    assert getattr(pe, other)() == getattr(pe, defined)() == ["own"]
    below = type("Below", (kind,), {other: lambda self: "below"})()
    assert getattr(below, defined)() == getattr(below, other)() == "below"


def test_outer_ports_add_their_inner_nodes():
    inner, source = Same(), Counter()
    composite = WorkflowGraph()
    composite.inputmappings = {"in": (inner, "input")}
    composite.outputmappings = {"out": (inner, "output")}
    graph, last = WorkflowGraph(), Same()
    graph.connect(source, "output", composite, "in")
    graph.connect(composite, "out", last, "input")
    assert process_and_return(graph, {source: 2}) == {last.id: {"output": [1, 2]}}


def test_an_outer_port_to_nowhere_is_refused():
    composite, inner = WorkflowGraph(), Counter()
    composite.add(inner)
    composite.inputmappings = {"input": (inner, "input")}
    with pytest.raises(PortError, match="Counter has no input 'input'"):
        WorkflowGraph().connect(Counter(), "output", composite, "input")
