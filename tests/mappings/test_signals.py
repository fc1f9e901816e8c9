"""Signals that arrive while workers are started."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from programs import environment

PROGRAM = """
import os, signal, failing
from dispel4py.run import run
forks = []

def at_fork():
    forks.append(os.write(1, b"."))
    if len(forks) == {fork}:
        os.kill(os.getpid(), signal.{name})

os.register_at_fork({where}=at_fork)
run(failing.sleeper(), mapping="multi", processes=3, start_method="fork")
"""


STARTING = """
import os, signal
if __name__ == "__mp_main__":  # imported by a new process, which is not a worker yet
    os.kill(os.getpid(), signal.SIGINT)
if __name__ == "__main__":
    import failing
    from dispel4py.run import run
    from dispel4py.workflow_graph import WorkflowGraph
    graph, last = WorkflowGraph(), failing.Pass()
    graph.connect(failing.Source(), "output", last, "input")
    result = run(graph, mapping="multi", processes=3, start_method="{method}")
    print(sorted(result.output(last.id)))
"""


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_ctrl_c_is_the_parents_also_while_processes_start(
    method, nothing_left, tmp_path
):
    path = tmp_path / "starting.py"
    path.write_text(STARTING.format(method=method))
    done = subprocess.run(
        [sys.executable, str(path)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout == f"{list(range(10))}\n"


@pytest.mark.parametrize("fork", [1, 3])
@pytest.mark.parametrize("where", ["before", "after_in_parent"])
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_in_the_middle_of_a_fork_is_not_lost(
    name, where, fork, nothing_left, tmp_path
):
    code = PROGRAM.format(name=name, where=where, fork=fork)
    program = subprocess.Popen(
        [sys.executable, "-c", code],
        env=environment() | {"STARTED": str(tmp_path / "started")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        output, error = program.communicate(timeout=100)
    finally:
        program.kill()
    assert program.returncode == -signal.Signals[name]
    assert "Exception ignored" not in error
    assert output == "...", "all workers are started before the signal ends them"
