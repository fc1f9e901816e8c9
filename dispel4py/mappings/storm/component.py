"""One instance of a PE as a component of Storm: what sources and other PEs share."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from dispel4py.call_timer import CallTimer
from dispel4py.clock import SYSTEM_CLOCK, Clock, EngineThread
from dispel4py.dead_letters import pickle_item
from dispel4py.failure import Failure
from dispel4py.instance import Instance
from dispel4py.lineage import COLLECTOR, Key
from dispel4py.mappings.collector import Collector
from dispel4py.mappings.ending import tear_down
from dispel4py.mappings.journal import Journal
from dispel4py.mappings.process import peak_memory_mb
from dispel4py.mappings.reports import bytes_by_edge, instance_reports
from dispel4py.mappings.storm.files import FrameFolder, Reference
from dispel4py.mappings.storm.frames import (
    LARGEST_TEXT,
    FrameId,
    OpenFrame,
    as_text,
)
from dispel4py.mappings.storm.history import History
from dispel4py.mappings.storm.line import Line
from dispel4py.mappings.storm.link import (
    END,
    FAILED,
    REPORT,
    RESULTS,
    STOP_STREAM,
    DriverLink,
    Inbox,
)
from dispel4py.mappings.storm.sending import FrameChannel, Outgoing
from dispel4py.mappings.thread_watch import on_new_threads
from dispel4py.mappings.wiring import Wiring
from dispel4py.observe import Observers
from dispel4py.plan import InstanceSpec, Plan
from dispel4py.result import ProcessReport
from dispel4py.stop import Stop, note_forks
from dispel4py.watch import Watch

#: Seconds between two reports to the driver.
_REPORT_S = 0.5


@dataclass
class StormJob:
    """The job of all components of a run.

    Attributes
    ----------
    plan : Plan
    options : Options
    observers : Observers
        Those of the components.
    inputs : dict
        Instance (by index) to its inputs; a `Feed` if the driver gives them.
    folder : str
        The current folder of the program that started the run.
    name : str
        The name of the graph.
    """

    plan: Plan
    options: Any
    observers: Observers
    inputs: dict[int, Any]
    folder: str
    name: str


@dataclass
class Post:
    """The connections of a component.

    Attributes
    ----------
    line : Line
        To Storm.
    link : DriverLink
        To the driver.
    inbox : Inbox
        What has come from both.
    folder : FrameFolder
        The large frames that were sent.
    key : bytes
        The key of the run.
    """

    line: Line
    link: DriverLink
    inbox: Inbox
    folder: FrameFolder
    key: bytes


class Status(NamedTuple):
    """The progress of a component.

    Attributes
    ----------
    numbers : tuple of int
        Numbers that change while there is progress.
    n_pending : int
        Frames that were sent and are not acknowledged; only sources know them.
    is_idle : bool
        Whether no frame waits for the component.
    """

    numbers: tuple[int, ...] = ()
    n_pending: int = 0
    is_idle: bool = True


class Ended(Stop):
    """Ends the current call, as the driver ends the run."""

    def __init__(self, has_failed: bool) -> None:
        super().__init__(Failure("", 0, 0, "worker", None, "", "the run has ended"))
        self.has_failed = has_failed


class Component:
    """Runs one instance: it has the part of a worker that one instance needs.

    Parameters
    ----------
    job : StormJob
    spec : InstanceSpec
        The instance.
    post : Post
    """

    collector: Collector | None = None
    journal: Journal | None = None
    recorder: Any = None
    root = COLLECTOR

    def __init__(self, job: StormJob, spec: InstanceSpec, post: Post) -> None:
        self.plan, self.spec, self.process = job.plan, spec, spec.process
        self.clock: Clock = SYSTEM_CLOCK
        self.post, self.inputs = post, job.inputs.get(spec.index, [])
        self.observers, options = job.observers, job.options
        self._limit_s, self._call_began_ns = options.item_timeout_s, 0
        self.timer = CallTimer(options.measure, self._limit_s, self._note_call)
        self.pending: list[Any] = []
        self._began, self._n_results = time.perf_counter(), 0
        self._n_skipped = 0
        self._ending = threading.Event()
        listener = self.observers.replaceable_listener("called")
        watch = None
        if listener is not None:
            watch = Watch(spec, listener, self.observers.switch_off, self.clock.time)
        self.instance = Instance(
            *(job.plan.pes[spec.pe_index], spec, options.policy, self.observers),
            *(watch, self._skip, self.timer, self.pending),
        )
        self.instances = {spec.index: self.instance}
        self.outgoing = self.make_outgoing()
        Wiring(self, self.outgoing, looks_around=False).connect(self.instance)
        self.instance.pe._stop_stream = self.stop_stream

    @abstractmethod
    def make_outgoing(self) -> Outgoing:
        """Return the frames of the items that the instance sends."""

    @abstractmethod
    def work(self) -> None:
        """Work until the driver ends the run.

        Raises
        ------
        Ended
            If it has ended.
        """

    @property
    @abstractmethod
    def status(self) -> Status:
        """Its progress."""

    @abstractmethod
    def listen(self) -> None:
        """Handle the messages of Storm, in a thread, until it closes the pipe."""

    # -- from the first message to the last -----------------------------------

    def run(self, is_over: bool, history: History | None) -> ProcessReport | None:
        """Run the instance until the driver ends the run; return its last report.

        Parameters
        ----------
        is_over : bool
            Whether an earlier process has done all the work of the instance.
        history : History or None
            What an earlier process of a source has sent.
        """
        has_failed = True
        try:
            self.observers.notify("worker_started", self.plan, self.process)
            reporting = EngineThread(target=self._report_regularly, daemon=True)
            with (
                note_forks(self.pending, [self.instance.outputs.by_port]),
                on_new_threads(self.instance.outputs.allow_threads),
            ):
                if is_over:
                    self.wait_for_end()
                self.outgoing.repeat(history)
                reporting.start()
                self.instance.start()
                self.work()
        except Ended as end:
            has_failed = end.has_failed
        except Stop as stop:
            self.post.link.tell(FAILED, stop.failure)
            with contextlib.suppress(Ended):
                self.wait_for_end()
        self._ending.set()
        self._tear_down(has_failed)
        self.observers.notify("worker_finished", self.process)
        return None if is_over else self._report()

    def _tear_down(self, has_failed: bool) -> None:
        try:
            tear_down([self.instance], self.pending, has_failed)
        except Stop as stop:
            self.post.link.tell(FAILED, stop.failure)

    def wait_for_end(self) -> None:
        """Wait until the driver ends the run.

        Raises
        ------
        Ended
            Then.
        """
        while True:
            message = self.post.inbox.take()
            if isinstance(message, tuple):
                self.obey(message)

    def obey(self, order: tuple[Any, ...]) -> None:
        """Follow an order of the driver.

        Raises
        ------
        Ended
            If it ends the run.
        """
        if order[0] == END:
            raise Ended(order[1])

    # -- what it sends ----------------------------------------------------------

    def values(
        self, frame: FrameId, receiver: int, low: int, content: OpenFrame, kept: bool
    ) -> tuple[list[Any], Reference | None]:
        """Return a frame as the values of a tuple, and its file if there is one.

        Parameters
        ----------
        frame : tuple
            The name of the frame.
        receiver : int
            The instance that gets it, by index.
        low : int
            All frames of the source with smaller numbers are complete.
        content : OpenFrame
            Its items.
        kept : bool
            Whether this process may send it again.
        """
        chunks = content.chunks()
        reference = None
        if sum(map(len, chunks)) > LARGEST_TEXT:
            reference = self.post.folder.store(chunks)
        head = {"id": frame, "to": receiver, "from": self.spec.index, "low": low}
        if reference is not None:
            head |= {"file": reference, "kept": kept}
        text = "" if reference is not None else as_text(chunks)
        return [self._choice(receiver), json.dumps(head), text], reference

    def _choice(self, receiver: int) -> int:
        """Return the number by which Storm gives a tuple to an instance.

        Storm takes the task number ``31 + choice`` modulo the number of tasks.
        """
        spec = self.plan.instances[receiver]
        return (spec.number - 31) % len(self.plan.instances_of(spec.pe_index))

    def stream(self, receiver: int) -> str:
        """Return the stream of the topology that leads to an instance."""
        return stream_to(self.plan.instances[receiver].pe_index)

    def send_results(self, frame: FrameId | None, low: int, content: OpenFrame) -> None:
        """Send items of unconnected outputs, and skipped items, to the driver.

        Parameters
        ----------
        frame : tuple or None
            The name of these results; None for those of a source.
        low : int
            As for `values`.
        content : OpenFrame
            The results.
        """
        text = b"".join(content.chunks())
        self.post.link.tell(RESULTS, self.spec.index, frame, low, text)
        self._n_results += 1

    def confirm_results(self) -> None:
        """Wait until the driver has all results that were sent."""
        if self._n_results:
            self._n_results = 0
            self.post.link.ask(RESULTS, self.spec.index, None, 0, b"")

    def _skip(self, failure: Failure, item: Any) -> None:
        key = Key(self.spec.index, SKIPPED, COLLECTOR)
        self.outgoing.add(key, self._n_skipped, (failure, pickle_item(item)))
        self._n_skipped += 1

    def stop_stream(self) -> None:
        """End the sources whose items reach this PE."""
        self.post.link.tell(STOP_STREAM, self.spec.pe_index)

    # -- reports ----------------------------------------------------------------

    def _report(self) -> ProcessReport:
        channels: Sequence[FrameChannel] = self.outgoing.channels
        return ProcessReport(
            self.process,
            time.perf_counter() - self._began,
            0.0,
            peak_memory_mb(),
            bytes_by_edge(self.plan, channels),
            instance_reports(
                [self.instance], {self.spec.index: 0}, self.timer.measures
            ),
        )

    def _report_regularly(self) -> None:
        last = Status()
        while not self._ending.wait(_REPORT_S):
            self._end_if_hung()
            now = self.status
            if now != last:
                last = now
                self.post.link.tell(REPORT, self.spec.index, self._report(), now)

    def _note_call(self, began_ns: int) -> None:
        self._call_began_ns = began_ns

    def _end_if_hung(self) -> None:
        """End this process if a call does not return, although it was interrupted."""
        limit_s, began_ns = self._limit_s, self._call_began_ns
        if limit_s is None or not began_ns:
            return
        if (time.monotonic_ns() - began_ns) / 1e9 > 2 * limit_s + 1:
            cause = f"took more than {limit_s:g} s, also when interrupted: killed"
            spec = self.spec
            where = (spec.pe_id, spec.number, spec.process, "process", None, "", cause)
            self.post.link.tell(FAILED, Failure(*where))
            os._exit(1)

    # -- as the host of its wiring --------------------------------------------------

    def poll(self, timeout_s: float) -> None:
        """Do nothing: tuples wait until the call ends."""

    def serve(self, depth: int) -> None:
        """Do nothing: one channel of a shuffle is always ready."""


#: The route of skipped items among the results.
SKIPPED = 0


def stream_to(pe_index: int) -> str:
    """Return the stream of the topology that leads to a PE."""
    return f"to-{pe_index}"


def finish_stream(depth: int) -> str:
    """Return the stream of the topology that finishes the PEs of a depth."""
    return f"finish-{depth}"
