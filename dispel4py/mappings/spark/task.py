"""A task of Spark: one instance of a PE, from its first item to its end."""

from __future__ import annotations

import os
import pickle
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from dispel4py.call_timer import CallTimer
from dispel4py.clock import SYSTEM_CLOCK, Clock
from dispel4py.dead_letters import pickle_item
from dispel4py.failure import Failure
from dispel4py.grouping import share_hashes
from dispel4py.instance import Instance
from dispel4py.lineage import COLLECTOR, INPUTS, Key
from dispel4py.mappings.collector import Collector
from dispel4py.mappings.ending import tear_down
from dispel4py.mappings.job import load_job
from dispel4py.mappings.journal import Journal
from dispel4py.mappings.options import Options
from dispel4py.mappings.process import (
    in_folder,
    peak_memory_mb,
    raise_allocator_thresholds,
)
from dispel4py.mappings.reports import bytes_by_edge, instance_reports
from dispel4py.mappings.sources import SourceTask
from dispel4py.mappings.spark.records import Outgoing, Record, items_by_route
from dispel4py.mappings.thread_watch import on_new_threads
from dispel4py.mappings.wire import DONE, FAILED, ITEM_SKIPPED
from dispel4py.mappings.wiring import Wiring
from dispel4py.message import Unreadable
from dispel4py.observe import Observers
from dispel4py.plan import Plan
from dispel4py.result import ProcessReport
from dispel4py.stop import Stop, note_forks
from dispel4py.watch import Watch, one_by_one_or


@dataclass
class StageJob:
    """The job of all tasks of a run: each task unpickles its own PE."""

    plan: Plan
    options: Options
    observers: Observers
    folder: str


def run_task(
    text: bytes, path: Sequence[str], first: int, number: int, records: Iterable[Record]
) -> Iterator[Record]:
    """Run one instance.

    Parameters
    ----------
    text : bytes
        The job.
    path : sequence of str
        Folders of modules in the program that started the run.
    first : int
        The first instance of the PE, by index.
    number : int
        The number of this instance.
    records : iterable of Record
        What this instance receives, in order.

    Yields
    ------
    Record
        What it sends.
    """
    sys.path.extend(folder for folder in path if folder not in sys.path)
    raise_allocator_thresholds()
    share_hashes(os.environ.get("PYTHONHASHSEED", "random") != "random")
    job: StageJob = load_job(text)
    with in_folder(job.folder):  # Spark uses this process again
        yield from Task(job, first + number).run(records)


class Task:
    """Runs one instance: it has the part of a worker that one instance needs.

    Parameters
    ----------
    job : StageJob
        The plan, the options, the observers, and the folder of the run.
    index : int
        The instance.
    """

    collector: Collector | None = None
    journal: Journal | None = None
    recorder: Any = None
    root = COLLECTOR

    def __init__(self, job: StageJob, index: int) -> None:
        self.plan = job.plan
        self.clock: Clock = SYSTEM_CLOCK
        self.spec = spec = job.plan.instances[index]
        self.process = spec.process
        self._observers, options = job.observers, job.options
        self._timer = CallTimer(options.measure, options.item_timeout_s)
        self._pending: list[Any] = []
        self._outgoing = Outgoing(self._pending)
        listener = job.observers.replaceable_listener("called")
        watch = None
        if listener is not None:
            watch = Watch(spec, listener, job.observers.switch_off, self.clock.time)
        self.instance = Instance(
            *(job.plan.pes[spec.pe_index], spec, options.policy, job.observers, watch),
            *(self._skip, self._timer, self._pending),
        )
        self.instances = {index: self.instance}
        Wiring(self, self._outgoing, looks_around=False).connect(self.instance)

    def run(self, records: Iterable[Record]) -> Iterator[Record]:
        """Run the instance with all its records; yield the records that it sends."""
        began = time.perf_counter()
        outgoing, index = self._outgoing, self.spec.index
        try:
            try:
                yield from self._work(records)
            except BaseException:
                tear_down([self.instance], self._pending, has_failed=True)
                raise
            tear_down([self.instance], self._pending, has_failed=False)
        except Stop as stop:
            outgoing.report(index, FAILED, stop.failure)
        else:
            outgoing.report(index, DONE, self._report(time.perf_counter() - began))
        yield from outgoing.take(is_last=True)

    def _work(self, records: Iterable[Record]) -> Iterator[Record]:
        instance, outgoing = self.instance, self._outgoing
        self._observers.notify("worker_started", self.plan, self.process)
        with (
            note_forks(self._pending, [instance.outputs.by_port]),
            on_new_threads(instance.outputs.allow_threads),
        ):
            instance.start()
            for (_, _, source), content in records:
                if source == INPUTS:
                    yield from self._give_inputs(content)
                else:
                    self._receive(source, content)
                yield from outgoing.take()
            instance.finish()
        self._observers.notify("worker_finished", self.process)

    def _give_inputs(self, text: bytes) -> Iterator[Record]:
        """Call the PE with inputs of the run."""
        inputs = pickle.loads(text)
        task = SourceTask(self, self.instance, inputs)
        self.instance.pe._stop_stream = task.stop
        while not task.is_over:
            now = self.clock.now()
            if task.is_due(now):
                task.step(now)
                yield from self._outgoing.take()
            else:
                time.sleep(task.due - now)

    def _receive(self, source: int, content: list[Any]) -> None:
        """Call the PE with the items of a record."""
        instance, index = self.instance, self.spec.index
        for number, items in items_by_route(content):
            port = self.plan.routes[number].input
            key = Key(source, number, index)
            invoke_all = instance.batch(port, key)
            if any(type(item) is Unreadable for item in items):
                invoke_all = one_by_one_or(instance.refuse(port, key), invoke_all)
            invoke_all(items, [0], 0)

    def _report(self, seconds: float) -> ProcessReport:
        instances = [self.instance]
        return ProcessReport(
            self.process,
            seconds,
            0.0,
            peak_memory_mb(),
            bytes_by_edge(self.plan, self._outgoing.channels),
            instance_reports(instances, {self.spec.index: 0}, self._timer.measures),
        )

    def _skip(self, failure: Failure, item: Any) -> None:
        self._outgoing.report(self.spec.index, ITEM_SKIPPED, failure, pickle_item(item))

    # -- as the host of its wiring and its source --------------------------------

    def poll(self, timeout_s: float) -> None:
        """Do nothing: all items of a task come from its records."""

    def serve(self, depth: int) -> None:
        """Do nothing: a record never waits for its receiver."""

    def flush_after(self, began: float) -> None:
        """Do nothing: the records are given on after each call."""

    def source_ended(self, instance: Instance) -> None:
        """Do nothing: an instance finishes after its last record."""
