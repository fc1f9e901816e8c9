"""A run of the mapping ``mpi``: the work of one rank.

Rank 0 also gathers the results. A rank that fails writes its failure to standard error,
and ends all ranks by ``MPI_Abort``. Before, it interrupts the other ranks, if they have
PEs to tear down.
"""

from __future__ import annotations

import contextlib
import math
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NoReturn

from dispel4py.errors import RunError
from dispel4py.failure import Failure, explanation, root_cause, traceback_text
from dispel4py.grouping import share_hashes
from dispel4py.mappings.base import SourceInputs
from dispel4py.mappings.collector import Collector
from dispel4py.mappings.ending import has_teardown
from dispel4py.mappings.feeding import close_feeds
from dispel4py.mappings.leftovers import end_attributes
from dispel4py.mappings.mpi.heartbeat import Heartbeat
from dispel4py.mappings.mpi.post import MPIPost
from dispel4py.mappings.mpi.world import ROOT, World, world
from dispel4py.mappings.options import Options
from dispel4py.mappings.process import raise_allocator_thresholds
from dispel4py.mappings.recorder import FlightRecorder, read_record, record_path
from dispel4py.mappings.segments import Arena
from dispel4py.mappings.threads import limit_threads
from dispel4py.mappings.wire import FAILED, INTERRUPTED, pack
from dispel4py.mappings.worker import Worker
from dispel4py.observe import Observers
from dispel4py.plan import Plan
from dispel4py.result import RunResult
from dispel4py.stop import Stop
from dispel4py.terminal import ctrl_c_differs, delay_signals, unwind_at_sigterm

_INTERRUPTED = 130
#: Seconds that a failed rank waits for rank 0 to inform observers and end all ranks.
_GRACE_SECONDS = 1.0
#: Seconds that other ranks have to tear down their PEs after a failure.
_TEARDOWN_SECONDS = 5.0
#: Seconds that a rank with an error outside its PEs waits for the report of a death.
_REPORT_SECONDS = 0.3
#: Seconds between the reports of two hosts that the first rank is silent; MPI_Abort
#: ends all ranks in less.
_TURN_SECONDS = 1.0
#: Longest wait for the turn of a host, in seconds, in runs on many hosts.
_LONGEST_TURN_SECONDS = 5.0


def run_rank(
    plan: Plan,
    inputs: SourceInputs,
    observers: Observers,
    options: Options,
    silence_s: float,
) -> RunResult:
    """Do the work of this rank in a run; return when all ranks have finished.

    Parameters
    ----------
    plan : Plan
    inputs : dict
        Instance (by index) to its inputs.
    observers : Observers
    options : Options
    silence_s : float
        The run ends if nothing has come from a rank for so many seconds.

    Raises
    ------
    RunError
        If the run failed and this is the only rank. Several ranks end their program.
    """
    ranks = world()
    comm = ranks.begin(plan)
    raise_allocator_thresholds()
    share_hashes(len(set(comm.allgather(hash("seed")))) == 1)
    limit_threads(ranks.local.size)
    arena = Arena(ranks.watch.folder, ranks.rank) if ranks.watch else None
    post = MPIPost(ranks.library, comm, frozenset(ranks.neighbours), arena)

    def end_all(status: int) -> NoReturn:
        close_feeds(inputs)
        if ranks.rank == ROOT:  # no exception reaches the caller
            has_failed = status != _INTERRUPTED
            error = RunError([]) if has_failed else KeyboardInterrupt()
            observers.notify("interrupted", error)
        ranks.abort(status)

    tears_down = ranks.size > 1 and any(map(has_teardown, plan.pes))
    heartbeat = _heartbeat(ranks, silence_s, end_all, tears_down)
    part = _Part(ranks, plan, post, observers, options, heartbeat, end_all)
    began = time.perf_counter()
    with (
        unwind_at_sigterm() if tears_down else contextlib.nullcontext(),
        ctrl_c_differs() as differs,
    ):
        try:
            if ranks.has_threads:
                heartbeat.start()
            result = part.work(inputs)
            post.deliver(math.inf)
            ranks.meet(comm)
            heartbeat.stop()
        except Stop as stop:
            part.fail(stop.failure, stop.__cause__)
        except KeyboardInterrupt as error:
            if differs and type(error) is KeyboardInterrupt:
                part.fail(part.failure_of_pe(error), error)
            part.interrupt()
        except BaseException as error:  # noqa: BLE001 - reported, and the ranks end
            part.fail(_make_failure(ranks.rank, error), error)
    comm.Free()
    if arena is not None:
        arena.remove()
        arena.close()
    result.seconds = time.perf_counter() - began
    return result


