"""The connections of the instances of one process: calls, channels and results."""

from __future__ import annotations

from typing import Any, Protocol

from dispel4py.instance import Instance
from dispel4py.lineage import COLLECTOR, PROCESS, Key
from dispel4py.mappings.collector import Collector
from dispel4py.mappings.outbox import Outbox
from dispel4py.mappings.routing import (
    Attendant,
    Receiver,
    delivery_by_grouping,
    delivery_of_copies,
)
from dispel4py.plan import InstanceSpec, Plan, Route
from dispel4py.watch import Counter, Deliver, count_deliveries


class Host(Attendant, Protocol):
    """The part of a worker that its wiring uses."""

    plan: Plan
    process: int
    root: int
    instances: dict[int, Instance]
    collector: Collector | None
    recorder: Any

    def report_progress(self, item: Any = None) -> None:
        """Report progress, if the last report is old enough."""


class Wiring:
    """Connects the instances of one process.

    Parameters
    ----------
    worker : Host
        Runs the instances.
    outbox : Outbox
        The channels to other processes are added here.
    wants_progress : bool
        Whether a source may report progress at each item that it writes.
    """

    def __init__(self, worker: Host, outbox: Outbox, wants_progress: bool) -> None:
        self._worker, self._outbox = worker, outbox
        self._wants_progress = wants_progress
        self._plan, self._instances = worker.plan, worker.instances
        self._collector, self._recorder = worker.collector, worker.recorder

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
            if self._wants_progress and self._has_work_within_call(spec):
                delivers.insert(0, self._worker.report_progress)
        instance.connect(outputs)

    def _has_work_within_call(self, spec: InstanceSpec) -> bool:
        """Return whether this process may process items of a source within its call."""
        routes = [r for r in self._plan.routes if r.source_pe == spec.pe_index]
        sinks = {index for route in routes for index in route.destinations}
        return not spec.depth and (
            self._collector is not None or not sinks.isdisjoint(self._instances)
        )

    def _feeders(self, route: Route, spec: InstanceSpec) -> list[int]:
        """Return the sending instances that ``spec`` waits for at the end."""
        if not route.stays_local:
            return list(route.sources)
        instances = self._plan.instances
        return [s for s in route.sources if instances[s].process == spec.process]

    def _to_collector(self, instance: Instance, port: str) -> Deliver:
        spec = instance.spec
        number = list(self._plan.pes[spec.pe_index].outputconnections).index(port)
        key = Key(spec.index, -1 - number, COLLECTOR)
        if self._collector is not None:
            deliver = self._collector.sink(spec.pe_id, port)
        else:
            deliver = self._outbox.channel(key, self._worker.root, spec.depth).put
        if instance.watch is not None:
            counter = instance.watch.output(port, key)
            deliver = instance.watch.register_counter(
                count_deliveries(deliver, counter), counter
            )
        return deliver

    def _to_route(self, route: Route, instance: Instance) -> Deliver:
        """Return the function that sends an item along a route from an instance."""
        instances, spec = self._plan.instances, instance.spec
        targets: list[Deliver] = []
        channels: list[Receiver | None] = []
        for index in route.destinations:
            key = Key(spec.index, route.index, index)
            if instances[index].process == self._worker.process:
                targets.append(self._to_local_instance(instance, route, key))
                channels.append(None)
            elif not route.stays_local:
                receiver: Receiver = self._outbox.channel(
                    key, instances[index].process, spec.depth
                )
                if instance.watch is not None:
                    counter = instance.watch.output(route.output, key)
                    receiver = CountedReceiver(receiver, counter)
                    instance.watch.register_counter(receiver.put, counter)
                targets.append(receiver.put)
                channels.append(receiver)
        return delivery_by_grouping(
            route.grouping, targets, channels, spec, self._worker
        )

    def _to_local_instance(self, sender: Instance, route: Route, key: Key) -> Deliver:
        """Return the function that gives an item to an instance of this process."""
        receiver = self._instances[key.destination]
        invoke = receiver.inputs[route.input]
        if sender.watch is not None and receiver.watch is not None:
            counter = sender.watch.output(route.output, key)
            invoke = receiver.watch.wrap(invoke, PROCESS, route.input, key, counter)
            sender.watch.register_counter(invoke, counter)
        if self._recorder is None:
            return invoke
        noted_call: Deliver = self._recorder.wrap(key.destination, invoke)
        return noted_call


class CountedReceiver:
    """A channel whose items are counted.

    Parameters
    ----------
    channel : Receiver
        The channel.
    counter : Counter
        The counter.
    """

    def __init__(self, channel: Receiver, counter: Counter) -> None:
        self.ready = channel.ready
        self.put = count_deliveries(channel.put, counter)
