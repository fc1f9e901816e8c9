"""Signals that come at the worst of times: while workers are being started."""

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
        output, error = program.communicate(timeout=20)
    finally:
        program.kill()
    assert program.returncode == -signal.Signals[name]
    assert "Exception ignored" not in error
    assert output == "...", "all workers are started before the signal ends them"
