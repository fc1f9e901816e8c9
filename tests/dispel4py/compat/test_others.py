"""Public behaviour of the smaller modules: monitoring, logger, utils, visualisation."""

import copy
import pickle
import sys
import types

import pytest
from users_pes import Counter, Same

from dispel4py import core, utils, visualisation
from dispel4py.core import GenericPE
from dispel4py.errors import InputError
from dispel4py.new import logger, monitoring
from dispel4py.new.processor import GenericWrapper
from dispel4py.workflow_graph import WorkflowGraph

GRAPH = """
from users_pes import Counter, Same
from dispel4py.workflow_graph import WorkflowGraph
composite = WorkflowGraph()
inner = Same()
composite.add(inner)
composite.inputmappings = {"input": (inner, "input")}
first = WorkflowGraph()
first.connect(Counter(), "output", Same(), "input")
same_graph = first
"""


@pytest.fixture
def file(tmp_path, monkeypatch):
    path = tmp_path / "graph_of_users.py"
    path.write_text(GRAPH)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, path.stem, raising=False)
    monkeypatch.delitem(sys.modules, "temp", raising=False)
    return path


def test_names_of_a_port():
    names = (core.NAME, core.TYPE, core.DESCRIPTION, core.META, core.GROUPING)
    assert (*names, core.WRITER) == (
        "name",
        "type",
        "descr",
        "meta",
        "grouping",
        "writer",
    )


def test_graphs_are_loaded_from_modules_and_files(file):
    for graph in (
        utils.loadGraph(file.stem),
        utils.loadGraphFromFile("temp", str(file)),
        utils.load_graph(file.stem, "first"),
        utils.load_graph(str(file), "same_graph"),
    ):
        assert [pe.id for pe in graph.pes] == ["Counter0", "Same1"]
    assert "composite" in vars(sys.modules["temp"])


def test_modules_without_a_graph_are_refused():
    module = types.ModuleType("empty")
    with pytest.raises(InputError, match="has: none"):
        utils.findWorkflowGraph(module)
    module.one, module.two = WorkflowGraph(), WorkflowGraph()
    with pytest.raises(InputError, match="one, two"):
        utils.findWorkflowGraph(module)
    assert utils.findWorkflowGraph(module, "two") is module.two
    with pytest.raises(InputError, match="'three'"):
        utils.findWorkflowGraph(module, "three")


def test_make_hash():
    nested = {"a": [1, {2, 3}], "b": (None, range(3))}
    assert utils.make_hash(nested) == utils.make_hash(copy.deepcopy(nested))
    assert utils.make_hash(nested) != utils.make_hash({"a": 1})


def test_total_size():
    text = "x" * 1000
    alone = sys.getsizeof(text)
    assert utils.total_size(text) == alone
    assert utils.total_size([text, text]) == alone + sys.getsizeof([text, text])
    assert utils.total_size({"k": [text]}) > alone + sys.getsizeof({"k": 0})

    class Box:
        inside = text

    assert utils.total_size(Box(), {Box: lambda box: [box.inside]}) > alone


@pytest.mark.parametrize("returned", ["simple", "multi"], indirect=True)
@pytest.mark.parametrize("carry", [lambda pe: pe, copy.deepcopy, None])
def test_a_timed_pe_is_the_pe(carry, returned, capfd):
    source, last = monitoring.ProcessTimingPE(Counter()), Same()
    carry = carry or (lambda pe: pickle.loads(pickle.dumps(pe)))
    source = carry(source)
    assert isinstance(source, GenericPE)
    assert isinstance(source, Counter)
    assert isinstance(source, monitoring.ProcessTimingPE)
    assert source.name == "Counter"
    graph = WorkflowGraph()
    graph.connect(source, "output", last, "input")
    assert returned(graph, {source: 3}) == {last.id: {"output": [1, 2, 3]}}
    assert "Counter0 (rank 0): Average processing time: " in capfd.readouterr().out


def test_timer():
    with monitoring.Timer() as timer:
        pass
    assert timer.secs == timer.end - timer.start >= 0


def test_a_timed_wrapper_reads_on():
    class Wrapper(GenericWrapper):
        ended = False

        def _terminate(self):
            self.ended = True

    wrapper = Wrapper(Same())
    wrapper.provided_inputs = [{"input": 1}, {"input": 2}]
    timed = monitoring.ReadTimingWrapper(wrapper)
    timed.process()
    assert len(timed.readrate) == 2
    assert wrapper.ended


def test_loggers(capfd):
    pe = Same()
    pe.id, pe.rank = "Same7", 3
    pe.log = types.MethodType(logger.simpleLogger, pe)
    pe.log("hello")
    assert capfd.readouterr().out == "Same7 (rank 3): hello\n"
    logger.print_stack_trace()
    assert "test_loggers in" in capfd.readouterr().out


def test_display():
    graph = WorkflowGraph()
    graph.connect(Counter(), "output", Same(), "input")
    shown = visualisation.display(graph)._repr_mimebundle_()
    assert "Counter" in shown["text/plain"]
    assert {"image/svg+xml", "text/markdown"} & set(shown)
