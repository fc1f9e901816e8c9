"""Every question gets an answer, as text and as JSON, about real runs.

The runs are those of both applications, and of a graph that fails in the middle.
"""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from obspy import Stream, Trace, UTCDateTime

import misfit_app
import xcorr_app.cli
from dispel4py.cli import main
from dispel4py.provenance.cli import QUESTIONS
from dispel4py.provenance.export import FORMATS
from misfit_app.synthetic import Scene, write_scene

FAILING = """
import os
import time
from pathlib import Path
import numpy as np
from dispel4py.base import IterativePE, ProducerPE
from dispel4py.workflow_graph import WorkflowGraph


class Count(ProducerPE):
    def _process(self, inputs):
        for number in range(4):
            self.write("output", number)


class Check(IterativePE):
    def _process(self, number):
        if number == 2:
            limit = time.monotonic() + 100
            while not Path("1.npy").exists() and time.monotonic() < limit:
                time.sleep(0.01)
            raise ValueError("2 is a bad number")
        return number


class Save(IterativePE):
    def describe_item(self, port, item):
        return {"location": item, "format": "npy"}

    def _process(self, number):
        np.save("part.npy", number * np.sin(np.arange(100) / 10))
        os.replace("part.npy", f"{number}.npy")
        return os.path.abspath(f"{number}.npy")


graph = WorkflowGraph()
count, check, save = Count(), Check(), Save()
graph.connect(count, "output", check, "input")
graph.connect(check, "output", save, "input")
"""


def run_failing_graph(mapping, monkeypatch):
    graph = f"failing_{mapping}.py"  # a module is imported once in a process
    Path(graph).write_text(FAILING)
    words = [mapping, graph, "--quiet", "--provenance", "prov"]
    words += [] if mapping == "simple" else ["-n", "3"]
    monkeypatch.setattr("sys.argv", ["dispel4py", *words])  # recorded for `rerun`
    assert main(words) == 1


def run_xcorr_app():
    start = UTCDateTime(2024, 3, 1)
    draw = np.random.default_rng(1)
    for station in ("AAA", "BBB"):
        header = {"network": "XX", "station": station, "channel": "HHZ"}
        header |= {"starttime": start, "sampling_rate": 0.5}
        trace = Trace(draw.standard_normal(43_200), header)
        Stream([trace]).write(f"{station}.mseed", format="MSEED")
    Path("stations.txt").write_text("XX AAA 30 10 0\nXX BBB 31 10 0\n")
    words = ["--stations", "stations.txt", "--data", "*.mseed", "--out", "out"]
    words += ["--window-s", "3600", "--max-lag-s", "60", "--quiet"]
    assert xcorr_app.cli.main([*words, "--provenance", "prov"]) == 0


def run_misfit_app():
    write_scene(Scene(n_stations=1, noise=0.0, duration_s=150.0), Path())
    misfit_app.measure(
        event="quake.xml",
        stations="stations",
        observed="observed",
        synthetic="synthetic",
        periods_s="4-20",
        out="out",
        adjoint=["specfem"],
        provenance="prov",
    )


#: For each run its outcome, and a condition that finds a product in a file.
RUNS = {
    "simple": ("failed", "pe.name = 'Save'"),
    "multi": ("failed", "pe.name = 'Save'"),
    "mpi": ("failed", "pe.name = 'Save'"),
    "xcorr-app": ("complete", "product.format = 'HDF5'"),
    "misfit-app": ("complete", "product.location ~ '*.adj'"),
}


def questions(product, run):
    """Return the words of all questions, and the exit status of each."""
    words = {
        "ingest": ["prov"],
        "show": ["last"],
        "search": ["has(product.location)"],
        "ancestors": [product],
        "descendants": [product],
        "terms": ["last"],
        "diff": [run, run],
        "rerun": [product],
        "preview": [product, "-o", "a.png"],
        "mark": [product, "good", "--note", "seen"],
        "download": ["has(product.location)", "-o", "a.zip"],
        "report": ["last", "-o", "a.html"],
        "purge": ["has(product.location)", "--dry-run"],
    }
    for name in QUESTIONS:
        if name != "export":
            yield [name, *words.get(name, [])], 0
    yield ["show", product], 0
    for name in FORMATS:
        yield ["export", run, "--format", name, "-o", f"exported-{name}"], 0
    yield ["export", product], 0


@pytest.mark.parametrize("name", RUNS)
def test_every_question(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    outcome, condition = RUNS[name]
    if name == "xcorr-app":
        run_xcorr_app()
    elif name == "misfit-app":
        run_misfit_app()
    else:
        run_failing_graph(name, monkeypatch)
    capsys.readouterr()

    def ask(*words, status=0):
        more = [] if words[0] == "ingest" else ["--provenance", "prov"]
        assert main(["prov", *words, *more, "--json"]) == status, words
        answer = json.loads(capsys.readouterr().out)
        assert main(["prov", *words, *more]) == status, words
        assert capsys.readouterr().out.strip()
        return answer

    runs = ask("runs")
    assert {run["outcome"] for run in runs} == {outcome}
    found = ask("search", condition)["products"][-1]
    answers = {}
    for words, status in questions(found["id"], found["run"]):
        answers.setdefault(words[0], ask(*words, status=status))
    assert answers["rerun"]["equal"]
    assert answers["check"]["passed"]
    assert answers["diff"]["first_pe"] is None
    assert answers["purge"]["files"] == answers["download"]["files"]
    assert answers["mark"]["mark"] == "good"
    assert os.path.getsize("a.png") > 1000
    if outcome == "failed":
        (group,) = answers["errors"]
        assert (group["error"], group["n"]) == ("ValueError", 1)
        again = ask("rerun", "last", "--failed", status=1)
        assert [call["failed"] for call in again["calls"]] == [True]
    else:
        assert answers["errors"] == []
        # the file leads back to the data that it was made of
        assert answers["ancestors"]["files"]
