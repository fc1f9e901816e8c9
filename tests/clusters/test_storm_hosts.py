"""The mapping storm on two hosts, with a supervisor each, that share only a folder."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from ast import literal_eval
from collections.abc import Iterator
from pathlib import Path

import pytest
from network import LAUNCHER, Network, ended

from dispel4py.errors import MappingUnavailable
from dispel4py.mappings.storm.daemons import daemon_words, storm_home, write_settings
from dispel4py.mappings.storm.nimbus import require_client

ROOT = Path(__file__).resolve().parents[2]
#: The hosts have no other programs, so any ports are free.
PORTS = [21810, 16627, 16628, 16700, 16701]

PROGRAM = """
import os, platform
import numpy as np
from dispel4py.base import IterativePE, ProducerPE
from dispel4py.workflow_graph import WorkflowGraph


class Arrays(ProducerPE):
    def _process(self, inputs):
        for k in range(20):  # as many as the command shows
            self.write("output", (k, np.full(50_000, k, "f8")))


class Double(IterativePE):
    def _process(self, item):
        k, data = item
        return k, 2 * data, platform.node()


class Sum(IterativePE):
    def _process(self, item):
        k, data, host = item
        return k, float(data.sum()), host, platform.node()


graph = WorkflowGraph()
double = Double()
graph.connect(Arrays(), "output", double, "input")
graph.connect(double, "output", Sum(), "input")
"""

#: Waits until ZooKeeper listens: a Nimbus that does not find it may end.
WAIT = f"""
import socket, time
deadline = time.monotonic() + 90
while True:
    try:
        socket.create_connection(("{LAUNCHER}", {PORTS[0]}), 5).close()
        print("ready")
        break
    except OSError:
        if time.monotonic() > deadline:
            raise
        time.sleep(0.1)
"""

COUNT = f"""
from dispel4py.mappings.storm.nimbus import Nimbus
print(len(Nimbus("{LAUNCHER}", {PORTS[1]}).supervisors()))
"""


@pytest.fixture
def nimbus(
    network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """Start ZooKeeper and Nimbus beside the hosts, and a supervisor on two hosts."""
    home = os.environ.get("STORM_HOME") or str(ROOT / ".tools" / "storm")
    monkeypatch.setenv("STORM_HOME", home)
    try:
        require_client()
        storm = storm_home()
    except MappingUnavailable as reason:
        pytest.skip(str(reason))
    programs = []

    def start(name: str, folder: Path, words: list[str]) -> None:
        command = [*words, *daemon_words(name, storm, folder)]
        with (folder / "logs" / f"{name}.out").open("wb") as output:
            programs.append(
                subprocess.Popen(
                    command,
                    stdout=output,
                    stderr=output,
                    env=os.environ | {"STORM_CONF_DIR": str(folder / "conf")},
                )
            )

    master = tmp_path / "master"
    master.mkdir()
    write_settings(master, PORTS, LAUNCHER, LAUNCHER)
    try:
        start("zookeeper", master, network.launcher())
        waiting = ended([*network.launcher(), sys.executable, "-c", WAIT])
        assert waiting.stdout == "ready\n", waiting.stderr
        start("nimbus", master, network.launcher())
        for number, address in enumerate(network.addresses[:2], 1):
            folder = tmp_path / f"host{number}"
            folder.mkdir()
            write_settings(folder, PORTS, LAUNCHER, address)
            start("supervisor", folder, [str(network.enter), str(number)])
        yield f"{LAUNCHER}:{PORTS[1]}"
    finally:
        for program in programs:
            program.kill()
            program.wait()


def test_arrays_travel_between_hosts(nimbus, network, environment, tmp_path):
    (tmp_path / "flows.py").write_text(PROGRAM)
    python = [*network.launcher(), sys.executable]
    deadline = time.monotonic() + 120.0
    count = ended([*python, "-c", COUNT], env=environment)
    while count.stdout != "2\n":
        assert time.monotonic() < deadline, count.stderr
        count = ended([*python, "-c", COUNT], env=environment)
    where = ("-m", "remote", "--nimbus", nimbus, "--storm-workers", "2", "-n", "2")
    words = [*python, "-m", "dispel4py", "storm", str(tmp_path / "flows.py"), *where]
    done = ended(words, env=environment, cwd=tmp_path, timeout_s=200.0)
    assert done.returncode == 0, done.stderr
    lines = [line.strip() for line in done.stdout.splitlines()]
    rows = [literal_eval(line) for line in lines if line.startswith("(")]
    assert sorted(row[:2] for row in rows) == [(k, 100_000.0 * k) for k in range(20)]
    assert {row[2] for row in rows} | {row[3] for row in rows} == {"h1", "h2"}
    assert any(row[2] != row[3] for row in rows)
