"""A source as a spout of Storm: one instance.

The main thread calls the PE and sends frames. Another thread answers the requests of
Storm. A frame is kept until Storm has acknowledged it, that is until all frames that
were sent because of it are processed. Only a few frames are in this state at a time
(back-pressure).
"""

from __future__ import annotations

import contextlib
import pickle
import threading
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from dispel4py.failure import Failure
from dispel4py.instance import Instance
from dispel4py.lineage import COLLECTOR, Key
from dispel4py.mappings.feeding import Feed, InputQueue
from dispel4py.mappings.sources import SourceTask
from dispel4py.mappings.storm.component import Component, Post, Status, StormJob
from dispel4py.mappings.storm.files import Reference, remove
from dispel4py.mappings.storm.frames import OpenFrame
from dispel4py.mappings.storm.history import History
from dispel4py.mappings.storm.link import (
    CANNOT_REPEAT,
    DRAINED,
    GIVEN,
    INPUTS,
    SENT,
    STOP,
)
from dispel4py.mappings.storm.pace import Pace
from dispel4py.mappings.storm.sending import Outgoing, Send
from dispel4py.message import Unreadable
from dispel4py.plan import InstanceSpec, Plan
from dispel4py.result import ProcessReport
from dispel4py.stop import Stop

#: Frames of a source that are not acknowledged: at least the first number, or the
#: second for each receiver; and bytes of them in the memory.
_FEWEST_PENDING, _PENDING_PER_RECEIVER = 8, 4
_PENDING_BYTES = 64_000_000
#: Longest time, in seconds, for which Storm waits for the answer to a request. It asks
#: again at once, so a short time would cost processor time.
_ANSWER_S = 0.02
#: The same while the source waits for acknowledgements, which come between requests.
_SHORT_ANSWER_S = 0.002
#: An item is sent at once if the item before it is older than this, in seconds; and an
#: unfinished frame is sent at the end of a call if it is older than the second value.
_SLOW_S, _OLD_S = 0.025, 0.005


class PendingFrame(NamedTuple):
    """A frame that is not acknowledged."""

    stream: str
    values: list[Any]
    reference: Reference | None
    receiver: int
    n_items: int
    n_bytes: int
    #: Items of frames for the same receiver that were pending, this frame included.
    n_before: int
    sent_at: float


class SourceOutgoing(Outgoing):
    """The unfinished frames of a source.

    The next items of a shuffle go to the receiver with the fewest pending items.

    Parameters
    ----------
    plan, pending, send
        As for `Outgoing`.
    attend : callable
        Called at each item.
    """

    def __init__(self, plan: Plan, pending: list[Any], send: Send, attend: Any) -> None:
        super().__init__(plan, pending, send)
        self._attend = attend
        self._history, self._pace = History(), Pace()
        #: Choices of receivers since the last frame: routes and receivers.
        self.choices: list[tuple[int, int]] = []
        self.n_pending: dict[int, int] = {}
        self._began_at = self._added_at = 0.0

    def add(self, key: Key, number: int, item: Any) -> int:
        """Add an item: see `Outgoing.add`."""
        self._attend()
        now = time.monotonic()
        if not self._open:
            self._began_at = now
        is_slow, self._added_at = now - self._added_at > _SLOW_S, now
        n_bytes = super().add(key, number, item)
        if is_slow or now - self._began_at > _SLOW_S:
            self.flush()
        return n_bytes

    def repeat(self, history: History | None) -> None:
        """Send the same frames as an earlier process: see `Outgoing.repeat`."""
        if history is not None:
            self._history = history

    def is_complete(self, destination: int, frame: OpenFrame) -> bool:
        """Return whether a frame is to be sent now: see `Outgoing.is_complete`."""
        known = self._history.frames.get(destination)
        if known:
            return frame.n_items >= known[0][1]
        return super().is_complete(destination, frame)

    def number(self, destination: int) -> int | None:
        """Return the number that an earlier process gave to a frame, if it sent it.

        Parameters
        ----------
        destination : int
            The receiver of the frame, by index.
        """
        known = self._history.frames.get(destination)
        return known.popleft()[0] if known else None

    @property
    def is_repeating(self) -> bool:
        """Whether an earlier process has sent frames that were not made again."""
        return any(self._history.frames.values())

    def flush(self) -> None:
        """Send all unfinished frames, except those that were sent with more items."""
        for destination in list(self._open):
            if not self._history.frames.get(destination):
                self._close(destination)

    def check_history(self) -> None:
        """Check that all frames of the earlier process were made again.

        Raises
        ------
        RuntimeError
            If some are missing.
        """
        if self.is_repeating:
            raise RuntimeError(
                "its process was replaced, and its calls did not send the same items "
                "again"
            )

    def flush_if_old(self) -> None:
        """Send unfinished frames if they have waited."""
        if self._open and time.monotonic() - self._began_at > _OLD_S:
            self.flush()

    def choose(self, route: int, receivers: Sequence[int], last: int) -> int:
        """Return the receiver with the fewest pending items, after the last one."""
        known = self._history.choices.get(route)
        if known:
            return known.popleft()
        place = receivers.index(last) + 1
        in_turn = [*receivers[place:], *receivers[:place]]
        choice = min(in_turn, key=lambda receiver: self.n_pending.get(receiver, 0))
        self.choices.append((route, choice))
        return choice

    def adapt(self, n_items: int, seconds: float) -> None:
        """Choose the number of items of a frame.

        Parameters
        ----------
        n_items, seconds
            As for `Pace.note`.
        """
        self._pace.note(n_items, seconds)
        self._lengths = self._pace.length


