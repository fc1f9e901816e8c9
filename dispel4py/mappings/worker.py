"""The loop of one process: the same for every mapping.

A process runs some instances of the plan. Items between two of its instances are
function calls, depth first. Items for other processes go into channels; items from
them wait in one queue per instance, and the deepest instance is served first, so that
what is begun gets finished before more is taken in.

A process that must wait for room in a channel goes on serving, but only instances
deeper in the graph than the one that waits. As every wait is then for something
deeper, a chain of waiting processes ends at one that can work: bounded queues cannot
deadlock, even where PEs share processes in both directions.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Any

from dispel4py.clock import Clock
from dispel4py.dead_letters import packed
from dispel4py.failure import Failure
from dispel4py.instance import Deliver, Instance
from dispel4py.mappings.base import SourceInputs
from dispel4py.mappings.channel import (
    ACK,
    BATCH,
    COLLECTOR,
    DONE,
    END,
    GIVEN_UP,
    PROGRESS,
    RESTARTED,
    SETTLED,
    WINDOW,
    Channel,
    Key,
    Post,
    bytes_by_edge,
    keep_order,
    pack,
    unpack,
    unpack_items,
)
from dispel4py.mappings.collector import Collector
from dispel4py.mappings.custody import Custody
from dispel4py.mappings.options import Options
from dispel4py.mappings.process import peak_memory_mb
from dispel4py.mappings.routing import copying, dealing
from dispel4py.message import Frame
from dispel4py.observe import Observers
from dispel4py.plan import InstanceSpec, Plan, Route
from dispel4py.result import InstanceReport, ProcessReport

PROGRESS_SECONDS = 0.2
_IDLE_SECONDS = 1.0
_NO_CELLS = [0]


class Worker:
    """Runs the instances of one process.

    Parameters
    ----------
    plan : Plan
        Its PEs must belong to this process alone.
    process : int
        Which process this is.
    post : Post, optional
        Carries frames to other processes; None if there are none.
    inputs : dict
        Source instance to its inputs; those of other processes are ignored.
    options : Options
        How to run.
    observers : Observers
        Those that watch in this process.
    collector : Collector, optional
        Present where the results of the run are gathered, absent elsewhere.
    root : int
        The process that has the collector.
    recorder : FlightRecorder, optional
        Told what is being worked on.
    """

    def __init__(
        self,
        plan: Plan,
        process: int,
        post: Post | None,
        inputs: SourceInputs,
        options: Options,
        observers: Observers,
        collector: Collector | None,
        root: int,
        recorder: Any = None,
    ) -> None:
        self.plan, self.process, self.post = plan, process, post
        self.collector, self.root, self.recorder = collector, root, recorder
        self._observers = observers
        self.clock = Clock(
            options.measure,
            options.item_timeout_s,
            None if recorder is None else recorder.since,
        )
        self.keeps_frames = options.keeps_frames
        self._custody = Custody(post) if self.keeps_frames and post else None
        # batches of a worker never have the numbers of its predecessor's
        self.first_serial = time.monotonic_ns() if self.keeps_frames else 0
        self._began = time.perf_counter()
        self._waited_s = 0.0
        pes = plan.pes_in_process(process)
        self.instances = {
            spec.index: Instance(
                pes[spec.index],
                spec,
                options.policy,
                observers,
                self._give_up,
                self.clock,
            )
            for spec in plan.in_process(process)
        }
        self._order = sorted(self.instances, key=lambda i: -plan.instances[i].depth)
        self._queues: dict[int, deque[Frame | tuple[Any, ...]]] = {
            index: deque() for index in self.instances
        }
        self._sources = [
            (self.instances[index], iter(given))
            for index, given in sorted(inputs.items())
            if index in self.instances
        ]
        self._channels: dict[Key, Channel] = {}
        self._progress_at = time.perf_counter()
        self._wants_progress = collector is None or collector.wants_progress
        for instance in self.instances.values():
            self._connect(instance)
        keep_order(self._channels.values())
        for instance, _ in self._sources:
            if instance.awaited:  # fed by others, and given items besides
                instance.awaited.add(None)

    # -- wiring ----------------------------------------------------------------

    def _connect(self, instance: Instance) -> None:
        spec = instance.spec
        outputs: dict[str, list[Deliver]] = {}
        for port in self.plan.unconnected_outputs(spec.pe_index):
            outputs[port] = [self._to_collector(spec, port)]
        for route in self.plan.routes:
            if route.source_pe == spec.pe_index:
                outputs.setdefault(route.output, []).append(self._along(route, spec))
            if route.destination_pe == spec.pe_index:
                instance.awaited |= {
                    Key(feeder, route.index, spec.index)
                    for feeder in self._feeders(route, spec)
                }
        for delivers in outputs.values():
            # all but the last of several receivers get a copy of their own
            delivers[:-1] = [copying(deliver) for deliver in delivers[:-1]]
            if self._wants_progress and self._works_on_what_comes_of(spec):
                delivers.insert(0, self.tell_progress)
        instance.connect(outputs)

    def _works_on_what_comes_of(self, spec: InstanceSpec) -> bool:
        """Return whether a source's items may be worked on here, within its call."""
        routes = [r for r in self.plan.routes if r.source_pe == spec.pe_index]
        sinks = {index for route in routes for index in route.destinations}
        return not spec.depth and (
            self.collector is not None or not sinks.isdisjoint(self.instances)
        )

    def _feeders(self, route: Route, spec: InstanceSpec) -> list[int]:
        """Return the source instances whose end ``spec`` waits for."""
        if not route.stays_local:
            return list(route.sources)
        at = self.plan.instances
        return [s for s in route.sources if at[s].process == spec.process]

    def _to_collector(self, spec: InstanceSpec, port: str) -> Deliver:
        number = list(self.plan.pes[spec.pe_index].outputconnections).index(port)
        if self.collector is not None:
            return self.collector.sink(spec.pe_id, port)
        key = Key(spec.index, -1 - number, COLLECTOR)
        return self._channel(key, self.root, spec.depth).put

    def _channel(self, key: Key, destination: int, depth: int) -> Channel:
        channel = self._channels[key] = Channel(key, destination, depth, self)
        return channel

    def _along(self, route: Route, spec: InstanceSpec) -> Deliver:
        """Return the function that sends an item along ``route`` from ``spec``."""
        at = self.plan.instances
        targets: list[Deliver] = []
        channels: list[Channel | None] = []
        for index in route.destinations:
            if at[index].process == self.process:
                targets.append(self._local(index, route.input))
                channels.append(None)
            elif not route.stays_local:
                key = Key(spec.index, route.index, index)
                channel = self._channel(key, at[index].process, spec.depth)
                targets.append(channel.put)
                channels.append(channel)
        return dealing(route.grouping, targets, channels, spec, self)

    def _local(self, index: int, port: str) -> Deliver:
        invoke = self.instances[index].inputs[port]
        return invoke if self.recorder is None else self.recorder.around(index, invoke)

    # -- running ---------------------------------------------------------------

    def run(self) -> None:
        """Run until every instance of this process has finished.

        All that was sent was then worked off, and nothing more comes for this process.

        Raises
        ------
        Stop
            If a PE failed and the policy is to stop.
        """
        self._observers.tell("worker_started", self.plan, self.process)
        for spec in self.plan.in_process(self.process):
            self.instances[spec.index].start()
        for index in list(self.instances):
            self._finish_if_ended(self.instances[index], sources_too=False)
        while not self._done():
            self.poll(0.0)
            if self._step(-1) or self._source_step():
                continue
            self.flush()
            if not self._done():
                self.poll(_IDLE_SECONDS)
        self.flush()
        while not all(channel.is_settled for channel in self._channels.values()):
            self.poll(_IDLE_SECONDS)
        self._observers.tell("worker_finished", self.process)
        self._report(DONE, self.report())

    def attend(self) -> None:
        """Take in what comes for the collector until every process is done."""
        assert self.collector is not None
        while self.collector.still_running:
            self.poll(_IDLE_SECONDS)

    def report(self) -> ProcessReport:
        """Return what this process has done so far."""
        return ProcessReport(
            self.process,
            time.perf_counter() - self._began,
            self._waited_s,
            peak_memory_mb(),
            bytes_by_edge(self.plan, self._channels.values()),
            tuple(
                InstanceReport(
                    i.spec.pe_id,
                    i.spec.number,
                    i.n_in,
                    i.n_out,
                    i.n_failed,
                    len(self._queues[i.spec.index]),
                    i.busy_s if self.clock.measures else None,
                )
                for i in self.instances.values()
            ),
        )

    def _give_up(self, failure: Failure, item: Any) -> None:
        """Tell the collector of an item that is given up."""
        self._report(GIVEN_UP, failure, packed(item))

    def serve(self, depth: int) -> None:
        """Work on something deeper than ``depth``, or wait for a frame."""
        with self.clock.paused():
            if not self._step(depth):
                self.poll(_IDLE_SECONDS)

    def flush(self) -> None:
        """Send every unfinished batch that can be sent without waiting.

        Waiting here could call an instance that is further up the stack.
        """
        for channel in self._channels.values():
            if channel.under_way < WINDOW:
                channel.flush()

    def _done(self) -> bool:
        return all(i.finished for i in self.instances.values())

    def poll(self, timeout_s: float) -> None:
        """Take in all frames that are there; wait for one if there is none."""
        if self._wants_progress:
            self.tell_progress()
        if self.post is None:
            return
        began = time.perf_counter() if timeout_s else 0.0
        frame = self.post.receive(timeout_s)
        if timeout_s:
            self._waited_s += time.perf_counter() - began
        if self.recorder is not None and (timeout_s or frame is not None):
            self.recorder.waited(frame is None)
        while frame is not None:
            self._take_in(frame)
            frame = self.post.receive(0.0)

    def _take_in(self, frame: Frame) -> None:
        message = unpack(frame.head)
        kind = message[0]
        if kind == RESTARTED:
            self._send_again(message[1])
        elif kind == ACK:
            self._channels[message[1]].acknowledged(*message[2:])
        elif kind == SETTLED:
            self._channels[message[1]].settled(message[2])
        elif kind == DONE and self.collector is None:
            self._has_left(message[1])
        elif kind in (BATCH, END) and message[1].destination != COLLECTOR:
            self._queues[message[1].destination].append((frame, *message))
        elif self.collector is not None:
            self.collector.take_in(frame, message)
        if self._custody is not None:
            self._custody.look()

    def _send_again(self, process: int) -> None:
        """Give a worker that was started again what its predecessor left undone."""
        self.post.forget(process)  # type: ignore[union-attr]
        for channel in self._channels.values():
            if channel.destination == process:
                channel.send_again()

    def _step(self, depth: int) -> bool:
        """Serve the deepest waiting instance below ``depth``; False if none waits."""
        for index in self._order:
            if self.plan.instances[index].depth <= depth:
                return False
            if self._queues[index]:
                self._serve_one(self.instances[index], self._queues[index].popleft())
                return True
        return False

    def _serve_one(self, instance: Instance, queued: Any) -> None:
        frame, kind, key, *content = queued
        if kind == END:
            self._ended(instance, key)
            return
        began = time.perf_counter()
        serial, values, flags = content
        items = unpack_items(values, flags, frame.buffers)
        invoke_all = instance.batches[self.plan.routes[key.route].input]
        if instance.finished:  # it was given again, by a sender that had to be sure
            invoke_all = _ignore
        if self.recorder is None:
            invoke_all(items, _NO_CELLS, 0)
        else:
            self.recorder.run_batch(instance.spec.index, frame, items, invoke_all)
        seconds = time.perf_counter() - began
        assert self.post is not None
        is_settled = True
        if self._custody is not None:
            below = [
                c for c in self._channels.values() if c.depth >= instance.spec.depth
            ]
            for channel in below:
                channel.flush()
            is_settled = self._custody.take(frame.source, key, serial, below)
        elif seconds > 1e-3:
            self.flush()
        answer = pack(ACK, key, serial, len(items), seconds, is_settled)
        self.post.send(frame.source, answer)

    def _source_step(self) -> bool:
        """Call one source once; False if no source has anything left."""
        while self._sources:
            instance, given = self._sources[0]
            inputs = next(given, None)
            is_root = not instance.spec.depth
            if inputs is None:
                del self._sources[0]
                self._finish(instance) if is_root else self._ended(instance, None)
                return True
            began = time.perf_counter()
            arguments: Any = {} if isinstance(inputs, int) else inputs
            if self.recorder is not None:
                self.recorder.source(instance.spec.index, arguments)
            if is_root:
                instance.source(arguments)
            else:
                for port, item in arguments.items():
                    instance.inputs[port](item)
            self._sources.append(self._sources.pop(0))
            if time.perf_counter() - began > 1e-3:
                self.flush()
            return True
        return False

    # -- ending ----------------------------------------------------------------

    def _has_left(self, process: int) -> None:
        """Expect nothing more from a process, and send it nothing more."""
        for channel in self._channels.values():
            if channel.destination == process:
                channel.receiver_has_left()
        for index, instance in self.instances.items():
            for key in instance.awaited:
                if key and self.plan.instances[key.source].process == process:
                    self._queues[index].append((None, END, key))

    def _ended(self, instance: Instance, key: Key | None) -> None:
        """Note that one way into an instance has ended; twice is once."""
        instance.awaited.discard(key)
        self._finish_if_ended(instance)

    def _finish_if_ended(self, instance: Instance, sources_too: bool = True) -> None:
        is_source = any(instance is source for source, _ in self._sources)
        if instance.finished or instance.awaited:
            return
        if sources_too or not is_source:
            self._finish(instance)

    def _finish(self, instance: Instance) -> None:
        """Finish one instance and tell all that it feeds."""
        instance.finish()
        for channel in self._channels.values():
            if channel.key.source == instance.spec.index:
                channel.end()
        for route in self.plan.routes:
            if route.source_pe == instance.spec.pe_index:
                for index in route.destinations:
                    if index in self.instances:
                        key = Key(instance.spec.index, route.index, index)
                        self._ended(self.instances[index], key)

    # -- reporting -------------------------------------------------------------

    def tell_progress(self, item: Any = None) -> None:
        """Tell of progress now and then, also within a long call of a source."""
        now = time.perf_counter()
        if now - self._progress_at > PROGRESS_SECONDS:
            self._progress_at = now
            self._report(PROGRESS, self.report())

    def _report(self, kind: int, *content: Any) -> None:
        if self.collector is not None:
            self.collector.take_report(self.process, kind, *content)
        elif self.post is not None:
            self.post.send(self.root, pack(kind, self.process, *content))


def _ignore(items: list[Any], cells: Any, cell: int) -> None:
    """Do nothing with a batch."""
