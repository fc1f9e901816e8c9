"""The mapping multi on three hosts that share a folder, and nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from ast import literal_eval

import numpy as np
import pytest
from network import Network, errors
from test_mpi_hosts import PROGRAM, process_on

from xcorr_app import cli, store


@pytest.fixture
def start(network: Network, environment, launch, tmp_path):
    """Run a command beside the hosts, and leave nothing running."""
    (tmp_path / "flows.py").write_text(PROGRAM)
    (tmp_path / "seen").touch()
    environment["SEEN"] = str(tmp_path / "seen")
    environment["DISPEL4PY_HOSTS"] = ",".join(f"{a}:2" for a in network.addresses)
    environment["DISPEL4PY_SSH"] = str(network.ssh)

    def start(*words: str) -> subprocess.Popen[str]:
        command = [*network.launcher(), sys.executable, "-m", *words]
        return launch(command)

    return start


def test_arrays_travel_between_hosts(start):
    program = start("dispel4py", "multi", "flows.py", "-a", "arrays")
    out, error = program.communicate(timeout=100)
    assert program.returncode == 0, error
    rows = sorted(map(literal_eval, out.splitlines()[1:]))
    assert [(k, total) for k, total, *_ in rows] == [(k, 2e5 * k) for k in range(18)]
    assert len({host for row in rows for host in row[2:]}) == 3


def test_a_killed_worker_ends_the_run(start, tmp_path):
    program = start("dispel4py", "multi", "flows.py", "-a", "slow")
    os.kill(process_on("h3", program, tmp_path / "seen", b"tcp.member"), signal.SIGKILL)
    _, error = program.communicate(timeout=60)
    assert program.returncode == 1
    (line,) = errors(error)
    assert line.startswith("dispel4py: error: Slow")
    assert "killed by signal SIGKILL" in line


@pytest.mark.parametrize("number", [1, 3])
def test_a_host_that_is_cut_off_ends_the_run(number, start, tmp_path, network):
    words = ("dispel4py", "multi", "flows.py", "-a", "slow", "--silence-s", "6")
    program = start(*words)
    process_on(f"h{number}", program, tmp_path / "seen", b"tcp.member")
    network.cut(number)
    try:
        _, error = program.communicate(timeout=60)
    finally:
        network.cut(number, False)
    assert program.returncode == 1
    (line,) = errors(error)
    assert f"10.77.0.{number} is stopped, or down, or cut off" in line


def test_a_host_that_is_cut_off_at_the_start_is_named(start, network):
    network.cut(2)
    try:
        program = start("dispel4py", "multi", "flows.py", "-a", "slow")
        _, error = program.communicate(timeout=100)
    finally:
        network.cut(2, False)
    assert program.returncode == 2
    assert "10.77.0.2 cannot be used" in error.splitlines()[-1]


def test_the_killed_first_process_leaves_nothing(start, tmp_path, network):
    program = start("dispel4py", "multi", "flows.py", "-a", "slow")
    process_on("h2", program, tmp_path / "seen", b"tcp.member")
    program.kill()  # the fixture waits for the end of all processes
    program.communicate()


def test_correlations_of_hosts_that_share_a_folder(start, tmp_path, shared_data):
    (tmp_path / "list.txt").write_text("KS *\n")
    options = [
        *("--stations", str(tmp_path / "list.txt"), "--channels", "LHZ", "--quiet"),
        *("--data", str(shared_data.resolve() / "kansas4"), "--memory-gb", "4"),
        *("--window-s", "3600", "--step-s", "3600", "--max-lag-s", "100"),
    ]
    out = tmp_path / "hosts"
    program = start("xcorr_app", *options, "--mapping", "multi", "--out", str(out))
    assert cli.main([*options, "--out", str(tmp_path / "here")]) == 0
    _, error = program.communicate(timeout=100)
    assert program.returncode == 0, error
    with store.open(out) as hosts, store.open(tmp_path / "here") as here:
        assert hosts.complete
        pairs = list(zip(hosts, here, strict=True))
        assert len(pairs) == 6
        for a, b in pairs:
            assert a.n_windows == b.n_windows
            # sums in another order, in single precision
            np.testing.assert_allclose(a.data, b.data, atol=1e-6)
