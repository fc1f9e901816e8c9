"""Redis servers for tests, a workflow, and what kills its workers."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import graphs
import pytest

from dispel4py.base import IterativePE, ProducerPE
from dispel4py.core import GenericPE
from dispel4py.workflow_graph import WorkflowGraph

#: Longest wait, in seconds: a busy machine may need a minute to start four programs.
LONGEST_S = 120.0


class Server:
    """A Redis server of its own, at a socket in a folder."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.url = f"unix://{folder}/s"
        words = ["--port", "0", "--unixsocket", f"{folder}/s", "--dir", str(folder)]
        words += ["--save", "", "--appendonly", "no", *options]
        self.program = subprocess.Popen(
            ["redis-server", *words], stdout=subprocess.DEVNULL
        )
        wait_for(Path(folder, "s").exists)
        redis = pytest.importorskip("redis")
        self._client = redis.Redis.from_url(self.url)

    def client(self) -> Any:
        return self._client

    def kill(self) -> None:
        self._client.close()
        self.program.kill()
        self.program.wait()


def wait_for(condition: Any) -> None:
    deadline = time.monotonic() + LONGEST_S
    while not condition():
        assert time.monotonic() < deadline, condition
        time.sleep(0.005)


@pytest.fixture
def start_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Start servers with some options; end them after the test."""
    pytest.importorskip("redis", reason="needs the extra redis")
    if shutil.which("redis-server") is None:
        pytest.skip("needs the program redis-server")
    servers: list[Server] = []

    def start(*options: str) -> Server:
        servers.append(Server(tmp_path_factory.mktemp("redis"), *options))
        return servers[-1]

    yield start
    for server in servers:
        server.kill()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    pytest.importorskip("redis", reason="needs the extra redis")
    if shutil.which("redis-server") is None:
        pytest.skip("needs the program redis-server")
    server = Server(tmp_path_factory.mktemp("redis"))
    yield server
    server.kill()


@pytest.fixture
def url(server: Server) -> Iterator[str]:
    """Return the address of a server; it must be empty after the test."""
    yield server.url
    left = server.client().keys()
    server.client().flushall()  # the next test is not to fail, too
    assert left == []
    assert multiprocessing.active_children() == []


@contextlib.contextmanager
def at_work(server: Server, name: str, do: Callable[[], None]) -> Iterator[None]:
    """Do something when both workers of a run of this name take part."""
    doing = threading.Thread(
        target=lambda: (
            wait_for(lambda: server.client().scard(f"{{{name}}}:workers") == 2),
            do(),
        )
    )
    doing.start()
    yield
    doing.join()


class Slowly(ProducerPE):
    """Sends 0 to n-1 in one call, with pauses."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.n = n

    def _process(self, inputs: Any) -> None:
        for number in range(self.n):
            if number % 20 == 0:
                time.sleep(0.005)
            self.write("output", number)


class Pairs(IterativePE):
    """Sends (key, number); it has no state, so any worker can work on it."""

    def _process(self, number: Any) -> Any:
        time.sleep(0.0003)
        return number % 17, number


class Sums(GenericPE):
    """Adds the numbers of each key, and sends the sums at the end."""

    def __init__(self, n: int) -> None:
        super().__init__(n)
        self._add_input("input", grouping=[0])
        self._add_output("output")
        self.sums: dict[int, int] = {}

    def process(self, inputs: dict[str, Any]) -> None:
        key, number = inputs["input"]
        self.sums[key] = self.sums.get(key, 0) + number

    def postprocess(self) -> None:
        for pair in self.sums.items():
            self.write("output", pair)


def sums(n: int) -> tuple[WorkflowGraph, dict[int, int]]:
    graph = graphs.chain(Slowly(n), Pairs(), Sums(3))
    return graph, {k: sum(range(k, n, 17)) for k in range(17)}


class Killer:
    """Kills workers at random moments, until it is left.

    On a busy machine a worker may be killed before it has done anything, so the number
    of kills is limited.
    """

    most_kills = 15

    def __init__(self, seed: int) -> None:
        self._random, self._ending = random.Random(seed), threading.Event()
        self.n_kills = 0
        self._thread = threading.Thread(target=self._kill)

    def _kill(self) -> None:
        while self.n_kills < self.most_kills:
            if self._ending.wait(self._random.uniform(0.05, 0.5)):
                break
            workers = multiprocessing.active_children()
            if workers:
                with contextlib.suppress(ProcessLookupError):  # it has just ended
                    os.kill(self._random.choice(workers).pid or 0, signal.SIGKILL)
                self.n_kills += 1

    def __enter__(self) -> Killer:
        self._thread.start()
        return self

    def __exit__(self, *error: Any) -> None:
        self._ending.set()
        self._thread.join()
