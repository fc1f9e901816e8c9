"""The collection of the results of a run in one process."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from dispel4py.dead_letters import DeadLetter, append_letter
from dispel4py.failure import Failure, root_cause
from dispel4py.lineage import Key
from dispel4py.mappings.channel import Post
from dispel4py.mappings.options import Options
from dispel4py.mappings.wire import (
    ACK,
    BATCH,
    DONE,
    FAILED,
    INTERRUPTED,
    ITEM_SKIPPED,
    PROGRESS,
    pack,
    unpack_items,
)
from dispel4py.message import Frame, Unreadable
from dispel4py.observe import Count, Observers
from dispel4py.plan import Plan
from dispel4py.policy import STOP
from dispel4py.result import ProcessReport, RunResult, add_earlier_life
from dispel4py.watch import Deliver


class Collector:
    """Gathers the results of a run: items of unconnected outputs, counts, failures.

    Parameters
    ----------
    plan : Plan
    observers : Observers
        The observers of the process that called `run`.
    options : Options, optional
        The file for the skipped items, and the policy for items that cannot be read.
    """

    def __init__(
        self, plan: Plan, observers: Observers, options: Options | None = None
    ) -> None:
        self.result = RunResult(n_processes=plan.n_processes)
        self.still_running = set(range(plan.n_processes))
        self.failure: Failure | None = None
        self.post: Post | None = None
        self._plan = plan
        self._progress = observers.listener("progress")
        self._failed = observers.listener("failed")
        self._options = options or Options()
        self._reports: dict[int, ProcessReport] = {}
        self._earlier: dict[int, ProcessReport] = {}  # reports of killed workers
        self._restarts: Counter[int] = Counter()
        for k, pe in enumerate(plan.pes):
            for port in plan.unconnected_outputs(k):
                self.result.collect(pe.id, port, [])

    @property
    def wants_progress(self) -> bool:
        """Whether an observer listens to progress."""
        return self._progress is not None

    def sink(self, pe_id: str, port: str) -> Deliver:
        """Return the function that keeps the items of one unconnected output.

        Parameters
        ----------
        pe_id, port : str
            The output.
        """
        self.result.collect(pe_id, port, [])
        return self.result.outputs[pe_id][port].append

    def take_in(self, frame: Frame, message: tuple[Any, ...]) -> None:
        """Handle a frame for the collector.

        Parameters
        ----------
        frame : Frame
        message : tuple
            The unpacked head of the frame.
        """
        kind = message[0]
        if kind == BATCH:
            _, key, serial, values, flags, *_ = message
            items = unpack_items(values, flags, frame.buffers)
            self.take_items(key, items)
            assert self.post is not None
            self.post.send(frame.source, pack(ACK, key, serial, len(items), 0.0))
        elif kind in (PROGRESS, DONE, FAILED, ITEM_SKIPPED, INTERRUPTED):
            self.take_report(message[1], kind, *message[2:])

    def take_items(self, key: Key, items: list[Any]) -> None:
        """Keep the items of a channel to the collector.

        Parameters
        ----------
        key : Key
            The channel.
        items : list
            Its items; an `Unreadable` for an item that cannot be read.
        """
        if any(type(item) is Unreadable for item in items):
            items = self._readable(key, items)
        pe = self._plan.pes[self._plan.instances[key.source].pe_index]
        ports = list(pe.outputconnections)
        if -1 - key.route < len(ports):
            self.result.collect(pe.id, ports[-1 - key.route], items)
        else:  # the output is not declared, so its name is sent with each item
            for port, item in items:
                self.result.collect(pe.id, port, [item])

    def _readable(self, key: Key, items: list[Any]) -> list[Any]:
        """Return the items that could be read; report the others by the policy."""
        spec = self._plan.instances[key.source]
        for item in items:
            if type(item) is Unreadable:
                failure = Failure(
                    *(spec.pe_id, spec.number, spec.process, "results", None),
                    *(repr(item), root_cause(item.error)),
                )
                stops = self._options.policy.kind == STOP
                kind = FAILED if stops else ITEM_SKIPPED
                self.take_report(
                    spec.process, kind, failure, *([] if stops else [None])
                )
        return [item for item in items if type(item) is not Unreadable]

    def take_report(self, process: int, kind: int, *content: Any) -> None:
        """Handle a report of a worker.

        Parameters
        ----------
        process : int
            The process of the worker.
        kind : int
            One of the kinds of messages of `dispel4py.mappings.wire`.
        *content : object
            The content of the message.
        """
        if kind in (FAILED, ITEM_SKIPPED):
            if kind == ITEM_SKIPPED:
                self._skip(*content)
            else:
                self.failure = self.failure or content[0]
            if self._failed:
                self._failed(content[0])
            return
        report = replace(content[0], restarts=self._restarts[process])
        if process in self._earlier:
            report = add_earlier_life(report, self._earlier[process])
        self._reports[process] = report
        if kind == DONE:
            self.still_running.discard(process)
        if self._progress is not None:
            self._progress(self._totals())

    def start_again(self, process: int) -> None:
        """Note that a killed worker is started again."""
        self._restarts[process] += 1
        if process in self._reports:
            self._earlier[process] = self._reports[process]

    def _skip(self, failure: Failure, item: bytes | None) -> None:
        self.result.add_failure(failure)
        if self._options.dead_letters is not None:
            append_letter(self._options.dead_letters, DeadLetter(failure, item))

    def finish(self, seconds: float) -> RunResult:
        """Return the complete result."""
        self.result.counts = {
            pe: (count.n_in, count.n_out) for pe, count in self._totals().items()
        }
        self.result.processes = [self._reports[k] for k in sorted(self._reports)]
        self.result.seconds = seconds
        return self.result

    def _totals(self) -> dict[str, Count]:
        total = {pe.id: Count() for pe in self._plan.pes}
        for report in self._reports.values():
            for work in report.instances:
                new = (work.n_in, work.n_out, work.n_waiting, work.n_failed)
                old = total[work.pe_id]
                total[work.pe_id] = Count(
                    *(a + b for a, b in zip(old, new, strict=True))
                )
        return total
