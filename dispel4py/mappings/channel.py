"""Channels: ordered, batched, bounded ways from one instance to another process.

A channel may have `WINDOW` batches under way; the receiver answers each with an
acknowledgement that says how long it worked on it. So memory is bounded whatever the
length of the stream, and a batch grows only as long as its receiver is quick.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Sequence
from time import monotonic
from typing import Any, NamedTuple, Protocol

from dispel4py.message import ATOMS, NUMBERS, Frame, decode, encode
from dispel4py.plan import Plan

#: Batches of one channel that may be under way.
WINDOW = 3
#: The same where a batch is a single item that takes long: of items that wait for an
#: instance that works on a very long one, the other instances get nothing.
SLOW_WINDOW = 2
#: A batch is made so large that its receiver works on it about this long.
BATCH_SECONDS = 0.003
#: How long an item takes is the mean over about so many.
MEMORY_ITEMS = 2000
#: At most so many items and (about) so many bytes per batch.
BATCH_ITEMS = 1024
BATCH_BYTES = 256 * 1024
#: An item waits in an unfinished batch no longer than this while others follow.
LINGER_SECONDS = 0.01


class Post(Protocol):
    """Carries frames between processes: all that a mapping with mailboxes must have."""

    process: int

    def send(self, destination: int, head: bytes, buffers: Sequence[Any] = ()) -> None:
        """Send without waiting for the receiver; buffers may change afterwards."""

    def receive(self, timeout_s: float) -> Frame | None:
        """Return the next frame, or None if none comes within the time."""


class Key(NamedTuple):
    """Names a channel: from an instance, along a route, to an instance.

    A negative route is an output that leads nowhere (``-1 - port number``); it goes to
    the collector, whose instance is `COLLECTOR`.
    """

    source: int
    route: int
    destination: int


COLLECTOR = -1

# What the first element of a frame's head says.
BATCH, ACK, END, PROGRESS, DONE, FAILED, GIVEN_UP, RESTARTED, SETTLED = range(9)


_WITH_KEY = frozenset({BATCH, ACK, END, SETTLED})


def pack(kind: int, *content: Any) -> bytes:
    """Make the head of a frame."""
    if kind in _WITH_KEY:  # a plain tuple is pickled in a third of the time
        content = (tuple(content[0]), *content[1:])
    return pickle.dumps((kind, *content), 5)


def unpack(head: bytes) -> tuple[Any, ...]:
    """Return what `pack` was given."""
    message: tuple[Any, ...] = pickle.loads(head)
    if message[0] in _WITH_KEY:
        return (message[0], Key._make(message[1]), *message[2:])
    return message


class Channel:
    """The sending end of a channel."""

    def __init__(self, key: Key, destination: int, depth: int, worker: Any) -> None:
        self.key = key
        self.destination = destination
        self.depth = depth
        self._post: Post = worker.post
        self._wait = worker.serve
        self._tell_progress = worker.tell_progress
        self._values: list[Any] = []
        self._flags: list[int] | None = None
        self._buffers: list[Any] = []
        self._bytes = 0
        self._oldest = 0.0
        self._limit = self._look_at = 1
        self._unanswered: set[int] = set()
        self._keeps_frames: bool = worker.keeps_frames
        self._kept: dict[int, Frame] = {}
        self._serial: int = worker.first_serial
        self._has_ended = self._is_over = False
        self._is_full = False
        self._n_answered = 0
        self._seen = 0.0, 0.0  # items, and the time they took
        self.bytes_sent = 0
        self._n_flushed = 0
        #: Channels of other edges between the same two instances: items of all of
        #: them arrive in the order in which they were put.
        self.siblings: tuple[Channel, ...] = ()

    @property
    def n_put(self) -> int:
        """Items that were put in so far."""
        return self._n_flushed + len(self._values)

    @property
    def under_way(self) -> int:
        """Batches that were sent and are not answered."""
        return len(self._unanswered)

    @property
    def is_settled(self) -> bool:
        """Whether nothing is under way, nor anything that came of it."""
        return not self._unanswered and not self._kept

    @property
    def last_serial(self) -> int:
        """Number of the last batch that was sent."""
        return self._serial

    def is_settled_to(self, serial: int) -> bool:
        """Return whether nothing is left of this batch and those before it."""
        oldest = next(iter(self._kept), None)
        return oldest is None or oldest > serial

    def ready(self) -> bool:
        """Return whether one more item can be put without waiting."""
        window = WINDOW if self._limit > 1 else SLOW_WINDOW
        return len(self._unanswered) < window or len(self._values) + 1 < self._limit

    def put(self, item: Any) -> None:
        """Send ``item``, in a batch; wait while too much is under way.

        Raises
        ------
        ItemError
            If the item cannot be pickled.
        """
        if self.siblings:
            for sibling in self.siblings:
                sibling.flush()
        values = self._values
        if type(item) in NUMBERS and self._flags is None:
            values.append(item)
        else:
            self._encode(item)
        if len(values) >= self._look_at:
            self._look()

    def put_numbers(self, items: list[Any]) -> None:
        """Do what `put` does for each of several items of the types `NUMBERS`."""
        at = 0
        while at < len(items):
            if self.siblings or self._flags is not None:
                self.put(items[at])
                at += 1
                continue
            room = max(1, self._limit - len(self._values))
            self._values += items[at : at + room]
            at += room
            if len(self._values) >= self._look_at:
                self._look()

    def _look(self) -> None:
        """Send the batch if it is full or old; say at what size to look again."""
        n = len(self._values)
        if n >= self._limit or self._bytes >= BATCH_BYTES:
            self.flush()
        elif not self._oldest:
            self._oldest = monotonic()
            self._look_at = n + 1
        elif monotonic() - self._oldest > LINGER_SECONDS:
            self.flush()
        else:
            self._look_at = min(self._limit, n + (1 if n < 8 else 16))

    def _encode(self, item: Any) -> None:
        if type(item) in ATOMS:
            self._values.append(item)
            if self._flags is not None:
                self._flags.append(0)
            if type(item) in (str, bytes):
                self._grow(len(item))
            return
        head, large = encode(item)
        if self._flags is None:
            self._flags = [0] * len(self._values)
        self._values.append(head)
        self._flags.append(1 + len(large))
        self._grow(len(head))
        if large:  # they may change as soon as put returns
            self._buffers.extend(large)
            self._grow(BATCH_BYTES)

    def _grow(self, n_bytes: int) -> None:
        self._bytes += n_bytes
        if self._bytes >= BATCH_BYTES:
            self._look_at = 0

    def flush(self) -> None:
        """Send what is waiting."""
        while self._values and len(self._unanswered) >= WINDOW:
            self._wait(self.depth)
        if not self._values:
            return
        self._serial += 1
        self._is_full = len(self._values) >= self._limit
        head = pack(BATCH, self.key, self._serial, self._values, self._flags)
        self._n_flushed += len(self._values)
        buffers = self._buffers
        self._values, self._flags, self._buffers, self._bytes = [], None, [], 0
        self._look_at, self._oldest = 1, 0.0
        if self._is_over:
            return
        self.bytes_sent += len(head) + sum(len(buffer) for buffer in buffers)
        if self._keeps_frames:
            kept = Frame(self._post.process, head, [bytes(b) for b in buffers])
            self._kept[self._serial] = kept
        self._unanswered.add(self._serial)
        self._post.send(self.destination, head, buffers)
        self._tell_progress()

    def end(self) -> None:
        """Say that nothing more comes."""
        self.flush()
        self._has_ended = True
        self._post.send(self.destination, pack(END, self.key))

    def receiver_has_left(self) -> None:
        """Send nothing more: it has had all of this stream, from a predecessor."""
        self._is_over = True
        self._unanswered.clear()
        self._kept.clear()

    def send_again(self) -> None:
        """Send what is not settled to the process that took the receiver's place."""
        for frame in self._kept.values():
            self._post.send(self.destination, frame.head, frame.buffers)
        if self._has_ended:
            self._post.send(self.destination, pack(END, self.key))

    def settled(self, serial: int) -> None:
        """Learn that all that came of a batch has arrived where it ends."""
        self._kept.pop(serial, None)

    def acknowledged(
        self, serial: int, n_items: int, seconds: float, is_settled: bool = True
    ) -> None:
        """Learn that a batch was worked off, and how fast."""
        if is_settled:
            self.settled(serial)
        if serial not in self._unanswered:
            return  # given twice, or sent by a worker whose place this one took
        self._unanswered.remove(serial)
        fitting = int(BATCH_SECONDS / max(self._mean_seconds(n_items, seconds), 1e-9))
        # Nothing is known of items beyond those seen; and a source that did not fill
        # its batches in time gets no larger ones.
        wanted = 2 * int(self._seen[0]) if self._is_full else self._limit
        self._limit = max(1, min(fitting, wanted, BATCH_ITEMS))

    def _mean_seconds(self, n_items: int, seconds: float) -> float:
        """Return what an item takes, with one more batch seen.

        It is the mean of many, not of one batch: a batch of items that are usually
        cheap would be large, and the few that are not would pile up in it.
        """
        if self._n_answered == 1:  # the first pays for what is loaded at its time
            self._seen = 0.0, 0.0
        self._n_answered += 1
        known, known_s = self._seen
        kept = min(1.0, MEMORY_ITEMS / (known + 1))
        self._seen = kept * known + n_items, kept * known_s + seconds
        return self._seen[1] / self._seen[0]


