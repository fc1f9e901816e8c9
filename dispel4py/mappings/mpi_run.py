"""A run of the mapping ``mpi``: the work of one rank.

Rank 0 also gathers the results. A rank that fails writes its failure to standard error,
and ends all ranks by ``MPI_Abort``.
"""

from __future__ import annotations

import math
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NoReturn

from dispel4py.errors import RunError
from dispel4py.failure import Failure, root_cause
from dispel4py.instance import Stop
from dispel4py.mappings.base import SourceInputs
from dispel4py.mappings.collector import Collector
from dispel4py.mappings.feeding import close_feeds
from dispel4py.mappings.mpi_post import MPIPost
from dispel4py.mappings.mpi_world import ROOT, World, world
from dispel4py.mappings.options import Options
from dispel4py.mappings.process import raise_allocator_thresholds
from dispel4py.mappings.recorder import FlightRecorder, record_path
from dispel4py.mappings.segments import Arena
from dispel4py.mappings.threads import limit_threads
from dispel4py.mappings.wire import FAILED, pack
from dispel4py.mappings.worker import Worker
from dispel4py.observe import Observers
from dispel4py.plan import Plan
from dispel4py.result import RunResult

_INTERRUPTED = 130
#: Seconds that a failed rank waits for rank 0 to inform observers and end all ranks.
_GRACE_SECONDS = 1.0


def run_rank(
    plan: Plan, inputs: SourceInputs, observers: Observers, options: Options
) -> RunResult:
    """Do the work of this rank in a run; return when all ranks have finished.

    Parameters
    ----------
    plan : Plan
    inputs : dict
        Instance (by index) to its inputs.
    observers : Observers
    options : Options

    Raises
    ------
    RunError
        If the run failed and this is the only rank. Several ranks end their program.
    """
    ranks = world()
    comm = ranks.begin(plan)
    raise_allocator_thresholds()
    limit_threads(ranks.local.size)
    arena = Arena(ranks.watch.folder, ranks.rank) if ranks.watch else None
    post = MPIPost(ranks.library, comm, ranks.neighbours, arena)

    def end_all(status: int) -> NoReturn:
        close_feeds(inputs)
        ranks.abort(status)

    part = _Part(ranks, plan, post, observers, options, end_all)
    began = time.perf_counter()
    try:
        result = part.work(inputs)
        post.deliver(math.inf)
        ranks.meet(comm)
    except Stop as stop:
        part.fail(stop.failure, stop.__cause__)
    except KeyboardInterrupt:
        end_all(_INTERRUPTED)
    except BaseException as error:  # noqa: BLE001 - reported, and the ranks end
        part.fail(_make_failure(ranks.rank, error), error)
    comm.Free()
    if arena is not None:
        arena.remove()
        arena.close()
    result.seconds = time.perf_counter() - began
    return result


class _Part:
    """The work of one rank in a run."""

    def __init__(
        self,
        ranks: World,
        plan: Plan,
        post: MPIPost,
        observers: Observers,
        options: Options,
        end_all: Callable[[int], NoReturn],
    ) -> None:
        self._end_all = end_all
        self._ranks, self._plan, self._post = ranks, plan, post
        self._options = options
        self._observers = observers
        self._collector: Collector | None = None
        if ranks.rank == ROOT:
            self._collector = _RootCollector(
                plan, observers, end_all, options.dead_letters
            )
            self._collector.post = post

    def work(self, inputs: SourceInputs) -> RunResult:
        """Run the instances of this rank; on rank 0 also gather all results."""
        rank, watch, observers = self._ranks.rank, self._ranks.watch, self._observers
        recorder = FlightRecorder(record_path(watch.folder, rank)) if watch else None
        worker = Worker(
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
        worker.run()
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
        one_line = getattr(cause, "one_line", "")
        if one_line:
            failure = replace(failure, cause=one_line, traceback="")
        else:
            sys.stderr.write(f"{failure.traceback}{failure.summary}\n")
            sys.stderr.flush()
        if self._collector is not None:
            self._collector.take_report(ROOT, FAILED, failure)
        else:
            self._post.send(ROOT, pack(FAILED, self._ranks.rank, failure))
            deadline = time.monotonic() + _GRACE_SECONDS
            # rank 0 ends all ranks, unless it works on an item
            while time.monotonic() < deadline:
                self._post.receive(0.1)
        self._end_all(1)


class _RootCollector(Collector):
    """Ends all ranks when one of them has failed; the failed rank has reported it."""

    def __init__(
        self,
        plan: Plan,
        observers: Observers,
        abort: Callable[[int], NoReturn],
        dead_letters: str | None,
    ) -> None:
        super().__init__(plan, observers, dead_letters)
        self._abort = abort

    def take_report(self, process: int, kind: int, *content: Any) -> None:
        """Handle a report of a worker."""
        super().take_report(process, kind, *content)
        if kind == FAILED:
            if not content[0].traceback:
                sys.stderr.write(f"error: {content[0].cause}\n")
            self._abort(1)


def _make_failure(rank: int, error: BaseException) -> Failure:
    """Return the failure of a rank outside its PEs."""
    text = "".join(traceback.format_exception(error))
    return Failure("", 0, rank, "worker", None, "", root_cause(error), text)
