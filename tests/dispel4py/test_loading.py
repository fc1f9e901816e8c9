"""Finding the graph in a module or file."""

import importlib
import sys
import textwrap
from pathlib import Path

import pytest

from dispel4py.errors import InputError, PortError, UserError
from dispel4py.loading import load_graph
from dispel4py.workflow_graph import WorkflowGraph

ONE = """
    from dispel4py.base import IterativePE, ProducerPE
    from dispel4py.workflow_graph import WorkflowGraph

    graph = WorkflowGraph()
    graph.connect(ProducerPE(), "output", IterativePE(), "input")

    if __name__ == "__main__":
        raise SystemExit("the main program ran")
"""
TWO = """
    from dispel4py.base import IterativePE
    from dispel4py.workflow_graph import WorkflowGraph

    north, south = WorkflowGraph(), WorkflowGraph()
    north.add(IterativePE())
    south.add(IterativePE())
    also_north = north
    number = 3

    def both():
        graph = WorkflowGraph()
        graph.add(north)
        graph.add(south)
        return graph
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Work in an empty folder; forget the modules imported from it afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def write(path, text):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text))
    return path


# --------------------------------------------------------------------- finding


@pytest.mark.parametrize("source", ["one_graph", "one_graph.py", "./one_graph.py"])
def test_module_or_file_here(source):
    write("one_graph.py", ONE)
    graph = load_graph(source)
    assert [pe.id for pe in graph.pes] == ["ProducerPE0", "IterativePE1"]
    assert type(graph.pes[0]).__module__ == "dispel4py.base"


def test_file_elsewhere(here):
    path = write(here / "far" / "one-graph.py", ONE)
    assert len(load_graph(str(path)).pes) == 2


def test_file_beside_its_imports(here):
    write(here / "far" / "names_beside.py", "NAME = 'Beside'")
    write(
        here / "far" / "importing_graph.py",
        ONE + "\n    import names_beside\n    graph.name = names_beside.NAME\n",
    )
    assert load_graph("far/importing_graph.py").name == "Beside"


@pytest.mark.parametrize("source", ["pack.deep.inner", "pack/deep/inner.py"])
def test_file_in_a_package(source):
    write("pack/__init__.py", "")
    write("pack/deep/__init__.py", "NAME = 'Deep'")
    write(
        "pack/deep/inner.py",
        ONE + "\n    from . import NAME\n    graph.name = NAME\n",
    )
    assert load_graph(source).name == "Deep"


def test_attribute():
    write("two_graphs.py", TWO)
    assert len(load_graph("two_graphs", "north").pes) == 1
    assert len(load_graph("two_graphs", "both").pes) == 2


def test_a_graph_within_another_does_not_count():
    write("whole.py", TWO + "\n    whole = both()\n")
    assert len(load_graph("whole").pes) == 2


def test_the_last_of_several_graphs_is_used_with_a_warning(caplog):
    write("two_graphs.py", TWO)
    assert load_graph("two_graphs") is sys.modules["two_graphs"].south
    assert "several graphs: the last one runs, south; choose another" in caplog.text
    assert "(north)" in caplog.text


@pytest.mark.parametrize("path", ["a.b.py", "folder/squares.v1.0.py", "pack/in.it.py"])
def test_files_with_dots_in_their_names(path, here):
    write("pack/__init__.py", "")
    write("a_b.py", "taken = True")
    graph = load_graph(str(write(path, ONE)))
    assert [type(pe).__name__ for pe in graph.pes] == ["ProducerPE", "IterativePE"]
    assert load_graph(path) is graph
    assert not hasattr(importlib.import_module("a_b"), "graph")


# --------------------------------------------------------------------- refused


@pytest.mark.parametrize(
    ("source", "attribute", "expected_message"),
    [
        ("two_graph", None, "no module 'two_graph' .*did you mean 'two_graphs'"),
        ("nowhere.graph", None, "no module 'nowhere.graph'"),
        ("dispel4py.examples.sqares", None, "no module"),
        ("two_graph.py", None, "no file 'two_graph.py': did you mean 'two_graphs.py'"),
        ("none/graph.py", None, "no file 'none/graph.py'"),
        ("notes", None, "notes is a file, but not a Python file"),
        ("./notes", None, "is not a Python file"),
        ("two_graphs", "nort", "no variable 'nort': did you mean 'north'"),
        ("two_graphs", "number", "'number' of two_graphs is a int, not"),
        ("empty_module", None, "empty_module has no workflow graph"),
        ("queue.py", None, "rename the file, 'queue' is that of a Python module"),
    ],
)
def test_mistakes(source, attribute, expected_message):
    write("two_graphs.py", TWO)
    for name in ("notes", "empty_module.py", "queue.py"):
        write(name, "")
    with pytest.raises(InputError, match=expected_message) as caught:
        load_graph(source, attribute)
    assert "\n" not in str(caught.value)


def test_a_name_that_is_taken_is_refused(here):
    write("pytest.py", ONE)
    with pytest.raises(InputError, match=r"rename the file, 'pytest' is already"):
        load_graph("pytest.py")


@pytest.mark.parametrize("attribute", [None, "make"])
def test_a_mistake_in_building_names_the_line(attribute, here):
    text = """
        from dispel4py.base import IterativePE
        from dispel4py.workflow_graph import WorkflowGraph

        def make():
            graph = WorkflowGraph()
            graph.connect(IterativePE(), "ouput", IterativePE(), "input")
            return graph
    """
    write("mistaken.py", text + ("" if attribute else "\n        graph = make()\n"))
    with pytest.raises(PortError) as caught:
        load_graph("mistaken", attribute)
    assert f"{here / 'mistaken.py'}, line 7: " in str(caught.value)
    assert "did you mean 'output'" in str(caught.value)


def test_exceptions_of_the_module_are_not_changed():
    write("raises.py", "import json\njson.loads('{')\n")
    with pytest.raises(ValueError, match="Expecting") as caught:
        load_graph("raises")
    assert not isinstance(caught.value, UserError)


def test_a_missing_import_of_the_module_is_reported():
    write("lacking.py", "import no_such_thing\n")
    with pytest.raises(ModuleNotFoundError, match="no_such_thing"):
        load_graph("lacking")


def test_the_engine_knows_its_examples():
    assert isinstance(load_graph("dispel4py.examples.squares"), WorkflowGraph)
