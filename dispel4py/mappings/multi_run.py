"""A run of the mapping ``multi``: the workers, and the parent that gathers results.

Each process has one mailbox, a datagram socket. So senders need no lock, and a killed
sender cannot leave half a message or a lock. A message that is too long for a datagram
goes through shared memory (`dispel4py.mappings.segments`).
"""

from __future__ import annotations

import contextlib
import logging
import math
import multiprocessing
import os
import pickle
import signal
import sys
import time
from collections.abc import Iterator
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from dispel4py.clock import SYSTEM_CLOCK
from dispel4py.errors import ItemError, RunError
from dispel4py.failure import Failure, root_cause
from dispel4py.instance import Stop
from dispel4py.mappings.base import SourceInputs
from dispel4py.mappings.collector import Collector
from dispel4py.mappings.feeding import close_feeds, make_feeders
from dispel4py.mappings.folders import remove_folder, run_folder
from dispel4py.mappings.options import Options
from dispel4py.mappings.outbox import Outbox
from dispel4py.mappings.process import (
    die_with_parent,
    freeze_objects,
    raise_allocator_thresholds,
)
from dispel4py.mappings.recorder import (
    FlightRecorder,
    cause_of_death,
    read_record,
    record_path,
    seconds_in_call,
)
from dispel4py.mappings.sockets import SocketPost, inbox_path
from dispel4py.mappings.standstill import Standstill
from dispel4py.mappings.threads import thread_limit
from dispel4py.mappings.watcher import kernel_kills
from dispel4py.mappings.wire import DONE, FAILED, RESTARTED, pack
from dispel4py.mappings.worker import Worker
from dispel4py.observe import Observers
from dispel4py.plan import Plan
from dispel4py.result import RunResult
from dispel4py.terminal import (
    Terminated,
    hold_signals,
    set_worker_signals,
    unwind_at_sigterm,
)

_log = logging.getLogger(__name__)

#: Seconds that the parent waits for the end of a worker that has finished its work.
_GRACE_SECONDS = 3.0
#: Seconds between checks for hung workers and standstill, if no frame arrives.
_CHECK_SECONDS = 0.5
#: Most restarts of one process. A worker that always dies at once must not continue a
#: run for ever.
_MOST_RESTARTS = 3
#: Seconds that workers have to end after SIGTERM, before they are killed.
_TERMINATE_SECONDS = 1.0


