"""The loop of one worker: it takes work from the server until the run is over.

A worker that must wait for room in a queue works on streams deeper in the graph
meanwhile. So in a chain of waiting workers the last one can work.
"""

from __future__ import annotations

import contextlib
import copy
import logging
import math
import os
import socket
import threading
import time
import uuid
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from dispel4py.call_timer import CallTimer
from dispel4py.core import GenericPE
from dispel4py.dead_letters import pickle_item
from dispel4py.errors import Dispel4pyError, PlanError
from dispel4py.failure import Failure
from dispel4py.instance import Instance
from dispel4py.lineage import INPUTS, Key
from dispel4py.mappings.ending import tear_down
from dispel4py.mappings.process import peak_memory_mb
from dispel4py.mappings.redis.desk import Desk, Left
from dispel4py.mappings.redis.ledger import (
    GONE,
    LOST,
    OK,
    OVER,
    ROOM,
    STOPPED,
    WORK,
    Ledger,
)
from dispel4py.mappings.redis.moving import ITEMS_PER_WORKER
from dispel4py.mappings.redis.parcels import MOST_ITEMS, Place, open_parcel, repack
from dispel4py.mappings.redis.server import ServerFull
from dispel4py.mappings.redis.streams import RESULTS, Stream, streams_of
from dispel4py.mappings.redis.tasks import Deadly, Dismissed, Task
from dispel4py.mappings.reports import instance_reports
from dispel4py.mappings.stream_stop import sources_of
from dispel4py.message import Unreadable
from dispel4py.observe import Observers
from dispel4py.plan import Plan
from dispel4py.result import ProcessReport
from dispel4py.stop import Stop, note_forks
from dispel4py.watch import Watch

_log = logging.getLogger(__name__)

#: The wait for work, in seconds: it doubles up to the second value while there is none.
_WAIT_S, _LONGEST_WAIT_S = 0.0005, 0.02
#: Items that take longer than this, in seconds, are put back one by one, so that other
#: workers can take them.
_SLOW_ITEM_S = 0.02
#: A worker fails if the server has been full for this time, in seconds.
_FULL_S = 30.0
#: Longest wait for the thread that renews a lease, in seconds: a server that is stopped
#: does not answer it.
LEASE_END_S = 1.0
#: `Key.route` of the failures among the results.
SKIPPED = "skipped"


