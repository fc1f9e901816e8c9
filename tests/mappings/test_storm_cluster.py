"""The mapping ``storm`` on a real Storm: its three daemons, on this host."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import graphs
import kansas
import pytest
from programs import environment
from slow_arrays import Arrays, First, Slowly

from dispel4py.cli import main
from dispel4py.errors import MappingUnavailable, RunError
from dispel4py.mappings.storm import run as storm_run
from dispel4py.mappings.storm.daemons import local_cluster, storm_home
from dispel4py.mappings.storm.nimbus import Nimbus, require_client
from dispel4py.mappings.storm.settings import StormOptions
from dispel4py.run import run
from dispel4py.workflow_graph import WorkflowGraph
from tests.draws import ALL_RUN
from xcorr_app import cli

ROOT = Path(__file__).resolve().parents[2]
#: Longest time, in seconds, for a command; an idle machine needs 15.
LONGEST_SECONDS = 250


@pytest.fixture(scope="module")
def home() -> Iterator[str]:
    """The folder of Storm: STORM_HOME, or the one that `make test` installs."""
    path = os.environ.get("STORM_HOME") or str(ROOT / ".tools" / "storm")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STORM_HOME", path)
        try:
            require_client()
            storm_home()
        except MappingUnavailable as reason:
            pytest.skip(str(reason))
        yield path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the cluster."""
    return tmp_path_factory.mktemp("storm")


@pytest.fixture(scope="module")
def nimbus(home: str, folder: Path) -> Iterator[Nimbus]:
    """A cluster for all tests; afterwards there are no processes and files of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tempfile.tempdir", str(folder))
        with local_cluster() as nimbus:
            yield nimbus
        assert list(folder.iterdir()) == []
    assert not [line for line, _ in command_lines() if str(folder) in line]


def command_lines() -> list[tuple[str, int]]:
    """Return the command line and the number of each process."""
    lines = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            text = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            lines.append((text, int(path.name)))
    return lines


def command(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [sys.executable, "-m", *words],
        env=environment() | more,
        capture_output=True,
        text=True,
        timeout=LONGEST_SECONDS,
        check=False,
    )


# -------------------------------------------------------------------- results

DRAWN = ("the_same_edge_twice", "sums_of_sums", "arrays_of_every_kind", "composite")


def all_drawn() -> WorkflowGraph:
    """Return one graph with many parts, as each start of a topology takes seconds."""
    together = WorkflowGraph()
    for name in DRAWN:
        graph, inputs = graphs.CASES[name].make()
        assert inputs is None
        for edge in graph.edges:
            together.connect(edge.source, edge.output, edge.destination, edge.input)
    return together


def test_results_are_those_of_simple(nimbus):
    expected = graphs.multisets(run(all_drawn(), mapping="simple"))
    how = {"mapping": "storm", "mode": "remote", "nimbus": nimbus.address}
    result = run(all_drawn(), processes=2, **how)
    assert graphs.multisets(result) == expected


# --------------------------------------------------------------- lost processes


class Killer:
    """Kills a worker of Storm after the first items have come to the last PE."""

    def __init__(self, name: str) -> None:
        self.name, self.n_killed = name, 0

    def progress(self, counts: dict[str, Any]) -> None:
        """As an observer of the run."""
        if not self.n_killed and all(count.n_in for count in counts.values()):
            for line, pid in command_lines():
                is_worker = "daemon.worker.Worker" in line and "LogWriter" not in line
                if is_worker and f" {self.name}-" in line:
                    os.kill(pid, signal.SIGKILL)
                    self.n_killed += 1


def killed(nimbus: Nimbus, name: str, graph: WorkflowGraph, **more: Any) -> Any:
    killer = Killer(name)
    result = run(
        graph,
        mapping="storm",
        processes=2,
        mode="remote",
        nimbus=nimbus.address,
        run_name=name,
        observers=[killer],
        **more,
    )
    assert killer.n_killed == 1
    return result


def test_a_killed_worker_is_replaced(nimbus):
    last = First()
    graph = graphs.chain(Slowly(4_000, 0.012), Arrays(), last)
    result = killed(nimbus, "replaced", graph)
    assert sorted(result.output(last.id)) == list(range(4_000))


if ALL_RUN:  # `test_storm.py` has this test, too

    def test_a_killed_worker_with_a_state_ends_the_run(nimbus):
        total = graphs.Total()
        with pytest.raises(RunError, match="its state is lost"):
            killed(nimbus, "lost", graphs.chain(Slowly(20_000, 0.012), total))


# ------------------------------------------------------------------ live streams


LIVE = """
from pathlib import Path
from dispel4py.base import ProducerPE
from graphs import Total, chain

