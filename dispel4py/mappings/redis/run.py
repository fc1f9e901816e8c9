"""A run of the mapping ``redis``, in the process that started it.

It gives the sources their inputs, gathers the results, starts the local workers, and
starts them again if they die.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

from dispel4py.errors import (
    Dispel4pyError,
    ItemError,
    MappingUnavailable,
    RunError,
)
from dispel4py.failure import Failure, root_cause
from dispel4py.grouping import share_hashes
from dispel4py.lineage import Key
from dispel4py.mappings.base import SourceInputs
from dispel4py.mappings.collector import Collector
from dispel4py.mappings.feeding import close_feeds
from dispel4py.mappings.graph_copy import pack, unpack
from dispel4py.mappings.leftovers import clear_up, flush_files
from dispel4py.mappings.options import name_of_run
from dispel4py.mappings.process import (
    die_with_parent,
    freeze_objects,
    raise_allocator_thresholds,
)
from dispel4py.mappings.recorder import cause_of_death
from dispel4py.mappings.redis.giving import make_givers
from dispel4py.mappings.redis.ledger import OVER, Ledger
from dispel4py.mappings.redis.parcels import read_parcel
from dispel4py.mappings.redis.server import (
    ServerFull,
    ServerLost,
    check_server,
    without_password,
)
from dispel4py.mappings.redis.streams import streams_of
from dispel4py.mappings.redis.worker import LEASE_END_S, SKIPPED, Worker, worker_name
from dispel4py.mappings.threads import thread_limit
from dispel4py.mappings.wire import ITEM_SKIPPED, unpack_items
from dispel4py.observe import Observers
from dispel4py.plan import Plan
from dispel4py.result import RunResult
from dispel4py.stop import Stop
from dispel4py.terminal import (
    end_after_clean_up,
    hold_signals,
    set_worker_signals,
    standard_streams,
)

_log = logging.getLogger(__name__)

#: Seconds to wait for results before the parent looks at its workers and inputs.
_LOOK_S = 0.05
#: Seconds between two reports of progress, and two looks at the whole run.
_PROGRESS_S = 0.2
#: Workers that may die one after the other while nothing is sent or committed: workers
#: that always die at once must not keep a run alive for ever.
_MOST_DEATHS = 40
#: Seconds that local workers have to end after SIGTERM.
_TERMINATE_S = 5.0
#: Seconds without any commit after which a full server ends the run.
_FULL_S = 30.0


def run_by_redis(
    plan: Plan, inputs: SourceInputs, observers: Observers, options: Any
) -> RunResult:
    """Run a plan on local workers, and on those that join, by a Redis server.

    Parameters
    ----------
    plan : Plan
    inputs : dict
        Instance (by index) to its inputs.
    observers : Observers
    options : RedisOptions

    Raises
    ------
    MappingUnavailable
        If there is no server, or it cannot be used.
    RunError
        If the run failed.
    """
    name = name_of_run(options.run_name)
    with (
        Ledger(options.address, name, options.silence_s) as ledger,
        standard_streams(),
        end_after_clean_up(),
        thread_limit(plan.n_processes),
    ):
        check_server(ledger.client, options.address)
        began = time.perf_counter()
        job = (plan, options, observers.at_worker())
        try:
            with _opened(ledger, plan, job):
                gathering = Gathering(ledger, job, inputs, observers)
                with contextlib.closing(gathering):
                    gathering.gather()
            return gathering.finish(time.perf_counter() - began)
        except Stop as stop:  # raised by an iterator of inputs
            raise RunError([stop.failure]) from stop.__cause__
        except (ServerLost, ServerFull) as error:
            failure = Failure("", 0, 0, "run", None, "", str(error))
            raise RunError([failure]) from error
        finally:
            close_feeds(inputs)


@contextlib.contextmanager
def _opened(ledger: Ledger, plan: Plan, job: Any) -> Iterator[None]:
    """Make a run known to workers, and remove it from the server at the end."""
    url, lease_s = without_password(ledger.url), job[1].lease_s
    ledger.remove_dead_runs()
    if not ledger.open(lease_s):
        raise MappingUnavailable(
            f"another run at {url} has the name {ledger.name!r}: use another --run-name"
        )
    try:
        ledger.describe(streams_of(plan), _packed(job))
        _log.info("to join: dispel4py redis --join %s --url %s", ledger.name, url)
        yield
    finally:
        with contextlib.suppress(Dispel4pyError):
            ledger.close()


def _packed(job: Any) -> bytes:
    """Return a job for workers that join; no bytes if it cannot be pickled."""
    try:
        return pack(job, "redis")
    except ItemError as error:
        _log.info("no other workers can join: %s", error)
        return b""


class Gathering:
    """The run, seen from the process that started it.

    Parameters
    ----------
    ledger : Ledger
    job : tuple
        The plan, the options, and the observers of workers.
    inputs : dict
        Instance (by index) to its inputs.
    observers : Observers
    """

    def __init__(
        self, ledger: Ledger, job: Any, inputs: SourceInputs, observers: Observers
    ) -> None:
        plan, options, _ = job
        self._ledger, self._job, self._plan, self._options = ledger, job, plan, options
        self._streams = streams_of(plan)
        self._collector = Collector(plan, observers, options)
        self._progress = observers.listener("progress")
        self._givers = make_givers(plan, self._streams, inputs, ledger)
        self._workers: dict[str, Any] = {}
        self._n_commits, self._n_deaths = -1, 0
        self._moved_at = self._looked_at = time.monotonic()
        self._is_over = False
        self._ending = threading.Event()
        self._lease = threading.Thread(target=self._renew, name="lease", daemon=True)

    # -- the run -----------------------------------------------------------

    def gather(self) -> None:
        """Gather results until the run is over.

        Raises
        ------
        RunError
            If it failed.
        """
        share_hashes(False)  # workers that join have other hashes
        flush_files(self._plan.pes)
        for _ in range(self._plan.n_processes):
            self._start_worker()
        self._lease.start()
        while True:
            results = self._ledger.results(0.0 if self._give() else _LOOK_S)
            for parcel in results:
                self._take_in(parcel)
            self._look_at_workers()
            if results and not self._is_time():
                continue
            if self._look():
                break
        while results := self._ledger.results(0.0):  # sent since the last look
            for parcel in results:
                self._take_in(parcel)

    def _renew(self) -> None:
        lease_s, ledger = self._options.lease_s, self._ledger
        with ledger.for_thread() as own:
            while not self._ending.wait(lease_s / 4):
                with contextlib.suppress(Dispel4pyError):  # the gathering meets it, too
                    own.keep_open(lease_s)

    def _is_time(self) -> bool:
        return time.monotonic() - self._looked_at > _PROGRESS_S

    def _look(self) -> bool:
        """Look at the run as a whole; return whether it is over."""
        # before the status: a worker that leaves has noted its failure
        workers = self._ledger.workers()
        state, failure, n_commits, dead = self._ledger.status(len(self._streams))
        if failure is not None:
            raise RunError([failure])
        for worker in dead:
            self._bury(worker)
        if n_commits != self._n_commits:
            self._n_commits, self._n_deaths = n_commits, 0
            self._moved_at = time.monotonic()
        if self._is_time():
            self._looked_at = time.monotonic()
            if self._progress is not None:
                self._progress(self._ledger.counts(self._plan))
        self._is_over = state == OVER
        return self._is_over and not workers

    def _take_in(self, parcel: bytes) -> None:
        """Add a parcel to the results."""
        port, values, flags, buffers, *_ = read_parcel(parcel)
        if port == SKIPPED:
            for failure, item in (_unpickled(value) for value in values):
                self._collector.take_report(0, ITEM_SKIPPED, failure, item)
            return
        self._collector.take_items(Key(*port), unpack_items(values, flags, buffers))
        if self._collector.failure is not None:
            raise RunError([self._collector.failure])

    def finish(self, seconds: float) -> RunResult:
        """Return the result of the run.

        Parameters
        ----------
        seconds : float
            Wall time of the run.
        """
        result = self._collector.finish(seconds)
        counts = self._counts
        result.counts = {pe: (c.n_in, c.n_out) for pe, c in counts.items()}
        result.processes = self._reports
        if self._progress is not None:
            self._progress(counts)
        return result

    def close(self) -> None:
        """End the run: note its counts, and end the local workers."""
        with contextlib.suppress(Dispel4pyError):
            self._counts = self._ledger.counts(self._plan)
            self._reports = self._ledger.reports()
        self._ending.set()
        if self._lease.is_alive():
            self._lease.join(LEASE_END_S)
        alive = [worker for worker in self._workers.values() if worker.is_alive()]
        if not self._is_over:
            for worker in alive:
                worker.terminate()
        deadline = time.monotonic() + _TERMINATE_S
        for worker in alive:
            worker.join(max(0.0, deadline - time.monotonic()))
            if worker.is_alive():
                worker.kill()
                worker.join()

    # -- inputs -----------------------------------------------------------

    def _give(self) -> bool:
        """Send inputs that there is room for; return whether there were any."""
        if not self._givers:
            return False
        try:
            stopped = self._ledger.stopped()
            gave = [giver.give(stopped) for giver in self._givers]
        except ServerFull:
            if time.monotonic() - self._moved_at > _FULL_S:
                raise
            return False
        self._givers = [giver for giver in self._givers if not giver.is_over]
        return any(gave)

    # -- local workers -----------------------------------------------------------

    def _start_worker(self) -> None:
        name = worker_name()
        method = "fork" if sys.platform.startswith("linux") else "spawn"
        context: Any = multiprocessing.get_context(method)
        job = self._job if method == "fork" else None
        arguments = (self._ledger.url, self._ledger.name, name, job, os.getpid())
        worker = context.Process(target=work, args=arguments, name=name)
        with hold_signals(), freeze_objects():
            worker.start()
        self._workers[name] = worker

    def _look_at_workers(self) -> None:
        """Start local workers again that have died."""
        for name, worker in list(self._workers.items()):
            if worker.is_alive():
                continue
            del self._workers[name]
            if worker.exitcode == 0:
                continue
            cause = cause_of_death(worker.exitcode, False)
            _log.warning("worker %s %s; its work is repeated", name, cause)
            self._n_deaths += 1
            self._bury(name)
            if self._n_deaths >= _MOST_DEATHS:
                cause = f"{self._n_deaths} workers died one after the other: {cause}"
                raise RunError([Failure("", 0, 0, "worker", None, "", cause)])
            self._start_worker()

    def _bury(self, worker: str) -> None:
        """Let others take over the work of a dead worker.

        Raises
        ------
        RunError
            If a state died with it.
        """
        lost = self._ledger.bury(worker)
        if lost is not None:
            stream, reason = lost
            spec = self._streams[stream].spec
            cause = f"its worker {worker} died, and {reason}"
            failure = Failure(spec.pe_id, spec.number, 0, "worker", None, "", cause)
            raise RunError([failure])


def _unpickled(value: Any) -> tuple[Failure, bytes | None]:
    import pickle

    failure: tuple[Failure, bytes | None] = pickle.loads(value)
    return failure


# ------------------------------------------------------------------- worker processes


def work(url: str, run: str, name: str, job: Any, parent: int) -> None:
    """Be a local worker, as the target of a process.

    Parameters
    ----------
    url : str
        Address of the server.
    run : str
        Name of the run.
    name : str
        Name of this worker.
    job : tuple or None
        The plan, the options and the observers; None if the server has them.
    parent : int
        The process that started this one.
    """
    die_with_parent()
    if os.getppid() != parent:
        return
    set_worker_signals()
    raise_allocator_thresholds()
    share_hashes(False)
    job = job or unpack(Ledger(url, run).job() or b"")
    plan, options, observers = job
    ledger = Ledger(url, run, options.silence_s)
    worker = Worker(ledger, plan, options, observers)
    try:
        worker.run(name)
    except (ServerLost, ServerFull) as error:
        _log.debug("worker %s ends: %s", name, error)
    except Exception as error:  # noqa: BLE001 - reported to the parent
        _log.exception("worker %s failed outside its PEs", name)
        failure = Failure("", 0, worker.number, "worker", None, "", root_cause(error))
        ledger.fail(failure)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        clear_up(plan.pes)
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError):
                stream.flush()
