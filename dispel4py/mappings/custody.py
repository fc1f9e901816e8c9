"""Custody of items, so that none is lost with a killed worker (``--restart-workers``).

A sender keeps each batch until it is settled: the batch, and all items that were made
of it, have been processed to the end of the graph. If workers are killed, even several
at once, their batches can be sent again to the workers that replace them. Items that a
killed worker had sent may then arrive twice (at least once, not exactly once).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from dispel4py.lineage import Key
from dispel4py.mappings.channel import Channel, Post
from dispel4py.mappings.wire import SETTLED, pack


@dataclass
class _Unsettled:
    """A processed batch, and the last batches that may contain items made of it."""

    sender: int
    key: Key
    serial: int
    derived: list[tuple[Channel, int]]


class Custody:
    """The processed batches of one process that are not settled.

    Parameters
    ----------
    post : Post
        Sends the reports.
    settle : callable, optional
        Called with channel and number of each settled batch.
    """

    def __init__(
        self, post: Post, settle: Callable[[Key, int], None] | None = None
    ) -> None:
        self._post, self._settle = post, settle
        self._unsettled: list[_Unsettled] = []

    def take(
        self, sender: int, key: Key, serial: int, channels: Iterable[Channel]
    ) -> bool:
        """Return whether a batch is settled: all items made of it have been processed.

        If it is not settled, `report_settled` informs its sender later.

        Parameters
        ----------
        sender : int
            The process that sent the batch.
        key : Key
            The channel of the batch.
        serial : int
            Its number in the channel.
        channels : iterable of Channel
            The channels of items that may have been made of the batch.
        """
        channels = list(channels)
        for channel in channels:
            channel.flush()
        derived = [(c, c.last_serial) for c in channels if not c.is_settled]
        if derived:
            self._unsettled.append(_Unsettled(sender, key, serial, derived))
        elif self._settle is not None:
            self._settle(key, serial)
        return not derived

    def report_settled(self) -> None:
        """Inform the senders of batches that are settled now."""
        remaining = []
        for batch in self._unsettled:
            if all(c.is_settled_to(serial) for c, serial in batch.derived):
                self._post.send(batch.sender, pack(SETTLED, batch.key, batch.serial))
                if self._settle is not None:
                    self._settle(batch.key, batch.serial)
            else:
                remaining.append(batch)
        self._unsettled = remaining
