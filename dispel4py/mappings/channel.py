"""Channels: ordered, batched, bounded ways from one instance to another process.

A channel may have `WINDOW` batches under way; the receiver answers each with an
acknowledgement that says how long it worked on the batch. So memory is bounded whatever
the length of the stream, and a batch grows only as long as its receiver is quick.

Two threads send the batches of a channel: the worker sends a full batch, and the ticker
of the `dispel4py.mappings.outbox` an unfinished batch that has waited for some time.
`Channel.put` takes no lock for that. It does one thing to the batch: it appends one
entry to a list, at once and never to another list. A batch is taken from the front of
this list, with the lock held.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from threading import RLock
from typing import Any, Protocol

from dispel4py.clock import Clock
from dispel4py.lineage import COLLECTOR, Key
from dispel4py.mappings.wire import BATCH, END, pack
from dispel4py.message import ATOMS, NUMBERS, Frame, encode
from dispel4py.plan import Plan

#: Batches of one channel that may be under way.
WINDOW = 3
#: The same where a batch is a single item that takes long: of items that wait for an
#: instance that works on a very long one, the other instances get nothing.
SLOW_WINDOW = 2
#: Seconds that a receiver works on a batch: its size is chosen for that.
BATCH_SECONDS = 0.003
#: Number of items over which the mean time per item is taken, roughly.
MEMORY_ITEMS = 2000
#: Most items of a batch, and most bytes of it, roughly.
BATCH_ITEMS = 1024
BATCH_BYTES = 256 * 1024
#: Seconds within which a batch must be filled for the next ones to be larger: of a slow
#: stream each item is sent at once, alone.
FILL_SECONDS = 0.025


class Post(Protocol):
    """Carries frames between processes: all that a mapping with mailboxes must have.

    Two threads of a process use it: both send, and while one waits in `receive` the
    other may call `receive` with no time to wait.
    """

    process: int

    @property
    def is_behind(self) -> bool:
        """Whether frames that were sent have not left yet."""

    def catch_up(self) -> None:
        """Let frames leave that have not left, as far as that is possible now."""

    def send(self, destination: int, head: bytes, buffers: Sequence[Any] = ()) -> None:
        """Send a frame without waiting for the receiver.

        Parameters
        ----------
        destination : int
            The process.
        head : bytes
        buffers : sequence of buffers
            They may change afterwards.
        """

    def receive(self, timeout_s: float) -> Frame | None:
        """Return the next frame, or None if none comes within the time."""


class Owner(Protocol):
    """What a channel needs of its process."""

    post: Post
    lock: RLock
    keeps_frames: bool
    first_serial: int
    first_number: int
    clock: Clock

    def serve(self, depth: int) -> None:
        """Work on something deeper than ``depth``, or wait for a frame."""

    def has_unfinished(self) -> None:
        """Send what waits in time; called with the lock held."""

    def tell_progress(self) -> None:
        """Report progress, if it is time."""


class Channel:
    """The sending end of a channel.

    Parameters
    ----------
    key : Key
        Its name.
    destination : int
        The process of the receiver.
    depth : int
        The depth of the sending instance.
    owner : Owner
        The sending process.
    """

    def __init__(self, key: Key, destination: int, depth: int, owner: Owner) -> None:
        self.key = key
        self.destination = destination
        self.depth = depth
        self._owner = owner
        self._lock = owner.lock
        self._post: Post = owner.post
        #: The unfinished batch: numbers, other atoms, and (head, buffers) of the rest.
        self._entries: list[Any] = []
        # what `put` counts, and how much of it has been sent
        self._n_encoded = self._n_encoded_sent = 0
        self._bytes = self._bytes_before = 0
        self._limit = self._look_at = 1
        self._unanswered: set[int] = set()
        self._keeps_frames: bool = owner.keeps_frames
        self._kept: dict[int, Frame] = {}
        self._serial: int = owner.first_serial
        self._now, self._sent_at = owner.clock.now, -math.inf
        self._has_ended = self._is_over = False
        self._is_full = False
        self._n_answered = 0
        self._seen = 0.0, 0.0  # items, and the time they took
        self.bytes_sent = 0
        self._n_sent, self._first_number = 0, owner.first_number
        #: Channels of other edges between the same two instances: items of all of
        #: them arrive in the order in which they were put.
        self.siblings: tuple[Channel, ...] = ()

    @property
    def n_put(self) -> int:
        """Number of items that were put in."""
        with self._lock:
            return self._n_sent + len(self._entries)

    @property
    def is_unfinished(self) -> bool:
        """Whether items wait in a batch that was not sent."""
        return bool(self._entries)

    @property
    def under_way(self) -> int:
        """Batches that were sent and are not answered."""
        return len(self._unanswered)

    @property
    def is_settled(self) -> bool:
        """Whether no batch is under way, nor an item that was made of one."""
        return not self._unanswered and not self._kept

    @property
    def last_serial(self) -> int:
        """Number of the last batch that was sent."""
        return self._serial

    def is_settled_to(self, serial: int) -> bool:
        """Return whether nothing is left of this batch and those before it."""
        with self._lock:
            oldest = next(iter(self._kept), None)
        return oldest is None or oldest > serial

    def ready(self) -> bool:
        """Return whether one more item can be put without waiting."""
        window = WINDOW if self._limit > 1 else SLOW_WINDOW
        return len(self._unanswered) < window or len(self._entries) + 1 < self._limit

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
        entries = self._entries
        if type(item) in NUMBERS:
            entries.append(item)
        else:
            self._encode(item)
        if len(entries) >= self._look_at:
            self._look()

    def put_numbers(self, items: list[Any]) -> None:
        """Do what `put` does for each of several items of the types `NUMBERS`."""
        at = 0
        while at < len(items):
            if self.siblings:
                self.put(items[at])
                at += 1
                continue
            room = max(1, self._limit - len(self._entries))
            self._entries += items[at : at + room]
            at += room
            if len(self._entries) >= self._look_at:
                self._look()

    def _look(self) -> None:
        """Send the batch if it is full; else have it sent in time."""
        with self._lock:
            n = len(self._entries)
            n_bytes = self._bytes - self._bytes_before
            is_full = n >= self._limit or n_bytes >= BATCH_BYTES
            if not n:
                self._look_at = 1
            elif not is_full:
                self._look_at = self._limit
                self._owner.has_unfinished()
        if n and is_full:
            self.flush()

    def _encode(self, item: Any) -> None:
        """Append an item that is no number; see that a large batch is sent."""
        if type(item) in ATOMS:
            if type(item) in (str, bytes):
                self._bytes += len(item)
            self._entries.append(item)
        else:
            head, large = encode(item)
            self._n_encoded += 1
            self._bytes += len(head)
            if large:  # the buffers may change as soon as put returns
                self._bytes += BATCH_BYTES
            self._entries.append((head, large))
        if self._bytes - self._bytes_before >= BATCH_BYTES:
            self._look_at = 0

    def flush(self) -> None:
        """Send the unfinished batch; wait while too much is under way."""
        while not self.send_if_room():
            self._owner.serve(self.depth)
        self._owner.tell_progress()

    def send_if_room(self) -> bool:
        """Send the unfinished batch unless too much is under way.

        Returns
        -------
        bool
            Whether no item waits any more.
        """
        with self._lock:
            if self._entries and len(self._unanswered) < WINDOW:
                self._send()
            return not self._entries

    def send_old(self) -> bool:
        """Do what `send_if_room` does for a batch that has waited: it was too large."""
        with self._lock:
            n = len(self._entries)
            if n and len(self._unanswered) < WINDOW:
                self._limit = min(self._limit, n)
                self._send()
                self._is_full = False
            return not self._entries

    def _send(self) -> None:
        n = len(self._entries)
        values: list[Any] = self._entries[:n]
        del self._entries[:n]
        self._serial += 1
        first = self._first_number + self._n_sent
        self._n_sent += n
        now = self._now()
        self._is_full = n >= self._limit and now - self._sent_at < FILL_SECONDS
        self._sent_at = now
        self._look_at, self._bytes_before = 1, self._bytes
        flags: list[int] | None = None
        buffers: list[Any] = []
        if self._n_encoded > self._n_encoded_sent:
            flags, buffers = _take_apart(values)
            self._n_encoded_sent += n - flags.count(0)
        if self._is_over:
            return
        # a worker that is started again cannot know how many items came before
        number = (first,) if self._keeps_frames else ()
        head = pack(BATCH, self.key, self._serial, values, flags, *number)
        self.bytes_sent += len(head) + sum(len(buffer) for buffer in buffers)
        if self._keeps_frames:
            kept = Frame(self._post.process, head, [bytes(b) for b in buffers])
            self._kept[self._serial] = kept
        self._unanswered.add(self._serial)
        self._post.send(self.destination, head, buffers)
        if self._post.is_behind:
            self._owner.has_unfinished()

    def end(self) -> None:
        """Send what waits, and the end of the stream."""
        self.flush()
        self._has_ended = True
        self._post.send(self.destination, pack(END, self.key))

    def receiver_has_left(self) -> None:
        """Send nothing more: the receiver had the whole stream, from a predecessor."""
        with self._lock:
            self._is_over = True
            self._unanswered.clear()
            self._kept.clear()

    def send_again(self) -> None:
        """Send what is not settled to the process that took the receiver's place."""
        with self._lock:
            for frame in self._kept.values():
                self._post.send(self.destination, frame.head, frame.buffers)
            if self._has_ended:
                self._post.send(self.destination, pack(END, self.key))

    def settled(self, serial: int) -> None:
        """Drop a batch of which nothing is under way any more."""
        with self._lock:
            self._kept.pop(serial, None)

    def acknowledged(
        self, serial: int, n_items: int, seconds: float, is_settled: bool = True
    ) -> None:
        """Take in the answer to a batch.

        Parameters
        ----------
        serial : int
            The number of the batch.
        n_items : int
            How many items were in it.
        seconds : float
            How long the receiver worked on it.
        is_settled : bool
            Whether no item that was made of it is under way.
        """
        if is_settled:
            self.settled(serial)
        with self._lock:
            if serial not in self._unanswered:
                return  # answered twice, or sent by a worker that was killed
            self._unanswered.remove(serial)
            mean_s = self._mean_seconds(n_items, seconds)
            fitting = int(BATCH_SECONDS / max(mean_s, 1e-9))
            # Nothing is known of items beyond those seen; and a source that did not
            # fill its batches in time gets no larger ones.
            wanted = self._limit
            if self._is_full:
                wanted = min(2 * int(self._seen[0]), 4 * self._limit)
            self._limit = max(1, min(fitting, wanted, BATCH_ITEMS))
            self._look_at = min(self._look_at, self._limit)

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
    """Make channels between the same two instances siblings of each other."""
    between: dict[tuple[int, int], list[Channel]] = {}
    for channel in channels:
        if channel.key.destination != COLLECTOR:
            pair = (channel.key.source, channel.key.destination)
            between.setdefault(pair, []).append(channel)
    for group in between.values():
        for channel in group:
            channel.siblings = tuple(c for c in group if c is not channel)


def bytes_by_edge(plan: Plan, channels: Iterable[Channel]) -> dict[str, int]:
    """Return how many bytes were sent along each edge of the graph.

    Parameters
    ----------
    plan : Plan
        Has the names of the edges.
    channels : iterable of Channel
        Those of one process.
    """
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


def _take_apart(values: list[Any]) -> tuple[list[int], list[Any]]:
    """Replace each (head, buffers) by its head; return flags and all buffers.

    The flag of an item is 0 if it is itself in ``values``, else one more than the
    number of its buffers. No item is itself a tuple there: it would be encoded.
    """
    flags: list[int] = []
    buffers: list[Any] = []
    for k, value in enumerate(values):
        if type(value) is tuple:
            values[k] = value[0]
            buffers += value[1]
            flags.append(1 + len(value[1]))
        else:
            flags.append(0)
    return flags, buffers
