"""What leaves a process, and the answers to it: no item waits long in a batch.

The worker cannot look after unfinished batches itself: it may be in a call of a PE that
writes an item and then sleeps. So a ticker does it, beside the worker. It is awake only
while there are unfinished batches, and sends those that were there at its last look.
Where results are gathered it is always awake and takes them in: the others would wait
for a root that is in a long call.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import RLock
from typing import Any, Protocol

from dispel4py.clock import Clock
from dispel4py.lineage import COLLECTOR, Key
from dispel4py.mappings.channel import Channel, Post
from dispel4py.mappings.wire import ACK, BATCH, SETTLED, unpack
from dispel4py.message import Frame

#: Seconds between two looks at the unfinished batches: an item leaves within two of
#: these intervals. Half of the 50 ms in which an item must arrive are left to a busy
#: machine.
LINGER_SECONDS = 0.0125

#: A frame, and the content of its head.
Letter = tuple[Frame, tuple[Any, ...]]


class Waiter(Protocol):
    """The worker, as its channels use it."""

    def serve(self, depth: int) -> None:
        """Work on something deeper than ``depth``, or wait for a frame."""

    def tell_progress(self) -> None:
        """Report progress, if it is time."""


class Outbox:
    """The channels that leave one process.

    Parameters
    ----------
    post : Post
        Carries the frames.
    clock : Clock
        Its ticker sends batches that have waited.
    worker : Waiter
        Waits where a channel has no room.
    keeps_frames : bool
        Whether batches are kept until they are settled, for a worker that takes the
        place of a killed worker.
    first_serial : int
        The number before that of the first batch of each channel.
    first_number : int
        The number of the first item of each channel.
    collect : callable, optional
        Takes in batches of results, where they are gathered: in whichever thread, with
        the lock held.
    """

    def __init__(
        self,
        post: Post,
        clock: Clock,
        worker: Waiter,
        keeps_frames: bool = False,
        first_serial: int = 0,
        first_number: int = 0,
        collect: Callable[[Frame, tuple[Any, ...]], None] | None = None,
    ) -> None:
        self.post, self.clock, self.lock = post, clock, RLock()
        self.keeps_frames, self.first_serial = keeps_frames, first_serial
        self.first_number = first_number
        self.serve, self.tell_progress = worker.serve, worker.tell_progress
        self.channels: dict[Key, Channel] = {}
        self._ticker = clock.ticker(self._look, LINGER_SECONDS)
        self._is_watched = False
        self._serials: dict[Key, int] = {}
        self._letters: deque[Letter] = deque()
        self._is_receiving = False
        #: Frames that came so far, and how many of them the worker knows of.
        self.n_received = self._n_known = 0
        self._collect = collect
        self._error: Exception | None = None

    def channel(self, key: Key, destination: int, depth: int) -> Channel:
        """Add a channel.

        Parameters
        ----------
        key : Key
            Its name.
        destination : int
            The process of the receiver.
        depth : int
            The depth of the sending instance.
        """
        channel = self.channels[key] = Channel(key, destination, depth, self)
        return channel

    def has_unfinished(self) -> None:
        """Send what waits in time; called with the lock held."""
        if not self._is_watched:
            self._is_watched = True
            self._ticker.wake()

    def flush(self) -> None:
        """Send every unfinished batch that can be sent without waiting.

        Waiting here could call an instance that is further up the stack.
        """
        for channel in self.channels.values():
            channel.send_if_room()

    def receive(self, timeout_s: float) -> Letter | None:
        """Return the next frame for the worker, with its content.

        Answers and results are taken in here, and not returned.

        Returns
        -------
        Letter or None
            None if nothing comes within the time, or only answers and results.

        Raises
        ------
        Exception
            What the ticker met when it sent a batch.
        """
        with self.lock:
            if self._error is not None:
                raise self._error
            if self._letters:
                return self._letters.popleft()
            letter = self._next()
            has_received = self.n_received > self._n_known
            self._n_known = self.n_received
            if letter is not None or has_received or timeout_s <= 0:
                return letter
            self._is_receiving = True
        frame = None
        try:
            frame = self.post.receive(timeout_s)
        finally:
            with self.lock:
                self._is_receiving = False
                letter = None if frame is None else self._sorted(frame)
                self._n_known = self.n_received
        return letter

    def _next(self) -> Letter | None:
        """Return the next frame for the worker that is there; take in the others."""
        frame = self.post.receive(0.0)
        while frame is not None:
            letter = self._sorted(frame)
            if letter is not None:
                return letter
            frame = self.post.receive(0.0)
        return None

    def _sorted(self, frame: Frame) -> Letter | None:
        """Take a frame in; return it if it is for the worker."""
        self.n_received += 1
        message = unpack(frame.head)
        kind = message[0]
        if kind == ACK:
            self.channels[message[1]].acknowledged(*message[2:])
        elif kind == SETTLED:
            self.channels[message[1]].settled(message[2])
        elif kind == BATCH and self._collect and message[1].destination == COLLECTOR:
            self._collect(frame, message)
        else:
            return frame, message
        return None

    def open(self) -> None:
        """Start the ticker where results are gathered."""
        if self._collect is not None:
            with self.lock:
                self.has_unfinished()

    def close(self) -> None:
        """Stop the ticker."""
        self._ticker.close()

    def _look(self) -> bool:
        """Send the batches that have waited; return whether to look again."""
        with self.lock:
            try:
                self._send_old()
            except Exception as error:  # noqa: BLE001 - raised again by the worker
                self._error = error
                self._is_watched = False
                return False
            unfinished = [c for c in self.channels.values() if c.is_unfinished]
            waits = bool(unfinished) or self.post.is_behind
            self._is_watched = waits or bool(self._serials or self._collect)
            self._serials = {c.key: c.last_serial for c in unfinished}
            return self._is_watched

    def _send_old(self) -> None:
        self.post.catch_up()
        old = [self.channels[k] for k, n in self._serials.items() if self._is_old(k, n)]
        blocked = [channel for channel in old if not channel.send_old()]
        if (blocked or self._collect) and not self._is_receiving:
            # the worker may be in a long call: the room that it would learn of when
            # it looks into its mailbox is needed now
            letter = self._next()
            while letter is not None:
                self._letters.append(letter)
                letter = self._next()
            for channel in blocked:
                channel.send_old()

    def _is_old(self, key: Key, serial: int) -> bool:
        channel = self.channels[key]
        return channel.is_unfinished and channel.last_serial == serial
