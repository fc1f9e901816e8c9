"""The mapping ``storm`` on a Storm in Python: results, failures, lost processes."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import queue
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from multiprocessing import Pipe
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import graphs
import misfits
import pytest
from calls_seen import Notes, check_joined, read
from fake_storm import FakeNimbus, fake_storm
from hypothesis import HealthCheck, given, settings
from programs import environment
from random_graphs import given_by, random_graphs
from slow_arrays import Arrays, First, Slowly

from dispel4py.base import IterativePE, ProducerPE
from dispel4py.cli import main
from dispel4py.dead_letters import read_letters
from dispel4py.errors import MappingUnavailable, RunError
from dispel4py.mappings.collector import Collector
from dispel4py.mappings.storm import daemons, gathering, start, topology
from dispel4py.mappings.storm import run as storm_run
from dispel4py.mappings.storm.driver import Life, stop_run
from dispel4py.mappings.storm.line import Line, Setup
from dispel4py.mappings.storm.link import HELLO, STOP_RUN
from dispel4py.mappings.storm.package import make_package
from dispel4py.mappings.storm.settings import StormOptions
from dispel4py.observe import Observers
from dispel4py.plan import make_plan
from dispel4py.run import run
from dispel4py.testing.conformance import under_simple
from dispel4py.testing.conformance.elements import Folder
from dispel4py.testing.conformance.stops import stopped_early
from dispel4py.workflow_graph import WorkflowGraph
from tests.draws import chosen
from tests.unseen import hide

STORM = {"mapping": "storm", "mode": "remote", "nimbus": "fake"}


@pytest.fixture(scope="module")
def storm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeNimbus]:
    """Run topologies on a Storm in Python."""
    pytest.importorskip("thriftpy2", reason="needs the extra storm")
    folder = tmp_path_factory.mktemp("storm")

    @contextlib.contextmanager
    def cluster(options: Any) -> Iterator[FakeNimbus]:
        yield nimbus

    with (
        pytest.MonkeyPatch.context() as patch,
        fake_storm(
            folder, environment() | {"TMPDIR": str(folder)}, (__name__,)
        ) as nimbus,
    ):
        patch.setattr(storm_run, "_cluster", cluster)
        yield nimbus


@pytest.mark.parametrize("name", chosen(graphs.FEW, graphs.CASES))
def test_results_are_those_of_simple(storm, name):
    assert graphs.outcome(name, processes=2, **STORM) == under_simple(name)


def test_streams_are_stopped_early(storm):
    for name, (items, expected) in stopped_early(processes=1, **STORM).items():
        assert (name, items) == (name, expected)


def test_relative_paths_begin_in_the_folder_of_the_run(storm, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pe = Folder()
    result = run(graphs.chain(graphs.Range(3), pe), processes=2, **STORM)
    assert result.output(pe.id) == [str(tmp_path)] * 3


@settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(random_graphs())
def test_random_graphs(storm, layout):
    how = {"processes": layout["processes"], **STORM}
    assert given_by(layout, **how) == given_by(layout)


# -------------------------------------------------------------- lost processes


class Killer:
    """Kills components some times, after the first items have come to the last PE."""

    def __init__(self, storm: FakeNimbus, *moments: tuple[str, ...]) -> None:
        self._storm, self._moments = storm, moments
        self.n_killed: list[int] = []
        self._ending, self._has_begun = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._kill)

    def progress(self, counts: dict[str, Any]) -> None:
        """As an observer of the run."""
        if all(count.n_in for count in counts.values()):
            self._has_begun.set()

    def _kill(self) -> None:
        for parts in self._moments:
            self._has_begun.wait(60.0)
            self.n_killed.append(self._storm.end_worker(*parts))
            self._ending.wait(1.0)

    def __enter__(self) -> Killer:
        self._thread.start()
        return self

    def __exit__(self, *error: Any) -> None:
        self._ending.set()
        self._has_begun.set()
        self._thread.join()


EVERYTHING = ("",)
#: The components that are killed, one moment after the other.
MOMENTS = {
    "bolt": [("Arrays",)],
    "source": [("Slowly",)],
    "two-bolts": [("First", "control"), ("Arrays",)],
    "everything": [EVERYTHING],
    "twice": [EVERYTHING, ("Slowly", "First")],
}


@pytest.mark.parametrize("name", chosen(["two-bolts", "twice"], MOMENTS))
def test_nothing_is_lost_and_nothing_comes_twice(storm, name):
    n, moments = 1500, MOMENTS[name]
    source, first = Slowly(n, 0.04), First()
    graph = graphs.chain(source, Arrays(), first, graphs.Pass())
    with Killer(storm, *moments) as killer:
        result = run(graph, processes=2, observers=[killer], **STORM)
    assert len(killer.n_killed) == len(moments)
    assert all(killer.n_killed)
    last = graph.pes[-1]
    assert sorted(result.output(last.id)) == list(range(n))
    negative = result.output(first.id, "negative")
    assert sorted(negative, reverse=True) == [-k for k in range(n)]


def test_a_state_that_is_not_lost_gets_each_item_once(storm):
    n = 1500
    total = graphs.Total()
    graph = graphs.chain(Slowly(n, 0.04), Arrays(), First(), total)
    with Killer(storm, ("Arrays", "First"), ("Slowly",)) as killer:
        result = run(graph, processes=2, observers=[killer], **STORM)
    assert killer.n_killed == [4, 1]
    assert result.output(total.id) == [sum(range(n))]


def test_a_lost_state_ends_the_run(storm):
    graph = graphs.chain(Slowly(1500, 0.04), Arrays(), First(), graphs.Total())
    with Killer(storm, ("Total",)) as killer, pytest.raises(RunError) as caught:
        run(graph, processes=2, observers=[killer], **STORM)
    (failure,) = caught.value.failures
    assert (failure.pe_id, failure.instance) == ("Total3", 0)
    assert failure.cause == "its process ended, and its state is lost"


def test_a_run_starts_again_after_a_lost_state(storm):
    n = 1000
    total = graphs.Total()
    graph = graphs.chain(Slowly(n, 0.04), Arrays(), First(), total)
    how = {"restart_workers": True, **STORM}
    with Killer(storm, EVERYTHING) as killer:
        result = run(graph, processes=2, observers=[killer], **how)
    assert killer.n_killed == [7]
    assert result.output(total.id) == [sum(range(n))]


class Speaks(IterativePE):
    """Sends an item when it prepares, and when it finishes, too."""

    stateful = False

    def _preprocess(self) -> None:
        self.write("output", -1)

    def _process(self, number: Any) -> Any:
        return number

    def _postprocess(self) -> None:
        self.write("output", -2)


@pytest.mark.parametrize("lives", [(0, 1, 2), (3, 6, 14)])
def test_a_process_whose_worker_of_storm_was_killed_is_replaced(storm, lives):
    """It notices this when it writes: at each kind of message, in each phase."""
    n, last = 200, graphs.Pass()
    graph = graphs.chain(Slowly(n, 0.02), Arrays(), First(), Speaks(), last)
    parts = ("Slowly", "Arrays", "First", "Speaks", "Pass", "control")
    storm.lose_pipes(dict.fromkeys(parts, lives))
    result = run(graph, processes=1, on_error="skip", **STORM)
    ends = storm.ends_without_pipes()
    assert len(ends) > 2 * len(parts)
    assert not any(ends)
    assert sorted(result.output(last.id)) == [-2, -1, *range(n)]
    assert result.n_failures == 0


class Deadly(IterativePE):
    """Ends its process on 70."""

    def _process(self, number: Any) -> Any:
        if number == 70:
            os._exit(3)
        return number


def test_an_item_that_always_ends_its_process_ends_the_run(storm):
    graph = graphs.chain(graphs.Range(100), Deadly())
    with pytest.raises(RunError, match="4 processes of it ended one after the other"):
        run(graph, processes=2, **STORM)


class Timed(ProducerPE):
    """Is called again after a time, so a new process of it does not send the same."""

    n = 0

    def _process(self, inputs: Any) -> None:
        self.write("output", self.n)
        self.n += 1
        if self.n < 60:
            self.call_again(0.05)


def test_a_source_that_depends_on_the_time_is_not_repeated(storm):
    graph = graphs.chain(Timed(), graphs.Pass())
    with (
        Killer(storm, ("Timed",)) as killer,
        pytest.raises(RunError, match="state is lost"),
    ):
        run(graph, processes=1, observers=[killer], **STORM)


class Endless(Timed):
    """Never ends by itself."""

    def _process(self, inputs: Any) -> None:
        self.write("output", 1)
        self.call_again(0.01)


def stop(conf: dict[str, Any]) -> None:
    """Do as `dispel4py storm --kill`."""
    assert stop_run(conf[topology.DRIVER], bytes.fromhex(conf[topology.KEY]))


def test_an_order_to_end_comes_before_the_sources_start(storm, monkeypatch):
    total, submit = graphs.Total(), storm.submit

    def stop_and_submit(name: str, package: bytes, conf: Any, parts: Any) -> None:
        stop(conf)
        submit(name, package, conf, parts)

    monkeypatch.setattr(storm, "submit", stop_and_submit)
    result = run(graphs.chain(Endless(), total), processes=1, **STORM)
    # on a busy machine a source begins before the order is there
    assert result.output(total.id)[0] < 1000


@pytest.mark.parametrize("first", ["stop", "kill"])
def test_a_source_is_replaced_when_it_is_to_end(storm, monkeypatch, first):
    """It sends what its first process sent, and then no more."""
    seen, submit = {}, storm.submit

    def note_and_submit(name: str, package: bytes, conf: Any, parts: Any) -> None:
        seen.update(conf)
        submit(name, package, conf, parts)

    class Ending(Killer):
        def _kill(self) -> None:
            self._has_begun.wait(60.0)
            if first == "stop":
                stop(seen)
            self.n_killed.append(storm.end_worker("Slowly"))
            if first == "kill":
                stop(seen)

    monkeypatch.setattr(storm, "submit", note_and_submit)
    n, last = 1_000_000, First()
    graph = graphs.chain(Slowly(n, 0.02), Arrays(), last)
    with Ending(storm) as killer:
        result = run(graph, processes=2, observers=[killer], **STORM)
    assert killer.n_killed == [1]
    received = sorted(result.output(last.id))
    assert received == list(range(len(received)))
    assert 0 < len(received) < n


@pytest.mark.parametrize("is_to_end", [False, True])
def test_a_run_that_is_to_end_does_not_start_again(is_to_end):
    """Its second start would not know of the order to end."""
    plan = make_plan(graphs.chain(graphs.Range(3), graphs.Total()), 2)
    ours, theirs = Pipe()
    total, program = Life(1, 0, "here", ours), Life(None, 0, "", ours)
    messages: queue.SimpleQueue[Any] = queue.SimpleQueue()
    messages.put((total, (HELLO,)))
    if is_to_end:
        messages.put((program, (STOP_RUN,)))
    messages.put((total, None))  # its process has ended
    server: Any = SimpleNamespace(messages=messages)
    collector = Collector(plan, Observers(), StormOptions())
    run_of_it = gathering.Gathering(plan, {}, server, collector, lambda n: None)
    with ours, theirs, pytest.raises(RunError, match="its state is lost") as caught:
        run_of_it.gather()
    assert isinstance(caught.value, gathering.StateLost) != is_to_end


def test_lost_tuples_are_noticed(storm, monkeypatch):
    monkeypatch.setattr(gathering, "_STANDSTILL_S", 1.0)
    monkeypatch.setattr(gathering, "_CLUSTER_S", 0.2)
    graph = graphs.chain(Slowly(1000, 0.02), Arrays(), First())
    storm.lose(25)
    result = run(graph, processes=2, **STORM)
    assert storm.lose(0) == 0
    (output,) = [result.output(pe.id) for pe in graph.pes if isinstance(pe, First)]
    assert sorted(output) == list(range(1000))


# -------------------------------------------------------------------- failures


def test_a_failure_names_pe_item_and_cause(storm):
    graph = graphs.chain(graphs.Range(100), graphs.Fragile(), graphs.Total())
    with pytest.raises(RunError) as caught:
        run(graph, processes=1, **STORM)
    (failure,) = caught.value.failures
    where = failure.pe_id, failure.instance, failure.phase, failure.port, failure.item
    assert where == ("Fragile1", 0, "process", "input", "0")
    assert failure.cause == "ValueError: 0 is a multiple of 5"
    assert "_process" in failure.traceback


class Moody(IterativePE):
    """Fails on each item at the first attempt."""

    last = None

    def _process(self, number: Any) -> Any:
        if self.last != number:
            self.last = number
            raise ValueError("not now")
        return number


def test_items_are_retried(storm):
    moody = Moody()
    graph = graphs.chain(graphs.Range(30), moody)
    result = run(graph, processes=1, on_error="retry:1", **STORM)
    assert sorted(result.output(moody.id)) == list(range(30))
    assert result.n_failures == 0


def test_skipped_items_can_be_run_again(storm, tmp_path):
    letters = tmp_path / "letters"
    total = graphs.Total()
    graph = graphs.chain(graphs.Range(20), graphs.Fragile(), total)
    how = {"on_error": "skip", "dead_letters": letters, **STORM}
    result = run(graph, processes=2, **how)
    assert result.output(total.id) == [sum(k for k in range(20) if k % 5)]
    again = graphs.chain(graphs.Range(20), graphs.Pass(), total := graphs.Total())
    again.pes[1].id = "Fragile1"
    result = run(again, letters=read_letters(letters), processes=2, **STORM)
    assert result.output(total.id) == [sum(range(0, 20, 5))]


def test_an_iterator_of_inputs_is_distributed(storm):
    graph, source = WorkflowGraph(), graphs.Pass()
    graph.add(source)
    inputs = ({"input": k} for k in range(30))
    result = run(graph, inputs, processes=3, **STORM)
    assert sorted(result.output(source.id)) == list(range(30))


def test_calls_and_their_items_are_reported(storm, tmp_path):
    graph = graphs.chain(graphs.Range(50), Arrays(), First(), graphs.Total())
    run(graph, processes=2, observers=[Notes(tmp_path)], **STORM)
    check_joined(read(tmp_path))


class Prints(IterativePE):
    """Prints each item."""

    def _process(self, number: Any) -> Any:
        sys.stdout.write(f"item {number}\n")
        return number


def test_what_components_print_is_shown(storm, capfd):
    run(graphs.chain(graphs.Range(3), Prints()), processes=1, **STORM)
    assert sorted(capfd.readouterr().out.split("\n")) == [
        "",
        *(f"item {k}" for k in range(3)),
    ]


class Waits(IterativePE):
    """Says that it works, and works until a file is there."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = str(folder)

    def _process(self, number: Any) -> Any:
        Path(self.folder, "works").touch()
        until(Path(self.folder, "enough").exists)
        return number