def run_crew(
    plan: Plan,
    inputs: SourceInputs,
    observers: Observers,
    options: Options,
    method: str,
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

    Raises
    ------
    RunError
        If the run failed.
    """
    with _clean_up_at_sigterm(), thread_limit(plan.n_processes):
        began = time.perf_counter()
        folder = run_folder()
        try:
            crew = _Crew(folder, plan, inputs, observers, options, method)
            with contextlib.closing(crew):
                try:
                    crew.start()
                    crew.gather()
                except KeyboardInterrupt:
                    crew.take_in()
                    raise
                except Stop as stop:  # raised by an iterator of inputs
                    raise RunError([stop.failure]) from stop.__cause__
            return crew.collector.finish(time.perf_counter() - began)
        finally:
            close_feeds(inputs)  # before SIGTERM ends the program
            remove_folder(folder)


class _Crew:
    """The workers of one run, seen from the parent process."""

    def __init__(
        self,
        folder: Path,
        plan: Plan,
        inputs: SourceInputs,
        observers: Observers,
        options: Options,
        method: str,
    ) -> None:
        self._folder, self._plan, self._options = folder, plan, options
        self._context: Any = multiprocessing.get_context(method)
        self._job: Any = (plan, inputs, options, observers.at_worker())
        if method != "fork":
            self._job = self._write_job(self._job, method)
            # start it now: later it would release the signals that `start` delays
            resource_tracker.ensure_running()
        if method == "forkserver":  # its children would inherit a delay of SIGTERM
            with hold_signals([signal.SIGINT]):
                forkserver.ensure_running()
        self._workers: list[Any] = []
        self._restarts: dict[int, int] = {}
        self._to_restart: list[int] = []
        self._standstill = Standstill(folder)
        self._kernel_kills = kernel_kills()
        self.collector = Collector(plan, observers, options.dead_letters)
        self._post = SocketPost(folder, plan.n_processes)
        self.collector.post = self._post
        self._outbox = Outbox(
            self._post, SYSTEM_CLOCK, self, collect=self.collector.take_in
        )
        self._feeders = make_feeders(plan, inputs, self._outbox, {})

    def start(self) -> None:
        """Start one worker per process of the plan."""
        n = self._plan.n_processes
        with hold_signals(), freeze_objects():
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
        if self._feeders:
            self._outbox.open()
        while self.collector.still_running:
            self._attend(0.0 if self._feed() else _CHECK_SECONDS)
        for worker in self._workers:
            worker.join(_GRACE_SECONDS)

    def _feed(self) -> bool:
        """Send inputs of an iterator to a worker; return False if there is no room."""
        for feeder in self._feeders:
            if feeder.is_due(time.monotonic()):
                feeder.step(time.monotonic())
                if feeder.is_over:
                    self._feeders.remove(feeder)
                return True
        return False

    def serve(self, depth: int) -> None:
        """Wait for a frame; the parent has no items to work on."""
        self._attend(_CHECK_SECONDS)

    def report_progress(self) -> None:
        """Do nothing: workers report their progress."""

    def _attend(self, timeout_s: float) -> None:
        """Receive frames for some time, and handle workers that have died."""
        collector = self.collector
        running = [self._workers[k] for k in collector.still_running]
        alive = [worker.sentinel for worker in running if worker.is_alive()]
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
        if collector.failure is not None:
            raise RunError([collector.failure])

    def take_in(self) -> None:
        """Receive the frames that have arrived."""
        letter = self._outbox.receive(0.0)
        while letter is not None:
            self.collector.take_in(*letter)
            letter = self._outbox.receive(0.0)

    def close(self) -> None:
        """End the workers that still run: by SIGTERM, then by SIGKILL."""
        self._outbox.close()
        alive = [w for w in self._workers if w.is_alive()]
        for worker in alive:
            worker.terminate()
        deadline = time.monotonic() + _TERMINATE_SECONDS
        for worker in alive:
            worker.join(max(0.0, deadline - time.monotonic()))
            if worker.is_alive():
                worker.kill()
                worker.join()
        self._post.close()

    def _worker(self, process: int) -> Any:
        parent, n = os.getpid(), self._plan.n_processes
        life = self._restarts.get(process, 0)
        return self._context.Process(
            target=_work,
            args=(str(self._folder), process, n, self._job, parent, life),
            name=f"dispel4py-{process}",
            daemon=False,
        )

    def _write_job(self, job: Any, method: str) -> str:
        """Write the job to a file for all workers, and return the path.

        A job that is an argument of the process is sent through a pipe. The parent then
        waits for ever if the new process ends before it reads the pipe.
        """
        path = self._folder / "job"
        try:
            path.write_bytes(pickle.dumps(job, 5))
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise ItemError(
                f"the graph cannot be sent to a worker (start method {method!r}): "
                f"{error}; define its classes and functions at module level"
            ) from error
        return str(path)

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
            with hold_signals():
                while self._to_restart:
                    process = self._to_restart.pop()
                    self._workers[process] = self._worker(process)
                    self._workers[process].start()

    def _fail_at_standstill(self) -> None:
        running = sorted(self.collector.still_running)
        pes = ", ".join(
            spec.pe_id for k in running for spec in self._plan.in_process(k)
        )
        cause = f"{pes} wait for one another for ever: a defect of the engine"
        failure = Failure("", 0, running[0], "worker", None, "", cause)
        self.collector.take_report(running[0], FAILED, failure)

    def _kill_hung_workers(self, timeout_s: float) -> None:
        """Kill a worker whose call does not return, although it was interrupted."""
        for process, worker in enumerate(self._workers):
            seconds = seconds_in_call(record_path(self._folder, process))
            if worker.is_alive() and seconds > 2 * timeout_s + 1:
                cause = f"took more than {timeout_s:g} s, also when interrupted: killed"
                worker.kill()
                record = record_path(self._folder, process)
                failure = read_record(record, self._plan, process, cause)
                self.collector.take_report(process, FAILED, failure)


@contextlib.contextmanager
def _clean_up_at_sigterm() -> Iterator[None]:
    """Let SIGTERM end this program after the run has cleaned up.

    If the program has its own handler of SIGTERM, this does nothing.
    """
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    try:
        with unwind_at_sigterm():
            yield
    except Terminated:
        os.kill(os.getpid(), signal.SIGTERM)
        raise


def _work(
    folder: str, process: int, n_processes: int, job: Any, parent: int, life: int
) -> None:
    """Do the work of one worker; ``job`` is the work, or a file that contains it."""
    set_worker_signals()
    die_with_parent()
    if os.getppid() != parent and multiprocessing.get_start_method() == "fork":
        os._exit(1)
    raise_allocator_thresholds()
    post = SocketPost(Path(folder), process)
    root = n_processes
    try:
        if isinstance(job, str):
            job = pickle.loads(Path(job).read_bytes())
        plan, inputs, options, observers = job
        recorder = FlightRecorder(record_path(folder, process))
        worker = Worker(
            *(plan, process, post, inputs, options, observers, None, root, recorder),
            life=life,
        )
        worker.run()
    except Stop as stop:
        post.send(root, pack(FAILED, process, stop.failure))
    except Exception as error:  # noqa: BLE001 - reported to the parent
        _log.exception("process %d failed outside its PEs", process)
        failure = Failure("", 0, process, "worker", None, "", root_cause(error))
        post.send(root, pack(FAILED, process, failure))
    finally:
        # no time limit: without the last frames their receiver would wait for ever
        post.deliver(math.inf)
        post.close()
    sys.stdout.flush()
    sys.stderr.flush()
