"""Custody of items, so that none is lost with a killed worker (``--restart-workers``).

A sender keeps each batch until it is settled: the batch, and all items that were made
of it, have been processed to the end of the stream. So the batches of workers that die,
also of several at once, can be sent again to the workers that replace them. Items that
a killed worker had written may then arrive twice: at least once, not exactly once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dispel4py.lineage import Key
from dispel4py.mappings.channel import Channel, Post
from dispel4py.mappings.wire import SETTLED, pack


@dataclass
class _Owed:
    """A processed batch, and the last batches that may hold items made of it."""

    sender: int
    key: Key
    serial: int
    came_of_it: list[tuple[Channel, int]]


class Custody:
    """The processed batches of one process that are not settled."""

    def __init__(self, post: Post) -> None:
        self._post = post
        self._owed: list[_Owed] = []

    def take(
        self, sender: int, key: Key, serial: int, channels: Iterable[Channel]
    ) -> bool:
        """Return whether a batch is settled: no item made of it is under way.

        If it is not settled, its sender is informed later.

        Parameters
        ----------
        sender : int
            The process that sent the batch.
        key : Key
            The channel of the batch.
        serial : int
            Its number in the channel.
        channels : iterable of Channel
            The channels, flushed, of items that may have been made of it.
        """
        came_of_it = [(c, c.last_serial) for c in channels if not c.is_settled]
        if came_of_it:
            self._owed.append(_Owed(sender, key, serial, came_of_it))
        return not came_of_it

    def look(self) -> None:
        """Inform the senders of batches that are settled now."""
        still_owed = []
        for owed in self._owed:
            if all(c.is_settled_to(serial) for c, serial in owed.came_of_it):
                self._post.send(owed.sender, pack(SETTLED, owed.key, owed.serial))
            else:
                still_owed.append(owed)
        self._owed = still_owed
