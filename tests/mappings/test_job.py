"""Workers that are not forked get PEs of notebooks and of main programs."""

from __future__ import annotations

import subprocess
import sys

import pytest
from programs import environment

PROGRAM = """
from dataclasses import dataclass
from dispel4py.base import IterativePE, ProducerPE, SimpleFunctionPE
from dispel4py.run import run
from dispel4py.workflow_graph import WorkflowGraph

@dataclass
class Item:
    value: int

class Source(ProducerPE):
    def _process(self, inputs):
        for k in range(5):
            self.write("output", Item(k))

class Square(IterativePE):
    def _process(self, item):
        return Item(item.value ** 2)

def add_one(item):
    return Item(item.value + 1)

if __name__ == "__main__":
    graph, last = WorkflowGraph(), SimpleFunctionPE({function})
    middle = Square()
    graph.connect(Source(), "output", middle, "input")
    graph.connect(middle, "output", last, "input")
    result = run(graph, None, "multi", 3, start_method="{method}")
    print(sorted(item.value for item in result.output(last.id)))
"""


def call(words: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
@pytest.mark.parametrize("function", ["add_one", "lambda item: Item(item.value + 1)"])
@pytest.mark.parametrize("where", ["command", "file"])
def test_pes_of_a_main_program(method, function, where, tmp_path):
    if where != "file" or function != "add_one":
        pytest.importorskip("cloudpickle", reason="cloudpickle is not installed")
    text = PROGRAM.format(function=function, method=method)
    words = ["-c", text]  # as in a notebook, the main module has no file
    if where == "file":
        path = tmp_path / "program.py"
        path.write_text(text)
        words = [str(path)]
    done = call(words)
    assert (done.stdout, done.returncode) == ("[1, 2, 5, 10, 17]\n", 0), done.stderr


def test_without_cloudpickle_the_message_names_it():
    text = "import sys; sys.modules['cloudpickle'] = None\n"
    text += PROGRAM.format(function="lambda item: item", method="spawn")
    done = call(["-c", text])
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert "the graph cannot be sent to a worker (start method 'spawn')" in last
    assert last.endswith("at module level; or install cloudpickle")
