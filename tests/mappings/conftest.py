"""What the tests of the mappings share: graphs, MPI runs, a watch on leftovers."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))  # workers look there as well

from programs import HERE, MARK, environment, require_mpi

SHARED_MEMORY = Path("/dev/shm")
#: For all cases in one go; a tenth of it is usual on an idle machine.
LONGEST_SECONDS = 200


@pytest.fixture(scope="session")
def outcomes(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str, int], dict[str, Any]]:
    """Return the outcome of every case of `graphs` under a mapping, n processes."""
    folder = tmp_path_factory.mktemp("outcomes")

    @cache
    def outcomes_of(mapping: str, n: int) -> dict[str, Any]:
        return run_all(mapping, n, folder / f"{mapping}-{n}")

    return outcomes_of


def run_all(mapping: str, n: int, path: Path) -> dict[str, Any]:
    """Run all cases in one go; those after a failure are missing."""
    command = [sys.executable, str(HERE / "graphs.py"), mapping, str(n), str(path)]
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
            error = program.communicate(timeout=LONGEST_SECONDS)[1]
        except subprocess.TimeoutExpired:
            os.killpg(program.pid, signal.SIGKILL)
            error = f"not done after {LONGEST_SECONDS} s\n{program.communicate()[1]}"
    found: dict[str, Any] = {"": f"exit {program.returncode}\n{error[-3000:]}"}
    with contextlib.suppress(FileNotFoundError, EOFError), open(path, "rb") as file:
        while True:
            name, outcome = pickle.load(file)
            found[name] = outcome
    return found


def our_processes() -> set[int]:
    """Processes that come from this one, or from a program that it started."""
    parents: dict[int, int] = {}
    found, mark = {os.getpid()}, f"{MARK}={os.getpid()}\0".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state, parent = (
                (folder / "stat").read_text().rpartition(") ")[2].split()[:2]
            )
            # Python keeps such helpers for all that it spawns, until it ends; workers
            # look like the server that forks them
            command = (folder / "cmdline").read_bytes()
            is_server = b"forkserver" in command and int(parent) == os.getpid()
            if state != "Z" and b"resource_tracker" not in command and not is_server:
                parents[int(folder.name)] = int(parent)
                if mark in (folder / "environ").read_bytes():
                    found.add(int(folder.name))
    while True:
        more = {p for p, parent in parents.items() if parent in found} - found
        if not more:
            return found - {os.getpid()}
        found |= more


def run_folders() -> set[Path]:
    """Folders of runs in shared memory."""
    return set(SHARED_MEMORY.glob("dispel4py-*"))


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """Fail the test if it leaves processes, or folders of runs that nobody uses."""
    processes, folders = our_processes(), run_folders()
    yield
    deadline = time.monotonic() + 3.0
    while time.monotonic() < deadline:
        left = our_processes() - processes
        stale = {f for f in run_folders() - folders if not _in_use(f)}
        if not left and not stale:
            return
        time.sleep(0.05)
    assert not left, f"processes left: {left}"
    assert not stale, f"folders left: {stale}"


def _in_use(folder: Path) -> bool:
    """Return whether the folder belongs to another run that has not ended."""
    pid = int(folder.name.split("-")[1])
    return pid != os.getpid() and Path(f"/proc/{pid}").exists()