class Worker:
    """One worker of a run.

    Parameters
    ----------
    ledger : Ledger
    plan : Plan
        No other worker may use its PEs.
    options : RedisOptions
    observers : Observers
        The observers of this process.
    """

    def __init__(
        self, ledger: Ledger, plan: Plan, options: Any, observers: Observers
    ) -> None:
        self._ledger, self._plan, self._options = ledger, plan, options
        self._observers = observers
        self._listener = observers.replaceable_listener("called")
        self._streams = streams_of(plan)
        self._desks: dict[str, Desk] = {}
        self._at_work: Desk | None = None
        self._used: dict[int, GenericPE | None] = {}
        self._pending: list[Any] = []
        self._call_began_ns = 0
        self._timer = CallTimer(
            options.measure, options.item_timeout_s, self._note_call_start
        )
        self._began, self._waited_s = time.monotonic(), 0.0
        self.name, self.number = "", 0

    def _note_call_start(self, began_ns: int) -> None:
        self._call_began_ns = began_ns

    # -- taking part -----------------------------------------------------------

    def run(self, name: str = "") -> None:
        """Work until the run is over.

        Parameters
        ----------
        name : str
            Name of the worker, if another process has chosen it.
        """
        self._join(name or worker_name())
        failed = True
        try:
            with self._lease(), note_forks(self._pending, []):
                self._work_until_over()
                failed = False
                self._leave()
        except Dismissed:
            pass  # the run has ended without this worker
        except Stop as stop:
            self._settle_all()  # before the parent ends this process
            self._ledger.fail(stop.failure)
        finally:
            if failed:
                tear_down(self._instances(), self._pending, has_failed=True)
            self._observers.notify("worker_finished", self.number)
            with contextlib.suppress(Dispel4pyError):
                self._ledger.bury(self.name, dies=False)

    def _join(self, name: str) -> None:
        self.name = name
        self.number = self._ledger.join(name, self._options.lease_s)
        own = (replace(spec, process=self.number) for spec in self._plan.instances)
        plan = replace(self._plan, instances=tuple(own))  # any of them may come here
        self._observers.notify("worker_started", plan, self.number)

    def _settle_all(self) -> None:
        """Let the work count that is not committed: nobody repeats it."""
        for desk in self._desks.values():
            if desk.follower is not None:
                desk.follower.settle(True)

    def _leave(self) -> None:
        tear_down(self._instances(), self._pending, has_failed=False)
        instances = [desk.instance for desk in self._desks.values()]
        waiting = {instance.spec.index: 0 for instance in instances}
        report = ProcessReport(
            self.number,
            time.monotonic() - self._began,
            self._waited_s,
            peak_memory_mb(),
            {},
            instance_reports(instances, waiting, self._timer.measures),
        )
        self._ledger.report(self.name, report)

    def _instances(self) -> list[Instance]:
        return [desk.instance for desk in self._desks.values()]

    @contextlib.contextmanager
    def _lease(self) -> Iterator[None]:
        """Renew the lease of this worker in a thread, also during long calls."""
        ending = threading.Event()

        def renew() -> None:
            with self._ledger.for_thread() as ledger:
                while not ending.wait(self._options.lease_s / 4):
                    with contextlib.suppress(Dispel4pyError):  # the work meets it, too
                        ledger.renew(self.name, self._options.lease_s)
                        self._end_if_hung(ledger)

        thread = threading.Thread(target=renew, name="lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ending.set()
            thread.join(LEASE_END_S)

    def _end_if_hung(self, ledger: Ledger) -> None:
        """End this process if a call does not return, although it was interrupted."""
        limit_s, began_ns = self._options.item_timeout_s, self._call_began_ns
        desk = self._at_work
        if limit_s is None or not began_ns or desk is None:
            return
        if (time.monotonic_ns() - began_ns) / 1e9 > 2 * limit_s + 1:
            cause = f"took more than {limit_s:g} s, also when interrupted: killed"
            spec = desk.stream.spec
            failure = Failure(
                spec.pe_id,
                spec.number,
                self.number,
                "process",
                None,
                "",
                cause,
            )
            ledger.fail(failure)
            os._exit(1)

    def _work_until_over(self) -> None:
        wait_s = _WAIT_S
        while True:
            try:
                outcome = self._serve(0, -1)
            except Dismissed as end:
                outcome = end.outcome
                if outcome == OVER:  # by the failure of another worker
                    self._settle_all()
            if outcome == OVER:
                return
            if outcome == GONE:
                self._ledger.close()
                raise Dismissed(GONE)
            if outcome == LOST:
                self._join_again()
            wait_s = _WAIT_S if outcome == OK else min(2 * wait_s, _LONGEST_WAIT_S)
            if outcome != OK:
                self._wait(wait_s)

    def _wait(self, seconds: float) -> None:
        time.sleep(seconds)
        self._waited_s += seconds

    def _join_again(self) -> None:
        """Join as a new worker, after others have taken over the work of this one."""
        _log.warning("%s lost its lease; its work is repeated", self.name)
        tear_down(self._instances(), self._pending, has_failed=True)
        self._pending.clear()
        self._desks.clear()
        self._observers.notify("worker_finished", self.number)
        self._ledger.bury(self.name, dies=False)
        self._join(worker_name())

    # -- work -----------------------------------------------------------

    def _serve(self, level: int, min_depth: int) -> str:
        """Take work on a stream below a depth and do it; return the outcome."""
        known = {
            name: desk.version
            for name, desk in self._desks.items()
            if not desk.stream.is_shared
        }
        outcome, task = self._ledger.take(self.name, level, min_depth, known)
        if outcome != WORK or task is None:
            return outcome
        desk = self._desk(task)
        desk.begin(task, level)
        outer, self._at_work = self._at_work, desk
        left = self._work_on(desk, task)
        self._at_work = outer
        if self._pending:
            self._settle(desk)
        commit = desk.commit(left)
        hold = self.name, level
        outcome, desk.version = self._ledger.commit(hold, task.stream, commit)
        if outcome != OK:
            raise Dismissed(outcome)
        if desk.follower is not None:
            desk.follower.settle(True)
        return OK

    def _settle(self, desk: Desk) -> None:
        for error in [e for e in self._pending if isinstance(e, BaseException)]:
            raise error
        self._pending.clear()
        desk.instance.outputs.send_from_threads()

    def _work_on(self, desk: Desk, task: Task) -> Left:
        """Work on a task for some time; return the part that remains to be done."""
        instance, began = desk.instance, time.monotonic()
        if task.finishes:
            instance.finish()
            return Left()
        if desk.is_stopped:  # before its first call
            return Left()
        parcels = deque(task.parcels)
        n_deaths = task.n_deaths
        items = deque(open_parcel(parcels.popleft()))
        if n_deaths and desk.stream.is_shared and len(items) > 1:
            return Left(len(parcels), repack(items, n_deaths, 1))
        n_done, due_s, deadline = 0, None, began + desk.slice_s
        while items:
            place, item = items.popleft()
            self._call(desk, place, item, n_deaths)
            n_done += 1
            after_s = instance.seconds_to_next_call()
            if after_s is not None:
                items.appendleft((place, item))
                due_s = time.time() + after_s
            if n_deaths or due_s is not None or desk.is_loaded or desk.is_stopped:
                break
            if time.monotonic() >= deadline:
                break
            if not items and parcels:
                items = deque(open_parcel(parcels.popleft()))
        is_slow = (time.monotonic() - began) / n_done > _SLOW_ITEM_S
        n_each = 1 if is_slow and desk.stream.is_shared else MOST_ITEMS
        return Left(len(parcels), repack(items, 0, n_each), due_s)

    def _call(self, desk: Desk, place: Place, item: Any, n_deaths: int) -> None:
        """Call a PE with one item; or let it fail, if it has killed workers."""
        instance, (port, channel, number) = desk.instance, place
        if n_deaths >= self._options.deliveries:
            item = Deadly(item, n_deaths)
        if isinstance(item, Unreadable):
            spec = instance.spec
            inputs = Key(INPUTS, spec.pe_index, spec.index)
            instance.refuse(port, channel or inputs, number)(item)
        elif channel is not None:
            instance.batch(port, channel, number)([item], [0], 0)
        elif port is not None:
            instance.inputs[port](item)
        elif not instance.spec.depth:
            instance.give(None, item, number)
        else:  # inputs of the run for an instance that others feed: dead letters
            for name, value in item.items():
                instance.give(name, value, number)

    # -- within a call -----------------------------------------------------------

    def _send(self, desk: Desk) -> None:
        """Send the waiting items of a call; work on deeper streams until there is room.

        An error is also noted as pending: the PE in whose call it is raised may catch
        it.
        """
        try:
            with self._timer.paused():
                outcome = self._send_when_there_is_room(desk)
            if outcome not in (OK, STOPPED):
                raise Dismissed(outcome)
            if desk.follower is not None:
                desk.follower.settle(False)
            if outcome == STOPPED:
                self._stop_desk(desk)
        except Dispel4pyError as error:
            stop = Stop(Failure("", 0, self.number, "worker", None, "", str(error)))
            self._pending.append(stop)
            raise stop from error
        except BaseException as error:
            self._pending.append(error)
            raise

    def _send_when_there_is_room(self, desk: Desk) -> str:
        hold, targets, outputs = (self.name, desk.level), desk.targets, desk.outputs()
        n_emitted, wait_s, full_since = desk.n_emitted, _WAIT_S, math.inf
        while True:
            if max(self._ledger.lengths(targets), default=0) < ROOM:
                try:
                    return self._ledger.send(hold, desk.stream.name, n_emitted, outputs)
                except ServerFull:
                    full_since = min(full_since, time.monotonic())
                    if time.monotonic() - full_since > _FULL_S:
                        raise
            outcome = self._serve(desk.level + 1, desk.stream.spec.depth)
            if outcome in (LOST, GONE, OVER):
                return outcome
            if outcome == OK:
                wait_s, full_since = _WAIT_S, math.inf
            else:
                self._wait(wait_s)
                wait_s = min(2 * wait_s, _LONGEST_WAIT_S)

    # -- instances -----------------------------------------------------------

    def _desk(self, task: Task) -> Desk:
        """Return the desk of a stream; a new one if another worker has used it."""
        desk = self._desks.get(task.stream)
        if desk is not None and (desk.stream.is_shared or desk.version == task.version):
            return desk
        if desk is not None:
            tear_down([desk.instance], [], has_failed=True)
        stream = self._streams[task.stream]
        instance = self._instance(stream)
        desk = self._desks[task.stream] = Desk(
            self._plan, stream, instance, self._send, self._observers
        )
        instance.pe._stop_stream = partial(self._stop, stream.spec.pe_index)
        return desk

    def _instance(self, stream: Stream) -> Instance:
        spec = replace(stream.spec, process=self.number)
        watch = None
        if self._listener is not None:
            first = self.number * ITEMS_PER_WORKER if stream.is_shared else 0
            switch_off = self._observers.switch_off
            watch = Watch(spec, self._listener, switch_off, time.time, first)
        return Instance(
            *(self._fresh_pe(spec.pe_index), spec, self._options.policy),
            *(self._observers, watch, partial(self._skip, stream.name)),
            *(self._timer, self._pending),
        )

    def _fresh_pe(self, index: int) -> GenericPE:
        """Return a PE as it is in the plan; the first time itself, then copies."""
        pe = self._plan.pes[index]
        if index not in self._used:
            try:
                self._used[index] = copy.deepcopy(pe)
            except Exception:  # noqa: BLE001 - copying runs code of the PE
                self._used[index] = None
            return pe
        unused = self._used[index]
        if unused is None:
            raise PlanError(
                f"{pe.id} cannot be copied, and two of its instances run in one process"
            )
        return copy.deepcopy(unused)

    def _skip(self, stream: str, failure: Failure, item: Any) -> None:
        item = item.item if isinstance(item, Deadly) else item
        self._desks[stream].put(RESULTS, Place(SKIPPED), (failure, pickle_item(item)))

    def _stop(self, pe_index: int) -> None:
        """End the sources whose items reach a PE."""
        sources = sources_of(self._plan, pe_index)
        names = [s.name for s in self._streams.values() if s.spec.pe_index in sources]
        self._ledger.stop(names)
        for name in names:
            if name in self._desks and not self._desks[name].instance.finished:
                self._stop_desk(self._desks[name])

    def _stop_desk(self, desk: Desk) -> None:
        """End the current call of a source at its next item."""
        desk.is_stopped = True
        desk.instance.outputs.stop()


def worker_name() -> str:
    """Return a new name for a worker, which says where it runs."""
    return f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
