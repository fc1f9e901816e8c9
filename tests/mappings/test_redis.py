"""The mapping ``redis``: results, workers that join, die and stop, and the server."""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import graphs
import misfits
import numpy as np
import pytest
import records_seen
from hypothesis import HealthCheck, given, settings
from programs import environment
from random_graphs import given_by, random_graphs
from redis_servers import LONGEST_S, Killer, Slowly, Sums, at_work, sums, wait_for

from dispel4py.base import IterativePE, ProducerPE
from dispel4py.core import GenericPE
from dispel4py.dead_letters import read_letters
from dispel4py.errors import MappingUnavailable, ParameterError, RunError
from dispel4py.lineage import Key
from dispel4py.mappings import get_mapping
from dispel4py.mappings.redis.contents import output_of
from dispel4py.mappings.redis.ledger import LOST, OK, WORK, Ledger
from dispel4py.mappings.redis.parcels import Parcel, Place, open_parcel, repack
from dispel4py.mappings.redis.saving import attributes, restore, save
from dispel4py.mappings.redis.server import without_password
from dispel4py.mappings.redis.streams import streams_of
from dispel4py.mappings.redis.tasks import Commit, Task
from dispel4py.message import Unreadable
from dispel4py.plan import make_plan
from dispel4py.provenance.model import CALLS_PER_START
from dispel4py.run import run
from dispel4py.testing.conformance import Conformance
from dispel4py.workflow_graph import WorkflowGraph
from tests.draws import chosen

# --------------------------------------------------------------------- conformance


class TestConformance(Conformance):
    mapping = "redis"
    processes = (3,)
    cases = chosen(graphs.FEW, graphs.CASES)
    n_random_graphs = 1  # hypothesis draws more below

    @pytest.fixture(autouse=True)
    def _at_server(self, url):
        self.options = {"url": url}


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(random_graphs())
def test_random_graphs(url, layout):
    how = {"processes": layout["processes"], "mapping": "redis", "url": url}
    assert given_by(layout, **how) == given_by(layout)


# ------------------------------------------------------------------- killed workers


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nothing_is_lost_or_repeated_when_workers_are_killed(url, seed):
    graph, expected = sums(2000)
    with Killer(seed) as killer:
        how = {"processes": 5, "deliveries": 50, "url": url}
        result = run(graph, mapping="redis", **how)
    found = result.output("Sums2")
    assert killer.n_kills > 0
    assert (len(found), dict(found)) == (17, expected)
    assert result.counts["Pairs1"] == (2000, 2000)
    assert result.counts["Sums2"] == (2000, 17)


def test_the_work_of_a_stopped_worker_is_taken_over(url):
    graph, expected = sums(2000)
    paused: list[int] = []

    def pause() -> None:
        wait_for(lambda: len(multiprocessing.active_children()) == 4)
        time.sleep(0.2)
        paused.append(multiprocessing.active_children()[1].pid or 0)
        os.kill(paused[0], signal.SIGSTOP)
        time.sleep(1.0)  # longer than the lease: others take over
        os.kill(paused[0], signal.SIGCONT)

    thread = threading.Thread(target=pause)
    thread.start()
    result = run(graph, mapping="redis", processes=4, lease_s=0.4, url=url)
    thread.join()
    found = result.output("Sums2")
    assert (len(found), dict(found)) == (17, expected)
    assert result.counts["Sums2"] == (2000, 17)


