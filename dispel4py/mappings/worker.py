"""The loop of one process: the same for every mapping.

A process runs some instances of the plan. Items between two of its instances are
function calls, depth first. Items for other processes go into channels; items from
them wait in one queue per instance, and the deepest instance is served first, so that
what is begun gets finished before more is taken in.

A process that must wait for room in a channel goes on serving, but only instances
deeper in the graph than the waiting instance. As every wait is then for something
deeper, a chain of waiting processes ends at one that can work: bounded queues cannot
deadlock, even where PEs share processes in both directions.
"""

from __future__ import annotations

import math
import time
from collections import deque
from typing import Any

from dispel4py.call_timer import CallTimer
from dispel4py.clock import SYSTEM_CLOCK, Clock
from dispel4py.dead_letters import packed
from dispel4py.failure import Failure
from dispel4py.instance import Instance
from dispel4py.lineage import COLLECTOR, INPUTS, LIFE, Key
from dispel4py.mappings.alone import Alone
from dispel4py.mappings.base import SourceInputs
from dispel4py.mappings.channel import Post, bytes_by_edge, keep_order
from dispel4py.mappings.collector import Collector
from dispel4py.mappings.custody import Custody
from dispel4py.mappings.feeding import Fed, Feed, feeders
from dispel4py.mappings.options import Options
from dispel4py.mappings.outbox import Outbox
from dispel4py.mappings.process import peak_memory_mb
from dispel4py.mappings.sources import Sources, SourceTurn
from dispel4py.mappings.wire import (
    ACK,
    BATCH,
    DONE,
    END,
    GIVEN_UP,
    PROGRESS,
    RESTARTED,
    pack,
    unpack_items,
)
from dispel4py.mappings.wiring import Wiring
from dispel4py.message import Frame
from dispel4py.observe import Observers
from dispel4py.plan import InstanceSpec, Plan
from dispel4py.result import InstanceReport, ProcessReport
from dispel4py.watch import Watch

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
        Notes what is being worked on.
    clock : Clock
        The time.
    life : int
        How often this process was started before.
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
        clock: Clock = SYSTEM_CLOCK,
        life: int = 0,
    ) -> None:
        self.plan, self.process, self.clock = plan, process, clock
        post = Alone(process, clock) if post is None else post
        self.post: Post = post
        self.collector, self.root, self.recorder = collector, root, recorder
        self._observers = observers
        self._listener = observers.listener_in_cell("called")
        self._timer = CallTimer(
            options.measure,
            options.item_timeout_s,
            None if recorder is None else recorder.since,
        )
        self._measures = options.measure
        # batches of a worker never have the numbers of its predecessor's
        first_serial = time.monotonic_ns() if options.keeps_frames else 0
        gathers = collector is not None and plan.n_processes > 1
        self._outbox = Outbox(
            post,
            clock,
            self,
            options.keeps_frames,
            first_serial,
            life * LIFE,
            collector.take_in if collector is not None and gathers else None,
        )
        self._channels = self._outbox.channels
        self._custody = Custody(post) if options.keeps_frames else None
        self._began = clock.now()
        self._waited_s = 0.0
        pes = plan.pes_in_process(process)
        self.instances = {
            spec.index: Instance(
                pes[spec.index],
                spec,
                options.policy,
                observers,
                self._watch(spec, observers, life),
                self._give_up,
                self._timer,
            )
            for spec in plan.in_process(process)
        }
        self._order = sorted(self.instances, key=lambda i: -plan.instances[i].depth)
        self._queues: dict[int, deque[Frame | tuple[Any, ...]]] = {
            index: deque() for index in self.instances
        }
        self._progress_at = clock.now()
        self._wants_progress = collector is None or collector.wants_progress
        wiring = Wiring(self, self._outbox, self._wants_progress)
        for instance in self.instances.values():
            wiring.connect(instance)
        keep_order(self._channels.values())
        self._sources = Sources()
        self._fed: dict[int, Fed] = {}
        self._add_sources(inputs)

    def _watch(
        self, spec: InstanceSpec, observers: Observers, life: int
    ) -> Watch | None:
        if self._listener is None:
            return None
        switch_off = observers.switch_off
        return Watch(spec, self._listener, switch_off, self.clock.time, life)

    def _add_sources(self, inputs: SourceInputs) -> None:
        for index, given in sorted(inputs.items()):
            instance = self.instances.get(index)
            if instance is None:
                continue
            if isinstance(given, Feed):
                given = self._fed[index] = Fed(self.post, self.clock)
            self._sources.add(SourceTurn(self, instance, given))
            if instance.awaited:  # fed by other PEs, and given items besides
                instance.awaited.add(None)
        if self.process == self.root:
            for feeder in feeders(self.plan, inputs, self._outbox, self._fed):
                self._sources.add(feeder)

    # -- running ---------------------------------------------------------------

    def run(self) -> None:
        """Run until every instance of this process has finished.

        All that was sent was then worked off, and nothing more comes for this process.

        Raises
        ------
        Stop
            If a PE failed and the policy is to stop.
        """
        self._outbox.open()
        try:
            self._run()
        finally:
            self._outbox.close()
        self._report(DONE, self.report())

    def _run(self) -> None:
        self._observers.tell("worker_started", self.plan, self.process)
        for spec in self.plan.in_process(self.process):
            self.instances[spec.index].start()
        for index in list(self.instances):
            self._finish_if_ended(self.instances[index], sources_too=False)
        while not self._done():
            self.poll(0.0)
            if self._step(-1) or self._sources.step(self.clock.now()):
                continue
            self._outbox.flush()
            if not self._done():
                seconds = self._sources.seconds_to_next(self.clock.now())
                self.poll(min(seconds, _IDLE_SECONDS))
        self._outbox.flush()
        while not all(channel.is_settled for channel in self._channels.values()):
            self.poll(_IDLE_SECONDS)
        self._observers.tell("worker_finished", self.process)

    def attend(self) -> None:
        """Take in what comes for the collector until every process is done."""
        assert self.collector is not None
        while self.collector.still_running:
            self.poll(_IDLE_SECONDS)

    def report(self) -> ProcessReport:
        """Return what this process has done so far."""
        return ProcessReport(
            self.process,
            self.clock.now() - self._began,
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
                    i.busy_s if self._timer.measures else None,
                )
                for i in self.instances.values()
            ),
        )

    def _give_up(self, failure: Failure, item: Any) -> None:
        """Report an item that is skipped to the collector."""
        self._report(GIVEN_UP, failure, packed(item))

    def serve(self, depth: int) -> None:
        """Work on something deeper than ``depth``, or wait for a frame."""
        with self._timer.paused():
            if not self._step(depth):
                self.poll(_IDLE_SECONDS)

    def _done(self) -> bool:
        return self._sources.are_over and all(
            instance.finished for instance in self.instances.values()
        )

    def poll(self, timeout_s: float) -> None:
        """Take in all frames that are there; wait for one if there is none."""
        if self._wants_progress:
            self.tell_progress()
        began = self.clock.now() if timeout_s else 0.0
        n_before = self._outbox.n_received
        letter = self._outbox.receive(timeout_s)
        if timeout_s:
            self._waited_s += self.clock.now() - began
        has_come = self._outbox.n_received > n_before
        if self.recorder is not None and (timeout_s or has_come):
            self.recorder.waited(not has_come and not self._waits_for_time())
        while letter is not None:
            self._take_in(*letter)
            letter = self._outbox.receive(0.0)
        if self._custody is not None:
            self._custody.look()

    def _waits_for_time(self) -> bool:
        """Return whether a source here wants to be called again later."""
        return self._sources.seconds_to_next(self.clock.now()) < math.inf

    def _take_in(self, frame: Frame, message: tuple[Any, ...]) -> None:
        kind = message[0]
        if kind == RESTARTED:
            self._send_again(message[1])
        elif kind == DONE and self.collector is None:
            self._has_left(message[1])
        elif kind in (BATCH, END) and message[1].source == INPUTS:
            self._fed[message[1].destination].take_in((frame, message))
        elif kind in (BATCH, END) and message[1].destination != COLLECTOR:
            self._queues[message[1].destination].append((frame, *message))
        elif self.collector is not None:
            self.collector.take_in(frame, message)

    def _send_again(self, process: int) -> None:
        """Give a worker that was started again what its predecessor left undone."""
        self.post.forget(process)  # type: ignore[attr-defined]
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
        began = self.clock.now()
        serial, values, flags, *first = content
        items = unpack_items(values, flags, frame.buffers)
        invoke_all = instance.batch(self.plan.routes[key.route].input, key, *first)
        if instance.finished:  # it was given again, by a sender that had to be sure
            invoke_all = _ignore
        if self.recorder is None:
            invoke_all(items, _NO_CELLS, 0)
        else:
            self.recorder.run_batch(instance.spec.index, frame, items, invoke_all)
        seconds = self.clock.now() - began
        is_settled = True
        if self._custody is not None:
            below = [
                c for c in self._channels.values() if c.depth >= instance.spec.depth
            ]
            for channel in below:
                channel.flush()
            is_settled = self._custody.take(frame.source, key, serial, below)
        elif seconds > 1e-3:
            self._outbox.flush()
        answer = pack(ACK, key, serial, len(items), seconds, is_settled)
        self.post.send(frame.source, answer)

    def call_source(self, instance: Instance, inputs: dict[str, Any]) -> None:
        """Call a source once, or give an instance inputs besides those that come.

        Parameters
        ----------
        instance : Instance
            One of this process.
        inputs : dict
            Items by input port.
        """
        began = self.clock.now()
        if self.recorder is not None:
            self.recorder.source(instance.spec.index, inputs)
        if not instance.spec.depth:
            instance.give(None, inputs)
        else:
            for port, item in inputs.items():
                instance.give(port, item)
        if self.clock.now() - began > 1e-3:
            self._outbox.flush()

    def source_ended(self, instance: Instance) -> None:
        """Note that an instance has had all its inputs."""
        if instance.spec.depth:
            self._ended(instance, None)
        else:
            self._finish(instance)

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
        if instance.finished or instance.awaited:
            return
        if sources_too or not self._sources.has(instance):
            self._finish(instance)

    def _finish(self, instance: Instance) -> None:
        """Finish one instance, and end the streams of its items."""
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
        now = self.clock.now()
        if now - self._progress_at > PROGRESS_SECONDS:
            self._progress_at = now
            self._report(PROGRESS, self.report())

    def _report(self, kind: int, *content: Any) -> None:
        if self.collector is not None:
            self.collector.take_report(self.process, kind, *content)
        else:
            self.post.send(self.root, pack(kind, self.process, *content))


def _ignore(items: list[Any], cells: Any, cell: int) -> None:
    """Do nothing with a batch."""
