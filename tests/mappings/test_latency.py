"""An item arrives in time at the next PE, whatever came before it."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import threading
from threading import RLock
from typing import Any

import pytest
import slow_streams
from programs import HERE, environment, require_mpi

from dispel4py.lineage import Key
from dispel4py.mappings.channel import Channel
from dispel4py.mappings.outbox import LINGER_SECONDS
from dispel4py.mappings.wire import unpack_items
from dispel4py.testing import Simulation, simulate

#: At first the last items came up to 1.5 s late; a busy machine takes a part of it.
BOUND_S = 0.3
DELAY_S = 0.001


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
    """In virtual time nothing takes time but the way and the waiting."""
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
    one, delaying, middle = sorted(
        graph.pes, key=lambda pe: type(pe).__name__ != "OnePe"
    )
    graph.partitions = [[one, middle], [delaying]]
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


@pytest.mark.parametrize("kind", ["writes", "in the middle"])
def test_slow_items_are_not_late_under_multi(kind):
    late = slow_streams.delays(kind, mapping="multi", processes=3)
    assert max(late) < BOUND_S


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
    keeps_frames, first_serial, first_number = False, 0, 0

    def __init__(self) -> None:
        self.post, self.lock = Post(), RLock()
        self.clock = Simulation()

    def serve(self, depth: int) -> None:
        """Answer everything."""
        self.answer()

    def answer(self) -> None:
        with self.lock:
            for serial in list(self.channel._unanswered):
                self.channel.take_acknowledgement(serial, 100, 1e-6)

    def schedule_flush(self) -> None:
        """The second thread looks all the time."""

    def report_progress(self) -> None:
        """Nobody listens."""


def test_two_threads_lose_and_change_nothing():
    """One puts, the other sends what waits and takes in answers, all the time."""
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