class SourceComponent(Component):
    """Runs one instance of a source.

    Parameters
    ----------
    job, spec, post
        As for `Component`.
    """

    outgoing: SourceOutgoing

    def __init__(self, job: StormJob, spec: InstanceSpec, post: Post) -> None:
        self._changed = threading.Condition()
        self._pending: dict[int, PendingFrame] = {}
        self._pending_bytes = self._n_sent = self._n_acked = self._low = 0
        self._has_sent = self._is_timed = self._waits = self._must_stop = False
        super().__init__(job, spec, post)
        self._most_pending = most_pending(self.plan, self.spec.pe_index)
        is_fed = isinstance(self.inputs, Feed)
        no_post: Any = None  # the driver gets no acknowledgements of inputs
        self._queue = InputQueue(no_post, self.clock)
        self._has_asked = not is_fed
        inputs = self._queue if is_fed else self.inputs
        self.task = SourceTask(self, self.instance, inputs)

    def make_outgoing(self) -> SourceOutgoing:
        """Return the frames of the items that the instance sends."""
        return SourceOutgoing(self.plan, self.pending, self._send, self._attend)

    @property
    def status(self) -> Status:
        """Its progress, and the number of frames that are not acknowledged."""
        numbers = self._n_acked, self._n_sent, self.instance.n_in, self.instance.n_out
        return Status(numbers, len(self._pending), is_idle=True)

    def run(self, is_over: bool, history: History | None) -> ProcessReport | None:
        """Run the source: see `Component.run`."""
        if history is not None:
            self._low, self._n_sent = history.low, history.n_frames
        return super().run(is_over, history)

    # -- the requests of Storm --------------------------------------------------

    def listen(self) -> None:
        """Answer the requests of Storm, in a thread, until it closes the pipe."""
        with contextlib.suppress(OSError):
            for message in self.post.line.messages():
                command = message["command"]
                if command == "ack":
                    self._complete(int(message["id"]))
                elif command == "next":
                    with self._changed:
                        wait_s = _SHORT_ANSWER_S if self._waits else _ANSWER_S
                        self._changed.wait_for(lambda: self._has_sent, wait_s)
                        self._has_sent = False
                self.post.line.sync()

    def _complete(self, number: int) -> None:
        with self._changed:
            frame = self._pending.pop(number, None)
            if frame is None:
                return
            self._n_acked += 1
            self._pending_bytes -= frame.n_bytes
            self.outgoing.n_pending[frame.receiver] -= frame.n_items
            seconds = time.monotonic() - frame.sent_at
            self.outgoing.adapt(frame.n_before, seconds)
            self._changed.notify_all()
        if frame.reference is not None:
            remove(frame.reference)

    # -- the calls of the PE ------------------------------------------------------

    def work(self) -> None:
        """Call the source until its inputs end, and wait for all acknowledgements."""
        while not self.task.is_over:
            self._follow_orders()
            now = self.clock.now()
            if self.task.is_due(now):
                self.task.step(now)
                if self.task.waits_for_time and not self._is_timed:
                    self._is_timed = True
                    self.post.link.tell(CANNOT_REPEAT, self.spec.index)
                self.outgoing.flush_if_old()
                continue
            self.outgoing.flush()
            self.confirm_results()
            self._wait_for_inputs(self.clock.now())
        self.instance.finish()
        self.outgoing.flush()
        self._check_history()
        self.confirm_results()
        self._wait(lambda: not self._pending)
        self.post.link.tell(DRAINED, self.spec.index)
        self.wait_for_end()

    def _check_history(self) -> None:
        try:
            self.outgoing.check_history()
        except RuntimeError as error:
            spec = self.spec
            where = spec.pe_id, spec.number, spec.process, "worker", None, ""
            raise Stop(Failure(*where, str(error))) from error

    def _wait_for_inputs(self, now: float) -> None:
        if self.task.is_due(now):
            return  # inputs, or the order to stop, came while frames were sent
        if not self.task.waits_for_time:
            if not self._has_asked:
                self._has_asked = True
                self.post.link.tell(INPUTS, self.spec.index)
            self.post.inbox.wait(60.0)
        else:
            self.post.inbox.wait(min(60.0, self.task.due - now))

    def _attend(self) -> None:
        if self._must_stop or self.post.inbox.has_order:
            self._follow_orders()

    def _follow_orders(self) -> None:
        while (order := self.post.inbox.order()) is not None:
            self.obey(order)
        if self._must_stop and not self.outgoing.is_repeating:
            self._must_stop = False
            self.stop()

    def obey(self, order: tuple[Any, ...]) -> None:
        """Follow an order of the driver.

        Raises
        ------
        Ended
            If it ends the run.
        """
        try:
            super().obey(order)
        except BaseException as ended:
            self.pending.append(ended)  # the PE may catch it
            raise
        if order[0] == STOP:
            self._must_stop = True
        elif order[0] == GIVEN:
            self._has_asked = False
            if order[1] is None:
                self._queue.end()
            else:
                self._queue.put(_unpickled(order[1]))

    def stop_stream(self) -> None:
        """End the sources whose items reach this PE."""
        super().stop_stream()
        self.stop()

    def stop(self) -> None:
        """Call the source no more, and end its current call at its next item."""
        if not self.task.is_over:
            self.task.stop()
            self.instance.outputs.stop()

    # -- frames ---------------------------------------------------------------------

    def _send(self, receiver: int, content: OpenFrame) -> None:
        if receiver == COLLECTOR:
            self.send_results(None, 0, content)
            return
        with self.timer.paused():
            self._wait(self._has_room)
        earlier = self.outgoing.number(receiver)
        if earlier is not None and earlier < self._low:
            return  # it was complete
        number = self._n_sent if earlier is None else earlier
        with self._changed:
            low = max(self._low, min(self._pending, default=number))
        if earlier is None:
            self._n_sent += 1
            choices, self.outgoing.choices = self.outgoing.choices, []
            sent = number, receiver, content.n_items, low, choices
            self.post.link.tell(SENT, self.spec.index, *sent)
        name = (self.spec.index, number)
        values, reference = self.values(name, receiver, low, content, kept=True)
        n_bytes = len(values[2]) if reference is None else content.n_bytes
        with self._changed:
            counts = self.outgoing.n_pending
            counts[receiver] = counts.get(receiver, 0) + content.n_items
            frame = PendingFrame(
                *(self.stream(receiver), values, reference, receiver, content.n_items),
                *(n_bytes, counts[receiver], time.monotonic()),
            )
            self._pending[number] = frame
            self._pending_bytes += n_bytes
        self._emit(number, frame)

    def _emit(self, number: int, frame: PendingFrame) -> None:
        self.post.line.emit(frame.stream, frame.values, number=str(number))
        with self._changed:
            self._has_sent = True
            self._changed.notify_all()

    def repeat(self) -> None:
        """Send all frames again that are not acknowledged."""
        with self._changed:
            frames = list(self._pending.items())
        for number, frame in frames:
            self._emit(number, frame)

    def _has_room(self) -> bool:
        is_full = self._pending_bytes > _PENDING_BYTES
        return len(self._pending) < (1 if is_full else self._most_pending)

    def _wait(self, condition: Any) -> None:
        """Wait for acknowledgements, and follow orders meanwhile."""
        while True:
            self._attend()
            with self._changed:
                self._waits = not condition()
                if not self._waits:
                    return
                self._changed.wait(0.5)

    # -- as the host of its task -----------------------------------------------------

    def flush_after(self, began: float) -> None:
        """Do nothing: frames are sent after the call."""

    def source_ended(self, instance: Instance) -> None:
        """Do nothing: the instance finishes after its last call."""


def _unpickled(text: bytes) -> Any:
    try:
        return pickle.loads(text)
    except Exception as error:  # noqa: BLE001 - unpickling runs code of the item's class
        return Unreadable(error, len(text))


def most_pending(plan: Plan, pe_index: int) -> int:
    """Return the largest number of pending frames of an instance of a source.

    Parameters
    ----------
    plan : Plan
    pe_index : int
        The source.
    """
    receivers = {
        index
        for route in plan.routes
        if route.source_pe == pe_index
        for index in route.destinations
    }
    return max(_FEWEST_PENDING, _PENDING_PER_RECEIVER * len(receivers))
