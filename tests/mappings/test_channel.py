"""Batches of a channel: their size, their limits, and how long they are kept."""

from __future__ import annotations

import itertools
import pickle
from threading import RLock
from typing import Any

import numpy as np

from dispel4py.grouping import Grouping
from dispel4py.lineage import Key
from dispel4py.mappings import channel as module
from dispel4py.mappings.channel import SLOW_WINDOW, WINDOW, Channel
from dispel4py.mappings.custody import Custody
from dispel4py.mappings.feeding import Feed, Feeder
from dispel4py.mappings.memory import Simulation
from dispel4py.mappings.routing import Shuffle
from dispel4py.mappings.wire import END, SETTLED
from dispel4py.router import Router


class Post:
    """Keeps the frames that are sent."""

    process, is_behind = 0, False

    def __init__(self) -> None:
        self.sent: list[list[Any]] = []

    def send(self, destination: int, head: bytes, buffers: Any = ()) -> None:
        self.sent.append(pickle.loads(head))

    def receive(self, timeout_s: float) -> None:
        return None


class Worker:
    """Acknowledges the oldest batch, or one of a channel, when a channel waits."""

    keeps_frames, first_serial = False, 0
    n_told = 0

    def __init__(self, seconds_of: Any = lambda item: 0.0) -> None:
        self.post, self.channels, self.lock = Post(), {}, RLock()
        self.clock = Simulation()  # the clock stands still
        self.seconds_of, self.n_answered = seconds_of, 0

    def channel(self, destination: int) -> Channel:
        new_channel = Channel(Key(0, 0, destination), destination, 0, self)
        self.channels[new_channel.key] = new_channel
        return new_channel

    def answer(self) -> None:
        """Acknowledge the oldest batch."""
        _, key, serial, values, _ = self.post.sent[self.n_answered]
        self.n_answered += 1
        seconds = sum(map(self.seconds_of, values))
        self.channels[key].take_acknowledgement(serial, len(values), seconds)

    def poll(self, timeout_s: float) -> None:
        """Receive nothing."""

    def serve(self, depth: int) -> None:
        """Wait until a batch is acknowledged."""
        self.answer()

    def report_progress(self) -> None:
        """Count how often."""
        self.n_told += 1

    def schedule_flush(self) -> None:
        """Do nothing, so that a slow machine does not change the batches."""


def sizes(worker: Worker) -> list[int]:
    return [len(batch[3]) for batch in worker.post.sent]


def test_batches_of_cheap_items_grow() -> None:
    worker = Worker(lambda item: 1e-7)
    way = worker.channel(1)
    for k in range(10_000):
        way.put(k)
    way.flush()
    assert sizes(worker)[:3] == [1, 1, 1]
    assert max(sizes(worker)) == module.BATCH_ITEMS
    assert worker.n_told == len(worker.post.sent)
    assert [v for batch in worker.post.sent for v in batch[3]] == list(range(10_000))


def test_many_numbers_are_sent_as_one_by_one() -> None:
    alone, together = Worker(), Worker()
    single, many = alone.channel(1), together.channel(1)
    for first in range(0, 5000, 100):
        for k in range(first, first + 100):
            single.put(k)
        many.put_numbers(list(range(first, first + 100)))
    assert single.n_put == many.n_put == 5000
    assert sizes(alone) == sizes(together)


def test_numbers_after_something_else_keep_their_order() -> None:
    worker = Worker(lambda item: 1e-7)
    way = worker.channel(1)
    for _ in range(4):
        way.put_numbers(list(range(500)))
    way.put(("a", "tuple"))
    way.put_numbers([1, 2])
    assert way.n_put == 2003
    way.flush()
    *_, last = worker.post.sent
    assert [v for batch in worker.post.sent for v in batch[3]][-2:] == [1, 2]
    assert last[4] is None or last[4][-2:] == [0, 0]


def test_a_batch_of_usually_cheap_items_stays_small() -> None:
    """One item in fifty takes 0.1 s, so an item takes 2 ms: no more than 1 in 3 ms."""
    worker = Worker(lambda item: 0.1 if item % 50 == 49 else 1e-6)
    way = worker.channel(1)
    for k in range(1000):
        way.put(k)
    seen = sizes(worker)
    known = next(k for k in range(len(seen)) if sum(seen[:k]) >= 400)
    assert max(seen) <= 200
    assert max(seen[known:]) <= 3


