"""The loop of one process: the same for every mapping.

A process runs some instances of the plan. An item between two of its instances is a
function call, depth first. Items for other processes go into channels. Items from other
processes wait in one queue per instance, and the instance deepest in the graph is
served first: started work is finished before new items are taken.

A process that must wait for room in a channel serves other instances meanwhile, but
only instances deeper in the graph than the waiting instance. So every process waits for
an instance deeper in the graph, and in a chain of waiting processes the last process
can work. Bounded queues then cannot deadlock, even if PEs share processes in both
directions.
"""

from __future__ import annotations

import math
import time
from collections import deque
from functools import partial
from typing import Any

from dispel4py.call_timer import CallTimer
from dispel4py.clock import SYSTEM_CLOCK, Clock
from dispel4py.core import GenericPE
from dispel4py.dead_letters import pickle_item
from dispel4py.failure import Failure
from dispel4py.instance import Instance
from dispel4py.lineage import COLLECTOR, INPUTS
from dispel4py.mappings.base import SourceInputs
from dispel4py.mappings.channel import Post, keep_order
from dispel4py.mappings.collector import Collector
from dispel4py.mappings.custody import Custody
from dispel4py.mappings.ending import Ending, tear_down
from dispel4py.mappings.feeding import Feed, InputQueue, make_feeders
from dispel4py.mappings.journal import Journal, call_noted
from dispel4py.mappings.options import Options
from dispel4py.mappings.outbox import Outbox
from dispel4py.mappings.process import peak_memory_mb
from dispel4py.mappings.reports import bytes_by_edge, instance_reports
from dispel4py.mappings.solo_post import SoloPost
from dispel4py.mappings.sources import Sources, SourceTask
from dispel4py.mappings.stream_stop import StreamStop
from dispel4py.mappings.thread_watch import on_new_threads
from dispel4py.mappings.wire import (
    ACK,
    BATCH,
    DONE,
    END,
    ITEM_SKIPPED,
    PROGRESS,
    RESTARTED,
    STREAM_STOPPED,
    pack,
    unpack_items,
)
from dispel4py.mappings.wiring import Wiring
from dispel4py.message import Frame, Unreadable
from dispel4py.observe import Observers
from dispel4py.plan import InstanceSpec, Plan
from dispel4py.policy import Policy
from dispel4py.result import ProcessReport
from dispel4py.stop import note_forks
from dispel4py.terminal import note_interrupts
from dispel4py.watch import Watch, one_by_one_or

#: Seconds between two reports of progress.
PROGRESS_SECONDS = 0.2
#: Longest wait for a frame, in seconds; then the worker checks its other work.
_IDLE_SECONDS = 1.0
#: The same if threads of PEs write items, which are sent after the wait.
_IDLE_SECONDS_WITH_THREADS = 0.02
#: After a batch that took longer than this, in seconds, unfinished batches are sent.
_LONG_BATCH_SECONDS = 1e-3
#: For the position of the current item, without a recorder.
_NO_CELLS = [0]