def until(condition: Any) -> None:
    deadline = time.monotonic() + 100.0
    while not condition():
        assert time.monotonic() < deadline, condition
        time.sleep(0.02)


def test_a_component_says_that_it_is_alive_during_a_long_call(storm, tmp_path):
    """Storm asks all the time, and ends a component that does not answer."""

    def count_answers() -> None:
        until(Path(tmp_path, "works").exists)
        before = storm.n_answers()
        until(lambda: storm.n_answers() >= before + 3)
        Path(tmp_path, "enough").touch()

    counting = threading.Thread(target=count_answers)
    counting.start()
    pe = Waits(tmp_path)
    result = run(graphs.chain(graphs.Range(1), pe), processes=1, **STORM)
    counting.join()
    assert result.output(pe.id) == [0]


def test_a_topology_whose_driver_ended_before_it_began_is_ended(tmp_path, monkeypatch):
    """Otherwise Storm would start its components again and again."""
    ended = []

    class Nimbus:
        def __init__(self, host: str, port: int) -> None:
            self.address = f"{host}:{port}"

        def kill(self, name: str) -> None:
            ended.append((self.address, name))

    monkeypatch.chdir(tmp_path)
    Path(topology.JOB).touch()
    monkeypatch.setattr(start, "load_job", lambda content: None)
    monkeypatch.setattr("dispel4py.mappings.storm.nimbus.Nimbus", Nimbus)
    with socket.create_server(("127.0.0.1", 0)) as server:
        nobody = f"127.0.0.1:{server.getsockname()[1]}"
    conf = {topology.DRIVER: nobody, topology.KEY: "00", topology.NAME: "orphan"}
    conf |= {"nimbus.seeds": ["here"], "nimbus.thrift.port": 6627}
    line = Line(io.BytesIO(), io.BytesIO())
    with pytest.raises(ConnectionRefusedError):
        start.Program(line, Setup(conf, topology.CONTROL, 0, 1))
    assert ended == [("here:6627", "orphan")]


