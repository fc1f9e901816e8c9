"""Channels: they send the items of one instance to another process, in batches.

A channel keeps the order of its items. At most `WINDOW` of its batches are in transit:
the receiver acknowledges each batch, with the time that it worked on it. So the memory
is bounded for any length of the stream (back-pressure), and batches grow only while the
receiver is fast.

Two threads send the batches of a channel. The worker sends a full batch. The ticker of
`dispel4py.mappings.outbox` sends an unfinished batch that has waited for some time.
`Channel.put` needs no lock: it only appends one entry to a list, in one step, and the
list is never replaced. A batch is taken from the front of this list, with the lock
held.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from threading import RLock
from typing import Any, Protocol

from dispel4py.clock import Clock
from dispel4py.errors import ItemError
from dispel4py.lineage import COLLECTOR, Key
from dispel4py.mappings.wire import BATCH, END, pack
from dispel4py.message import ATOMS, NUMBERS, Frame, encode

#: Largest number of batches of a channel that are sent and not acknowledged.
WINDOW = 3
#: The same if a batch is one item, because its work takes long. An item that waits for
#: a busy instance cannot go to another instance, so few items should wait.
SLOW_WINDOW = 2
#: Seconds of work in one batch; the size of the batch is chosen for this time. A longer
#: batch delays the acknowledgement, a shorter one costs more messages.
BATCH_SECONDS = 0.003
#: The mean time per item is taken over about this number of items.
MEMORY_ITEMS = 2000
#: Largest number of items of a batch, and about the largest number of its bytes.
BATCH_ITEMS = 1024
BATCH_BYTES = 256 * 1024
#: A batch must be filled within this number of seconds for the next batch to be larger.
#: So each item of a slow stream is sent at once, alone.
FILL_SECONDS = 0.025


class Post(Protocol):
    """Carries frames between processes; a mapping with mailboxes implements it.

    Two threads of a process use it. Both send. While one thread waits in `receive`, the
    other may call `receive` with a timeout of 0.
    """

    process: int

    @property
    def is_behind(self) -> bool:
        """Whether frames still wait here to be sent."""

    def catch_up(self) -> None:
        """Send the waiting frames, as far as this is possible now."""

    def send(self, destination: int, head: bytes, buffers: Sequence[Any] = ()) -> None:
        """Send a frame without waiting for the receiver.

        Parameters
        ----------
        destination : int
            The process.
        head : bytes
        buffers : sequence of buffers
            The caller may change them afterwards.
        """

    def receive(self, timeout_s: float) -> Frame | None:
        """Return the next frame, or None if none comes within the time."""


class Owner(Protocol):
    """The part of a process that its channels use."""

    post: Post
    lock: RLock
    keeps_frames: bool
    first_serial: int
    clock: Clock
    pending: list[BaseException]

    def make_stop(self, error: OSError) -> BaseException:
        """Return an exception that ends the run, as items cannot be sent."""

    def serve(self, depth: int) -> None:
        """Work on an item deeper in the graph than ``depth``, or wait for a frame."""

    def schedule_flush(self) -> None:
        """Let the ticker send unfinished batches; called with the lock held."""

    def report_progress(self) -> None:
        """Report progress, if the last report is old enough."""


class Channel:
    """The sending end of a channel.

    Parameters
    ----------
    key : Key
        The name of the channel.
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
        #: The unfinished batch: atoms, and (head, buffers) of other items.
        self._entries: list[Any] = []
        # counted by `put`, and the part that has been sent
        self._n_encoded = self._n_encoded_sent = 0
        self._bytes = self._bytes_before = 0
        self._limit = self._check_at = 1
        self._unanswered: set[int] = set()
        self._keeps_frames: bool = owner.keeps_frames
        self._unsettled: dict[int, Frame] = {}
        self._serial: int = owner.first_serial
        self._now, self._sent_at = owner.clock.now, -math.inf
        self._has_ended = self._is_stopped = False
        self._is_full = False
        self._n_answered = 0
        self._measured = 0.0, 0.0  # number of items, and their seconds
        self.bytes_sent = 0
        self._n_sent = self._first_number = 0
        #: Channels of other edges between the same two instances: items of all of
        #: them arrive in the order in which they were put.
        self.siblings: tuple[Channel, ...] = ()

    @property
    def n_put(self) -> int:
        """Number of items put so far."""
        with self._lock:
            return self._n_sent + len(self._entries)

    @property
    def is_unfinished(self) -> bool:
        """Whether items wait in an unfinished batch."""
        return bool(self._entries)

    @property
    def under_way(self) -> int:
        """Number of batches that were sent and not acknowledged."""
        return len(self._unanswered)

    @property
    def is_settled(self) -> bool:
        """Whether all batches, and all items made of them, have been processed."""
        return not self._unanswered and not self._unsettled

    @property
    def last_serial(self) -> int:
        """Number of the last batch that was sent."""
        return self._serial

    def is_settled_to(self, serial: int) -> bool:
        """Return whether this batch and the batches before it are settled."""
        with self._lock:
            oldest = next(iter(self._unsettled), None)
        return oldest is None or oldest > serial

    def ready(self) -> bool:
        """Return whether one more item can be put without waiting."""
        window = WINDOW if self._limit > 1 else SLOW_WINDOW
        return len(self._unanswered) < window or len(self._entries) + 1 < self._limit

    def put(self, item: Any) -> None:
        """Send ``item`` in a batch; wait while too many batches are in transit.

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
        if len(entries) >= self._check_at:
            self._check_batch()

    def count_from(self, number: int) -> None:
        """Give the next item this number; the items of a batch follow each other."""
        self.flush()
        self._first_number = number - self._n_sent

    def put_numbers(self, items: list[Any]) -> None:
        """Put several items of the types `NUMBERS`; faster than `put` for each."""
        at = 0
        while at < len(items):
            if self.siblings:
                self.put(items[at])
                at += 1
                continue
            room = max(1, self._limit - len(self._entries))
            self._entries += items[at : at + room]
            at += room
            if len(self._entries) >= self._check_at:
                self._check_batch()

    def _check_batch(self) -> None:
        """Send the batch if it is full; otherwise let the ticker send it."""
        with self._lock:
            n = len(self._entries)
            n_bytes = self._bytes - self._bytes_before
            is_full = n >= self._limit or n_bytes >= BATCH_BYTES
            if not n:
                self._check_at = 1
            elif not is_full:
                self._check_at = self._limit
                self._owner.schedule_flush()
        if n and is_full:
            self.flush()

    def _encode(self, item: Any) -> None:
        """Append an item that is not a number; have a large batch sent at once."""
        if type(item) in ATOMS:
            if type(item) in (str, bytes):
                self._bytes += len(item)
            self._entries.append(item)
        else:
            try:
                head, large = encode(item)
            except ItemError as error:
                self._owner.pending.append(error)
                raise
            self._n_encoded += 1
            self._bytes += len(head)
            if large:  # the buffers may change as soon as put returns
                self._bytes += BATCH_BYTES
            self._entries.append((head, large))
        if self._bytes - self._bytes_before >= BATCH_BYTES:
            self._check_at = 0

    def flush(self) -> None:
        """Send the unfinished batch; wait while too many batches are in transit."""
        while not self.send_if_room():
            self._owner.serve(self.depth)
        self._owner.report_progress()

    def send_if_room(self) -> bool:
        """Send the unfinished batch, unless too many batches are in transit.

        Returns
        -------
        bool
            True if no item waits here now.
        """
        with self._lock:
            if self._entries and len(self._unanswered) < WINDOW:
                self._send()
            return not self._entries

    def send_waiting(self) -> bool:
        """Do the same for a batch that has waited; make the next batches smaller."""
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
        self._check_at, self._bytes_before = 1, self._bytes
        flags: list[int] | None = None
        buffers: list[Any] = []
        if self._n_encoded > self._n_encoded_sent:
            flags, buffers = _split_heads(values)
            self._n_encoded_sent += n - flags.count(0)
        if self._is_stopped:
            return
        # a worker that is started again does not know the number of earlier items
        number = (first,) if self._keeps_frames else ()
        head = pack(BATCH, self.key, self._serial, values, flags, *number)
        self.bytes_sent += len(head) + sum(len(buffer) for buffer in buffers)
        if self._keeps_frames:
            frame = Frame(self._post.process, head, [bytes(b) for b in buffers])
            self._unsettled[self._serial] = frame
        self._unanswered.add(self._serial)
        self._send_frame(head, buffers)
        if self._post.is_behind:
            self._owner.schedule_flush()

    def _send_frame(self, head: bytes, buffers: Sequence[Any] = ()) -> None:
        try:
            self._post.send(self.destination, head, buffers)
        except OSError as error:  # the items in the frame are lost
            raise self._owner.make_stop(error) from error

    def end(self) -> None:
        """Send the unfinished batch, and the end of the stream."""
        self.flush()
        self._has_ended = True
        self._send_frame(pack(END, self.key))

    def stop_sending(self) -> None:
        """Send nothing more but the end: the receiver takes no more of this stream."""
        with self._lock:
            self._is_stopped = True
            self._entries.clear()
            self._unanswered.clear()
            self._unsettled.clear()

    def send_again(self) -> None:
        """Send the batches that are not settled to the new process of the receiver."""
        with self._lock:
            for frame in self._unsettled.values():
                self._send_frame(frame.head, frame.buffers)
            if self._has_ended:
                self._send_frame(pack(END, self.key))

    def settled(self, serial: int) -> None:
        """Drop a batch that is settled."""
        with self._lock:
            self._unsettled.pop(serial, None)

    def take_acknowledgement(
        self, serial: int, n_items: int, seconds: float, is_settled: bool = True
    ) -> None:
        """Handle the acknowledgement of a batch.

        Parameters
        ----------
        serial : int
            The number of the batch.
        n_items : int
            Number of items in the batch.
        seconds : float
            Time that the receiver worked on it.
        is_settled : bool
            Whether all items made of the batch have been processed, too.
        """
        if is_settled:
            self.settled(serial)
        with self._lock:
            if serial not in self._unanswered:
                return  # acknowledged twice, or a batch of a killed worker
            self._unanswered.remove(serial)
            mean_s = self._mean_seconds(n_items, seconds)
            n_in_time = int(BATCH_SECONDS / max(mean_s, 1e-9))
            # Grow slowly, as the next items may take longer. Do not grow if the sender
            # did not fill the batch in time.
            wanted = self._limit
            if self._is_full:
                wanted = min(2 * int(self._measured[0]), 4 * self._limit)
            self._limit = max(1, min(n_in_time, wanted, BATCH_ITEMS))
            self._check_at = min(self._check_at, self._limit)

    def _mean_seconds(self, n_items: int, seconds: float) -> float:
        """Return the mean time per item, including one more batch.

        The mean is over many batches. After one batch of quick items the next batch
        would become large, and slow items would wait in it.
        """
        if self._n_answered == 1:  # the first batch includes imports and other start-up
            self._measured = 0.0, 0.0
        self._n_answered += 1
        n_known, known_s = self._measured
        weight = min(1.0, MEMORY_ITEMS / (n_known + 1))
        self._measured = weight * n_known + n_items, weight * known_s + seconds
        return self._measured[1] / self._measured[0]


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


def _split_heads(values: list[Any]) -> tuple[list[int], list[Any]]:
    """Replace each (head, buffers) by its head; return flags and all buffers.

    The flag of an item is 0 if the item itself is in ``values``, or else 1 plus the
    number of its buffers. A tuple is never an item itself, as tuples are encoded.
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
