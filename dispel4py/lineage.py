"""The record of a call: what a PE received and sent in it, and how it ended.

Items have names. A channel leads from one instance along one edge of the graph to one
instance, and keeps the order of the items. So an item is named by its channel and its
number in this channel, counted from 0. Sender and receiver both count, so names are not
sent, and items within a process have names, too. By its name an item that one call
received is found among the items that another call sent.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from dispel4py.failure import Failure
from dispel4py.plan import InstanceSpec, Plan

__all__ = [
    "COLLECTOR",
    "DONE",
    "FAILED",
    "INPUTS",
    "INTERRUPTED",
    "POSTPROCESS",
    "PREPROCESS",
    "PROCESS",
    "PROCESSES",
    "SKIPPED",
    "Call",
    "Ends",
    "Items",
    "Key",
    "ends_of",
]

PREPROCESS, PROCESS, POSTPROCESS = "preprocess", "process", "postprocess"
#: The last call of a PE; observers get no record of it.
TEARDOWN = "teardown"
#: How a call ends: without an error; with a failure that ends the run; with a failure
#: after which the item is skipped; by an error outside the PE, such as the failure of
#: another PE that the call had given an item.
DONE, FAILED, SKIPPED, INTERRUPTED = "done", "failed", "skipped", "interrupted"

#: Numbers in place of an instance: the receiver of results, and the sender of inputs.
COLLECTOR, INPUTS = -1, -2
#: The number of a start of an instance that moves from process to process is the number
#: of the process, plus a multiple of this: see `dispel4py.observe.Observer.taken`.
PROCESSES = 1_000_000


class Key(NamedTuple):
    """Names a channel: from an instance, along a route, to an instance.

    Inputs of the run have the source `INPUTS`, and the index of the PE as route. Items
    of an unconnected output have the route ``-1 - port number`` and the destination
    `COLLECTOR`.
    """

    source: int
    route: int
    destination: int


class Items(NamedTuple):
    """Consecutive items of one channel.

    Attributes
    ----------
    port : str or None
        The input or output of the called PE; None for inputs of a source.
    channel : Key
    first : int
        The number of the first item.
    n : int
        Number of items.
    """

    port: str | None
    channel: Key
    first: int
    n: int

    @property
    def names(self) -> list[tuple[Key, int]]:
        """The names of the items: channel and number."""
        return [(self.channel, self.first + k) for k in range(self.n)]


class Ending(NamedTuple):
    """How a call ended: see `Call`."""

    outcome: str = DONE
    attempts: int = 1
    failure: Failure | None = None


class Site(NamedTuple):
    """What all calls of one kind have in common: see `Call`."""

    instance: InstanceSpec
    phase: str
    port: str | None
    channel: Key | None
    outputs: list[tuple[str, Key]]


class Call:
    """One call of a PE.

    It has no ``__init__``: for each item one is made, and attributes are set in half
    the time.

    Attributes
    ----------
    site : Site
        Instance, phase, input port and channel.
    number : int
        The number of the item that was received, in its channel.
    item : object
        The item; for a source the dict of its inputs. Do not change it.
    began, ended : float
        Seconds since 1970.
    ending : Ending
        Outcome, attempts and failure.
    before, after : tuple of int
        The number of the next item of each output channel, before and after the call.
    apart : tuple of Items
        Sent items whose numbers are not between these two, after a worker was started
        again.
    """

    __slots__ = (
        "after",
        "apart",
        "before",
        "began",
        "ended",
        "ending",
        "item",
        "number",
        "site",
    )

    site: Site
    number: int
    item: Any
    began: float
    ended: float
    ending: Ending
    before: tuple[int, ...]
    after: tuple[int, ...]
    apart: tuple[Items, ...]

    @property
    def instance(self) -> InstanceSpec:
        """The instance that was called."""
        return self.site.instance

    @property
    def phase(self) -> str:
        """The method: ``preprocess``, ``process`` or ``postprocess``."""
        return self.site.phase

    @property
    def port(self) -> str | None:
        """The input that received the item; None for a source."""
        return self.site.port

    @property
    def outcome(self) -> str:
        """How it ended: `DONE`, `FAILED`, `SKIPPED` or `INTERRUPTED`."""
        return self.ending.outcome

    @property
    def attempts(self) -> int:
        """Number of attempts: 1 plus the number of retries."""
        return self.ending.attempts

    @property
    def failure(self) -> Failure | None:
        """The failure; None if the call did not fail."""
        return self.ending.failure

    @property
    def received(self) -> Items | None:
        """The item that was received; None for preprocess and postprocess."""
        if self.site.channel is None:
            return None
        return Items(self.site.port, self.site.channel, self.number, 1)

    @property
    def sent(self) -> tuple[Items, ...]:
        """The items that were sent, by output channel."""
        pairs = zip(self.site.outputs, self.before, self.after, strict=False)
        return self.apart + tuple(
            Items(port, channel, first, end - first)
            for (port, channel), first, end in pairs
            if end > first
        )


class Ends(NamedTuple):
    """Both ends of a channel; None for an end that is outside the graph.

    The output is also None if its PE does not declare it.
    """

    source: InstanceSpec | None
    output: str | None
    destination: InstanceSpec | None
    input: str | None


def ends_of(plan: Plan, channel: Key) -> Ends:
    """Return the instances and ports that a channel connects.

    Parameters
    ----------
    plan : Plan
        The plan of the run.
    channel : Key
        The name of the channel.
    """
    if channel.source == INPUTS:
        return Ends(None, None, plan.instances[channel.destination], None)
    source = plan.instances[channel.source]
    if channel.destination == COLLECTOR:
        ports = list(plan.pes[source.pe_index].outputconnections)
        number = -1 - channel.route
        return Ends(source, ports[number] if number < len(ports) else None, None, None)
    route = plan.routes[channel.route]
    return Ends(source, route.output, plan.instances[channel.destination], route.input)
