"""The command's options for failing items, and for looking at a run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dispel4py import cli

GRAPH = """
import pathlib, time
from dispel4py.base import IterativePE, ProducerPE
from dispel4py.workflow_graph import WorkflowGraph

class Numbers(ProducerPE):
    def _process(self, inputs):
        for k in range({n}):
            self.write("output", k)

class Picky(IterativePE):
    def _process(self, data):
        time.sleep({pause})
        if data in {bad}:
            raise ValueError(f"not {{data}}")
        if data == 40:
            pathlib.Path(__file__).with_name("begun").touch()
        return data

graph = WorkflowGraph()
graph.connect(Numbers(), "output", Picky(), "input")
"""


def main(words: list[str]) -> int:
    """Run the command as in a process of its own."""
    sys.modules.pop("workflow", None)
    return cli.main(words)


@pytest.fixture
def graph(tmp_path: Path):
    def write(n: int = 10, bad: tuple = (3,), pause: float = 0.0) -> str:
        path = tmp_path / "workflow.py"
        path.write_text(GRAPH.format(n=n, bad=bad, pause=pause))
        return str(path)

    return write


@pytest.mark.parametrize("mapping", ["simple", "multi"])
def test_dead_letters_and_retry(mapping, graph, tmp_path, capsys) -> None:
    letters = str(tmp_path / "letters")
    options = ["-n", "3"] if mapping == "multi" else []
    words = [mapping, graph(), *options, "--on-error", "skip"]
    assert main([*words, "--dead-letters", letters]) == 0
    output = capsys.readouterr()
    assert "Picky1.output: 9 items" in output.out
    assert "skipped: 1" in output.err
    assert f"dispel4py retry {letters}" in output.err
    assert main(["retry", letters, graph(bad=()), "-m", mapping, *options]) == 0
    assert capsys.readouterr().out == "Picky1.output: 1 item\n  3\n"


def test_retry_takes_no_inputs(graph, tmp_path, capsys) -> None:
    assert main(["retry", str(tmp_path / "letters"), graph(), "-i", "3"]) == 2
    errors = capsys.readouterr().err
    assert "unrecognized arguments: -i 3; see dispel4py retry --help" in errors


def test_retry_of_nothing(graph, tmp_path, capsys) -> None:
    assert main(["retry", str(tmp_path / "none"), graph()]) == 2
    assert "No such file" in capsys.readouterr().err


def test_summary_is_a_profile(graph, tmp_path, capsys) -> None:
    profile = str(tmp_path / "run.json")
    words = ["multi", graph(bad=(), pause=0.005), "-n", "3", "--summary"]
    assert main([*words, "--summary-json", profile]) == 0
    assert "busy s" in capsys.readouterr().err
    result = json.loads(Path(profile).read_text())
    assert result["pes"]["Picky1"]["busy_s"] > 0.04
    assert main(["multi", graph(bad=()), "-n", "4", "--profile", profile]) == 0


@pytest.mark.parametrize("name", ["trace.json", "[1].json"])
def test_trace(graph, tmp_path, name) -> None:
    trace = tmp_path / name
    assert main(["simple", graph(bad=()), "--trace", str(trace), "--quiet"]) == 0
    assert len(json.loads(trace.read_text())["traceEvents"]) == 12
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--on-error", "skipp"], "did you mean 'skip'"),
        (["--item-timeout-s", "0"], "more than 0 s"),
        (["--restart-workers"], "multi"),
        (["--profile", "nowhere.json"], "nowhere.json"),
        (["--trace", "nowhere/t.json"], "--trace nowhere/t.json: there is no folder"),
        (["--summary-json", "/"], "--summary-json /: it is a folder"),
        (["--dead-letters", "nowhere/l"], "there is no folder nowhere"),
    ],
)
def test_mistakes_give_one_line(options, says, graph, capsys) -> None:
    assert main(["simple", graph(), *options]) == 2
    errors = capsys.readouterr().err
    assert errors.count("\n") == 1
    assert says in errors


def test_a_log_gets_a_line_now_and_then() -> None:
    import io

    from dispel4py.observe import Count
    from dispel4py.progress import Progress

    stream = io.StringIO()
    progress = Progress(stream)
    progress._shown_at -= 60
    progress.progress({"Read0": Count(20, 20)})
    progress.progress({"Read0": Count(30, 30)})
    assert stream.getvalue().count("\n") == 1
    assert "Read0 20" in stream.getvalue()
    assert "Read0 30" in progress.last


def test_a_terminal_gets_a_table(graph, tmp_path) -> None:
    """In a pseudo-terminal, with a run that takes a second."""
    pty = pytest.importorskip("pty")
    parent, child = pty.openpty()
    words = [sys.executable, "-m", "dispel4py", "multi", graph(bad=(), pause=0.1)]
    able = os.environ | {"TERM": "xterm"}  # a dumb terminal gets no table
    with subprocess.Popen(
        [*words, "-n", "2"], stderr=child, stdout=subprocess.DEVNULL, env=able
    ) as process:
        os.close(child)
        output = b""
        while True:
            try:
                part = os.read(parent, 65536)
            except OSError:
                break
            if not part:
                break
            output += part
        assert process.wait() == 0
    os.close(parent)
    assert b"waiting" in output
    assert b"Picky1" in output


@pytest.mark.parametrize("mapping", ["simple", "multi"])
def test_interrupted_runs_report_their_progress(mapping, graph, tmp_path) -> None:
    """The signal comes after 0.8 s of work, when progress has been reported."""
    words = [sys.executable, "-m", "dispel4py", mapping, graph(100_000, (), 0.02)]
    words += ["-n", "3"] if mapping == "multi" else []
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        while not (tmp_path / "begun").exists() and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        errors = process.communicate(timeout=60)[1]
    assert process.returncode == 130, errors
    assert "so far" in errors
    assert "Picky1" in errors
