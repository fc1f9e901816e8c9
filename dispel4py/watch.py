"""Reports the calls of one instance to observers: see `dispel4py.lineage`.

If no observer listens to calls, instances have no watch, and a call costs nothing more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dispel4py.lineage import (
    FAILED,
    INTERRUPTED,
    PROCESS,
    Call,
    Ending,
    Items,
    Key,
    Site,
)
from dispel4py.message import Unreadable
from dispel4py.observe import Listener
from dispel4py.plan import InstanceSpec

Deliver = Callable[[Any], None]
#: Takes the items of a batch, a list, and the index in this list at which the function
#: writes the position of the current item.
BatchInvoker = Callable[[list[Any], Any, int], None]

_DONE = Ending()


class Counter:
    """Counts the items of one channel.

    Parameters
    ----------
    counts : list of int
        Number of the next item, for several channels.
    cell : int
        Index of the channel in this list.
    """

    def __init__(self, counts: list[int], cell: int) -> None:
        self.counts, self.cell = counts, cell
        self._first = counts[cell]

    @property
    def n_put(self) -> int:
        """Number of items counted so far."""
        return self.counts[self.cell] - self._first


class Watch:
    """Counts the items that one instance sends, and reports its calls.

    Parameters
    ----------
    spec : InstanceSpec
        The instance.
    listener : list of callable
        Its only element is called with each `Call` that has ended. All instances of a
        process use the same list.
    switch_off : callable
        Called with the listener after an error in it.
    time : callable
        Returns the time in seconds since 1970.
    first : int
        Number of the first item of each output channel.
    """

    def __init__(
        self,
        spec: InstanceSpec,
        listener: Listener,
        switch_off: Callable[[Listener], None],
        time: Callable[[], float],
        first: int = 0,
    ) -> None:
        self._spec, self._time, self._first = spec, time, first
        self._continued: dict[Key, int] = {}
        self._listener, self._switch_off = listener, switch_off
        self._outputs: list[tuple[str, Key]] = []
        self._sent: list[int] = []
        self._before: tuple[int, ...] = ()
        self._apart: tuple[Items, ...] = ()
        self._before_item: tuple[int, ...] = ()
        # of the current item: channel, its next number before and after the jump
        self._jumps: list[tuple[int, int, int]] = []
        self._counters: dict[Deliver, Counter] = {}
        self._arriving: dict[Key, BatchInvoker] = {}
        #: Number of the next item of each input channel, as a list of one element.
        self._received: dict[Key, list[int]] = {}
        #: How the current call ended; None if its first attempt had no error.
        self.ending: Ending | None = None

    def output(self, port: str, channel: Key) -> Counter:
        """Add an output channel, and return its counter.

        Parameters
        ----------
        port : str
            The output.
        channel : Key
            The channel.
        """
        first = self._continued.get(channel, self._first)
        self._outputs.append((port, channel))
        self._sent.append(first)
        self._before += (first,)
        return Counter(self._sent, len(self._sent) - 1)

    def numbers(self) -> dict[Key, int]:
        """Return the number of the next item of each output channel."""
        own = [(key, self._sent[k]) for k, (_, key) in enumerate(self._outputs)]
        return self._continued | dict(own)

    def continue_from(self, numbers: dict[Key, int]) -> None:
        """Continue the numbers of another process, which had the instance before.

        Parameters
        ----------
        numbers : dict
            From `numbers`.
        """
        self._continued = numbers
        for k, (_, key) in enumerate(self._outputs):
            self._sent[k] = numbers.get(key, self._first)
        self._before = tuple(self._sent)

    def register_counter(self, deliver: Deliver, counter: Counter) -> Deliver:
        """Note the counter of a function that counts its deliveries.

        Parameters
        ----------
        deliver : callable
            Sends an item.
        counter : Counter
            Its counter.

        Returns
        -------
        callable
            The same function.
        """
        self._counters[deliver] = counter
        return deliver

    def counter_of(self, deliver: Deliver) -> Counter | None:
        """Return the counter of a function; None if it does not count."""
        return self._counters.get(deliver)

    def jump(self, cell: int, number: int) -> None:
        """Give the next item of an output channel a number that does not follow.

        Parameters
        ----------
        cell : int
            The channel, by its counter.
        number : int
            The number of the next item.
        """
        self._jumps.append((cell, self._sent[cell], number))
        port, channel = self._outputs[cell]
        first, end = self._before[cell], self._sent[cell]
        if end > first:
            self._apart += (Items(port, channel, first, end - first),)
        self._sent[cell] = number
        self._before = (*self._before[:cell], number, *self._before[cell + 1 :])

    def begin_item(self) -> None:
        """Prepare `names_of_item`: an item is sent next."""
        self._before_item = tuple(self._sent)
        self._jumps.clear()

    def names_of_item(self) -> list[tuple[Key, int]]:
        """Return the names of the item that was sent since `begin_item`."""
        before, names = self._before_item, []
        for cell, end in enumerate(self._sent):
            first = before[cell] if cell < len(before) else 0
            if self._jumps:
                for jumped, last, number in self._jumps:
                    if jumped == cell:
                        names += self._names(cell, first, last)
                        first = number
            if end > first:
                names += self._names(cell, first, end)
        return names

    def _names(self, cell: int, first: int, end: int) -> list[tuple[Key, int]]:
        _, key = self._outputs[cell]
        return [(key, number) for number in range(first, end)]

    def wrap(
        self,
        invoke: Deliver,
        phase: str,
        port: str | None = None,
        channel: Key | None = None,
        counter: Counter | None = None,
    ) -> Deliver:
        """Return a function that calls the PE and reports the call.

        Parameters
        ----------
        invoke : callable
            Calls the PE with an item.
        phase : str
            The method that it calls.
        port : str, optional
            The input; None for a source.
        channel : Key, optional
            The channel of the items; None for preprocess and postprocess.
        counter : Counter, optional
            Gives the numbers of the items.
        """
        site = Site(self._spec, phase, port, channel, self._outputs)
        listener, time, sent = self._listener, self._time, self._sent
        counter = counter or Counter([0], 0)
        counts, cell = counter.counts, counter.cell

        def call(item: Any) -> None:
            number = counts[cell]
            counts[cell] = number + 1
            began = time()
            try:
                invoke(item)
            except BaseException:
                self._report_failure(site, number, item, began)
                raise
            record = Call()
            record.ended = time()
            record.began = began
            record.site = site
            record.number = number
            record.item = item
            record.before = self._before
            record.after = self._before = tuple(sent)
            record.ending = _DONE
            record.apart = ()
            if self.ending is not None:
                record.ending, self.ending = self.ending, None
            if self._apart:
                record.apart, self._apart = self._apart, ()
            try:
                listener[0](record)
            except Exception:  # noqa: BLE001 - an observer may fail alone
                self._switch_off(listener)

        return call

    def batch(
        self, invoke: Deliver, port: str, channel: Key, first: int | None = None
    ) -> BatchInvoker:
        """Return the function that calls the PE with a batch of items of one channel.

        Parameters
        ----------
        invoke : callable
            Calls the PE with an item.
        port : str
            The input.
        channel : Key
            The channel.
        first : int, optional
            Number of the first item, if it does not follow the last item received.
        """
        counts = self._received.setdefault(channel, [0])
        if channel not in self._arriving:
            counter = Counter(counts, 0)
            call = self.wrap(invoke, PROCESS, port, channel, counter)
            self._arriving[channel] = one_by_one(call)
        if first is not None:
            counts[0] = first
        return self._arriving[channel]

    def next_of(
        self,
        invoke: Deliver,
        port: str | None,
        channel: Key,
        number: int | None = None,
    ) -> Deliver:
        """Return a function that reports the call with the next item of a channel.

        Parameters
        ----------
        invoke : callable
            Called with the item.
        port : str or None
            The input.
        channel : Key
            The channel.
        number : int, optional
            Number of the item, if it does not follow the last item received.
        """
        counts = self._received.setdefault(channel, [0])
        if number is not None:
            counts[0] = number
        return self.wrap(invoke, PROCESS, port, channel, Counter(counts, 0))

    def _report_failure(self, site: Site, number: int, item: Any, began: float) -> None:
        ending = self.ending
        if ending is None or ending.outcome != FAILED:
            ending = Ending(INTERRUPTED)
        self.ending = None
        record = Call()
        record.site, record.number, record.item = site, number, item
        record.began, record.ended, record.ending = began, self._time(), ending
        record.before, record.after = self._before, tuple(self._sent)
        record.apart, self._apart, self._before = self._apart, (), record.after
        try:
            self._listener[0](record)
        except Exception:  # noqa: BLE001 - an observer may fail alone
            self._switch_off(self._listener)


def count_deliveries(deliver: Deliver, counter: Counter) -> Deliver:
    """Return a function that delivers an item and counts it.

    Parameters
    ----------
    deliver : callable
        Sends an item.
    counter : Counter
        The counter.
    """
    counts, cell = counter.counts, counter.cell

    def deliver_and_count(item: Any) -> None:
        deliver(item)
        counts[cell] += 1

    return deliver_and_count


def one_by_one(invoke: Deliver) -> BatchInvoker:
    """Return a function that calls ``invoke`` with each item of a batch."""

    def each(items: list[Any], cells: Any, cell: int) -> None:
        for k, item in enumerate(items):
            cells[cell] = k
            invoke(item)

    return each


def one_by_one_or(refuse: Deliver, invoke_all: BatchInvoker) -> BatchInvoker:
    """Return a function that refuses the items of a batch that cannot be read.

    Parameters
    ----------
    refuse : callable
        Called with each `Unreadable`.
    invoke_all : callable
        Called with each other item, as a batch.
    """

    def each(items: list[Any], cells: Any, cell: int) -> None:
        for k, item in enumerate(items):
            cells[cell] = k
            if type(item) is Unreadable:
                refuse(item)
            else:
                invoke_all([item], [0], 0)

    return each
