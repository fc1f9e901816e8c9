"""Inputs that an iterator gives during the run.

The iterator stays in the process that called `dispel4py.run.run`, or in rank 0 of an
MPI run. A `Feeder` in this process distributes the inputs over the instances of the
source, and uses channels to other processes. As a channel has few items in transit
(back-pressure), an endless iterator is read only as fast as its inputs are processed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol

from dispel4py.clock import Clock
from dispel4py.errors import InputError, suggest
from dispel4py.failure import Failure, root_cause, traceback_text
from dispel4py.lineage import INPUTS, Key
from dispel4py.mappings.channel import Channel, Post
from dispel4py.mappings.outbox import Letter, Outbox
from dispel4py.mappings.wire import ACK, END, pack, unpack_items
from dispel4py.plan import Plan
from dispel4py.stop import Stop


class Feed:
    """The inputs of one source that come from an iterable.

    A pickled copy in another process has no iterator. It only marks that the inputs
    come from the feeder.

    Parameters
    ----------
    pe_id : str
        The source.
    iterable : iterable of dict
        Gives the inputs.
    check : callable
        Raises `InputError` for inputs that do not fit the source.
    """

    def __init__(
        self,
        pe_id: str,
        iterable: Iterable[dict[str, Any]],
        check: Callable[[Any], None],
    ) -> None:
        self.pe_id = pe_id
        self._iterator: Iterator[dict[str, Any]] | None = iter(iterable)
        self._check: Callable[[Any], None] | None = check

    def __iter__(self) -> Feed:
        return self

    def __next__(self) -> dict[str, Any]:
        assert self._iterator is not None
        assert self._check is not None
        try:
            inputs = next(self._iterator)
        except StopIteration:
            raise
        except Exception as error:
            text = traceback_text(error)
            cause = root_cause(error)
            failure = Failure(self.pe_id, 0, 0, "inputs", None, "", cause, text)
            raise Stop(failure) from error
        self._check(inputs)
        return inputs

    def close(self) -> None:
        """Close the iterator, if it has a method ``close`` as generators have."""
        close = getattr(self._iterator, "close", None)
        if close is not None:
            close()

    def __getstate__(self) -> dict[str, Any]:
        return {"pe_id": self.pe_id, "_iterator": None, "_check": None}


def feeds_of(inputs: dict[int, Any]) -> dict[int, Feed]:
    """Return the inputs that come from iterators, by the index of the instance."""
    return {k: feed for k, feed in inputs.items() if isinstance(feed, Feed)}


def close_feeds(inputs: dict[int, Any]) -> None:
    """Close all iterators among the inputs."""
    for feed in feeds_of(inputs).values():
        feed.close()


class Receiver(Protocol):
    """Takes inputs for one instance: a channel, or an `InputQueue` in this process."""

    def ready(self) -> bool:
        """Return whether inputs can be put without waiting."""

    def put(self, item: Any) -> None:
        """Send inputs."""

    def send_if_room(self) -> bool:
        """Send the waiting inputs; return True if none wait now."""

    def stop_sending(self) -> None:
        """Send nothing more but the end: the instance takes no inputs any more."""

    def end(self) -> None:
        """Send the end of the inputs."""


class InputQueue:
    """The waiting inputs of one instance, which come from a feeder.

    Parameters
    ----------
    post : Post
        Sends the acknowledgements of the batches of inputs.
    clock : Clock
        Measures the time of work on a batch.
    """

    def __init__(self, post: Post, clock: Clock) -> None:
        self._post, self._clock = post, clock
        self._letters: deque[Letter] = deque()
        self._items: deque[dict[str, Any]] = deque()
        self._open: tuple[int, Key, int, int, float] | None = None
        self._has_ended = False

    def take_in(self, letter: Letter) -> None:
        """Add a batch of inputs, or note their end."""
        if letter[1][0] == END:
            self._has_ended = True
        else:
            self._letters.append(letter)

    @property
    def is_ready(self) -> bool:
        """Whether inputs wait, or all inputs have been given."""
        return bool(self._items or self._letters or self._has_ended)

    def __iter__(self) -> InputQueue:
        return self

    def __next__(self) -> dict[str, Any]:
        if not self._items:
            if not self._letters:
                raise StopIteration
            frame, (_, key, serial, values, flags, *_) = self._letters.popleft()
            self._items += unpack_items(values, flags, frame.buffers)
            n_items = len(self._items)
            self._open = (frame.source, key, serial, n_items, self._clock.now())
        return self._items.popleft()

    def acknowledge(self) -> None:
        """Acknowledge a batch after its last input."""
        if self._open is not None and not self._items:
            source, key, serial, n_items, began = self._open
            answer = pack(ACK, key, serial, n_items, self._clock.now() - began, True)
            self._open = None
            self._post.send(source, answer)

    # -- as the receiver of a feeder in the same process ------------------------

    def ready(self) -> bool:
        """Return whether the instance has no inputs."""
        return not self._items

    def put(self, item: dict[str, Any]) -> None:
        """Add the inputs of one call."""
        self._items.append(item)

    def send_if_room(self) -> bool:
        """Return True: inputs are not delayed here."""
        return True

    def stop_sending(self) -> None:
        """Do nothing: its instance is in this process."""

    def end(self) -> None:
        """Note that no more inputs come."""
        self._has_ended = True


class Feeder:
    """Distributes the inputs of one source over its instances.

    The next instance with room gets them; instances of other processes come first.

    Parameters
    ----------
    feed : Feed
        Gives the inputs.
    receivers : sequence of Receiver
        The receivers of all instances.
    pe_index : int
        The source, as index into the PEs of the plan.
    """

    def __init__(
        self, feed: Feed, receivers: Iterable[Receiver], pe_index: int = 0
    ) -> None:
        self._feed, self.pe_index = feed, pe_index
        receivers = list(receivers)
        self._local = [
            receiver for receiver in receivers if isinstance(receiver, InputQueue)
        ]
        self._remote = deque(
            receiver for receiver in receivers if not isinstance(receiver, InputQueue)
        )
        self._ending: list[Receiver] = []
        self.is_over = False

    def stop(self) -> None:
        """Send no more inputs, only the end; do not wait for those that were sent."""
        if not self.is_over:
            for receiver in self._remote:
                receiver.stop_sending()
            self._ending = self._ending or [*self._remote, *self._local]

    def is_due(self, now: float) -> bool:
        """Return whether a receiver has room for inputs, or for the end."""
        if self._ending:
            return any(receiver.send_if_room() for receiver in self._ending)
        return any(receiver.ready() for receiver in [*self._remote, *self._local])

    def step(self, now: float) -> None:
        """Send the next inputs to one receiver, or the end to all receivers."""
        if self._ending:
            ready = [receiver for receiver in self._ending if receiver.send_if_room()]
            for receiver in ready:
                receiver.end()
            self._ending = [
                receiver for receiver in self._ending if receiver not in ready
            ]
            self.is_over = not self._ending
            return
        inputs = next(self._feed, None)
        if inputs is None:
            self._ending = [*self._remote, *self._local]
            return
        for _ in range(len(self._remote)):
            receiver = self._remote[0]
            self._remote.rotate(-1)
            if receiver.ready():
                receiver.put(inputs)
                return
        next(receiver for receiver in self._local if receiver.ready()).put(inputs)


def make_feeders(
    plan: Plan, inputs: dict[int, Any], outbox: Outbox, local: dict[int, InputQueue]
) -> list[Feeder]:
    """Return the feeders of the process that has the iterators.

    Parameters
    ----------
    plan : Plan
        The plan, with the instances of the sources.
    inputs : dict
        Instance (by index) to its inputs.
    outbox : Outbox
        The channels to other processes are added here.
    local : dict
        The queues of the instances of this process.
    """
    receivers: dict[int, list[Receiver]] = {}
    feeds: dict[int, Feed] = {}
    for index, feed in feeds_of(inputs).items():
        spec = plan.instances[index]
        key = Key(INPUTS, spec.pe_index, index)
        receiver: Channel | InputQueue | None = local.get(index)
        if receiver is None:
            receiver = outbox.channel(key, spec.process, -1)
        feeds[spec.pe_index] = feed
        receivers.setdefault(spec.pe_index, []).append(receiver)
    return [Feeder(feeds[pe], receivers[pe], pe) for pe in feeds]


def check_inputs(pe_id: str, ports: Iterable[str], item: Any) -> None:
    """Check the inputs of one call of a source.

    Parameters
    ----------
    pe_id : str
        The source.
    ports : iterable of str
        Its input ports; a source without input ports takes every dict.
    item : object
        The inputs of the call.

    Raises
    ------
    InputError
        If they are not a dict, or name a port that the source does not have.
    """
    if not isinstance(item, Mapping):
        raise InputError(f"inputs of {pe_id}: {item!r} is not a dict {{port: item}}")
    ports = list(ports)
    for port in item:
        if ports and port not in ports:
            raise InputError(
                f"inputs of {pe_id}: no input {port!r}; {suggest(port, ports)}"
            )
