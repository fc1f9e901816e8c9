"""Public behaviour of `dispel4py.new.mpi_process`."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
PROGRAM = """
import sys
from types import SimpleNamespace
from users_pes import Counter, Same, WordCounter, Words
from dispel4py.new.mpi_process import comm, process, rank, size
from dispel4py.workflow_graph import WorkflowGraph

class Tell(Same):
    def process(self, inputs):
        self.log(inputs["input"])

assert (comm.Get_rank(), comm.Get_size()) == (rank, size)
for args in (None, SimpleNamespace(simple=False, num_processes=size),
             SimpleNamespace(simple=True)):
    source, last = Counter(), Tell()
    graph = WorkflowGraph()
    graph.connect(source, "output", Same(), "input")
    graph.connect(graph.pes[1], "output", last, "input")
    process(graph, {source: [{}, {}, {}]}, args)
graph = WorkflowGraph()
count, tell = WordCounter(), Tell()
graph.connect(Words("a b c a b a"), "output", count, "input")
graph.connect(count, "output", tell, "input")
process(graph, {"Words": 1})
"""


def mpiexec():
    beside = Path(sys.executable).with_name("mpiexec")
    return str(beside) if beside.exists() else shutil.which("mpiexec")


@pytest.mark.parametrize("n", [2, 4])
def test_pipeline(n, tmp_path):
    pytest.importorskip("mpi4py", reason="mpi4py is not installed")
    if mpiexec() is None:
        pytest.skip("there is no mpiexec")
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    paths = [str(HERE), str(HERE.parents[2]), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [mpiexec(), "-n", str(n), sys.executable, str(program)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(p for p in paths if p)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("Tell")]
    expected_message = sorted(line.partition(": ")[2] for line in lines)
    counted = ["['a', 1]", "['a', 2]", "['a', 3]", "['b', 1]", "['b', 2]", "['c', 1]"]
    assert expected_message == sorted(["1", "2", "3"] * 3 + counted)
    assert done.stdout.count("Partition 0: Counter0") == 1