class Locked(GenericPE):
    """Has a state that cannot be pickled, and names its process in a file."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._add_input("input", grouping="global")
        self._add_output("output")
        self.file, self.n = str(file), 0

    def preprocess(self) -> None:
        self.lock = threading.Lock()

    def process(self, inputs: dict[str, Any]) -> None:
        self.n += 1
        if self.n == 1:
            Path(self.file).write_text(str(os.getpid()))

    def postprocess(self) -> None:
        self.write("output", self.n)


def test_a_lost_state_that_could_not_be_saved_ends_the_run(server, url, tmp_path):
    file = tmp_path / "pid"

    def kill() -> None:
        # after the first commit: before it, another worker begins from the start
        wait_for(lambda: server.client().hlen("{locked}:pinned"))
        os.kill(int(file.read_text()), signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    graph = graphs.chain(Slowly(100_000), Locked(file))
    how = {"processes": 3, "url": url, "run_name": "locked"}
    with pytest.raises(RunError) as caught:
        run(graph, mapping="redis", **how)
    thread.join()
    assert "Locked1" in str(caught.value)
    assert "cannot pickle '_thread.lock' object" in str(caught.value)


def test_a_state_that_cannot_be_saved_is_used_by_its_worker(url, tmp_path):
    graph = graphs.chain(graphs.Range(200), Locked(tmp_path / "pid"))
    result = run(graph, mapping="redis", processes=3, url=url)
    assert result.output("Locked1") == [200]


class Deadly(IterativePE):
    """Kills its process at item 7."""

    def _process(self, number: Any) -> Any:
        if number == 7:
            os._exit(1)
        return number


class DeadlySum(graphs.Total):
    """Kills its process at item 7, and has a state."""

    def process(self, inputs: dict[str, Any]) -> None:
        if inputs["input"] == 7:
            os._exit(1)
        super().process(inputs)


@pytest.mark.parametrize(
    ("make", "expected"),
    [(Deadly, [n for n in range(20) if n != 7]), (DeadlySum, [190 - 7])],
)
def test_an_item_that_kills_its_workers_is_a_dead_letter(url, tmp_path, make, expected):
    letters, pe = tmp_path / "letters", make()
    graph = graphs.chain(graphs.Range(20), pe)
    how = {"mapping": "redis", "processes": 2, "deliveries": 2, "url": url}
    result = run(graph, on_error="skip", dead_letters=letters, **how)
    assert sorted(result.output(pe.id)) == expected
    (failure,) = result.failures
    assert (failure.pe_id, failure.port, failure.item) == (pe.id, "input", "7")
    assert failure.cause == "RuntimeError: 2 workers died while they worked on it"
    assert [letter.item() for letter in read_letters(letters)] == [7]


def test_an_item_that_kills_its_workers_ends_the_run(url):
    graph = graphs.chain(graphs.Range(20), Deadly())
    with pytest.raises(RunError, match=r"Deadly1 .* on input 'input' = 7"):
        run(graph, mapping="redis", processes=2, deliveries=2, url=url)


# -------------------------------------------------------------------------- joining


GRAPH = """
import os, time
from pathlib import Path
from dispel4py.base import IterativePE, ProducerPE
from dispel4py.workflow_graph import WorkflowGraph

class Numbers(ProducerPE):
    def _process(self, inputs):
        if not Path(__file__).with_name("enough").exists():
            self.call_again(0.02)
        return 5

class Work(IterativePE):
    def _process(self, number):
        with Path(__file__).with_name("seen").open("a") as file:  # one short write
            file.write(f"{os.getpid()} {os.getcwd()}\\n")
        time.sleep(0.02)
        return number