class Worker:
    """Runs the instances of one process.

    Parameters
    ----------
    plan : Plan
        The plan; no other process may use its PE objects.
    process : int
        The number of this process in the plan.
    post : Post, optional
        Carries frames to other processes; None if there is no other process.
    inputs : dict
        Source instance to its inputs; sources of other processes are ignored.
    options : Options
        Options of the run.
    observers : Observers
        The observers of this process.
    collector : Collector, optional
        Given in the process that gathers the results of the run.
    root : int
        The process that has the collector.
    recorder : FlightRecorder, optional
        Notes the current instance and item.
    clock : Clock
        The clock of the worker.
    journal : Journal, optional
        Has the names of sent items, for a worker that replaces this worker.
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
        journal: Journal | None = None,
    ) -> None:
        self.plan, self.process, self.clock = plan, process, clock
        post = SoloPost(process, clock) if post is None else post
        self.post: Post = post
        self.collector, self.root, self.recorder = collector, root, recorder
        self.journal = journal
        self._observers = observers
        self._listener = observers.replaceable_listener("called")
        self._timer = CallTimer(
            options.measure,
            options.item_timeout_s,
            None if recorder is None else recorder.note_call_start,
        )
        self._measures = options.measure
        self._pending: list[Any] = []
        self._idle_s = _IDLE_SECONDS
        self._outbox = self._make_outbox(options.keeps_frames)
        self._channels = self._outbox.channels
        settle = None if journal is None else journal.settle
        self._custody = Custody(post, settle) if options.keeps_frames else None
        self._began = clock.now()
        self._waited_s = 0.0
        self.instances = {
            index: self._make_instance(pe, plan.instances[index], options.policy)
            for index, pe in plan.pes_in_process(process).items()
        }
        self._deepest_first = sorted(
            self.instances, key=lambda i: -plan.instances[i].depth
        )
        self._queues: dict[int, deque[Frame | tuple[Any, ...]]]
        self._queues = {index: deque() for index in self.instances}
        self._progress_at = clock.now()
        self._wants_progress = collector is None or collector.wants_progress
        looks_around = self._wants_progress or plan.n_processes > 1
        wiring = Wiring(self, self._outbox, looks_around)
        for instance in self.instances.values():
            wiring.connect(instance)
        keep_order(self._channels.values())
        self._sources = Sources()
        own = plan, self.instances, self._sources
        self._ending = Ending(*own, self._channels, self._queues, journal)
        self._stream_stop = StreamStop(*own, process, root, post)
        self._input_queues: dict[int, InputQueue] = {}
        self._add_sources(inputs)

    def _make_outbox(self, keeps_frames: bool) -> Outbox:
        """Return the outbox; a collector in this process gets frames without a post."""
        # a restarted worker must not use the batch numbers of the killed worker
        first_serial = time.monotonic_ns() if keeps_frames else 0
        gathers = self.collector is not None and self.plan.n_processes > 1
        take_in = self.collector.take_in if self.collector and gathers else None
        return Outbox(
            *(self.post, self.clock, self, self._pending, keeps_frames),
            *(first_serial, take_in),
        )

    def _make_instance(
        self, pe: GenericPE, spec: InstanceSpec, policy: Policy
    ) -> Instance:
        watch = None
        if self._listener is not None:
            switch_off = self._observers.switch_off
            watch = Watch(spec, self._listener, switch_off, self.clock.time)
        return Instance(
            *(pe, spec, policy, self._observers, watch, self._report_skipped),
            *(self._timer, self._pending),
        )

    def _add_sources(self, inputs: SourceInputs) -> None:
        for index, source_inputs in sorted(inputs.items()):
            instance = self.instances.get(index)
            if instance is None:
                continue
            if isinstance(source_inputs, Feed):
                source_inputs = self._input_queues[index] = InputQueue(
                    self.post, self.clock
                )
            self._sources.add(SourceTask(self, instance, source_inputs))
            if instance.open_channels:  # it gets items of other PEs, too
                instance.open_channels.add(None)
        if self.process == self.root:
            for feeder in make_feeders(
                self.plan, inputs, self._outbox, self._input_queues
            ):
                self._sources.add(feeder)

    # -- running ---------------------------------------------------------------

    def run(self) -> None:
        """Run until every instance of this process has finished, and report the end.

        Raises
        ------
        Stop
            If a PE failed and the policy is to stop.
        """
        try:
            self.work()
        except BaseException:
            self.tear_down(has_failed=True)
            raise
        self.tear_down()
        self.report_done()

    def work(self) -> None:
        """Run until every instance of this process has finished.

        At the end all sent items have been processed, and no more items will arrive.

        Raises
        ------
        Stop
            If a PE failed and the policy is to stop.
        """
        self._outbox.open()
        try:
            outputs = [i.outputs.by_port for i in self.instances.values()]
            with (
                note_interrupts(self._pending),
                note_forks(self._pending, outputs),
                on_new_threads(self._allow_threads),
            ):
                self._run()
        finally:
            self._outbox.close()

    def _allow_threads(self) -> None:
        """Let PEs write in any thread, from now on."""
        self._idle_s = _IDLE_SECONDS_WITH_THREADS
        for instance in self.instances.values():
            instance.outputs.allow_threads()

    def tear_down(self, has_failed: bool = False) -> None:
        """Call the method ``teardown`` of the PEs; see `dispel4py.mappings.ending`.

        Parameters
        ----------
        has_failed : bool
            Whether the run has failed before.
        """
        tear_down(self.instances.values(), self._pending, has_failed)

    def report_done(self) -> None:
        """Report the end of the work."""
        self._report(DONE, self.report())

    def _run(self) -> None:
        self._observers.notify("worker_started", self.plan, self.process)
        for index in self._deepest_first:  # a PE may send items when it starts
            pe, pe_index = self.instances[index].pe, self.plan.instances[index].pe_index
            pe._stop_stream = partial(self._stream_stop.stop, pe_index)
            call_noted(self.journal, self.instances[index].start, index, 0)
        for index in list(self.instances):
            self._ending.finish_if_ended(self.instances[index], sources_too=False)
        while not self._is_done():
            if self._pending:
                self._settle()
            self.poll(0.0)
            if self._serve_deepest(-1) or self._sources.step(self.clock.now()):
                continue
            self._outbox.flush()
            if not self._is_done():
                seconds = self._sources.seconds_to_next(self.clock.now())
                self.poll(min(seconds, self._idle_s))
        self._settle()
        self._outbox.flush()
        while not all(channel.is_settled for channel in self._channels.values()):
            self.poll(_IDLE_SECONDS)
        self._settle()
        self._observers.notify("worker_finished", self.process)

    def _settle(self) -> None:
        """Raise a pending error, or send the items that threads of PEs wrote."""
        for error in [e for e in self._pending if isinstance(e, BaseException)]:
            raise error
        self._pending.clear()
        for instance in self.instances.values():
            instance.outputs.send_from_threads()

    def attend(self) -> None:
        """Receive results for the collector until every process is done."""
        assert self.collector is not None
        while self.collector.still_running:
            self.poll(_IDLE_SECONDS)

    def report(self) -> ProcessReport:
        """Return the work of this process so far."""
        n_waiting = {index: len(queue) for index, queue in self._queues.items()}
        return ProcessReport(
            self.process,
            self.clock.now() - self._began,
            self._waited_s,
            peak_memory_mb(),
            bytes_by_edge(self.plan, self._channels.values()),
            instance_reports(self.instances.values(), n_waiting, self._timer.measures),
        )

    def _report_skipped(self, failure: Failure, item: Any) -> None:
        self._report(ITEM_SKIPPED, failure, pickle_item(item))

    def serve(self, depth: int) -> None:
        """Work on an item deeper in the graph than ``depth``, or wait for a frame."""
        with self._timer.paused():
            if not self._serve_deepest(depth):
                self.poll(_IDLE_SECONDS)

    def _is_done(self) -> bool:
        return self._sources.are_done and all(
            instance.finished for instance in self.instances.values()
        )

    def poll(self, timeout_s: float) -> None:
        """Handle all frames that have arrived; wait for a frame if there is none."""
        if self._wants_progress:
            self.report_progress()
        began = self.clock.now() if timeout_s else 0.0
        n_before = self._outbox.n_received
        letter = self._outbox.receive(timeout_s)
        if timeout_s:
            self._waited_s += self.clock.now() - began
        has_come = self._outbox.n_received > n_before
        if self.recorder is not None and (timeout_s or has_come):
            self.recorder.note_wait(not has_come and not self._waits_for_time())
        while letter is not None:
            self._take_in(*letter)
            letter = self._outbox.receive(0.0)
        if self._custody is not None:
            self._custody.report_settled()

    def _waits_for_time(self) -> bool:
        """Return whether a source of this process waits for a time."""
        return self._sources.seconds_to_next(self.clock.now()) < math.inf

    def _take_in(self, frame: Frame, message: tuple[Any, ...]) -> None:
        kind = message[0]
        if kind == RESTARTED:
            self._send_again(message[1])
        elif kind == STREAM_STOPPED:
            self._stream_stop.take_in(message[1])
        elif kind == DONE and self.collector is None:
            self._ending.end_channels_of(message[1])
        elif kind in (BATCH, END) and message[1].source == INPUTS:
            self._input_queues[message[1].destination].take_in((frame, message))
        elif kind in (BATCH, END) and message[1].destination != COLLECTOR:
            self._queues[message[1].destination].append((frame, *message))
        elif self.collector is not None:
            self.collector.take_in(frame, message)

    def _send_again(self, process: int) -> None:
        """Send the batches that a killed worker had not finished to its successor."""
        self.post.forget(process)  # type: ignore[attr-defined]
        for channel in self._channels.values():
            if channel.destination == process:
                channel.send_again()

    def _serve_deepest(self, depth: int) -> bool:
        """Serve the deepest instance with items; False if none is below ``depth``."""
        for index in self._deepest_first:
            if self.plan.instances[index].depth <= depth:
                return False
            if self._queues[index]:
                self._process_queued(
                    self.instances[index], self._queues[index].popleft()
                )
                return True
        return False

    def _process_queued(self, instance: Instance, queued: Any) -> None:
        frame, kind, key, *content = queued
        if kind == END:
            self._ending.end_channel(instance, key)
            return
        began = self.clock.now()
        serial, values, flags, *first = content
        items = unpack_items(values, flags, frame.buffers)
        invoke_all = instance.batch(self.plan.routes[key.route].input, key, *first)
        if self.journal is not None:
            invoke_all = self.journal.follow(invoke_all, key, serial, *first)
        if any(type(item) is Unreadable for item in items):
            refuse = instance.refuse(self.plan.routes[key.route].input, key)
            invoke_all = one_by_one_or(refuse, invoke_all)
        if instance.finished:  # a sender has sent the batch twice
            invoke_all = _ignore
        if self.recorder is None:
            invoke_all(items, _NO_CELLS, 0)
        else:
            self.recorder.run_batch(instance.spec.index, frame, items, invoke_all)
        seconds = self.clock.now() - began
        is_settled = True
        if self._custody is not None:
            later_channels = [
                c for c in self._channels.values() if c.depth >= instance.spec.depth
            ]
            is_settled = self._custody.take(frame.source, key, serial, later_channels)
        elif seconds > _LONG_BATCH_SECONDS:
            self._outbox.flush()
        answer = pack(ACK, key, serial, len(items), seconds, is_settled)
        self.post.send(frame.source, answer)

    def flush_after(self, began: float) -> None:
        """Send unfinished batches if work that began at this time took long."""
        if self.clock.now() - began > _LONG_BATCH_SECONDS:
            self._outbox.flush()

    def source_ended(self, instance: Instance) -> None:
        """Note that an instance has no more inputs of the run."""
        if instance.spec.depth:
            self._ending.end_channel(instance, None)
        else:
            self._ending.finish(instance)

    # -- reporting -------------------------------------------------------------

    def report_progress(self) -> None:
        """Report progress, if the last report is old enough."""
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
    """Ignore a batch."""
