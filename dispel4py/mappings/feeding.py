"""Inputs that come from an iterator while the run lasts.

The iterator stays in the process where `dispel4py.run.run` was called, or in rank 0 of
an MPI run. A `Feeder` there deals the inputs out to the instances of the source, by
channels to those of other processes: as for all items, few are on their way, so an
endless iterator is read only as quickly as its inputs are worked off.
"""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol

from dispel4py.clock import Clock
from dispel4py.errors import InputError, suggest
from dispel4py.failure import Failure, root_cause
from dispel4py.instance import Stop
from dispel4py.lineage import INPUTS, Key
from dispel4py.mappings.channel import Channel, Post
from dispel4py.mappings.outbox import Letter, Outbox
from dispel4py.mappings.wire import ACK, END, pack, unpack_items
from dispel4py.plan import Plan


class Feed:
    """The inputs of one source that come from an iterable.

    A pickled copy, in another process, has no iterator: it only says that the inputs
    come from elsewhere.

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
            text = "".join(traceback.format_exception(error))
            cause = root_cause(error)
            failure = Failure(self.pe_id, 0, 0, "inputs", None, "", cause, text)
            raise Stop(failure) from error
        self._check(inputs)
        return inputs

    def close(self) -> None:
        """Close the iterator, if it is a generator or has a ``close`` like one."""
        close = getattr(self._iterator, "close", None)
        if close is not None:
            close()

    def __getstate__(self) -> dict[str, Any]:
        return {"pe_id": self.pe_id, "_iterator": None, "_check": None}


def feeds_of(inputs: dict[int, Any]) -> dict[int, Feed]:
    """Return the inputs that come from iterators, by the index of the instance."""
    return {k: given for k, given in inputs.items() if isinstance(given, Feed)}


def close_feeds(inputs: dict[int, Any]) -> None:
    """Close all iterators among the inputs."""
    for feed in feeds_of(inputs).values():
        feed.close()


class Way(Protocol):
    """Leads to one instance of a source: a channel, or `Fed` in the same process."""

    def ready(self) -> bool:
        """Return whether inputs can be put without waiting."""

    def put(self, item: Any) -> None:
        """Send inputs."""

    def send_if_room(self) -> bool:
        """Send what waits; return whether nothing waits any more."""

    def end(self) -> None:
        """Send the end."""


class Fed:
    """The inputs of one instance that come from a feeder.

    Parameters
    ----------
    post : Post
        Takes the answers to the batches of inputs.
    clock : Clock
        Measures how long the work on a batch takes.
    """

    def __init__(self, post: Post, clock: Clock) -> None:
        self._post, self._clock = post, clock
        self._letters: deque[Letter] = deque()
        self._items: deque[dict[str, Any]] = deque()
        self._open: tuple[int, Key, int, int, float] | None = None
        self._has_ended = False

    def take_in(self, letter: Letter) -> None:
        """Take in a batch of inputs, or the end."""
        if letter[1][0] == END:
            self._has_ended = True
        else:
            self._letters.append(letter)

    @property
    def is_ready(self) -> bool:
        """Whether there are inputs, or they have ended."""
        return bool(self._items or self._letters or self._has_ended)

    def __iter__(self) -> Fed:
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

    def worked_off(self) -> None:
        """Answer a batch of which nothing is left."""
        if self._open is not None and not self._items:
            source, key, serial, n_items, began = self._open
            answer = pack(ACK, key, serial, n_items, self._clock.now() - began, True)
            self._open = None
            self._post.send(source, answer)

    # -- the way of a feeder in the same process -----------------------------------

    def ready(self) -> bool:
        """Return whether the instance has no inputs."""
        return not self._items

    def put(self, item: dict[str, Any]) -> None:
        """Give inputs."""
        self._items.append(item)

    def send_if_room(self) -> bool:
        """Return that nothing waits."""
        return True

    def end(self) -> None:
        """Note that no more inputs come."""
        self._has_ended = True


class Feeder:
    """Deals the inputs of one source out to its instances.

    Each goes to the next instance that has room: to one of another process first.

    Parameters
    ----------
    feed : Feed
        Gives the inputs.
    ways : sequence of Way
        One to each instance, those to other processes first.
    """

    def __init__(self, feed: Feed, ways: Iterable[Way]) -> None:
        self._feed = feed
        ways = list(ways)
        self._local = [way for way in ways if isinstance(way, Fed)]
        self._remote = deque(way for way in ways if not isinstance(way, Fed))
        self._ending: list[Way] = []
        self.is_over = False

    def is_due(self, now: float) -> bool:
        """Return whether there is something to do: room for inputs, or for the end."""
        if self._ending:
            return any(way.send_if_room() for way in self._ending)
        return any(way.ready() for way in [*self._remote, *self._local])

    def step(self, now: float) -> None:
        """Deal out the next inputs; after the last ones, end each way."""
        if self._ending:
            ready = [way for way in self._ending if way.send_if_room()]
            for way in ready:
                way.end()
            self._ending = [way for way in self._ending if way not in ready]
            self.is_over = not self._ending
            return
        inputs = next(self._feed, None)
        if inputs is None:
            self._ending = [*self._remote, *self._local]
            return
        for _ in range(len(self._remote)):
            way = self._remote[0]
            self._remote.rotate(-1)
            if way.ready():
                way.put(inputs)
                return
        next(way for way in self._local if way.ready()).put(inputs)


def feeders(
    plan: Plan, inputs: dict[int, Any], outbox: Outbox, local: dict[int, Fed]
) -> list[Feeder]:
    """Return the feeders of the process that has the iterators.

    Parameters
    ----------
    plan : Plan
        Has the instances of the sources.
    inputs : dict
        Instance (by index) to what it is given.
    outbox : Outbox
        Gets the channels to other processes.
    local : dict
        The inputs of the instances of this process.
    """
    ways: dict[int, list[Way]] = {}
    feeds: dict[int, Feed] = {}
    for index, feed in feeds_of(inputs).items():
        spec = plan.instances[index]
        key = Key(INPUTS, spec.pe_index, index)
        way: Channel | Fed | None = local.get(index)
        if way is None:
            way = outbox.channel(key, spec.process, -1)
        feeds[spec.pe_index] = feed
        ways.setdefault(spec.pe_index, []).append(way)
    return [Feeder(feeds[pe], ways[pe]) for pe in feeds]


def check_inputs(pe_id: str, ports: Iterable[str], item: Any) -> None:
    """Check the inputs of one call of a source.

    Parameters
    ----------
    pe_id : str
        The source.
    ports : iterable of str
        Its inputs; a source without any takes every dict.
    item : object
        What it is given.

    Raises
    ------
    InputError
        If it is no dict, or has a port that the source has not.
    """
    if not isinstance(item, Mapping):
        raise InputError(f"inputs of {pe_id}: {item!r} is not a dict {{port: item}}")
    ports = list(ports)
    for port in item:
        if ports and port not in ports:
            raise InputError(
                f"inputs of {pe_id}: no input {port!r}; {suggest(port, ports)}"
            )
