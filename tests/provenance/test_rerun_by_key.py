"""An element that keeps keys apart is made again with the items of one key only."""

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

LAST_DAY = 3


class Base(GenericPE):
    def __init__(self):
        GenericPE.__init__(self)
        self._add_input("input")
        self._add_output("output")

    def note(self, *what):
        with open(f"calls-{os.getpid()}.txt", "a") as file:
            file.write(f"{type(self).__name__} {' '.join(map(str, what))}\\n")

    def describe_item(self, port, item):
        return {name: value for name, value in item.items() if name != "values"}


class Read(Base):
    def process(self, inputs):
        self.note(inputs["input"])
        number = inputs["input"]
        return {"output": {"station": "ABC"[number % 3], "day": number // 3}}


class Keyed(Base):
    derives = "matching"

    def __init__(self):
        Base.__init__(self)
        self._add_input("input", grouping="global")

    def preprocess(self):
        self.seen = {}

    def derivation_key(self, port, item):
        return item["station"]

    def process(self, inputs):
        item = inputs["input"]
        self.note(item["station"], item["day"])
        self.seen.setdefault(item["station"], []).append(item["day"])
        yield from self.ready(item)

    def total(self, station):
        return {"output": {"station": station, "total": sum(self.seen.pop(station))}}


class AtTheEnd(Keyed):
    '''Sends the sums of all stations with the last item, or at the end.'''

    def ready(self, item):
        if sum(map(len, self.seen.values())) == 12:
            for station in sorted(self.seen):
                yield self.total(station)

    def postprocess(self):
        for station in sorted(self.seen):
            self.write("output", self.total(station)["output"])


class NeverAlone(Keyed):
    '''Sends the sum of a station only if there are three stations.'''

    def ready(self, item):
        if len(self.seen) == 3 and len(self.seen["A"]) == LAST_DAY:
            station = "A"
            yield self.total(station)
            self.seen[station] = [0]


class Save(Base):
    def process(self, inputs):
        item = inputs["input"]
        self.note(item["station"])
        path = os.path.abspath(f"{item['station']}.txt")
        Path(path).write_text(str(item["total"]))
        self.note_file(path, "text", station=item["station"])
        self.write(
            "output", dict(item), metadata={"twice": 2 * item["total"]}
        )

    def postprocess(self):
        if os.path.exists("broken"):
            raise ValueError("the end is broken")


class Parts(Base):
    def describe_item(self, port, item):
        parts = {"number": [0, 1, 2], "square": [0, 1, 4]}
        return {"station": item["station"], "parts": lambda: parts}

    def process(self, inputs):
        return {"output": inputs["input"]}


graph = WorkflowGraph()
read, end, alone, save, parts = Read(), AtTheEnd(), NeverAlone(), Save(), Parts()
graph.connect(read, "output", end, "input")
graph.connect(read, "output", alone, "input")
graph.connect(end, "output", save, "input")
graph.connect(end, "output", parts, "input")
"""


@pytest.fixture(scope="module", params=["simple", "multi"])
def folder(request, tmp_path_factory):
    """A run of four days of three stations."""
    folder = tmp_path_factory.mktemp("keys")
    (folder / f"keyed_{request.param}.py").write_text(WORKFLOW)
    (folder / "capture.toml").write_text("[Parts]\nparts = true\n")
    inputs = [{"input": number} for number in range(12)]
    (folder / "inputs.json").write_text(json.dumps({"Read": inputs}))
    words = [request.param, f"keyed_{request.param}.py", "-f", "inputs.json", "--quiet"]
    words += ["--on-error", "skip", "--provenance", "prov", "--capture", "capture.toml"]
    words += ["-n", "5"] if request.param == "multi" else []
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("sys.argv", ["dispel4py", *words])
        patch.setattr("sys.path", list(sys.path))
        assert main(words) == 0
    return folder


@pytest.fixture
def ask(folder, capsys):
    def ask(*words, status=0):
        for path in folder.glob("calls-*.txt"):
            path.unlink()
        code = main(["prov", *words, "--provenance", str(folder / "prov"), "--json"])
        captured = capsys.readouterr()
        assert code == status, captured
        return json.loads(captured.out)

    return ask


def calls(folder):
    return (folder / f"calls-{os.getpid()}.txt").read_text().splitlines()


def product_of(ask, condition):
    (found,) = ask("search", condition)["products"]
    return found["id"]


def test_only_items_of_the_key_are_read_again(ask, folder):
    """The truth: station B has the days 0, 1, 2 and 3, which are the inputs 1, 4, ...

    In the run, its sum was sent in the call with the last item of station C.
    """
    made = ask("rerun", product_of(ask, "pe.name = 'AtTheEnd' and station = 'B'"))
    assert made["equal"]
    assert made["n_calls"] == 8
    reads = [line for line in calls(folder) if line.startswith("Read")]
    assert reads == ["Read 1", "Read 4", "Read 7", "Read 10"]
    assert [line for line in calls(folder) if "AtTheEnd" in line] == [
        f"AtTheEnd B {day}" for day in range(4)
    ]


def test_an_element_that_needs_other_keys_gets_them(ask, folder):
    made = ask("rerun", product_of(ask, "pe.name = 'NeverAlone' and station = 'A'"))
    assert made["equal"]
    assert {line.split()[1] for line in calls(folder) if "Never" in line} == set("ABC")


def test_a_file_that_no_item_describes_is_compared(ask, folder):
    made = ask("rerun", str(folder / "B.txt"))
    assert (made["equal"], made["values"]) == (True, "bit-equal")
    assert (folder / "B.txt").read_text() == "6"
    (folder / "B.txt").write_text("7")
    assert ask("rerun", str(folder / "B.txt"))["equal"]  # the record is what counts
    assert (folder / "B.txt").read_text() == "7"
    (folder / "B.txt").unlink()
    assert ask("rerun", str(folder / "B.txt"))["equal"]  # brings it back
    assert (folder / "B.txt").read_text() == "6"


def test_terms_given_to_write_are_compared(ask):
    made = ask("rerun", product_of(ask, "twice = 12 and station = 'B'"))
    assert made["equal"], made


def test_a_part_is_compared_with_its_own_record(ask):
    name = product_of(ask, "square = 4 and ancestor(station = 'B')")
    assert name.endswith("output[0]/2")
    assert ask("rerun", name)["equal"]


def test_a_failure_at_the_end_is_reported(ask, folder):
    """No call of the run failed: the failure of the element is new."""
    (folder / "broken").touch()
    try:
        made = ask("rerun", product_of(ask, "twice = 12 and station = 'B'"))
    finally:
        (folder / "broken").unlink()
    assert made["equal"]  # it was sent before
    assert ask("rerun", "last", "--failed")["calls"] == []
