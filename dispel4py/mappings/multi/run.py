"""A run of the mapping ``multi``: the workers, and the parent that gathers results.

Each process has one mailbox, a datagram socket. So senders need no lock, and a killed
sender cannot leave half a message or a lock. A message that is too long for a datagram
goes through shared memory (`dispel4py.mappings.segments`).
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator, Set
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from dispel4py.errors import RunError
from dispel4py.failure import Failure
from dispel4py.mappings.base import SourceInputs
from dispel4py.mappings.feeding import close_feeds
from dispel4py.mappings.folders import remove_folder, run_folder
from dispel4py.mappings.job import read_job, write_job
from dispel4py.mappings.leftovers import Descendants, flush_files
from dispel4py.mappings.options import Options
from dispel4py.mappings.parent import CHECK_SECONDS, Parent
from dispel4py.mappings.process import (
    allow_open_files,
    freeze_objects,
    seed_of_hashes,
)
from dispel4py.mappings.recorder import (
    RECORD_BYTES,
    cause_of_death,
    read_record,
    record_path,
    seconds_in_call,
)
from dispel4py.mappings.sockets import SocketPost, inbox_path
from dispel4py.mappings.standstill import Standstill
from dispel4py.mappings.stopped import StoppedWorkers
from dispel4py.mappings.threads import thread_limit
from dispel4py.mappings.watcher import kernel_kills
from dispel4py.mappings.wire import DONE, FAILED, RESTARTED, pack
from dispel4py.mappings.worker_process import begin_worker, work_in_process
from dispel4py.observe import Observers
from dispel4py.plan import Plan
from dispel4py.result import RunResult
from dispel4py.terminal import (
    end_after_clean_up,
    hold_signals,
    standard_streams,
)

_log = logging.getLogger(__name__)

#: Seconds after which the parent reports that a worker has not ended after its work.
_GRACE_SECONDS = 3.0
#: Largest number of restarts of one process: a worker that always dies at once must not
#: keep a run alive for ever.
_MOST_RESTARTS = 3
#: Seconds that workers have to end after SIGTERM, before they are killed.
_TERMINATE_SECONDS = 5.0


def run_crew(
    plan: Plan,
    inputs: SourceInputs,
    observers: Observers,
    options: Options,
    method: str,
    silence_s: float | None = None,
) -> RunResult:
    """Start the workers of a run, gather their results, and end them in any case.

    Parameters
    ----------
    plan : Plan
    inputs : dict
        Instance (by index) to its inputs.
    observers : Observers
    options : Options
    method : str
        How workers are started: fork, spawn or forkserver.
    silence_s : float, optional
        The run ends if a worker is stopped for so many seconds.

    Raises
    ------
    RunError
        If the run failed.
    """
    with standard_streams(), end_after_clean_up(), thread_limit(plan.n_processes):
        began = time.perf_counter()
        allow_open_files(plan.n_processes)
        folder = run_folder(plan.n_processes * RECORD_BYTES)
        try:
            crew = _Crew(folder, plan, inputs, observers, options, method, silence_s)
            return crew.run(began)
        finally:
            close_feeds(inputs)  # before SIGTERM ends the program
            remove_folder(folder)


class _Crew(Parent):
    """The workers of one run, seen from the parent process."""

    def __init__(
        self,
        folder: Path,
        plan: Plan,
        inputs: SourceInputs,
        observers: Observers,
        options: Options,
        method: str,
        silence_s: float | None,
    ) -> None:
        self._folder, self._plan, self._options = folder, plan, options
        self._context: Any = multiprocessing.get_context(method)
        self._job: Any = (plan, inputs, options, observers.at_worker())
        if method != "fork":
            write_job(folder / "job", self._job, method)
            self._job = str(folder / "job")
            # start it now: later it would release the signals that `start` delays
            resource_tracker.ensure_running()
        if method == "forkserver":  # its children would inherit a delay of SIGTERM
            with hold_signals([signal.SIGINT]), _equal_hashes():
                forkserver.ensure_running()
        self._workers: list[Any] = []
        self._restarts: dict[int, int] = {}
        self._to_restart: list[int] = []
        self._standstill = Standstill(folder)
        self._descendants = Descendants()
        self._stopped = StoppedWorkers(silence_s)
        pes = {k: plan.in_process(k) for k in range(plan.n_processes)}
        self._pes = {k: ", ".join(s.pe_id for s in specs) for k, specs in pes.items()}
        self._kernel_kills = kernel_kills()
        self._post = SocketPost(folder, plan.n_processes)
        super().__init__(plan, inputs, observers, options, self._post)

    def start(self) -> None:
        """Start one worker per process of the plan."""
        n = self._plan.n_processes
        flush_files(self._plan.pes)  # a forked worker writes their content only once
        with hold_signals(), freeze_objects(), _equal_hashes():
            self._workers += [self._worker(process) for process in range(n)]
            for worker in self._workers:
                worker.start()

    def gather(self) -> None:
        """Receive frames until every worker is done.

        Raises
        ------
        RunError
            If a worker failed, died, or did not return from an item in time.
        """
        super().gather()
        for process, worker in enumerate(self._workers):
            worker.join(_GRACE_SECONDS)
            if worker.is_alive():
                pes = self._pes[process]
                _log.warning("waiting for threads of %s (process %d)", pes, process)
            while worker.is_alive():
                worker.join(CHECK_SECONDS)
                self._end_stopped({process})
                self._raise_failure()

    def attend(self, timeout_s: float) -> None:
        """Receive frames for some time, and handle workers that have died."""
        collector = self.collector
        running = [self._workers[k] for k in collector.still_running]
        alive = [worker.sentinel for worker in running if worker.is_alive()]
        self._descendants.search([worker.pid for worker in running])
        self._end_stopped(collector.still_running)
        wait([self._post.inbox, *alive], timeout_s)
        dead = {k for k, w in enumerate(self._workers) if not w.is_alive()}
        before = set(collector.still_running)
        self.take_in()
        for process in dead.difference(self._to_restart) & collector.still_running:
            if collector.failure is None:
                self._handle_death(process)
        if self._restarts:
            self._follow_restarts(before - collector.still_running)
        if self._options.item_timeout_s is not None:
            self._kill_hung_workers(self._options.item_timeout_s)
        if self._standstill.is_detected(collector.still_running):
            self._fail_at_standstill()
        self._raise_failure()

    def _raise_failure(self) -> None:
        if self.collector.failure is not None:
            raise RunError([self.collector.failure])

    def close(self) -> None:
        """End the workers that still run: by SIGTERM, then by SIGKILL."""
        self.outbox.close()
        alive = [w for w in self._workers if w.is_alive()]
        self._descendants.search([w.pid for w in alive], at_once=True)
        for worker in alive:
            worker.terminate()
        deadline = time.monotonic() + _TERMINATE_SECONDS
        for worker in alive:
            worker.join(max(0.0, deadline - time.monotonic()))
            if worker.is_alive():
                worker.kill()
                worker.join()
        self._descendants.kill()
        self._post.close()

    def _worker(self, process: int) -> Any:
        parent, n = os.getpid(), self._plan.n_processes
        return self._context.Process(
            target=_work,
            args=(str(self._folder), process, n, self._job, parent),
            name=f"dispel4py-{process}",
            daemon=False,
        )

    def _handle_death(self, process: int) -> None:
        """Start a dead worker again, if the options and its PEs allow it, or fail."""
        by_kernel = kernel_kills() > self._kernel_kills
        cause = cause_of_death(self._workers[process].exitcode, by_kernel)
        record = record_path(self._folder, process)
        failure = read_record(record, self._plan, process, cause)
        n = self._restarts.get(process, 0)
        if (
            self._options.keeps_frames
            and n < _MOST_RESTARTS
            and self._plan.is_restartable(process)
        ):
            _log.warning("%s; process %d is started again", failure, process)
            self._restarts[process] = n + 1
            self.collector.start_again(process)
            self._restart(process)
            return
        self.collector.take_report(process, FAILED, failure)

    def _restart(self, process: int) -> None:
        # remove the old mailbox, so that other processes wait for the new one
        inbox_path(self._folder, process).unlink(missing_ok=True)
        record_path(self._folder, process).unlink(missing_ok=True)
        self._post.forget(process)
        for other in range(self._plan.n_processes):
            if other != process:
                self._post.send(other, pack(RESTARTED, process))
        for other in set(range(self._plan.n_processes)) - self.collector.still_running:
            self._post.send(process, pack(DONE, other))
        self._to_restart.append(process)

    def _follow_restarts(self, newly_done: set[int]) -> None:
        """Start new workers, and inform restarted workers of the workers that are done.

        A worker that is done does not send the ends of its streams again. A new worker
        is started when all other workers know of it. Otherwise they would send
        acknowledgements to the mailbox of the dead worker.
        """
        for process in self._restarts:
            for other in newly_done - {process}:
                self._post.send(process, pack(DONE, other))
        informed = {
            k for k in range(self._plan.n_processes) if self._post.has_sent_all(k)
        }
        others = self.collector.still_running - {*self._to_restart}
        if self._to_restart and others <= informed:
            with hold_signals(), _equal_hashes():
                while self._to_restart:
                    process = self._to_restart.pop()
                    self._workers[process] = self._worker(process)
                    self._workers[process].start()

    def _fail_at_standstill(self) -> None:
        running = sorted(self.collector.still_running)
        pes = ", ".join(self._pes[k] for k in running)
        cause = f"{pes} wait for one another for ever: a defect of the engine"
        failure = Failure("", 0, running[0], "worker", None, "", cause)
        self.collector.take_report(running[0], FAILED, failure)

    def _end_stopped(self, processes: Set[int]) -> None:
        """Kill workers that are stopped for too long."""
        pids = {k: self._workers[k].pid for k in processes}
        for process in self._stopped.check(pids, self._pes):
            self._end(process, self._stopped.cause(process))

    def _end(self, process: int, cause: str) -> None:
        """Kill a worker, and report its failure."""
        self._workers[process].kill()
        record = record_path(self._folder, process)
        failure = read_record(record, self._plan, process, cause)
        self.collector.take_report(process, FAILED, failure)

    def _kill_hung_workers(self, timeout_s: float) -> None:
        """Kill a worker whose call does not return, although it was interrupted."""
        for process, worker in enumerate(self._workers):
            seconds = seconds_in_call(record_path(self._folder, process))
            if worker.is_alive() and seconds > 2 * timeout_s + 1:
                cause = f"took more than {timeout_s:g} s, also when interrupted: killed"
                self._end(process, cause)


@contextlib.contextmanager
def _equal_hashes() -> Iterator[None]:
    """Let all new processes have equal hashes of texts, also if they are not forked."""
    seed = seed_of_hashes()
    before = {name: os.environ.get(name) for name in seed}
    os.environ.update(seed)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _work(folder: str, process: int, n_processes: int, job: Any, parent: int) -> None:
    """Do the work of one worker; ``job`` is the work, or a file that contains it."""
    begin_worker()
    if os.getppid() != parent and multiprocessing.get_start_method() == "fork":
        os._exit(1)
    post = SocketPost(Path(folder), process)

    def load() -> Any:
        return read_job(job) if isinstance(job, str) else job

    work_in_process(Path(folder), process, post, n_processes, load)