def keep_order(channels: Iterable[Channel]) -> None:
    """Let the channels between the same two instances know of each other."""
    between: dict[tuple[int, int], list[Channel]] = {}
    for channel in channels:
        if channel.key.destination != COLLECTOR:
            pair = (channel.key.source, channel.key.destination)
            between.setdefault(pair, []).append(channel)
    for group in between.values():
        for channel in group:
            channel.siblings = tuple(c for c in group if c is not channel)


def bytes_by_edge(plan: Plan, channels: Iterable[Channel]) -> dict[str, int]:
    """Return how many bytes were sent along each edge of the graph."""
    sent: dict[str, int] = {}
    for channel in channels:
        if channel.bytes_sent:
            edge = _edge_name(plan, channel.key)
            sent[edge] = sent.get(edge, 0) + channel.bytes_sent
    return sent


def _edge_name(plan: Plan, key: Key) -> str:
    """Return the edge of the graph that a channel belongs to."""
    source = plan.instances[key.source]
    if key.destination == COLLECTOR:
        ports = list(plan.pes[source.pe_index].outputconnections)
        return f"{source.pe_id}.{ports[-1 - key.route]} -> result"
    route = plan.routes[key.route]
    sink = plan.instances[key.destination].pe_id
    return f"{source.pe_id}.{route.output} -> {sink}.{route.input}"


def unpack_items(
    values: list[Any], flags: list[int] | None, buffers: Sequence[Any]
) -> list[Any]:
    """Return the items of a batch."""
    if flags is None:
        return values
    items, first = [], 0
    for value, flag in zip(values, flags, strict=True):
        if flag == 0:
            items.append(value)
        else:
            items.append(decode(value, buffers[first : first + flag - 1]))
            first += flag - 1
    return items
