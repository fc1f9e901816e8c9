"""The ways of the items of one process: to its own instances, channels and results."""

from __future__ import annotations

from typing import Any, Protocol

from dispel4py.instance import Instance
from dispel4py.lineage import COLLECTOR, PROCESS, Key
from dispel4py.mappings.collector import Collector
from dispel4py.mappings.outbox import Outbox
from dispel4py.mappings.routing import Attendant, Way, copying, dealing
from dispel4py.plan import InstanceSpec, Plan, Route
from dispel4py.watch import Counter, Deliver, counting


class Host(Attendant, Protocol):
    """The part of a worker that its wiring uses."""

    plan: Plan
    process: int
    root: int
    instances: dict[int, Instance]
    collector: Collector | None
    recorder: Any

    def tell_progress(self, item: Any = None) -> None:
        """Report progress, if it is time."""


class Wiring:
    """Connects the instances of one process.

    Parameters
    ----------
    worker : Host
        Runs the instances.
    outbox : Outbox
        Gets the channels to other processes.
    wants_progress : bool
        Whether a source reports progress with each item that it writes.
    """

    def __init__(self, worker: Host, outbox: Outbox, wants_progress: bool) -> None:
        self._worker, self._outbox = worker, outbox
        self._wants_progress = wants_progress
        self._plan, self._instances = worker.plan, worker.instances
        self._collector, self._recorder = worker.collector, worker.recorder

    def connect(self, instance: Instance) -> None:
        """Give each output of an instance the ways that its items take."""
        spec = instance.spec
        outputs: dict[str, list[Deliver]] = {}
        for port in self._plan.unconnected_outputs(spec.pe_index):
            outputs[port] = [self._to_collector(instance, port)]
        for route in self._plan.routes:
            if route.source_pe == spec.pe_index:
                outputs.setdefault(route.output, []).append(
                    self._along(route, instance)
                )
            if route.destination_pe == spec.pe_index:
                instance.awaited |= {
                    Key(feeder, route.index, spec.index)
                    for feeder in self._feeders(route, spec)
                }
        for delivers in outputs.values():
            # all but the last of several receivers get a copy of their own
            delivers[:-1] = [copying(deliver) for deliver in delivers[:-1]]
            if self._wants_progress and self._works_on_what_comes_of(spec):
                delivers.insert(0, self._worker.tell_progress)
        instance.connect(outputs)

    def _works_on_what_comes_of(self, spec: InstanceSpec) -> bool:
        """Return whether a source's items may be worked on here, within its call."""
        routes = [r for r in self._plan.routes if r.source_pe == spec.pe_index]
        sinks = {index for route in routes for index in route.destinations}
        return not spec.depth and (
            self._collector is not None or not sinks.isdisjoint(self._instances)
        )

    def _feeders(self, route: Route, spec: InstanceSpec) -> list[int]:
        """Return the source instances whose end ``spec`` waits for."""
        if not route.stays_local:
            return list(route.sources)
        at = self._plan.instances
        return [s for s in route.sources if at[s].process == spec.process]

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
            deliver = instance.watch.counts_by(counting(deliver, counter), counter)
        return deliver

    def _along(self, route: Route, instance: Instance) -> Deliver:
        """Return the function that sends an item along a route from an instance."""
        at, spec = self._plan.instances, instance.spec
        targets: list[Deliver] = []
        channels: list[Way | None] = []
        for index in route.destinations:
            key = Key(spec.index, route.index, index)
            if at[index].process == self._worker.process:
                targets.append(self._local(instance, route, key))
                channels.append(None)
            elif not route.stays_local:
                way: Way = self._outbox.channel(key, at[index].process, spec.depth)
                if instance.watch is not None:
                    counter = instance.watch.output(route.output, key)
                    way = Counted(way, counter)
                    instance.watch.counts_by(way.put, counter)
                targets.append(way.put)
                channels.append(way)
        return dealing(route.grouping, targets, channels, spec, self._worker)

    def _local(self, sender: Instance, route: Route, key: Key) -> Deliver:
        """Return the function that gives an item to an instance of this process."""
        receiver = self._instances[key.destination]
        invoke = receiver.inputs[route.input]
        if sender.watch is not None and receiver.watch is not None:
            counter = sender.watch.output(route.output, key)
            invoke = receiver.watch.watched(invoke, PROCESS, route.input, key, counter)
            sender.watch.counts_by(invoke, counter)
        if self._recorder is None:
            return invoke
        around: Deliver = self._recorder.around(key.destination, invoke)
        return around


class Counted:
    """A channel whose items are counted.

    Parameters
    ----------
    channel : Way
        The channel.
    counter : Counter
        What counts them.
    """

    def __init__(self, channel: Way, counter: Counter) -> None:
        self.ready = channel.ready
        self.put = counting(channel.put, counter)