def test_misfits_are_those_of_simple(storm, tmp_path, monkeypatch):
    monkeypatch.setenv("DISPEL4PY_NIMBUS", "fake")
    misfits.assert_same(tmp_path, "storm")


def test_a_package_is_created_and_submitted(storm, tmp_path, monkeypatch, capsys):
    """The first by the command of earlier versions."""
    program = Path(__file__).resolve().parents[2] / "storm_submission.py"
    words = ["dispel4py.examples.word_count", "counts", "-m", "create", "-s", "-n", "1"]
    done = subprocess.run(
        [sys.executable, str(program), *words],
        env=environment(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "counts.zip" in done.stdout
    monkeypatch.chdir(tmp_path)
    assert main(["storm", "--submit", "counts.zip", "--nimbus", "fake"]) == 0
    assert "('sea', 3)" in capsys.readouterr().out


def test_nothing_is_left(storm):
    assert storm.topologies() == []
    assert not list(Path("/dev/shm").glob(f"dispel4py-{os.getpid()}-*"))


def test_the_package_has_all_files_of_the_resources(tmp_path, monkeypatch):
    (tmp_path / "inner").mkdir()
    for name in ("a.txt", ".hidden", "inner/b.txt"):
        (tmp_path / name).write_text(name)
    content = make_package(None, str(tmp_path))
    with zipfile.ZipFile(io.BytesIO(content)) as package:
        for name in ("a.txt", ".hidden", "inner/b.txt"):
            assert package.read(f"resources/{name}") == name.encode()
    hide(monkeypatch, [tmp_path / "inner/b.txt"])
    with pytest.raises(OSError, match="Input/output error"):
        make_package(None, str(tmp_path))


def test_a_storm_that_cannot_be_looked_at_is_named(tmp_path, monkeypatch):
    def fail(path):
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setenv("STORM_HOME", str(tmp_path))
    monkeypatch.setattr(daemons, "java", lambda: "java")
    with pytest.raises(MappingUnavailable, match="there is no Storm"):
        daemons.storm_home()
    monkeypatch.setattr(os, "scandir", fail)
    with pytest.raises(MappingUnavailable, match="lib: Permission denied"):
        daemons.storm_home()