def test_a_slow_start_is_forgotten() -> None:
    """The first item takes a second, as for loading a library."""
    worker = Worker(lambda item: 1.0 if item == 0 else 1e-6)
    way = worker.channel(1)
    for k in range(5000):
        way.put(k)
    assert max(sizes(worker)) > 500


def test_little_is_sent_ahead_to_slow_instances() -> None:
    """Each instance works on one item, and one item waits for it."""
    worker = Worker()
    ways = [worker.channel(k) for k in (1, 2, 3)]
    router = Router(Grouping(), len(ways))
    deal = Shuffle(router, [way.put for way in ways], list(ways), worker, 0)
    for k in range(3 * SLOW_WINDOW):
        deal(k)
    assert worker.n_answered == 0
    assert [way.under_way for way in ways] == [SLOW_WINDOW] * 3
    assert SLOW_WINDOW < WINDOW
    worker.seconds_of = lambda item: 0.1
    for k in range(60):
        deal(k)
        assert max(way.under_way for way in ways) <= SLOW_WINDOW
    assert set(sizes(worker)) == {1}


# ------------------------------------------------- what is kept for another worker


class Keeper(Worker):
    """Keeps unsettled batches; acknowledges each batch as not yet settled."""

    keeps_frames = True

    def answer(self) -> None:
        _, key, serial, values, *_ = self.post.sent[self.n_answered]
        self.n_answered += 1
        self.channels[key].take_acknowledgement(
            serial, len(values), 0.0, is_settled=False
        )


def test_a_batch_is_kept_until_it_is_settled() -> None:
    worker = Keeper()
    way = worker.channel(1)
    for k in range(3):
        way.put(k)
    worker.answer()
    worker.answer()
    assert way.under_way == 1  # there is room again
    worker.post.sent.clear()
    way.send_again()
    assert [message[3] for message in worker.post.sent] == [[0], [1], [2]]
    way.settled(1)
    way.settled(3)
    worker.post.sent.clear()
    way.send_again()
    assert [message[3] for message in worker.post.sent] == [[1]]
    assert (way.is_settled_to(1), way.is_settled_to(2)) == (True, False)


def test_the_sender_is_informed_when_a_batch_is_settled() -> None:
    worker = Keeper()
    first, second = worker.channel(1), worker.channel(2)
    custody, key = Custody(worker.post), Key(7, 7, 7)
    assert custody.take(5, key, 41, [first, second])  # no item was made from it
    first.put("x")
    second.put("y")
    assert not custody.take(5, key, 42, [first, second])
    second.put("z")  # of a later batch
    worker.post.sent.clear()
    for way, serial in ((first, 1), (second, 1)):
        custody.report_settled()
        assert not worker.post.sent
        way.settled(serial)
    custody.report_settled()
    custody.report_settled()
    assert worker.post.sent == [(SETTLED, key, 42)]


def test_no_batch_is_kept_for_a_worker_that_has_ended() -> None:
    worker = Keeper()
    way = worker.channel(1)
    way.put("x")
    way.stop_sending()
    for _ in range(9):
        way.put("y")
    assert way.is_settled
    assert len(worker.post.sent) == 1


class Stopping(Worker):
    """Gets the order to stop while a channel waits, and no acknowledgement after it."""

    feeder: Any = None

    def serve(self, depth: int) -> None:
        assert not self.feeder._ending, "waits for a source that takes no more inputs"
        self.feeder.stop()


def test_a_stopped_feeder_waits_for_no_acknowledgement() -> None:
    worker = Stopping()
    way = worker.channel(1)
    for _ in range(200):  # cheap items: then batches may have many items
        way.put(0)
        if worker.n_answered < len(worker.post.sent):
            worker.answer()
    arrays = ({"input": np.zeros(100_000)} for _ in itertools.count())
    worker.feeder = feeder = Feeder(Feed("Source", arrays, lambda item: None), [way])
    for _ in range(100):
        if feeder.is_due(0.0) and not feeder.is_over:
            feeder.step(0.0)
    assert feeder.is_over
    assert worker.post.sent[-1][0] == END
    assert way.is_settled
