"""Programs that the tests start: where mpiexec is, and what they find around them."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
MARK = "DISPEL4PY_TESTED_BY"


def mpiexec() -> str | None:
    """Path of an mpiexec: the one beside this Python, else the one on the path."""
    beside = Path(sys.executable).with_name("mpiexec")
    return str(beside) if beside.exists() else shutil.which("mpiexec")


def require_mpi() -> str:
    """Return the mpiexec, or skip the test with the reason."""
    pytest.importorskip("mpi4py", reason="mpi4py is not installed")
    found = mpiexec()
    if found is None:
        pytest.skip("there is no mpiexec")
    return found


def environment() -> dict[str, str]:
    """Variables for programs that import our graphs, with a mark to know them by."""
    paths = [str(HERE), str(HERE.parent.parent), os.environ.get("PYTHONPATH", "")]
    marks = {
        "PYTHONPATH": os.pathsep.join(p for p in paths if p),
        MARK: str(os.getpid()),
    }
    return os.environ | marks
