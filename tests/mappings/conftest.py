"""Fixtures of the tests of mappings: graphs, MPI runs, a check for leftovers."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))  # workers need it, too

from programs import MARK, run_all
from redis_servers import server, start_server, url  # noqa: F401

SHARED_MEMORY = Path("/dev/shm")
# Of Linux: a new table of mounts, and changes of it that no other process sees.
_CLONE_NEWNS, _MS_REC, _MS_PRIVATE = 0x20000, 1 << 14, 1 << 18


def own_shared_memory() -> bool:
    """Give this process and its programs a /dev/shm of their own; False if it cannot.

    Only root can. Then a run of a test in another process of pytest does not see the
    folders of a run here, and does not remove those of a killed one.
    """
    if sys.platform != "linux" or os.geteuid() or not SHARED_MEMORY.is_dir():
        return False
    system = ctypes.CDLL(None)
    return not (
        system.unshare(_CLONE_NEWNS)
        or system.mount(None, b"/", None, _MS_REC | _MS_PRIVATE, None)
        or system.mount(b"tmpfs", bytes(SHARED_MEMORY), b"tmpfs", 0, None)
    )


HAS_OWN_MEMORY = own_shared_memory()


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


def our_processes() -> set[int]:
    """Processes that come from this one, or from a program that it started."""
    parents: dict[int, int] = {}
    result, mark = {os.getpid()}, f"{MARK}={os.getpid()}\0".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state, parent = (
                (folder / "stat").read_text().rpartition(") ")[2].split()[:2]
            )
            # Python keeps helper processes for spawned processes until it ends; forked
            # workers have the command line of their server
            command = (folder / "cmdline").read_bytes()
            is_server = b"forkserver" in command and int(parent) == os.getpid()
            if state != "Z" and b"resource_tracker" not in command and not is_server:
                parents[int(folder.name)] = int(parent)
                if mark in (folder / "environ").read_bytes():
                    result.add(int(folder.name))
    while True:
        more = {p for p, parent in parents.items() if parent in result} - result
        if not more:
            return result - {os.getpid()}
        result |= more


def run_folders(pid: int | None = None) -> set[Path]:
    """Folders in shared memory, of all runs or those that a process has started."""
    return set(SHARED_MEMORY.glob(f"dispel4py-{pid or '*'}-*"))


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """Fail the test if it leaves processes, or folders of ended runs.

    The test may start programs. It is marked ``alone`` if this process shares /dev/shm
    with others: a test beside it may remove the folder of a killed program.
    """
    yield from _leaves_nothing(run_folders)


@pytest.fixture
def nothing_left_by_runs() -> Iterator[None]:
    """The same for a test whose runs are started by its own process."""
    yield from _leaves_nothing(lambda: run_folders(os.getpid()))


def _leaves_nothing(find_folders: Callable[[], set[Path]]) -> Iterator[None]:
    processes, folders = our_processes(), find_folders()
    yield
    deadline = time.monotonic() + 60.0
    while time.monotonic() < deadline:
        left = our_processes() - processes
        stale = {f for f in find_folders() - folders if not _in_use(f)}
        if not left and not stale:
            return
        time.sleep(0.05)
    assert not left, f"processes left: {left}"
    assert not stale, f"folders left: {stale}"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that look for leftovers: a test beside them may remove some."""
    for item in items:
        if not HAS_OWN_MEMORY and "nothing_left" in getattr(item, "fixturenames", ()):
            item.add_marker("alone")


def _in_use(folder: Path) -> bool:
    """Return whether the folder belongs to another run that has not ended."""
    pid = int(folder.name.split("-")[1])
    return pid != os.getpid() and Path(f"/proc/{pid}").exists()
