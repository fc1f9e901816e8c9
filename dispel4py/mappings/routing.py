"""The delivery of an item to the instances that a router chooses."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from dispel4py.grouping import ALL, GLOBAL, SHUFFLE, Grouping
from dispel4py.message import private_copy
from dispel4py.plan import InstanceSpec
from dispel4py.router import Router
from dispel4py.watch import Deliver


class Attendant(Protocol):
    """The part of a worker that a `Shuffle` uses."""

    def poll(self, timeout_s: float) -> None:
        """Receive the frames that have arrived."""

    def serve(self, depth: int) -> None:
        """Work on an item deeper in the graph than ``depth``, or wait for a frame."""


class Receiver(Protocol):
    """The part of a channel that a `Shuffle` uses."""

    def ready(self) -> bool:
        """Return whether an item can be put without waiting."""

    def put(self, item: Any) -> None:
        """Send an item."""


class Shuffle:
    """Sends each item to the next target with room, in the order of a router.

    The target in this process gets an item only if no other target has room. Then this
    process works on the item itself, and does not wait.

    Parameters
    ----------
    router : Router
        Gives the order of the targets.
    targets : sequence of callable
        One function for each instance that may get the item.
    channels : sequence of Receiver or None
        The channel of each target; None for the instance of this process.
    worker : Attendant
    depth : int
        Depth in the graph of the sending instance.
    """

    def __init__(
        self,
        router: Router,
        targets: Sequence[Deliver],
        channels: Sequence[Receiver | None],
        worker: Attendant,
        depth: int,
    ) -> None:
        ordered = [channels[k] for k in router.round()]
        self._remote = deque(channel for channel in ordered if channel is not None)
        self._local = next(
            (t for t, c in zip(targets, channels, strict=True) if c is None), None
        )
        self._worker, self._depth = worker, depth

    def __call__(self, item: Any) -> None:
        """Send ``item`` to one target; wait while no target has room."""
        remote = self._remote
        while True:
            for _ in range(len(remote)):
                channel = remote[0]
                remote.rotate(-1)
                if channel.ready():
                    channel.put(item)
                    return
            if self._local is not None:
                self._worker.poll(0.0)
                if not any(channel.ready() for channel in remote):
                    self._local(item)
                    return
            else:
                self._worker.serve(self._depth)


def delivery_by_grouping(
    grouping: Grouping,
    targets: Sequence[Deliver],
    channels: Sequence[Receiver | None],
    source: InstanceSpec,
    worker: Attendant,
) -> Deliver:
    """Return the function that sends an item to the targets that its grouping chooses.

    Parameters
    ----------
    grouping : Grouping
        Grouping of the receiving input.
    targets : sequence of callable
        One function for each instance that may get the item.
    channels : sequence of Receiver or None
        The channel of each target; None for an instance of this process.
    source : InstanceSpec
        Sending instance.
    worker : Attendant
        The worker of this process.
    """
    if len(targets) == 1 and grouping.kind in (SHUFFLE, GLOBAL, ALL):
        return targets[0]
    router = Router(grouping, len(targets), source.number)
    if grouping.kind == SHUFFLE:
        return Shuffle(router, targets, channels, worker, source.depth)
    return delivery_to_selected(targets, router.choose)


def delivery_to_selected(
    targets: Sequence[Deliver], choose: Callable[[Any], Sequence[int]]
) -> Deliver:
    """Return the function that sends an item to all its targets.

    Parameters
    ----------
    targets : sequence of callable
        One function for each instance that may get the item.
    choose : callable
        Returns the numbers of the targets of an item.
    """

    def deliver(item: Any) -> None:
        selection = choose(item)
        last = len(selection) - 1
        for k, index in enumerate(selection):
            targets[index](item if k == last else private_copy(item))

    return deliver


def delivery_of_copies(deliver: Deliver) -> Deliver:
    """Return the function that sends a copy of each item."""

    def deliver_copy(item: Any) -> None:
        deliver(private_copy(item))

    return deliver_copy
