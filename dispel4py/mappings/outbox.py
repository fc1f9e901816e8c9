"""The channels that leave a process, and a ticker that sends waiting batches in time.

The worker cannot always send unfinished batches: it may be in a call of a PE that
writes an item and then sleeps. So a ticker does this beside the worker. It ticks only
while there are unfinished batches, and sends a batch that was unfinished at the last
tick.
In the process that gathers results it always ticks, and receives the results. Otherwise
the other processes would wait for this process during a long call.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import RLock
from typing import Any, Protocol

from dispel4py.clock import Clock
from dispel4py.failure import Failure, root_cause
from dispel4py.lineage import COLLECTOR, Key
from dispel4py.mappings.channel import Channel, Post
from dispel4py.mappings.wire import ACK, BATCH, SETTLED, unpack
from dispel4py.message import Frame
from dispel4py.stop import Stop

#: Seconds between two ticks. An item leaves within two ticks, 25 ms. It must arrive
#: within 50 ms, so half of this time is left for delays on a busy machine.
LINGER_SECONDS = 0.0125

#: A frame, and the content of its head.
Letter = tuple[Frame, tuple[Any, ...]]


class Waiter(Protocol):
    """The part of a worker that its channels use."""

    def serve(self, depth: int) -> None:
        """Work on an item deeper in the graph than ``depth``, or wait for a frame."""

    def report_progress(self) -> None:
        """Report progress, if the last report is old enough."""


class Outbox:
    """The channels that leave one process.

    Parameters
    ----------
    post : Post
        Carries the frames.
    clock : Clock
        Gives the ticker.
    worker : Waiter
        Serves other instances while a channel has no room.
    pending : list of BaseException
        Gets the errors of sending an item, as a PE may catch them.
    keeps_frames : bool
        Whether batches are kept until they are settled, for a worker that replaces a
        killed worker.
    first_serial : int
        The batches of each channel are numbered from the next number on.
    collect : callable, optional
        Handles batches of results, in the process that gathers them. It is called in
        the worker or the ticker, with the lock held.
    """

    def __init__(
        self,
        post: Post,
        clock: Clock,
        worker: Waiter,
        pending: list[BaseException],
        keeps_frames: bool = False,
        first_serial: int = 0,
        collect: Callable[[Frame, tuple[Any, ...]], None] | None = None,
    ) -> None:
        self.post, self.clock, self.lock = post, clock, RLock()
        self.keeps_frames, self.first_serial = keeps_frames, first_serial
        self.pending = pending
        self.serve, self.report_progress = worker.serve, worker.report_progress
        self.channels: dict[Key, Channel] = {}
        self._ticker = clock.ticker(self._tick, LINGER_SECONDS)
        self._has_ticker = False
        self._serials: dict[Key, int] = {}
        self._letters: deque[Letter] = deque()
        self._is_receiving = False
        #: Number of frames received so far, and when the worker last received.
        self.n_received = self._n_reported = 0
        self._collect = collect
        self._error: BaseException | None = None

    def channel(self, key: Key, destination: int, depth: int) -> Channel:
        """Add a channel.

        Parameters
        ----------
        key : Key
            The name of the channel.
        destination : int
            The process of the receiver.
        depth : int
            The depth of the sending instance.
        """
        with self.lock:
            channel = self.channels[key] = Channel(key, destination, depth, self)
        return channel

    def make_stop(self, error: OSError) -> BaseException:
        """Return an exception that ends the run, as items cannot be sent."""
        cause, process = root_cause(error), self.post.process
        stop = Stop(Failure("", 0, process, "worker", None, "", cause))
        self.pending.append(stop)
        return stop

    def schedule_flush(self) -> None:
        """Let the ticker send unfinished batches; called with the lock held."""
        if not self._has_ticker:
            self._has_ticker = True
            self._ticker.wake()

    def flush(self) -> None:
        """Send every unfinished batch that can be sent without waiting.

        It must not wait: the worker could then call an instance that is in a call.
        """
        for channel in self.channels.values():
            channel.send_if_room()

    def receive(self, timeout_s: float) -> Letter | None:
        """Return the next frame for the worker, with its content.

        Acknowledgements and results are handled here, and not returned.

        Returns
        -------
        Letter or None
            None if no frame for the worker arrives within the time.

        Raises
        ------
        Exception
            An error of the ticker when it sent a batch.
        """
        with self.lock:
            if self._error is not None:
                raise self._error
            if self._letters:
                return self._letters.popleft()
            letter = self._next()
            has_handled = self.n_received > self._n_reported
            self._n_reported = self.n_received
            if letter is not None or has_handled or timeout_s <= 0:
                return letter
            self._is_receiving = True
        frame = None
        try:
            frame = self.post.receive(timeout_s)
        finally:
            with self.lock:
                self._is_receiving = False
                letter = None if frame is None else self._handle(frame)
                self._n_reported = self.n_received
        return letter

    def _next(self) -> Letter | None:
        """Return the next arrived frame for the worker; handle the frames before it."""
        frame = self.post.receive(0.0)
        while frame is not None:
            letter = self._handle(frame)
            if letter is not None:
                return letter
            frame = self.post.receive(0.0)
        return None

    def _handle(self, frame: Frame) -> Letter | None:
        """Handle a frame, or return it if it is for the worker."""
        self.n_received += 1
        message = unpack(frame.head)
        kind = message[0]
        if kind == ACK:
            self.channels[message[1]].take_acknowledgement(*message[2:])
        elif kind == SETTLED:
            self.channels[message[1]].settled(message[2])
        elif kind == BATCH and self._collect and message[1].destination == COLLECTOR:
            self._collect(frame, message)
        else:
            return frame, message
        return None

    def open(self) -> None:
        """Start the ticker, in the process that gathers results."""
        if self._collect is not None:
            with self.lock:
                self.schedule_flush()

    def close(self) -> None:
        """Stop the ticker."""
        self._ticker.close()

    def _tick(self) -> bool:
        """Send the batches that have waited; return whether to tick again."""
        with self.lock:
            try:
                self._send_waiting()
            except (Exception, Stop) as error:  # noqa: BLE001 - raised by the worker
                self._error = error
                self._has_ticker = False
                return False
            unfinished = [c for c in self.channels.values() if c.is_unfinished]
            has_work = bool(unfinished) or self.post.is_behind
            self._has_ticker = has_work or bool(self._serials or self._collect)
            self._serials = {c.key: c.last_serial for c in unfinished}
            return self._has_ticker

    def _send_waiting(self) -> None:
        self.post.catch_up()
        waiting = [
            self.channels[key]
            for key, serial in self._serials.items()
            if self._has_waited(key, serial)
        ]
        blocked = [channel for channel in waiting if not channel.send_waiting()]
        if (blocked or self._collect) and not self._is_receiving:
            # the worker may be in a long call: read its mailbox, as an acknowledgement
            # there makes room in a channel
            letter = self._next()
            while letter is not None:
                self._letters.append(letter)
                letter = self._next()
            for channel in blocked:
                channel.send_waiting()

    def _has_waited(self, key: Key, serial: int) -> bool:
        channel = self.channels[key]
        return channel.is_unfinished and channel.last_serial == serial
