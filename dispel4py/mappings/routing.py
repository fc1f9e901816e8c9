"""How an item leaves an instance: to one of several, to some, or to a copy for each."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from dispel4py.grouping import ALL, GLOBAL, SHUFFLE, Grouping
from dispel4py.instance import Deliver
from dispel4py.mappings.channel import Channel
from dispel4py.message import private_copy
from dispel4py.plan import InstanceSpec


class Attendant(Protocol):
    """What a `Shuffle` needs of its worker."""

    def poll(self, timeout_s: float) -> None:
        """Take in what has come."""

    def serve(self, depth: int) -> None:
        """Work on something deeper, or wait."""


class Shuffle:
    """Deals items out in turn, to whoever has room; to this process itself last."""

    def __init__(
        self,
        targets: list[Deliver],
        channels: list[Channel | None],
        first: int,
        worker: Attendant,
        depth: int,
    ) -> None:
        remote = [c for c in channels if c is not None]
        start = first % len(remote)
        self._remote = deque([*remote[start:], *remote[:start]])
        self._local = next(
            (t for t, c in zip(targets, channels, strict=True) if c is None), None
        )
        self._worker, self._depth = worker, depth

    def __call__(self, item: Any) -> None:
        """Send ``item`` to one of them."""
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


def dealing(
    grouping: Grouping,
    targets: list[Deliver],
    channels: list[Channel | None],
    source: InstanceSpec,
    worker: Attendant,
) -> Deliver:
    """Return the function that sends an item to those that a grouping says.

    Parameters
    ----------
    grouping : Grouping
    targets : list of callable
        One for each instance that may get it.
    channels : list of Channel or None
        Their channels; None for an instance of this process.
    source : InstanceSpec
        Whose items they are.
    worker : Attendant
    """
    if len(targets) == 1 and grouping.kind in (SHUFFLE, GLOBAL, ALL):
        return targets[0]
    if grouping.kind == SHUFFLE:
        return Shuffle(targets, channels, source.number, worker, source.depth)
    return selecting(targets, grouping.select)


def selecting(targets: list[Deliver], select: Callable[[Any, int], Any]) -> Deliver:
    """Send to the instances that a grouping selects."""
    n = len(targets)

    def deliver(item: Any) -> None:
        chosen = select(item, n)
        last = len(chosen) - 1
        for k, index in enumerate(chosen):
            targets[index](item if k == last else private_copy(item))

    return deliver


def copying(deliver: Deliver) -> Deliver:
    """Send each receiver an item of its own."""

    def deliver_copy(item: Any) -> None:
        deliver(private_copy(item))

    return deliver_copy
