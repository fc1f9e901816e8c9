"""Programs that the tests start: mpiexec, all cases of `graphs`; their environment."""

from __future__ import annotations

import contextlib
import os
import pickle
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
MARK = "DISPEL4PY_TESTED_BY"
#: Time limit for all cases together, in seconds; an idle machine needs a tenth of it.
ALL_CASES_SECONDS = 250
#: For Java programs that run for seconds: less compilation, one thread for memory.
SHORT_JAVA = {"JDK_JAVA_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"}


def mpiexec() -> str | None:
    """Return the path of mpiexec: beside this Python, else on PATH."""
    beside = Path(sys.executable).with_name("mpiexec")
    return str(beside) if beside.exists() else shutil.which("mpiexec")


def require_mpi() -> str:
    """Return the mpiexec, or skip the test with the reason."""
    pytest.importorskip("mpi4py", reason="mpi4py is not installed")
    result = mpiexec()
    if result is None:
        pytest.skip("there is no mpiexec")
    return result


def environment() -> dict[str, str]:
    """Return variables for programs that import our graphs, and a mark of the test."""
    paths = [str(HERE), str(HERE.parent.parent), os.environ.get("PYTHONPATH", "")]
    marks = {
        "PYTHONPATH": os.pathsep.join(p for p in paths if p),
        MARK: str(os.getpid()),
    }
    return os.environ | marks


def run_all(
    mapping: str, n: int, path: Path, provenance: Path | None = None
) -> dict[str, Any]:
    """Run all cases in one program; the cases after a failure are missing."""
    command = [sys.executable, str(HERE / "graphs.py"), mapping, str(n), str(path)]
    command += [] if provenance is None else [str(provenance)]
    if mapping == "mpi":
        command = [require_mpi(), "-n", str(n), *command]
    with subprocess.Popen(
        command,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as program:
        try:
            error = program.communicate(timeout=ALL_CASES_SECONDS)[1]
        except subprocess.TimeoutExpired:
            os.killpg(program.pid, signal.SIGKILL)
            error = f"not done after {ALL_CASES_SECONDS} s\n{program.communicate()[1]}"
    result: dict[str, Any] = {"": f"exit {program.returncode}\n{error[-3000:]}"}
    with contextlib.suppress(FileNotFoundError, EOFError), open(path, "rb") as file:
        while True:
            name, outcome = pickle.load(file)
            result[name] = outcome
    return result
