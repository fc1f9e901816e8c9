"""The connections of the instances of one process: calls, channels and results."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, Protocol

from dispel4py.clock import Clock
from dispel4py.grouping import SHUFFLE
from dispel4py.instance import Instance
from dispel4py.lineage import COLLECTOR, PROCESS, Key
from dispel4py.mappings.channel import Channel
from dispel4py.mappings.collector import Collector
from dispel4py.mappings.journal import Journal
from dispel4py.mappings.routing import (
    Attendant,
    Receiver,
    delivery_by_grouping,
    delivery_of_copies,
)
from dispel4py.plan import InstanceSpec, Plan, Route
from dispel4py.watch import Counter, Deliver, Watch, count_deliveries

#: Seconds between two looks of a source for progress and frames, within its call.
LOOK_SECONDS = 0.1


class Host(Attendant, Protocol):
    """The part of a worker that its wiring uses."""

    clock: Clock
    plan: Plan
    process: int
    root: int
    instances: dict[int, Instance]
    collector: Collector | None
    recorder: Any
    journal: Journal | None


class Channels(Protocol):
    """Makes the channels of one process, such as an outbox."""

    def channel(self, key: Key, destination: int, depth: int) -> Any:
        """Return a new channel to an instance in another process.

        Parameters
        ----------
        key : Key
            The name of the channel.
        destination : int
            The process of the receiver.
        depth : int
            The depth of the sending instance.
        """


class Wiring:
    """Connects the instances of one process.

    Parameters
    ----------
    worker : Host
        Runs the instances.
    outbox : Channels
        Makes the channels to other processes.
    looks_around : bool
        Whether a source may look around at each item that it writes.
    """

    def __init__(self, worker: Host, outbox: Channels, looks_around: bool) -> None:
        self._worker, self._outbox = worker, outbox
        self._looks_around, self._looked_at = looks_around, worker.clock.now()
        self._plan, self._instances = worker.plan, worker.instances
        self._collector, self._recorder = worker.collector, worker.recorder
        self._journal = worker.journal
        self._n_undeclared: dict[int, int] = {}

    def connect(self, instance: Instance) -> None:
        """Connect each output of an instance to the receivers of its items."""
        spec = instance.spec
        outputs: dict[str, list[Deliver]] = {}
        for port in self._plan.unconnected_outputs(spec.pe_index):
            outputs[port] = [self._to_collector(instance, port)]
        for route in self._plan.routes:
            if route.source_pe == spec.pe_index:
                outputs.setdefault(route.output, []).append(
                    self._to_route(route, instance)
                )
            if route.destination_pe == spec.pe_index:
                instance.open_channels |= {
                    Key(feeder, route.index, spec.index)
                    for feeder in self._feeders(route, spec)
                }
        for delivers in outputs.values():
            # each receiver gets its own copy; the last one gets the item itself
            delivers[:-1] = [delivery_of_copies(deliver) for deliver in delivers[:-1]]
            if self._looks_around and self._has_work_within_call(spec):
                delivers.insert(0, self._look_around)
        instance.outputs.connect(outputs, partial(self._to_results, instance))

    def _has_work_within_call(self, spec: InstanceSpec) -> bool:
        """Return whether this process may process items of a source within its call."""
        routes = [r for r in self._plan.routes if r.source_pe == spec.pe_index]
        sinks = {index for route in routes for index in route.destinations}
        return not spec.depth and (
            self._collector is not None or not sinks.isdisjoint(self._instances)
        )

    def _look_around(self, item: Any) -> None:
        """Report progress and receive frames, if the last time is long ago.

        A source whose items stay in this process waits for no other process. So it
        would not receive the order to stop in a long call.
        """
        now = self._worker.clock.now()
        if now - self._looked_at > LOOK_SECONDS:
            self._looked_at = now
            self._worker.poll(0.0)

    def _feeders(self, route: Route, spec: InstanceSpec) -> list[int]:
        """Return the sending instances that ``spec`` waits for at the end."""
        if not route.stays_local:
            return list(route.sources)
        instances = self._plan.instances
        return [s for s in route.sources if instances[s].process == spec.process]

    def _to_collector(self, instance: Instance, port: str) -> Deliver:
        ports = list(instance.pe.outputconnections)
        return self._to_result(instance, port, ports.index(port))

    def _to_results(self, instance: Instance, port: str) -> list[Deliver]:
        """Return the functions for the items of an output that is not declared."""
        n_declared = len(instance.pe.outputconnections)
        number = n_declared + self._n_undeclared.get(instance.spec.index, 0)
        self._n_undeclared[instance.spec.index] = number - n_declared + 1
        deliver = self._to_result(instance, port, number, is_declared=False)
        if self._looks_around and self._has_work_within_call(instance.spec):
            return [self._look_around, deliver]
        return [deliver]

    def _to_result(
        self, instance: Instance, port: str, number: int, is_declared: bool = True
    ) -> Deliver:
        """Return the function that sends items of an output to the collector."""
        spec = instance.spec
        key = Key(spec.index, -1 - number, COLLECTOR)
        channel: Channel | None = None
        if self._collector is not None:
            deliver = self._collector.sink(spec.pe_id, port)
        else:
            channel = self._outbox.channel(key, self._worker.root, spec.depth)
            deliver = channel.put
            if not is_declared:  # the collector does not know the name
                deliver = partial(_put_named, channel.put, port)
        if instance.watch is not None:
            counter = instance.watch.output(port, key)
            deliver = count_deliveries(deliver, counter)
            deliver = self._named(instance.watch, deliver, counter, channel)
        return deliver

    def _to_route(self, route: Route, instance: Instance) -> Deliver:
        """Return the function that sends an item along a route from an instance."""
        instances, spec = self._plan.instances, instance.spec
        targets: list[Deliver] = []
        receivers: list[Receiver | None] = []
        for index in route.destinations:
            key = Key(spec.index, route.index, index)
            if instances[index].process == self._worker.process:
                targets.append(self._to_local_instance(instance, route, key))
                receivers.append(None)
            elif not route.stays_local:
                receiver = self._to_other_process(instance, route, key)
                targets.append(receiver.put)
                receivers.append(receiver)
        deliver = delivery_by_grouping(
            route.grouping, targets, receivers, spec, self._worker
        )
        if self._journal is not None and route.grouping.kind == SHUFFLE:
            deliver = self._journal.repeat_choices(deliver, targets)
        return deliver

    def _to_other_process(self, sender: Instance, route: Route, key: Key) -> Receiver:
        process = self._plan.instances[key.destination].process
        channel: Any = self._outbox.channel(key, process, sender.spec.depth)
        receiver: Receiver = channel
        if sender.watch is None:
            return receiver
        counter = sender.watch.output(route.output, key)
        put = count_deliveries(channel.put, counter)
        return NamedReceiver(
            channel.ready, self._named(sender.watch, put, counter, channel)
        )

    def _to_local_instance(self, sender: Instance, route: Route, key: Key) -> Deliver:
        """Return the function that gives an item to an instance of this process."""
        receiver = self._instances[key.destination]
        invoke = receiver.inputs[route.input]
        counter = None
        if sender.watch is not None and receiver.watch is not None:
            counter = sender.watch.output(route.output, key)
            invoke = receiver.watch.wrap(invoke, PROCESS, route.input, key, counter)
        if self._recorder is not None:
            invoke = self._recorder.wrap(key.destination, invoke)
        if counter is not None and sender.watch is not None:
            invoke = self._named(sender.watch, invoke, counter)
        return invoke

    def _named(
        self,
        watch: Watch,
        deliver: Deliver,
        counter: Counter,
        channel: Channel | None = None,
    ) -> Deliver:
        """Let a function that counts its items name them by a journal."""
        if self._journal is not None:
            return self._journal.number(deliver, watch, counter, channel)
        return watch.register_counter(deliver, counter)


def _put_named(put: Deliver, port: str, item: Any) -> None:
    put((port, item))


class NamedReceiver(NamedTuple):
    """A channel whose items are counted: see `Receiver`."""

    ready: Callable[[], bool]
    put: Deliver
