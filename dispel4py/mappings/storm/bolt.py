"""A PE that other PEs feed, as a bolt of Storm: one instance."""

from __future__ import annotations

import contextlib
import io
import json
from typing import Any

from dispel4py.lineage import COLLECTOR, Key
from dispel4py.mappings.storm.component import Component, Post, Status, StormJob
from dispel4py.mappings.storm.files import FileReader, FrameLost, Reference, remove
from dispel4py.mappings.storm.frames import (
    Content,
    FrameId,
    OpenFrame,
    from_text,
    read_content,
)
from dispel4py.mappings.storm.line import is_heartbeat
from dispel4py.mappings.storm.sending import RepeatableOutgoing
from dispel4py.message import Unreadable
from dispel4py.plan import InstanceSpec
from dispel4py.watch import one_by_one_or

#: The source in the names of frames that are sent when an instance finishes, and when
#: it prepares.
FINISHING, PREPARING = -1, -2
#: Seconds after which Storm hears that the component is alive, while tuples wait.
_ALIVE_S = 5.0

#: Stream and values of a sent tuple, and its file.
Sent = tuple[str, list[Any], Reference | None]


class SeenFrames:
    """The frames that an instance with state has processed, and what it sent for them.

    They are forgotten when the first frames of their ways are complete.
    """

    def __init__(self) -> None:
        self._frames: dict[int, dict[int, dict[FrameId, list[Sent]]]] = {}
        self._low: dict[int, int] = {}

    def sent_for(self, frame: FrameId) -> list[Sent] | None:
        """Return what was sent for a frame; None if it was not processed.

        Nothing is to be sent again for a frame that was forgotten.
        """
        if frame[1] < self._low.get(frame[0], 0):
            return []
        return self._frames.get(frame[0], {}).get(frame[1], {}).get(frame)

    def note(self, frame: FrameId, sent: list[Sent]) -> None:
        """Note that a frame is processed.

        Parameters
        ----------
        frame : tuple
            Its name.
        sent : list of Sent
            The tuples that were sent for it.
        """
        numbers = self._frames.setdefault(frame[0], {})
        numbers.setdefault(frame[1], {})[frame] = sent

    def forget(self, source: int, low: int) -> None:
        """Forget the frames whose way began with a frame that is complete.

        Parameters
        ----------
        source : int
            The source of the first frames.
        low : int
            All its frames with smaller numbers are complete.
        """
        if low <= self._low.get(source, 0):
            return
        self._low[source] = low
        numbers = self._frames.get(source, {})
        for number in [number for number in numbers if number < low]:
            for sent in numbers.pop(number).values():
                for _, _, reference in sent:
                    if reference is not None:
                        remove(reference)


