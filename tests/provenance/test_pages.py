"""The report opens offline, previews show what they should, notebooks get tables."""

import re
import subprocess
import sys
from shutil import which

import numpy as np
import pytest
from obspy import Stream, Trace
from records import RUN, call, write_run

from dispel4py.cli import main
from dispel4py.errors import DataError
from dispel4py.provenance.ingest import ingest
from dispel4py.provenance.model import Writer
from dispel4py.provenance.notebook import ProvenanceStore
from dispel4py.provenance.questions import busy_times
from dispel4py.provenance.report import analyse, report_page
from dispel4py.provenance.store import open_store
from seismo_pes.items import Correlation
from seismo_pes.plotting.product_preview import draw_file, preview_figure


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prov")
    write_run(folder, n_days=4)
    return folder


def test_analysis_adds_up(make_place, folder):
    store = open_store(folder, make_place())
    ingest(store, folder)
    run = analyse(store, 1)
    store.close()
    # the five calls of Stack are within calls of Correlate in the same process
    assert sum(pe["busy_s"] for pe in run["pes"]) == pytest.approx(24 * 0.1)
    assert sum(p["n_calls"] for p in run["processes_used"]) == 29
    binned = sum(sum(bins) for bins in run["timeline"]["busy_s"].values())
    assert binned == pytest.approx(24 * 0.1)
    assert list(run["timeline"]["busy_s"]) == ["Read", "Filter", "Correlate", "Stack"]
    assert [edge["n_items"] for edge in run["edges"]] == [8, 8, 4]


def test_calls_within_calls_are_no_own_time(tmp_path):
    """One process: a call of 10 s has two inner calls, one of them with one of its own.

    Another process works at the same time.
    """
    writer = Writer(tmp_path / RUN / "prov-0.jsonl")
    places = {str(i): [pe, 0] for i, pe in enumerate("abc")}
    writer.write({"kind": "process", "process": 0, "instances": places})
    for i, n, began, ended in ((2, 0, 2, 3), (1, 0, 1, 5), (1, 1, 6, 8), (0, 0, 0, 10)):
        writer.write({**call(i, n, ["input", "0.0.0.0"], []), "t": [began, ended]})
    other = Writer(tmp_path / RUN / "prov-1.jsonl")
    other.write({"kind": "process", "process": 1, "instances": {"3": ["a", 1]}})
    other.write({**call(3, 0, ["input", "0.0.0.0"], []), "t": [0.5, 9.5]})
    store = open_store(tmp_path)
    ingest(store, tmp_path)
    busy = busy_times(store, 1)
    store.close()
    assert busy == {("a", 0): 4.0, ("b", 0): 5.0, ("c", 0): 1.0, ("a", 1): 9.0}


def test_the_page_loads_nothing_and_escapes_texts(folder, tmp_path):
    target = tmp_path / "report.html"
    words = ["prov", "report", RUN, "-o", str(target), "--provenance", str(folder)]
    assert main(words) == 0
    page = target.read_text(encoding="utf-8")
    assert not re.search(r"(src|href)=|url\(|@import", page)
    store = open_store(folder)
    run = analyse(store, 1)
    store.close()
    run["name"] = "<script>alert(1)</script>"
    assert "<script>" not in report_page(run)


def test_a_browser_shows_the_page(folder, tmp_path):
    if which("chromium") is None:
        pytest.skip("chromium is not installed")
    target = tmp_path / "report.html"
    words = ["prov", "report", RUN, "-o", str(target), "--provenance", str(folder)]
    assert main(words) == 0
    shown = subprocess.run(
        [
            *("chromium", "--headless", "--no-sandbox", "--disable-gpu"),
            *(f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"),
            target.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert "Correlate" in shown.stdout
    assert shown.stdout.count("<rect") > 10


def sine(n=200, rate_hz=20.0):
    data = np.sin(2 * np.pi * 2.0 * np.arange(n) / rate_hz)
    return Trace(data, {"station": "FMP", "sampling_rate": rate_hz})


def test_previews_of_items():
    figure = preview_figure(Stream([sine(), sine()]), "two")
    waveform, spectrum = figure.axes[:2]
    assert len(figure.axes) == 4
    assert np.array_equal(waveform.lines[0].get_ydata(), sine().data)
    frequencies, amplitudes = spectrum.lines[0].get_data()
    assert frequencies[np.argmax(amplitudes)] == pytest.approx(2.0)
    lags = Correlation.of("X.A..Z", "X.B..Z", np.arange(5.0), rate_hz=1.0)
    whole, branches = preview_figure(lags, "a pair").axes
    assert whole.get_title("left") == "a pair"
    assert max(len(line.get_ydata()) for line in branches.lines) == 3  # lags 0, 1, 2
    assert len(preview_figure(np.ones((3, 8))).axes) == 6


def test_what_has_no_preview(tmp_path):
    with pytest.raises(DataError, match="dict"):
        preview_figure({"a": 1})
    (tmp_path / "notes.txt").write_text("no waveform")
    with pytest.raises(DataError, match=r"notes\.txt"):
        draw_file(tmp_path / "notes.txt", tmp_path / "a.png")


PROGRAM = """
import numpy as np
from obspy import Trace
from dispel4py.base import IterativePE
from dispel4py.workflow_graph import WorkflowGraph

class Make(IterativePE):
    def _process(self, n):
        return Trace(np.sin(np.arange(100.0) * n))

    def describe_item(self, port, item):
        return {"n": len(item)}

graph = WorkflowGraph()
graph.add(Make())
"""


def test_a_product_without_a_file_is_made_again_for_its_preview(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", list(sys.path))
    (tmp_path / "make.py").write_text(PROGRAM)
    words = ["simple", "make.py", "-d", '{"Make": [{"input": 1}, {"input": 2}]}']
    words += ["--quiet", "--provenance", "provenance"]
    monkeypatch.setattr("sys.argv", ["dispel4py", *words])
    assert main(words) == 0
    name = "last/Make0/0/2/output/0"
    assert main(["prov", "preview", name, "-o", "make.png"]) == 0
    assert (tmp_path / "make.png").read_bytes()[:4] == b"\x89PNG"
    assert main(["prov", "preview", name]) == 2
    assert "-o" in capsys.readouterr().err


def test_tables_and_graphs(folder):
    networkx = pytest.importorskip("networkx")
    pytest.importorskip("pandas")
    with ProvenanceStore(folder) as store:
        assert list(store.runs().index) == [RUN]
        table = store.products("snr > 6")
        assert sorted(table["snr"]) == [7.0, 8.0]
        assert store.products("snr > 100").empty
        name = f"{RUN}/Correlate/0/3/output/0"
        graph = store.lineage(name)
        assert networkx.ancestors(graph, name) == set(graph) - {name}
        assert "/data/FMP.1.mseed" in graph
        down = store.lineage(name, descendants=True)
        assert list(down.successors(name)) == [f"{RUN}/Stack/0/4/output/0"]
        assert graph.nodes[name]["terms"]["peak"] == 1.0
