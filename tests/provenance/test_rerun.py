"""A product is made again by the calls that made it, and by no others."""

import json
import os
import sys

import pytest

from dispel4py.cli import main

WORKFLOW = """
import os
from pathlib import Path
from dispel4py.core import GenericPE
from dispel4py.workflow_graph import WorkflowGraph

CALLS = Path("calls.txt")


class Base(GenericPE):
    def __init__(self):
        GenericPE.__init__(self)
        self._add_input("input")
        self._add_output("output")

    def note(self, item):
        with open(CALLS, "a") as file:
            file.write(f"{type(self).__name__} {item}\\n")

    def describe_item(self, port, item):
        return item


class Read(Base):
    def process(self, inputs):
        self.note(inputs["input"])
        for k in range(2):
            self.write("output", {"value": inputs["input"] * 10.0 + k})


class Scale(Base):
    def process(self, inputs):
        value = inputs["input"]["value"]
        self.note(value)
        if value == 21 and not os.path.exists("repaired"):
            raise ValueError("21 is a bad number")
        factor = float(os.environ.get("FACTOR", 3))
        return {"output": {"value": value * factor}}


class Save(Base):
    def describe_item(self, port, item):
        return {"value": item[0], "location": item[1], "format": "text"}

    def process(self, inputs):
        value = inputs["input"]["value"]
        self.note(value)
        path = os.path.abspath(f"{value}.txt")
        Path(path).write_text(str(value))
        return {"output": (value, path)}


class Total(Base):
    derives = "accumulate"

    def preprocess(self):
        self.total = 0.0

    def process(self, inputs):
        self.note(inputs["input"]["value"])
        self.total += inputs["input"]["value"]

    def postprocess(self):
        self.write("output", {"value": self.total})


graph = WorkflowGraph()
read, scale, save, total = Read(), Scale(), Save(), Total()
graph.connect(read, "output", scale, "input")
graph.connect(scale, "output", save, "input")
graph.connect(scale, "output", total, "input")
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run under multi with a failure."""
    folder = tmp_path_factory.mktemp("rerun")
    (folder / "workflow.py").write_text(WORKFLOW)
    (folder / "inputs.json").write_text('{"Read": [{"input": 1}, {"input": 2}]}')
    before = os.getcwd()
    os.chdir(folder)
    try:
        words = ["multi", "workflow.py", "-n", "4", "-f", "inputs.json", "--quiet"]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.argv", ["dispel4py", *words, "--on-error", "skip"])
            patch.setattr("sys.path", list(sys.path))
            words = [*words, "--on-error", "skip", "--provenance", "prov"]
            assert main(words) == 0
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def ask(folder, capsys):
    def ask(*words, status=0):
        (folder / "calls.txt").unlink(missing_ok=True)
        words = [*words, "--provenance", str(folder / "prov"), "--json"]
        code = main(["prov", *words])
        captured = capsys.readouterr()
        assert code == status, captured
        return json.loads(captured.out)

    return ask


def product_of(ask, pe, value):
    (found,) = ask("search", f"pe.name = '{pe}' and value = {value}")["products"]
    return found["id"]


def calls(folder):
    return (folder / "calls.txt").read_text().splitlines()


def test_the_least_calls_make_a_product(ask, folder):
    made = ask("rerun", product_of(ask, "Scale", 33))
    assert made["equal"]
    assert sorted(calls(folder)) == ["Read 1", "Scale 11.0"]


def test_a_file_is_compared_and_kept(ask, folder):
    name = product_of(ask, "Save", 60)
    path = folder / "60.0.txt"
    made = ask("rerun", name)
    assert made["equal"]
    assert sorted(calls(folder)) == ["Read 2", "Save 60.0", "Scale 20.0"]
    path.write_text("changed by hand")
    assert ask("rerun", name)["equal"]  # the record is what counts
    assert path.read_text() == "changed by hand"
    assert not list(folder.glob("*.before-rerun"))
    path.write_text("60.0")


def test_a_sum_is_made_again_from_all_calls(ask, folder):
    made = ask("rerun", product_of(ask, "Total", 30 + 33 + 60))
    assert made["equal"]
    assert sum(line.startswith("Total") for line in calls(folder)) == 3
    assert not any(line.startswith("Save") for line in calls(folder))


def test_a_difference_is_found(ask, folder, monkeypatch):
    name = product_of(ask, "Scale", 33)
    monkeypatch.setenv("FACTOR", "5")
    made = ask("rerun", name, status=1)
    assert made["differences"] == {"value": [33.0, 55.0]}


def test_failed_calls_are_made_again(ask, folder):
    again = ask("rerun", "last", "--failed", status=1)
    assert [call["failed"] for call in again["calls"]] == [True]
    assert "21 is a bad number" in again["calls"][0]["failure"]
    assert sorted(calls(folder)) == ["Read 2", "Scale 21.0"]
    (folder / "repaired").touch()
    again = ask("rerun", "last", "--failed")
    assert [call["n_sent"] for call in again["calls"]] == [1]


def test_mistakes(folder, capsys):
    words = ["--provenance", str(folder / "prov")]
    assert main(["prov", "rerun", "last", *words]) == 2
    assert "--failed" in capsys.readouterr().err