class BoltComponent(Component):
    """Runs one instance that other PEs feed.

    Parameters
    ----------
    job, spec, post
        As for `Component`.
    """

    outgoing: RepeatableOutgoing

    def __init__(self, job: StormJob, spec: InstanceSpec, post: Post) -> None:
        super().__init__(job, spec, post)
        self._reader = FileReader(self.post.key)
        self._is_stateless = self.plan.is_stateless(self.spec.pe_index)
        self._seen = SeenFrames()
        self._frame: FrameId = (PREPARING, self.spec.index)
        self._low = self._n_sent = self._n_handled = 0
        self._anchors: list[str] = []
        self._sent: list[Sent] = []
        # what was sent while the instance prepared, and the first frame after it
        self._prepared: tuple[FrameId | None, list[Sent]] = (None, [])
        self._is_waiting = True

    def make_outgoing(self) -> RepeatableOutgoing:
        """Return the frames of the items that the instance sends."""
        return RepeatableOutgoing(self.plan, self.pending, self._send)

    @property
    def status(self) -> Status:
        """Its progress, and whether no frame waits for it."""
        numbers = self._n_handled, self.instance.n_in, self.instance.n_out
        return Status(numbers, 0, self._is_waiting)

    def listen(self) -> None:
        """Take the tuples of Storm, in a thread, until it closes the pipe."""
        post = self.post
        with contextlib.suppress(OSError):
            for message in post.line.messages():
                if is_heartbeat(message):
                    post.line.sync()
                    continue
                while not post.inbox.put_tuple(message, _ALIVE_S):
                    post.line.sync()

    def work(self) -> None:
        """Process frames until the driver ends the run."""
        self.outgoing.flush()
        self.confirm_results()
        self._prepared = (None, self._sent)
        while True:
            self._is_waiting = True
            message = self.post.inbox.take()
            self._is_waiting = False
            if isinstance(message, tuple):
                self.obey(message)
            else:
                self._handle(message["id"], message["tuple"])
                self._n_handled += 1

    def _handle(self, tuple_id: str, values: list[Any]) -> None:
        """Process the frame of a tuple, or finish, and acknowledge the tuple."""
        head = json.loads(values[-1] if len(values) == 1 else values[1])
        frame = (*head["id"], *([self.spec.index] if len(values) == 1 else []))
        self._seen.forget(frame[0], head["low"])
        before = self._seen.sent_for(frame)
        if before is not None:
            if not head.get("kept", True):
                remove(head["file"])
            for stream, sent_values, _ in before:
                self.post.line.emit(stream, sent_values, [tuple_id])
        else:
            try:
                content = None if len(values) == 1 else self._read(head, values[2])
            except FrameLost:  # the source sends the first frame of its way again
                return
            self._begin(frame, tuple_id, head["low"], content)
            if content is None:
                self._finish()
            else:
                self._receive(head["from"], content)
            self.outgoing.flush()
            self.confirm_results()
            if content is None or not self._is_stateless:
                self._seen.note(frame, self._sent)
        self.post.line.ack(tuple_id)

    def _read(self, head: dict[str, Any], text: str) -> Content:
        if head["to"] != self.spec.index:
            receiver = self.plan.instances[head["to"]]
            raise RuntimeError(
                f"Storm gave a frame of {receiver.pe_id} (instance {receiver.number}) "
                f"to {self.spec.pe_id} (instance {self.spec.number})"
            )
        if "file" in head:
            return self._reader.read(head["file"], head["kept"])
        return read_content(io.BytesIO(from_text(text)))

    def _begin(
        self, frame: FrameId, tuple_id: str, low: int, content: Content | None
    ) -> None:
        self._frame, self._low, self._n_sent = frame, low, 0
        self._anchors, self._sent = [tuple_id], []
        first, prepared = self._prepared
        if prepared and first in (None, frame):
            self._prepared = (frame, prepared)
            for stream, values, _ in prepared:
                self.post.line.emit(stream, values, self._anchors)
        self.outgoing.begin(frame, 1 if content is None else content.n_items)

    def _receive(self, source: int, content: Content) -> None:
        """Call the PE with the items of a frame."""
        instance, index = self.instance, self.spec.index
        for route, first, items in content.items():
            port = self.plan.routes[route].input
            key = Key(source, route, index)
            invoke_all = instance.batch(port, key, first)
            if any(type(item) is Unreadable for item in items):
                invoke_all = one_by_one_or(instance.refuse(port, key), invoke_all)
            invoke_all(items, [0], 0)

    def _finish(self) -> None:
        """Give the instance the inputs of the run that it has, and finish it."""
        for inputs in self.inputs:
            for port, item in inputs.items():
                self.instance.give(port, item)
        self.instance.finish()

    def _send(self, receiver: int, content: OpenFrame) -> None:
        name = (*self._frame, self._n_sent)
        self._n_sent += 1
        if receiver == COLLECTOR:
            self.send_results(name, self._low, content)
            return
        is_kept = not self._is_stateless or self._frame[0] < 0
        values, reference = self.values(name, receiver, self._low, content, is_kept)
        stream = self.stream(receiver)
        if self._frame[0] != PREPARING:
            self.post.line.emit(stream, values, self._anchors)
        if is_kept:
            self._sent.append((stream, values, reference))