graph = WorkflowGraph()
graph.connect(Numbers(), "output", Work(), "input")
"""


@pytest.fixture
def command() -> Iterator[Any]:
    """Start ``dispel4py redis`` with some words; end the programs after the test."""
    programs: list[subprocess.Popen[str]] = []

    def start(*words: str, cwd: Path | None = None) -> subprocess.Popen[str]:
        program = subprocess.Popen(
            [sys.executable, "-m", "dispel4py", "redis", *words],
            env=environment(),
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        programs.append(program)
        return program

    yield start
    for program in programs:
        program.kill()
        program.communicate()


def test_workers_join_and_leave_while_a_run_goes_on(server, url, tmp_path, command):
    file = tmp_path / "workflow.py"
    file.write_text(GRAPH)
    client = server.client()
    words = ["--run-name", "a", "--summary", "--provenance", str(tmp_path / "p")]
    main = command(str(file), "-n", "2", "--url", url, *words)

    def n_workers() -> int:
        return int(client.scard("{a}:workers"))

    def seen() -> list[int]:
        """Return the process of each item; all work in the folder of the run."""
        path = tmp_path / "seen"
        lines = path.read_text().splitlines() if path.exists() else []
        assert {line.split()[1] for line in lines} <= {os.getcwd()}
        return [int(line.split()[0]) for line in lines]

    wait_for(lambda: n_workers() == 2)
    joined = [command("--join", "a", "--url", url, cwd=tmp_path) for _ in range(2)]
    wait_for(lambda: n_workers() == 4)
    wait_for(lambda: {program.pid for program in joined} <= set(seen()))
    joined[0].terminate()  # leaves
    wait_for(lambda: n_workers() == 3)
    before = len(seen())
    wait_for(lambda: joined[1].pid in seen()[before:])
    (tmp_path / "enough").touch()
    output, error = main.communicate(timeout=LONGEST_S)
    assert main.returncode == 0, error
    rows = dict(re.findall(r"(?m)^(\w+\d) +\d+ +(\d+ +\d+) ", error))
    n, n_out = map(int, rows["Work1"].split())
    assert rows["Numbers0"].split() == [str(n), str(n)]
    assert n_out == n
    assert n <= len(seen()) <= n + 1  # the worker that left may not have committed
    assert output.startswith("Work1.output")
    assert joined[0].wait(LONGEST_S) == 143
    assert joined[1].communicate(timeout=LONGEST_S)[1] == ""
    assert joined[1].returncode == 0
    records = records_seen.read(tmp_path / "p")
    records_seen.check(records, lost=True)
    calls = [call for call in records.calls_of("Work1") if "got" in call]
    assert max(Counter(call["got"][1] for call in calls).values()) == 1
    assert {call["n"] // CALLS_PER_START for call in calls} & {2, 3}  # joined


def test_the_next_run_removes_what_a_killed_run_left(server, url, tmp_path, command):
    file, client = tmp_path / "workflow.py", server.client()
    file.write_text(GRAPH)
    how = ["-n", "1", "--url", url, "--run-name", "b", "--lease-s", "0.2"]
    main = command(str(file), *how)
    wait_for(lambda: client.exists("{b}:state"))
    main.kill()
    wait_for(lambda: not client.exists("{b}:open"))
    assert client.exists("{b}:streams")
    run(simple_graph(), mapping="redis", processes=1, url=url)


def test_a_run_that_does_not_exist_cannot_be_joined(url, command):
    program = command("--join", "nobody", "--url", url)
    _, error = program.communicate(timeout=LONGEST_S)
    assert program.returncode == 2
    assert error.count("\n") == 1
    assert "no run 'nobody' at unix://" in error


def test_two_runs_cannot_have_the_same_name(server, url, monkeypatch):
    monkeypatch.setenv("DISPEL4PY_RUN_NAME", "twice")
    server.client().set("{twice}:open", 1, px=60_000)
    graph = graphs.chain(graphs.Range(1), graphs.Pass())
    with pytest.raises(MappingUnavailable, match="has the name 'twice'"):
        run(graph, mapping="redis", processes=1, url=url)
    assert server.client().delete("{twice}:open") == 1


# ----------------------------------------------------------------- inputs, streams


class Arrays(ProducerPE):
    """Sends 24 arrays of 1 MB in one call."""

    def _process(self, inputs: Any) -> None:
        for number in range(24):
            self.write("output", np.full(125_000, number, "f8"))


class Means(IterativePE):
    """Takes longer for an array than the source."""

    def _process(self, array: Any) -> Any:
        time.sleep(0.01)
        return float(array.mean())


def test_each_array_is_sent_once_for_each_receiver(server, url):
    client = server.client()
    before = client.info("stats")["total_net_input_bytes"]
    graph = graphs.chain(Arrays(), graphs.Pass(), Means())
    result = run(graph, mapping="redis", processes=2, url=url)
    assert sorted(result.output("Means2")) == list(range(24))
    sent = client.info("stats")["total_net_input_bytes"] - before
    assert 48e6 < sent < 54e6


def test_an_iterator_of_inputs_is_read_as_fast_as_it_is_used(url):
    n_read = 0

    def inputs() -> Iterator[dict[str, int]]:
        nonlocal n_read
        for number in range(10_000):
            n_read += 1
            yield {"input": number}

    class Few(IterativePE):
        n = 0

        def _process(self, number: Any) -> Any:
            self.n += 1
            time.sleep(0.005)
            if self.n == 10:
                self.stop_stream()
            return number

    graph = graphs.chain(graphs.alone(graphs.Pass()), graphs.alone(Few()))
    result = run(graph, inputs(), mapping="redis", processes=2, url=url)
    found = result.output("Few1")
    assert found == list(range(len(found)))
    assert len(found) >= 10
    assert n_read < 2000


class Polls(ProducerPE):
    """Asks for four calls with the same inputs."""

    n = 0

    def _process(self, inputs: Any) -> int:
        self.n += 1
        if self.n % 4:
            self.call_again(0.01)
        return self.n


def test_a_source_is_called_again(url):
    graph = graphs.chain(Polls(), graphs.Pass())
    result = run(graph, 2, mapping="redis", processes=2, url=url)
    assert sorted(result.output("Pass1")) == list(range(1, 9))


class Endless(ProducerPE):
    """Sends numbers for ever."""

    def _process(self, inputs: Any) -> None:
        number = 0
        while True:
            self.write("output", number)
            number += 1


class Stops(GenericPE):
    """Stops the stream after 1000 items, and sends their number at the end."""

    def __init__(self) -> None:
        super().__init__()
        self._add_input("input", grouping="global")
        self._add_output("output")
        self.n = 0

    def process(self, inputs: dict[str, Any]) -> None:
        assert inputs["input"] == self.n
        self.n += 1
        if self.n == 1000:
            self.stop_stream()

    def postprocess(self) -> None:
        self.write("output", self.n)


@pytest.mark.parametrize("n", [1, 3])
def test_an_endless_source_waits_for_its_receivers_and_can_be_stopped(url, n):
    graph = graphs.chain(Endless(), graphs.alone(graphs.Pass()), Stops())
    result = run(graph, mapping="redis", processes=n, url=url)
    (found,) = result.output("Stops2")
    assert 1000 <= found < 1_000_000


class Sleeps(IterativePE):
    """Sleeps at item 3."""

    def _process(self, number: Any) -> Any:
        if number == 3:
            time.sleep(30)
        return number


def test_a_call_that_takes_too_long_fails(url):
    graph = graphs.chain(graphs.Range(5), Sleeps())
    how = {"mapping": "redis", "processes": 2, "url": url}
    result = run(graph, on_error="skip", item_timeout_s=0.3, **how)
    assert sorted(result.output("Sleeps1")) == [0, 1, 2, 4]
    assert "more than 0.3 s" in result.failures[0].cause


class Hangs(IterativePE):
    """Sleeps at item 3, and cannot be interrupted."""

    def _process(self, number: Any) -> Any:
        if number == 3:
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
            time.sleep(30)
        return number


def test_a_call_that_cannot_be_interrupted_ends_the_run(url):
    graph = graphs.chain(graphs.Range(5), Hangs())
    how = {"mapping": "redis", "processes": 2, "lease_s": 0.4, "url": url}
    with pytest.raises(RunError, match=r"Hangs1 .* also when interrupted: killed"):
        run(graph, item_timeout_s=0.1, **how)


def test_a_failure_names_pe_item_and_cause(url):
    graph = graphs.chain(graphs.Range(), graphs.Fragile())
    with pytest.raises(RunError) as caught:
        run(graph, mapping="redis", processes=2, url=url)
    (failure,) = caught.value.failures
    assert (failure.pe_id, failure.port) == ("Fragile1", "input")
    assert failure.cause.endswith("is a multiple of 5")
    assert "_process" in failure.traceback


class Seen:
    """Keeps the last counts of a run."""

    counts: Any = None

    def progress(self, counts: Any) -> None:
        self.counts = counts


def test_progress_and_reports_have_all_items(url):
    seen, graph = Seen(), graphs.chain(graphs.Range(50), graphs.Pass())
    how = {"processes": 2, "observers": [seen], "measure": True, "url": url}
    result = run(graph, mapping="redis", **how)
    assert seen.counts["Pass1"][:2] == (50, 50)
    works = [work for report in result.processes for work in report.instances]
    assert sum(work.n_in for work in works if work.pe_id == "Pass1") == 50


# ------------------------------------------------------------------------ the server


def simple_graph() -> WorkflowGraph:
    return graphs.chain(graphs.Range(10), graphs.Pass())


def test_a_server_that_is_absent_is_refused(tmp_path):
    pytest.importorskip("redis", reason="needs the extra redis")
    with pytest.raises(MappingUnavailable, match="start one by 'redis-server'"):
        run(simple_graph(), mapping="redis", url=f"unix://{tmp_path}/absent")


def test_a_server_with_a_password_is_refused_without_it(start_server):
    url = start_server("--requirepass", "secret").url
    with pytest.raises(MappingUnavailable, match=r"Authentication required|refuses"):
        run(simple_graph(), mapping="redis", url=url)


def test_a_server_that_would_drop_items_is_refused(start_server):
    options = "--maxmemory", "50mb", "--maxmemory-policy", "allkeys-lru"
    with pytest.raises(MappingUnavailable, match="maxmemory-policy to noeviction"):
        run(simple_graph(), mapping="redis", url=start_server(*options).url)


def test_a_full_server_ends_the_run(start_server, monkeypatch):
    from dispel4py.mappings.redis import run as parent
    from dispel4py.mappings.redis import worker

    monkeypatch.setattr(worker, "_FULL_S", 0.5)
    monkeypatch.setattr(parent, "_FULL_S", 0.5)
    server = start_server("--maxmemory", "4mb")
    items = [{"input": bytes(1_000_000)} for _ in range(50)]
    graph = graphs.chain(graphs.alone(Waits()), graphs.alone(Waits()))
    with pytest.raises(RunError, match="is full: raise its maxmemory"):
        run(graph, items, mapping="redis", processes=1, url=server.url)
    assert server.client().keys() == []


class Waits(IterativePE):
    """Takes long."""

    def _process(self, data: Any) -> Any:
        time.sleep(2.0)
        return data


def test_a_server_that_goes_away_ends_the_run(start_server):
    server = start_server()
    graph = graphs.chain(Endless(), graphs.Pass(), graphs.Total())
    how = {"processes": 2, "url": server.url, "run_name": "gone"}
    with (
        at_work(server, "gone", server.kill),
        pytest.raises(RunError, match="does not answer any more"),
    ):
        run(graph, mapping="redis", **how)
    assert multiprocessing.active_children() == []


def test_a_server_that_is_stopped_ends_the_run_after_the_silence(start_server):
    """Before, each further command waited for a minute, too: four minutes in all."""
    server = start_server()
    graph = graphs.chain(Endless(), graphs.Pass(), graphs.Total())
    how = {"processes": 2, "url": server.url, "run_name": "still", "silence_s": 4.0}
    stopped_at: list[float] = []

    def stop() -> None:
        os.kill(server.program.pid, signal.SIGSTOP)
        stopped_at.append(time.monotonic())

    with at_work(server, "still", stop), pytest.raises(RunError) as caught:
        run(graph, mapping="redis", **how)
    (failure,) = caught.value.failures
    assert failure.cause == (
        f"Redis at {server.url} is stopped, or cut off: nothing has come from it for "
        "4 s (--silence-s)"
    )
    assert time.monotonic() - stopped_at[0] < LONGEST_S  # 4 s on an idle machine
    assert multiprocessing.active_children() == []


def test_a_server_that_lost_the_run_ends_it(start_server):
    server = start_server()
    graph = graphs.chain(Endless(), graphs.Pass(), graphs.Total())
    how = {"processes": 2, "url": server.url, "run_name": "lost"}
    with (
        at_work(server, "lost", server.client().flushall),
        pytest.raises(RunError, match="has lost the run"),
    ):
        run(graph, mapping="redis", **how)


# -------------------------------------------------------------------------- the parts


def test_options_are_checked():
    for option in (
        *({"lease_s": 0.0}, {"deliveries": 0}, {"run_name": "a b"}),
        {"silence_s": 0.0},
    ):
        with pytest.raises(ParameterError, match=next(iter(option))):
            get_mapping("redis", **option)


def test_passwords_are_not_shown():
    shown = without_password("rediss://user:a@b:c@host:1/2")
    assert shown == "rediss://host:1/2"


def test_large_parcels_and_states_stay_until_the_work_on_them_is_committed(server, url):
    plan = make_plan(graphs.chain(graphs.Pass(), graphs.Pass(), Sums(1)), 3)
    ledger = Ledger(url, "large")
    names = [*streams_of(plan)]
    large = Parcel("", Place(None))
    large.add(bytes(100_000))

    def apart() -> int:
        return len(server.client().keys("{large}:p:*"))

    def take() -> Task:
        outcome, task = ledger.take("a", 0, -1, {})
        assert outcome == WORK
        return task

    assert ledger.open(10.0)
    try:
        ledger.describe(streams_of(plan), b"")
        ledger.join("a", 10.0)
        ledger.push(names[-1], output_of("", large.to_bytes()))
        for _ in range(2):  # the worker dies, and another one takes the same work
            task = take()
            assert (task.stream, open_parcel(task.parcels[0])[0][1]) == (
                names[-1],
                bytes(100_000),
            )
            assert apart() == 1
            assert ledger.bury("a") is None
            ledger.join("a", 10.0)
        task = take()
        outputs = [output_of(names[0], large.to_bytes()), output_of(names[0], b"\0x")]
        commit = Commit("owned", 0, [], outputs, {}, state=bytes(70_000))
        assert ledger.commit(("a", 0), task.stream, commit)[0] == OK
        assert apart() == 2  # the output, and the state
        task = take()
        assert (task.stream, len(task.parcels)) == (names[0], 2)
        commit = Commit("owned", 1, [large.to_bytes()], [], {}, state=bytes(80_000))
        assert ledger.commit(("a", 0), task.stream, commit)[0] == OK
        assert apart() == 3  # the rest of the parcel, and two states
        task = take()
        assert (len(task.parcels), task.parcels[1], task.state) == (
            2,
            b"\0x",
            bytes(80_000),
        )
        commit = Commit("finish", 0, [], [], {})
        assert ledger.commit(("a", 0), task.stream, commit)[0] == OK
        assert apart() == 1  # the state of the source
        assert ledger.commit(("a", 0), task.stream, commit)[0] == LOST
    finally:
        ledger.close()
        ledger.client.close()


def test_streams_with_state_belong_to_an_instance():
    graph, _ = sums(10)
    streams = streams_of(make_plan(graph, 5))
    assert list(streams) == ["2.2", "2.1", "2.0", "1", "0.0"]
    assert [s.is_shared for s in streams.values()] == [False] * 3 + [True, False]
    assert streams["1"].feeders == ("0.0",)
    assert streams["1"].into == ("2.0", "2.1", "2.2", "results")


def test_parcels_keep_items_and_what_cannot_be_read():
    left, right = Place("left", Key(3, 4, 5), 7), Place("right")
    parcel, item = Parcel("1", left), Unreadable(ValueError("broken"), 3)
    for value in (1, "a", [2], b"b", None):
        parcel.add(value)
    items = open_parcel(parcel.to_bytes())
    assert items == [
        (left._replace(number=7 + k), value)
        for k, value in enumerate((1, "a", [2], b"b", None))
    ]
    again = repack([*items, (right, item), (right, 5)], 2, 3)
    assert [content[0] for content in again] == [2, 2, 2]
    found = [pair for content in again for pair in open_parcel(content)]
    assert found[:5] == items
    place, lost = found[5]
    assert (place, type(lost)) == (right, Unreadable)
    assert "broken" in str(lost.error)
    assert found[6] == (right._replace(number=1), 5)
    apart = repack([*items[:1], *items[2:]], 0, 9)  # names have no gaps in a parcel
    assert [len(open_parcel(content)) for content in apart] == [1, 3]


def test_a_state_is_saved_without_the_functions_of_the_plan():
    pe = graphs.Gather(key=lambda item: item % 2)
    at_start = attributes(pe)
    pe.process({"input": 3})
    content, reason = save(pe, at_start)
    other = graphs.Gather(key=lambda item: item % 2)
    restore(other, content)
    assert (reason, other.found, other.id != pe.id) == ("", {1: [3]}, True)
    pe.key = lambda item: item % 3  # a function made in the run is state
    assert "cannot be saved" in save(pe, at_start)[1]


# ---------------------------------------------------------------- the application


def test_correlations_are_those_of_one_process(url, shared_data, tmp_path, monkeypatch):
    np = pytest.importorskip("numpy")
    from xcorr_app import cli, store

    monkeypatch.setenv("DISPEL4PY_REDIS_URL", url)
    stations = tmp_path / "stations.txt"
    stations.write_text("KS *\n")
    words = ["--stations", str(stations), "--data", str(shared_data / "kansas4")]
    words += ["--channels", "LHZ", "--window-s", "3600", "--max-lag-s", "100"]
    stacks = []
    for mapping in ("simple", "redis"):
        out = tmp_path / mapping
        how = ["--out", str(out), "--mapping", mapping, "-n", "3", "--quiet"]
        assert cli.main([*words, *how]) == 0
        with store.open(out) as opened:
            stacks.append({(c.first, c.second): (c.n_windows, c.data) for c in opened})
    simple, redis = stacks
    assert list(redis) == list(simple)
    assert len(simple) == 6
    for pair, (n_windows, data) in simple.items():
        assert redis[pair][0] == n_windows
        np.testing.assert_allclose(redis[pair][1], data, rtol=0, atol=1e-6)


def test_misfits_are_those_of_one_process(url, tmp_path, monkeypatch):
    monkeypatch.setenv("DISPEL4PY_REDIS_URL", url)
    misfits.assert_same(tmp_path, "redis")
