"""Tells observers of the calls of one instance: see `dispel4py.lineage`.

Without an observer of calls there is no watch, and the functions of an instance are
those of an unobserved run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dispel4py.lineage import (
    FAILED,
    INTERRUPTED,
    LIFE,
    PROCESS,
    Call,
    Ending,
    Key,
    Site,
)
from dispel4py.observe import Listener
from dispel4py.plan import InstanceSpec

Deliver = Callable[[Any], None]
#: Gets the items of a batch, and the list and cell that note the place of each.
BatchInvoker = Callable[[list[Any], Any, int], None]

_DONE = Ending()


class Counter:
    """Counts the items of one channel.

    Parameters
    ----------
    counts : list of int
        Has a cell for each channel.
    cell : int
        The cell with the number of the next item.
    """

    def __init__(self, counts: list[int], cell: int) -> None:
        self.counts, self.cell = counts, cell
        self._first = counts[cell]

    @property
    def n_put(self) -> int:
        """Number of items that were counted."""
        return self.counts[self.cell] - self._first


class Watch:
    """Counts what one instance sends, and tells of its calls.

    Parameters
    ----------
    spec : InstanceSpec
        The instance.
    listener : list of callable
        Its content gets each `Call` when it has ended; one for all of a process.
    switch_off : callable
        Is called with the listener if it has failed.
    time : callable
        Returns the time in seconds since 1970.
    life : int
        How often the worker was started before.
    """

    def __init__(
        self,
        spec: InstanceSpec,
        listener: Listener,
        switch_off: Callable[[Listener], None],
        time: Callable[[], float],
        life: int = 0,
    ) -> None:
        self._spec, self._time = spec, time
        self._listener, self._switch_off = listener, switch_off
        self._first = life * LIFE
        self._outputs: list[tuple[str, Key]] = []
        self._sent: list[int] = []
        self._before: tuple[int, ...] = ()
        self._counters: dict[Deliver, Counter] = {}
        self._arriving: dict[Key, tuple[BatchInvoker, list[int]]] = {}
        #: How the call in hand ended, if not well at the first attempt.
        self.ending: Ending | None = None

    def output(self, port: str, channel: Key) -> Counter:
        """Add an output channel.

        Parameters
        ----------
        port : str
            The output.
        channel : Key
            Where its items go.
        """
        self._outputs.append((port, channel))
        self._sent.append(self._first)
        self._before = tuple(self._sent)
        return Counter(self._sent, len(self._sent) - 1)

    def counts_by(self, deliver: Deliver, counter: Counter) -> Deliver:
        """Note that a function counts what it delivers; return the function.

        Parameters
        ----------
        deliver : callable
            Sends an item.
        counter : Counter
            What it counts by.
        """
        self._counters[deliver] = counter
        return deliver

    def counter_of(self, deliver: Deliver) -> Counter | None:
        """Return the counter of a function, if it counts what it delivers."""
        return self._counters.get(deliver)

    def watched(
        self,
        invoke: Deliver,
        phase: str,
        port: str | None = None,
        channel: Key | None = None,
        counter: Counter | None = None,
    ) -> Deliver:
        """Wrap the calls for the items of one channel.

        Parameters
        ----------
        invoke : callable
            Calls the PE with an item.
        phase : str
            Which method it calls.
        port : str, optional
            The input; None for a source.
        channel : Key, optional
            The channel that the items come by, if they do.
        counter : Counter, optional
            Gives the numbers of the items.
        """
        site = Site(self._spec, phase, port, channel, self._outputs)
        listener, time, sent, new = (
            self._listener,
            self._time,
            self._sent,
            tuple.__new__,
        )
        counter = counter or Counter([0], 0)
        counts, cell = counter.counts, counter.cell

        def call(item: Any) -> None:
            number = counts[cell]
            counts[cell] = number + 1
            began = time()
            try:
                invoke(item)
            except BaseException:
                self._tell_of_failure(site, number, item, began)
                raise
            ended = time()
            before = self._before
            self._before = after = tuple(sent)
            ending = self.ending
            if ending is None:
                ending = _DONE
            else:
                self.ending = None
            # as Call(...) does it, in half the time
            try:
                listener[0](
                    new(Call, (site, number, item, began, ended, ending, before, after))
                )
            except Exception:  # noqa: BLE001 - an observer may fail alone
                self._switch_off(listener)

        return call

    def batch(
        self, invoke: Deliver, port: str, channel: Key, first: int | None = None
    ) -> BatchInvoker:
        """Return the function for a batch of items of one channel.

        Parameters
        ----------
        invoke : callable
            Calls the PE with an item.
        port : str
            The input.
        channel : Key
            The channel.
        first : int, optional
            The number of the first item, if it does not follow the last one.
        """
        if channel not in self._arriving:
            counts = [0]
            counter = Counter(counts, 0)
            call = self.watched(invoke, PROCESS, port, channel, counter)
            self._arriving[channel] = one_by_one(call), counts
        invoke_all, counts = self._arriving[channel]
        if first is not None:
            counts[0] = first
        return invoke_all

    def _tell_of_failure(
        self, site: Site, number: int, item: Any, began: float
    ) -> None:
        ending = self.ending
        if ending is None or ending.outcome != FAILED:
            ending = Ending(INTERRUPTED)
        before, self._before = self._before, tuple(self._sent)
        self.ending = None
        ended = self._time()
        call = Call(site, number, item, began, ended, ending, before, self._before)
        try:
            self._listener[0](call)
        except Exception:  # noqa: BLE001 - an observer may fail alone
            self._switch_off(self._listener)


def counting(deliver: Deliver, counter: Counter) -> Deliver:
    """Wrap the delivery of items so that those delivered are counted.

    Parameters
    ----------
    deliver : callable
        Sends an item.
    counter : Counter
        What counts them.
    """
    counts, cell = counter.counts, counter.cell

    def deliver_and_count(item: Any) -> None:
        deliver(item)
        counts[cell] += 1

    return deliver_and_count


def one_by_one(invoke: Deliver) -> BatchInvoker:
    """Return the function that gives the items of a batch one by one."""

    def each(items: list[Any], cells: Any, cell: int) -> None:
        for k, item in enumerate(items):
            cells[cell] = k
            invoke(item)

    return each
