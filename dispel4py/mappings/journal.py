"""The names of the items that a worker has sent, for a worker that replaces it.

A restarted worker receives again the items that its predecessor had not finished. If an
observer listens to calls, the items that the worker sends again must keep their names.
So a worker notes the name of each item before it sends the item. The notes are in a
file of the run, which remains if the process is killed. The next worker reads the
notes. In a call with a received item that is in the notes, it repeats the channels and
the numbers of the notes. All other items get new numbers.

The notes are in pages of one size. The pages of a batch of received items are used
again when the batch is settled (`dispel4py.mappings.custody`).
"""

from __future__ import annotations

import mmap
import os
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from dispel4py.lineage import Key
from dispel4py.mappings.segments import allocate
from dispel4py.watch import BatchInvoker, Counter, Deliver, Watch

#: Numbers of 8 bytes in a page; a page has the notes of about 250 items.
_PAGE = 512
#: Pages that are added to the file at a time.
_CHUNK = 64
#: Cells of a page: its kind, the channel of the received items, the number of the first
#: received item, the place among all pages, and the number of notes.
_KIND, _SOURCE, _ROUTE, _DESTINATION, _FIRST, _PLACE, _N = range(7)
_HEADER = 8
#: Kinds of pages: free, notes, and the next number of each output channel.
_FREE, _NOTES, _COUNTERS = range(3)
#: A note is the position of the received item in its batch and the output channel, both
#: in one number, and the number of the sent item.
_POSITION_BITS = 32
_MOST_NOTES = (_PAGE - _HEADER) // 2
_NO_KEY = Key(0, 0, 0)


class Channel(Protocol):
    """The part of a channel that a journal uses."""

    def count_from(self, number: int) -> None:
        """Set the number of the next item."""


@dataclass
class _Batch:
    """The batch of received items that the worker processes."""

    key: Key
    first: int
    position: int = 0
    #: Output channels and numbers of the items that are sent again.
    repeated: deque[tuple[int, int]] = field(default_factory=deque)
    pages: list[Any] = field(default_factory=list)


