"""Calls on files fail, and the power fails, at places that are drawn by chance.

``python -m tools.disk_faults`` tries all places of all commands.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

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
