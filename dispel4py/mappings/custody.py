"""Who answers for an item when a worker is killed: with ``--restart-workers`` only.

A sender keeps each batch until nothing is left of it: it was worked off, and so was all
that came of it, down to where the stream ends. Whatever is in the hands of workers that
die, also of several at once, can then be given again to those that take their places.
What these wrote before may so be there twice: at least once, not exactly once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dispel4py.mappings.channel import Channel, Post
from dispel4py.mappings.wire import SETTLED, Key, pack


@dataclass
class _Owed:
    """A batch that was worked off, and the last batches that may have come of it."""

    sender: int
    key: Key
    serial: int
    came_of_it: list[tuple[Channel, int]]


class Custody:
    """What one process has worked off, and of which something is under way."""

    def __init__(self, post: Post) -> None:
        self._post = post
        self._owed: list[_Owed] = []

    def take(
        self, sender: int, key: Key, serial: int, channels: Iterable[Channel]
    ) -> bool:
        """Return whether a batch is settled: nothing that came of it is under way.

        If it is not, its sender is told later.

        Parameters
        ----------
        sender : int
            The process that sent the batch.
        key : Key
            The channel that it came by.
        serial : int
            Its number there.
        channels : iterable of Channel
            Where something may have gone that came of it; it has been flushed.
        """
        came_of_it = [(c, c.last_serial) for c in channels if not c.is_settled]
        if came_of_it:
            self._owed.append(_Owed(sender, key, serial, came_of_it))
        return not came_of_it

    def look(self) -> None:
        """Tell the senders of batches of which nothing is left any more."""
        still_owed = []
        for owed in self._owed:
            if all(c.is_settled_to(serial) for c, serial in owed.came_of_it):
                self._post.send(owed.sender, pack(SETTLED, owed.key, owed.serial))
            else:
                still_owed.append(owed)
        self._owed = still_owed