class Journal:
    """The names of the items that one process sends.

    Parameters
    ----------
    path : Path
        The file. If it exists, it is from the worker that this worker replaces.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self._free: deque[Any] = deque()
        self._n_chunks = self._n_pages = 0
        #: For each received item the channels and numbers of the items sent for it.
        self._notes: dict[tuple[Key, int], list[tuple[int, int]]] = {}
        self._counters: list[Any] = []
        self._pages: dict[tuple[Key, int], list[Any]] = {}
        self._batch: _Batch | None = None
        #: The functions that send items, and the numbers of their channels here.
        self._channels: dict[Deliver, int] = {}
        self._read(os.fstat(self._file).st_size)

    def _read(self, size: int) -> None:
        """Read the notes of the predecessor."""
        pages = [
            page for _ in range(size // (_CHUNK * _PAGE * 8)) for page in self._chunk()
        ]
        for page in sorted(pages, key=lambda page: int(page[_PLACE])):
            if page[_KIND] == _FREE:
                self._free.append(page)
                continue
            self._n_pages = max(self._n_pages, page[_PLACE] + 1)
            if page[_KIND] == _COUNTERS:
                self._counters.append(page)
                continue
            key = Key(page[_SOURCE], page[_ROUTE], page[_DESTINATION])
            for k in range(_HEADER, _HEADER + 2 * page[_N], 2):
                position, channel = divmod(page[k], 1 << _POSITION_BITS)
                name = key, page[_FIRST] + position
                self._notes.setdefault(name, []).append((channel, page[k + 1]))

    def _chunk(self) -> list[Any]:
        """Map the next pages of the file."""
        n_bytes = _CHUNK * _PAGE * 8
        offset, self._n_chunks = self._n_chunks * n_bytes, self._n_chunks + 1
        if offset + n_bytes > os.fstat(self._file).st_size:
            allocate(self._file, offset + n_bytes)
        cells = memoryview(mmap.mmap(self._file, n_bytes, offset=offset)).cast("q")
        return [cells[k * _PAGE : (k + 1) * _PAGE] for k in range(_CHUNK)]

    def _new_page(self, kind: int, key: Key = _NO_KEY, first: int = 0) -> Any:
        """Return an empty page: the one that has been unused for the longest time."""
        if not self._free:
            self._free += self._chunk()
        page = self._free.popleft()
        page[_N] = 0
        page[_SOURCE], page[_ROUTE], page[_DESTINATION] = key
        page[_FIRST], page[_PLACE] = first, self._n_pages
        page[_KIND] = kind
        self._n_pages += 1
        return page

    # -- channels ----------------------------------------------------------------

    def number(
        self,
        deliver: Deliver,
        watch: Watch,
        counter: Counter,
        channel: Channel | None = None,
    ) -> Deliver:
        """Return a function that numbers the items of one output channel.

        Channels must be added in the same order as by the predecessor.

        Parameters
        ----------
        deliver : callable
            Sends an item of this channel.
        watch : Watch
            Reports the calls of the sender.
        counter : Counter
            Counts the items of the channel.
        channel : Channel, optional
            The channel, if it leads to another process.

        Returns
        -------
        callable
            The function, which notes the name of an item and sends it.
        """
        here, counts, cell = len(self._channels), counter.counts, counter.cell
        which, at = divmod(here, _PAGE - _HEADER)
        if which == len(self._counters):
            self._counters.append(self._new_page(_COUNTERS))
        page, at = self._counters[which], at + _HEADER

        def deliver_numbered(item: Any) -> None:
            number = self._repeated_number(here)
            if number is None:
                number = page[at]
                page[at] = number + 1
                if self._batch is not None:
                    self._note(self._batch, here, number)
            if counts[cell] != number:
                watch.jump(cell, number)
                if channel is not None:
                    channel.count_from(number)
            deliver(item)

        self._channels[deliver_numbered] = here
        return deliver_numbered

    def repeat_choices(self, deliver: Deliver, targets: Iterable[Deliver]) -> Deliver:
        """Return a function that sends an item to the same instance as before.

        Parameters
        ----------
        deliver : callable
            Sends an item to any of several instances.
        targets : iterable of callable
            The functions that send an item to each of them, from `number`.
        """
        by_channel = {self._channels[target]: target for target in targets}

        def deliver_again(item: Any) -> None:
            batch = self._batch
            target = deliver
            if batch is not None and batch.repeated:
                target = by_channel.get(batch.repeated[0][0], deliver)
            target(item)

        return deliver_again

    def _repeated_number(self, channel: int) -> int | None:
        if self._batch is None or not self._batch.repeated:
            return None
        known, number = self._batch.repeated[0]
        if known == channel:
            self._batch.repeated.popleft()
            return number
        self._batch.repeated.clear()  # the PE sends different items this time
        return None

    def _note(self, batch: _Batch, channel: int, number: int) -> None:
        page = batch.pages[-1] if batch.pages else None
        if page is None or page[_N] == _MOST_NOTES:
            page = self._new_page(_NOTES, batch.key, batch.first)
            batch.pages.append(page)
        n = page[_N]
        at = _HEADER + 2 * n
        page[at] = batch.position << _POSITION_BITS | channel
        page[at + 1] = number
        page[_N] = n + 1

    # -- received items ------------------------------------------------------------

    def follow(
        self, invoke_all: BatchInvoker, key: Key, serial: int, first: int
    ) -> BatchInvoker:
        """Return a function that notes which received item the worker processes.

        Parameters
        ----------
        invoke_all : callable
            Calls a PE with the items of a batch.
        key : Key
            The channel of the batch.
        serial : int
            The number of the batch.
        first : int
            The number of its first item.
        """

        def each(items: list[Any], cells: Any, cell: int) -> None:
            batch, before, own = _Batch(key, first), self._batch, [0]
            self._pages[key, serial] = batch.pages
            self._batch = batch
            try:
                for k, item in enumerate(items):
                    cells[cell] = batch.position = k
                    batch.repeated = deque(self._notes.get((key, first + k), ()))
                    invoke_all([item], own, 0)
            finally:
                self._batch = before

        return each

    def follow_phase(
        self, method: Callable[[], None], instance: int, phase: int
    ) -> None:
        """Call a method that may send items without a received item.

        Parameters
        ----------
        method : callable
            Preprocess or postprocess of an instance.
        instance : int
            The instance, by index.
        phase : int
            0 for preprocess, 1 for postprocess.
        """
        key = Key(instance, 0, instance)  # no channel leads from an instance to itself
        self.follow(lambda *_: method(), key, phase, phase)([None], [0], 0)

    def settle(self, key: Key, serial: int) -> None:
        """Use the pages of a settled batch again.

        Parameters
        ----------
        key : Key
            The channel of the batch.
        serial : int
            The number of the batch.
        """
        for page in self._pages.pop((key, serial), ()):
            page[_KIND] = _FREE
            self._free.append(page)


def call_noted(
    journal: Journal | None, method: Callable[[], None], instance: int, phase: int
) -> None:
    """Call preprocess or postprocess; see `Journal.follow_phase`.

    Parameters
    ----------
    journal : Journal, optional
        Notes the names of sent items.
    method, instance, phase
        As for `Journal.follow_phase`.
    """
    if journal is None:
        method()
    else:
        journal.follow_phase(method, instance, phase)
