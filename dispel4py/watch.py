"""Reports the calls of one instance to observers: see `dispel4py.lineage`.

If no observer listens to calls, instances have no watch, and a call costs nothing more.
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
    life : int
        Number of earlier starts of the worker.
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
        self._outputs.append((port, channel))
        self._sent.append(self._first)
        self._before = tuple(self._sent)
        return Counter(self._sent, len(self._sent) - 1)

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
                self._report_failure(site, number, item, began)
                raise
            ended = time()
            before = self._before
            self._before = after = tuple(sent)
            ending = self.ending
            if ending is None:
                ending = _DONE
            else:
                self.ending = None
            # the same as Call(...), in half the time
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
        if channel not in self._arriving:
            counts = [0]
            counter = Counter(counts, 0)
            call = self.wrap(invoke, PROCESS, port, channel, counter)
            self._arriving[channel] = one_by_one(call), counts
        invoke_all, counts = self._arriving[channel]
        if first is not None:
            counts[0] = first
        return invoke_all

    def _report_failure(self, site: Site, number: int, item: Any, began: float) -> None:
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
