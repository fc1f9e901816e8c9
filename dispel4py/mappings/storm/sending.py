"""The items that an instance sends, on their way into frames."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any

from dispel4py.errors import ItemError
from dispel4py.lineage import COLLECTOR, Key
from dispel4py.mappings.storm.frames import FRAME_ITEMS, FrameId, OpenFrame
from dispel4py.mappings.storm.history import History
from dispel4py.plan import Plan

#: Called with the receiver, by index, and a complete frame.
Send = Callable[[int, OpenFrame], None]


class FrameChannel:
    """The sending end of a channel: a part of the frames for one receiver.

    Parameters
    ----------
    key : Key
        The name of the channel.
    outgoing : Outgoing
        Has the frames.
    """

    def __init__(self, key: Key, outgoing: Outgoing) -> None:
        self.key, self._outgoing = key, outgoing
        self.n_put = self.bytes_sent = 0

    def ready(self) -> bool:
        """Return whether a shuffle gives its next item to this channel."""
        return self._outgoing.is_next(self.key)

    def put(self, item: Any) -> None:
        """Send an item.

        Raises
        ------
        ItemError
            If it cannot be pickled.
        """
        number = self.n_put
        self.n_put += 1
        self.bytes_sent += self._outgoing.add(self.key, number, item)


class Outgoing:
    """The unfinished frames of one instance.

    All items of a shuffle go to one receiver until its frame is complete; then they go
    to the receiver that ``choose`` returns.

    Parameters
    ----------
    plan : Plan
    pending : list
        Gets the error of an item that cannot be sent; see `dispel4py.stop`.
    send : callable
        Sends a complete frame to an instance, or to the driver (`COLLECTOR`).
    """

    def __init__(self, plan: Plan, pending: list[Any], send: Send) -> None:
        self._plan, self._pending, self._send = plan, pending, send
        self.channels: list[FrameChannel] = []
        self._open: dict[int, OpenFrame] = {}
        self._next: dict[int, int] = {}  # route to its next receiver, by index
        self._lengths = 1
        self._n_closed = 0

    def channel(self, key: Key, destination: int, depth: int) -> FrameChannel:
        """Return a new channel.

        Parameters
        ----------
        key : Key
            The name of the channel, with its receiver.
        destination, depth : int
            Not used.
        """
        channel = FrameChannel(key, self)
        self.channels.append(channel)
        if key.destination != COLLECTOR:
            self._next.setdefault(key.route, key.destination)
        return channel

    def is_next(self, key: Key) -> bool:
        """Return whether a shuffle gives its next item to a channel."""
        return self._next[key.route] == key.destination

    def add(self, key: Key, number: int, item: Any) -> int:
        """Add an item to the frame of its receiver; return about its size in bytes.

        Parameters
        ----------
        key : Key
            The channel of the item.
        number : int
            Its number in this channel.
        item : object
            The item.

        Raises
        ------
        ItemError
            If it cannot be pickled.
        """
        frame = self._open.get(key.destination)
        if frame is None:
            frame = self._open[key.destination] = OpenFrame()
        try:
            n_bytes = frame.add(key.route, number, item)
        except ItemError as error:
            self._pending.append(error)
            raise
        if self.is_complete(key.destination, frame):
            self._close(key.destination)
        return n_bytes

    def is_complete(self, destination: int, frame: OpenFrame) -> bool:
        """Return whether a frame is to be sent now.

        Parameters
        ----------
        destination : int
            The instance, by index, or `COLLECTOR`.
        frame : OpenFrame
        """
        is_long = destination != COLLECTOR and frame.n_items >= self._lengths
        return is_long or frame.is_full

    def _close(self, destination: int) -> None:
        frame = self._open.pop(destination)
        if not frame.n_items:
            return
        try:
            self._send(destination, frame)
        except BaseException as error:
            # the PE in whose call it is raised may catch it
            self._pending.append(error)
            raise
        if destination == COLLECTOR:
            return
        for route, receiver in self._next.items():
            if receiver == destination:
                receivers = self._plan.routes[route].destinations
                self._next[route] = self.choose(route, receivers, receiver)
        self._n_closed += 1

    def choose(self, route: int, receivers: Sequence[int], last: int) -> int:
        """Return the receiver of the next items of a shuffle: the following one.

        Parameters
        ----------
        route : int
            The route of the shuffle.
        receivers : sequence of int
            The instances, by index.
        last : int
            The receiver of the last items.
        """
        return receivers[(receivers.index(last) + 1) % len(receivers)]

    def repeat(self, history: History | None) -> None:
        """Send the same frames as an earlier process of a source.

        Parameters
        ----------
        history : History or None
            These frames.
        """

    def flush(self) -> None:
        """Send all unfinished frames."""
        for destination in list(self._open):
            self._close(destination)


class RepeatableOutgoing(Outgoing):
    """Makes the same frames each time that a frame is processed.

    So they do not depend on the time, nor on what was processed before.
    """

    def begin(self, frame: FrameId, n_items: int) -> None:
        """Begin with the items that are sent for a received frame.

        Parameters
        ----------
        frame : tuple
            The name of the received frame.
        n_items : int
            The number of its items.
        """
        start = zlib.crc32(repr(frame).encode())
        for route in self._next:
            receivers = self._plan.routes[route].destinations
            self._next[route] = receivers[start % len(receivers)]
        self._lengths = min(max(1, n_items), FRAME_ITEMS)
        self._n_closed = 0

    def _close(self, destination: int) -> None:
        super()._close(destination)
        # few items at first, as each of them may mean much work
        n_receivers = max(1, len({c.key.destination for c in self.channels}))
        if self._n_closed and self._n_closed % n_receivers == 0:
            self._lengths = min(2 * self._lengths, FRAME_ITEMS)