class Endless(ProducerPE):
    n = 0
    def _process(self, inputs):
        self.write("output", self.n)
        self.n += 1
        if self.n == 20:
            Path(__file__).with_name("begun").touch()
        self.call_again(0.02)

graph = chain(Endless(), Total())
"""


@pytest.fixture
def live(tmp_path: Path) -> str:
    path = tmp_path / "live.py"
    path.write_text(LIVE)
    return str(path)


def wait_for(condition: Any) -> None:
    deadline = time.monotonic() + LONGEST_SECONDS
    while not condition():
        assert time.monotonic() < deadline, condition
        time.sleep(0.1)


def components(folder: Path) -> list[int]:
    """Return the numbers of the processes of all components of this cluster."""
    numbers = []
    for line, number in command_lines():
        if line.endswith(" component.py "):
            with contextlib.suppress(OSError):
                variables = Path(f"/proc/{number}/environ").read_bytes()
                # they inherit the variables of the supervisor
                if os.fsencode(folder) in variables:
                    numbers.append(number)
    return numbers


def test_an_endless_run_is_listed_and_ended(nimbus, folder, live, capsys):
    wait_for(lambda: not components(folder))  # those of an earlier test
    where = ("--nimbus", nimbus.address)
    words = ("dispel4py", "storm", live, "--run-name", "live", *where)
    with subprocess.Popen(
        [sys.executable, "-m", *words, "-m", "remote", "-n", "1"],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        try:
            wait_for(Path(live).with_name("begun").exists)
            wait_for(lambda: len(components(folder)) == 3)
            assert main(["storm", "--list", *where]) == 0
            assert re.search(r"(?m)^live +ACTIVE +\d+ +1 ", capsys.readouterr().out)
            assert main(["storm", "--kill", "live", *where]) == 0
            assert capsys.readouterr().out == "the sources of live end\n"
            output, errors = program.communicate(timeout=LONGEST_SECONDS)
        finally:
            program.kill()
    assert program.returncode == 0, errors
    (total,) = re.findall(r"(?m)^  (\d+)$", output)
    (n,) = map(int, re.findall(r"(?m)^Endless0 +\d+ +(\d+)$", errors))
    assert n >= 20
    assert int(total) == n * (n - 1) // 2
    assert main(["storm", "--kill", "live", *where]) == 2
    assert "there is no run 'live'" in capsys.readouterr().err


def test_a_topology_ends_with_its_driver(nimbus, folder, live):
    wait_for(lambda: not components(folder))  # those of an earlier test
    words = ("dispel4py", "storm", live, "--nimbus", nimbus.address, "-n", "1")
    program = subprocess.Popen([sys.executable, "-m", *words], env=environment())
    try:
        wait_for(Path(live).with_name("begun").exists)
        wait_for(lambda: len(components(folder)) == 3)
    finally:
        program.kill()
        program.wait()
    wait_for(lambda: not nimbus.topologies() and not components(folder))


# ------------------------------------------------------------------ the commands


def test_a_run_without_an_address_has_a_cluster_of_its_own(monkeypatch):
    monkeypatch.delenv("DISPEL4PY_NIMBUS", raising=False)
    own = contextlib.nullcontext("its own")
    monkeypatch.setattr(storm_run, "local_cluster", lambda: own)
    with storm_run._cluster(StormOptions()) as nimbus:
        assert nimbus == "its own"


def kansas_is_that_of_simple(shared_data: Path, tmp_path: Path, **more: str) -> None:
    words = kansas.words(shared_data, tmp_path)
    assert cli.main([*words, "--out", str(tmp_path / "simple")]) == 0
    how = ["--out", str(tmp_path / "storm"), "--mapping", "storm", "-n", "1"]
    done = command("xcorr_app", *words, *how, TMPDIR=str(tmp_path), **more)
    assert done.returncode == 0, done.stderr
    kansas.assert_same(tmp_path / "storm", tmp_path / "simple")


def test_kansas(nimbus, shared_data, tmp_path):
    kansas_is_that_of_simple(shared_data, tmp_path, DISPEL4PY_NIMBUS=nimbus.address)


if ALL_RUN:  # the fixture `nimbus` starts and ends a cluster, too

    def test_kansas_by_a_cluster_of_its_own(home, shared_data, tmp_path):
        kansas_is_that_of_simple(shared_data, tmp_path)
        assert not list(tmp_path.glob("storm-of-*"))
        assert not [line for line, _ in command_lines() if str(tmp_path) in line]
