"""An item arrives in time at the next PE, also after many quick items."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import threading
from statistics import median
from threading import RLock
from typing import Any

import pytest
import slow_streams
from programs import HERE, environment, require_mpi

from dispel4py.lineage import Key
from dispel4py.mappings.channel import Channel
from dispel4py.mappings.outbox import LINGER_SECONDS
from dispel4py.mappings.wire import unpack_items
from dispel4py.observe import Observer
from dispel4py.testing import Simulation, simulate

DELAY_S = 0.001
#: Longest delay of an item, in seconds: it does not wait for the next one. Before, the
#: last items were up to 1.5 s late.
BOUND_S = slow_streams.PAUSE_S
#: Longest usual delay, in seconds: a busy machine needs 0.07, another one 0.015.
USUAL_S = 0.1


class Watching(Observer):
    """Listens to calls."""

    def called(self, call: Any) -> None:
        """Do nothing."""


def simulated(kind: str, simulation: Simulation, **how: Any) -> list[Any]:
    """Return the delays of all items in virtual time, and when they were written."""
    graph, delay = slow_streams.graph_of(kind)
    for pe in graph.pes:
        pe.clock = simulation
    result: list[Any] = simulate(graph, simulation=simulation, **how).output(delay.id)
    return result


@pytest.mark.parametrize("kind", slow_streams.KINDS)
@pytest.mark.parametrize("policy", ["stop", "skip"])
def test_an_item_leaves_within_two_intervals(kind, policy):
    """In virtual time only the transport and the waiting take time."""
    late = slow_streams.slow_delays(
        simulated(kind, Simulation(delay_s=DELAY_S), processes=3, on_error=policy)
    )
    assert max(late) <= 2 * LINGER_SECONDS + DELAY_S + 1e-9
    assert 2 * LINGER_SECONDS <= 0.025


def test_items_of_a_slow_stream_are_sent_at_once():
    """As soon as the stream has been slow for two items."""
    late = slow_streams.slow_delays(
        simulated("writes", Simulation(delay_s=DELAY_S), processes=2)
    )
    assert late[2:] == pytest.approx([DELAY_S] * (slow_streams.N_SLOW - 2))


def test_partitions_do_not_delay_items():
    simulation = Simulation(delay_s=DELAY_S)
    graph, delay = slow_streams.graph_of("in the middle")
    first, delaying, middle = sorted(
        graph.pes, key=lambda pe: type(pe).__name__ != "OnePe"
    )
    graph.partitions = [[first, middle], [delaying]]
    for pe in graph.pes:
        pe.clock = simulation
    result = simulate(graph, processes=2, simulation=simulation)
    late = slow_streams.slow_delays(result.output(delay.id))
    assert max(late) <= 2 * LINGER_SECONDS + DELAY_S + 1e-9


def test_the_same_seed_gives_the_same_order_of_events():
    runs = [
        simulated("two edges", Simulation(seed, DELAY_S), processes=4)
        for seed in (1, 1, 2)
    ]
    assert runs[0] == runs[1]
    assert len(runs[2]) == len(runs[0])


@pytest.mark.parametrize("kind", ["writes", "two edges", "in the middle"])
def test_slow_items_are_not_late_under_multi(kind):
    late = slow_streams.delays(kind, mapping="multi", processes=3)
    assert max(late) < BOUND_S
    assert median(late) < USUAL_S


@pytest.mark.parametrize("observers", [(), [Watching()]])
def test_items_of_a_restarted_worker_are_not_late(tmp_path, observers):
    """The restarted worker keeps frames, and with an observer also names."""
    source, delay = slow_streams.Writes(), slow_streams.Delay()
    restarted = slow_streams.Restarted(tmp_path / "mark")
    graph = slow_streams.WorkflowGraph()
    graph.connect(source, "output", restarted, "input")
    graph.connect(restarted, "output", delay, "input")
    result = slow_streams.run(
        *(graph, None, "multi", 3), restart_workers=True, observers=observers
    )
    assert sum(report.restarts for report in result.processes) == 1
    pairs = sorted(result.output(delay.id), key=lambda pair: pair[1])
    late = [age for age, _ in pairs[-slow_streams.N_SLOW :]]
    assert max(late) < BOUND_S
    assert median(late) < USUAL_S


def test_slow_items_are_not_late_under_mpi():
    """Rank 0 has the source, and gathers the results."""
    program = str(HERE / "slow_streams.py")
    done = subprocess.run(
        [require_mpi(), "-n", "3", sys.executable, program, "writes", "at the end"],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert max(max(late) for late in json.loads(done.stdout)) < BOUND_S


def test_slow_items_are_not_late_under_simple():
    assert max(slow_streams.delays("writes")) < BOUND_S


# ------------------------------------------------------- two threads, one channel


class Post:
    process, is_behind = 0, False

    def __init__(self) -> None:
        self.items: list[Any] = []

    def send(self, destination: int, head: bytes, buffers: Any = ()) -> None:
        _, _, _, values, flags = pickle.loads(head)
        self.items += unpack_items(values, flags, [bytes(b) for b in buffers])


class Owner:
    keeps_frames, first_serial = False, 0

    def __init__(self) -> None:
        self.post, self.lock = Post(), RLock()
        self.clock = Simulation()

    def serve(self, depth: int) -> None:
        """Acknowledge all batches."""
        self.answer()

    def answer(self) -> None:
        with self.lock:
            for serial in list(self.channel._unanswered):
                self.channel.take_acknowledgement(serial, 100, 1e-6)

    def schedule_flush(self) -> None:
        """Do nothing: the second thread flushes all the time."""

    def report_progress(self) -> None:
        """Do nothing: there is no observer."""


def test_two_threads_keep_all_items_and_their_order():
    """One thread puts items; the other sends batches and takes acknowledgements."""
    owner = Owner()
    way = owner.channel = Channel(Key(0, 0, 1), 1, 0, owner)
    is_over = threading.Event()

    def look() -> None:
        while not is_over.is_set():
            way.send_if_room()
            owner.answer()

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    second = threading.Thread(target=look)
    second.start()
    expected: list[Any] = []
    try:
        for k in range(20_000):
            item = (k, f"{k}", (k, "tuple"), bytes(70_000 if k % 500 == 0 else 3))[
                k % 4
            ]
            way.put(item)
            expected.append(item)
            if k % 100 == 0:
                way.put_numbers([k] * 50)
                expected += [k] * 50
        way.flush()
    finally:
        is_over.set()
        second.join()
        sys.setswitchinterval(before)
    assert owner.post.items == expected
    assert way.n_put == len(expected)


def test_a_graph_without_channels_starts_no_thread(monkeypatch):
    monkeypatch.setattr(slow_streams, "PAUSE_S", 0.0)
    graph, delay = slow_streams.graph_of("two edges")
    before, seen = set(threading.enumerate()), []
    delay._process = lambda data: seen.append(set(threading.enumerate()))
    slow_streams.run(graph)
    assert seen[-1] == before