def _heartbeat(
    ranks: World,
    silence_s: float,
    end_all: Callable[[int], NoReturn],
    tears_down: bool,
) -> Heartbeat:
    """Return the heartbeats of this rank."""

    def end_run(rank: int, seconds: float) -> None:
        if rank == ROOT:  # all hosts notice it: MPI_Abort by the first ends the others
            turn = list(dict.fromkeys(ranks.hosts)).index(ranks.hosts[ranks.rank])
            time.sleep(min(turn * _TURN_SECONDS, _LONGEST_TURN_SECONDS))
        if ranks.watch is None or ranks.watch.is_first():
            sys.stderr.write(
                f"error: nothing has come from rank {rank} on {ranks.hosts[rank]} for "
                f"{seconds:.3g} s: it is stopped, or its host is down or cut off "
                "(--silence-s)\n"
            )
        end_all(1)

    return Heartbeat(
        *(ranks.library, ranks.beats, ranks.neighbours),
        *(silence_s, end_run, tears_down),
    )


class _Part:
    """The work of one rank in a run."""

    def __init__(
        self,
        ranks: World,
        plan: Plan,
        post: MPIPost,
        observers: Observers,
        options: Options,
        heartbeat: Heartbeat,
        end_all: Callable[[int], NoReturn],
    ) -> None:
        self._end_all, self._heartbeat = end_all, heartbeat
        self._tears_down = heartbeat.tears_down
        self._ranks, self._plan, self._post = ranks, plan, post
        self._options = options
        self._observers = observers
        self._collector: Collector | None = None
        if ranks.rank == ROOT:
            self._collector = _RootCollector(plan, observers, self._end_run, options)
            self._collector.post = post
        self._worker: Worker | None = None

    def work(self, inputs: SourceInputs) -> RunResult:
        """Run the instances of this rank; on rank 0 also gather all results."""
        rank, watch, observers = self._ranks.rank, self._ranks.watch, self._observers
        recorder = FlightRecorder(record_path(watch.folder, rank)) if watch else None
        self._worker = worker = Worker(
            self._plan,
            rank,
            self._post,
            inputs,
            self._options,
            observers if self._collector else observers.at_worker(),
            self._collector,
            ROOT,
            recorder,
        )
        try:
            worker.work()
        except BaseException:
            self._tear_down()
            raise
        with delay_signals([signal.SIGTERM]):
            worker.tear_down()
        end_attributes(instance.pe for instance in worker.instances.values())
        self._heartbeat.note_torn_down()
        worker.report_done()
        if recorder is not None:
            recorder.path.unlink()
        if self._collector is not None:
            worker.attend()
            return self._collector.finish(0.0)
        result = RunResult(
            n_processes=self._plan.n_processes,
            complete=False,
            processes=[worker.report()],
        )
        for report in result.processes[0].instances:
            result.count(report.pe_id, report.n_in, report.n_out)
        return result

    def fail(self, failure: Failure, cause: BaseException | None) -> NoReturn:
        """Report a failure of this rank, and end all ranks."""
        if self._ranks.size == 1:
            raise RunError([failure]) from cause
        sys.stdout.flush()
        # an error on all ranks at once, such as a full disk, has a message of one line:
        # rank 0 reports it without a traceback
        one_line = getattr(cause, "one_line", "") or explanation(failure)
        if one_line:
            failure = replace(failure, cause=one_line, traceback="")
        elif self._is_first(failure):
            sys.stderr.write(f"{failure.traceback}{failure.summary}\n")
            sys.stderr.flush()
        if self._collector is not None:
            self._collector.take_report(ROOT, FAILED, failure)
        else:
            self._let_root_end(pack(FAILED, self._ranks.rank, failure))
        self._end_all(1)

    def _let_root_end(self, report: bytes) -> None:
        """Report to rank 0, and give it time to inform observers and end all ranks."""
        self._post.send(ROOT, report)
        self._heartbeat.interrupt_others(_TEARDOWN_SECONDS)
        deadline = time.monotonic() + _GRACE_SECONDS
        while time.monotonic() < deadline:  # longer only if it works on an item
            self._post.receive(0.1)

    def failure_of_pe(self, error: KeyboardInterrupt) -> Failure:
        """Return the failure for an exception of Ctrl-C that a PE has raised."""
        rank, watch = self._ranks.rank, self._ranks.watch
        path = "" if watch is None else record_path(watch.folder, rank)
        return read_record(path, self._plan, rank, root_cause(error))

    def interrupt(self) -> NoReturn:
        """End after Ctrl-C or SIGTERM, or when another rank has failed."""
        if not self._heartbeat.is_interrupted:
            if self._collector is None:
                self._let_root_end(pack(INTERRUPTED, self._ranks.rank))
            self._heartbeat.interrupt_others(_TEARDOWN_SECONDS)
            self._end_all(_INTERRUPTED)
        deadline = time.monotonic() + _GRACE_SECONDS
        while self._worker and self._collector and time.monotonic() < deadline:
            self._worker.poll(0.1)  # the report of the failure ends all ranks
        self._heartbeat.note_torn_down()
        time.sleep(_TEARDOWN_SECONDS + _GRACE_SECONDS)  # the failed rank ends all ranks
        self._end_all(1)

    def _end_run(self, status: int) -> NoReturn:
        """End all ranks after the report of a rank, when their PEs are torn down."""
        self._tear_down()
        self._heartbeat.interrupt_others(_TEARDOWN_SECONDS)
        self._end_all(status)

    def _tear_down(self) -> None:
        """Tear down the PEs of this rank; no signal interrupts it."""
        if self._tears_down:
            with contextlib.suppress(ValueError):  # not the main thread
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if self._worker is not None:
            self._worker.tear_down(has_failed=True)
            end_attributes(i.pe for i in self._worker.instances.values())

    def _is_first(self, failure: Failure) -> bool:
        """Return whether no process of this host has reported a failure before."""
        watch = self._ranks.watch
        if watch is None:
            return True
        if not failure.pe_id:  # perhaps an error of MPI after the death of a rank
            time.sleep(_REPORT_SECONDS)
        return watch.is_first()


class _RootCollector(Collector):
    """Ends all ranks when one of them reports that it failed, or was interrupted."""

    def __init__(
        self,
        plan: Plan,
        observers: Observers,
        end: Callable[[int], NoReturn],
        options: Options,
    ) -> None:
        super().__init__(plan, observers, options)
        self._end = end

    def take_report(self, process: int, kind: int, *content: Any) -> None:
        """Handle a report of a worker."""
        if kind == INTERRUPTED:
            self._end(_INTERRUPTED)
        super().take_report(process, kind, *content)
        if kind == FAILED:
            if not content[0].traceback:
                sys.stderr.write(f"error: {content[0].cause}\n")
            self._end(1)


def _make_failure(rank: int, error: BaseException) -> Failure:
    """Return the failure of a rank outside its PEs."""
    text = traceback_text(error)
    return Failure("", 0, rank, "worker", None, "", root_cause(error), text)
