"""Hosts of network namespaces for the tests of clusters."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from network import Network, why_not


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """Three hosts; the tests are skipped where there can be none."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    hosts = Network(3, tmp_path_factory.mktemp("network"))
    try:
        yield hosts
    finally:
        hosts.close()


@pytest.fixture
def environment() -> dict[str, str]:
    """Variables for programs that import this package."""
    root = str(Path(__file__).resolve().parents[2])
    return os.environ | {"PYTHONPATH": root}


@pytest.fixture
def launch(
    network: Network, environment: dict[str, str], tmp_path: Path
) -> Iterator[Callable[[list[str]], subprocess.Popen[str]]]:
    """Start a command beside the hosts; nothing of it may be left after the test."""
    before = set(network.processes())
    started = []

    def launch(command: list[str]) -> subprocess.Popen[str]:
        program = subprocess.Popen(
            command,
            env=environment,
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(program)
        return program

    yield launch
    for program in started:
        if program.poll() is None:
            program.kill()
        program.communicate()
    deadline = time.monotonic() + 60.0
    while left := set(network.processes()) - before:
        assert time.monotonic() < deadline, f"processes left: {left}"
        time.sleep(0.05)
