"""Calls on files fail, and the power fails, at places that are drawn by chance.

``python -m tools.disk_faults`` tries all places of all commands.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools.disk_faults import trials
from tools.disk_faults.power import CASES
from tools.disk_faults.trials import Trials

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module", autouse=True)
def compiler():
    if shutil.which("gcc") is None or not sys.platform.startswith("linux"):
        pytest.skip("the library that lets calls fail needs gcc and Linux")


@pytest.mark.parametrize(
    "words",
    [
        ["run", "export-npz", "export-noisepy", "--draw", "5"],
        ["run", "--draw", "6", "--power"],
        ["misfit", "live", "--draw", "3", "--power"],
        ["misfit", "--draw", "4", "--kinds", "WRITE", "RENAME", "SYNC"],
    ],
    ids=" ".join,
)
def test_nothing_is_lost_silently_or_torn(words):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "tools.disk_faults", *words],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith(" trials, 0 with problems\n")


@pytest.mark.parametrize("every", [2, 3, 4, 6])
def test_each_nth_fault_has_all_errors(every, monkeypatch, tmp_path):
    some = object.__new__(Trials)
    some.folder = tmp_path
    monkeypatch.setattr(Trials, "calls", lambda self: {"READ": 20, "WRITE": 20})
    faults = list(some.faults_of(["WRITE"]))
    assert {f.error for f in faults[::every]} == {f.error for f in faults}
    monkeypatch.setattr(trials, "read_changes", lambda record: range(20))
    failures = list(some.failures_of_power())
    assert {failure.case for failure in failures[::every]} == set(CASES)
