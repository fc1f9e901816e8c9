"""The mapping ``multi``: processes of this host.

Each process has one mailbox, a datagram socket: writers need no lock, and a writer that
is killed leaves neither half a message nor a lock behind. What does not fit a datagram
goes through shared memory (`dispel4py.mappings.segments`).
"""

from __future__ import annotations

import contextlib
import errno
import logging
import multiprocessing
import os
import pickle
import select
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Sequence
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from dispel4py.errors import ItemError, MappingUnavailable, ParameterError, RunError
from dispel4py.instance import Failure, Stop, root_cause
from dispel4py.mappings.base import Mapping, Options, RunResult, SourceInputs
from dispel4py.mappings.channel import FAILED, pack
from dispel4py.mappings.collector import Collector
from dispel4py.mappings.process import (
    available_cores,
    die_with_parent,
    limit_threads,
    raise_allocator_thresholds,
)
from dispel4py.mappings.recorder import (
    FlightRecorder,
    cause_of_death,
    read_record,
    record_path,
)
from dispel4py.mappings.segments import Arena, remove_folder, run_folder
from dispel4py.mappings.worker import Worker
from dispel4py.message import Frame
from dispel4py.observe import Observers
from dispel4py.plan import Plan

_log = logging.getLogger(__name__)

_DATAGRAM = 48 * 1024
_SOCKET_BUFFER = 1 << 20
_RETRY_SECONDS = 0.001
_GRACE_SECONDS = 3.0
#: The receiver was there and has ended: nobody is left who could want the frame.
_GONE = (errno.ECONNREFUSED, errno.ECONNRESET, errno.ENOTCONN, errno.EPIPE)


class SocketPost:
    """A mailbox for frames: one datagram socket, and one way to each other process."""

    def __init__(self, folder: Path, process: int) -> None:
        self.process = process
        self._folder = folder
        self._arena = Arena(folder, process)
        self.inbox = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.inbox.setblocking(False)
        with contextlib.suppress(OSError):
            self.inbox.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SOCKET_BUFFER)
        self.inbox.bind(str(folder / f"inbox-{process}"))
        self._ways: dict[int, socket.socket] = {}
        self._waiting: dict[int, deque[bytes]] = {}
        self._poll = select.poll()
        self._poll.register(self.inbox, select.POLLIN)

    def send(self, destination: int, head: bytes, buffers: Sequence[Any] = ()) -> None:
        """Send a frame; if the mailbox there is full, it is kept and sent later."""
        if buffers or len(head) > _DATAGRAM:
            path, sizes = self._arena.send([head, *buffers])
            datagram = b"S" + pickle.dumps((self.process, path, sizes), 5)
        else:
            datagram = b"D" + self.process.to_bytes(4, "little") + head
        waiting = self._waiting.get(destination)
        if waiting:
            waiting.append(datagram)
        elif not self._send_now(destination, datagram):
            self._waiting[destination] = deque([datagram])

    def receive(self, timeout_s: float) -> Frame | None:
        """Return the next frame, or None if none comes within the time."""
        if self._waiting:
            self._send_waiting()
        datagram = self._read()
        deadline = time.monotonic() + timeout_s
        while datagram is None:
            left = deadline - time.monotonic()
            if timeout_s <= 0 or left <= 0:
                return None
            self._poll.poll(1e3 * (_RETRY_SECONDS if self._waiting else left))
            if self._waiting:
                self._send_waiting()
            datagram = self._read()
        if datagram[:1] == b"D":
            return Frame(int.from_bytes(datagram[1:5], "little"), datagram[5:])
        source, path, sizes = pickle.loads(datagram[1:])
        head, *buffers = self._arena.receive(path, sizes)
        return Frame(source, bytes(head), buffers)

    def deliver(self, timeout_s: float) -> None:
        """Wait until all that was sent has left."""
        deadline = time.monotonic() + timeout_s
        while self._waiting and time.monotonic() < deadline:
            self._send_waiting()
            time.sleep(_RETRY_SECONDS)

    def close(self) -> None:
        """Close the sockets and unmap the segments."""
        for way in [self.inbox, *self._ways.values()]:
            way.close()
        self._arena.close()

    def _read(self) -> bytes | None:
        try:
            return self.inbox.recv(_SOCKET_BUFFER)
        except BlockingIOError:
            return None

    def _send_waiting(self) -> None:
        for destination in list(self._waiting):
            waiting = self._waiting[destination]
            while waiting and self._send_now(destination, waiting[0]):
                waiting.popleft()
            if not waiting:
                del self._waiting[destination]

    def _send_now(self, destination: int, datagram: bytes) -> bool:
        """Send if there is room; a receiver that is not there yet has none."""
        way = self._ways.get(destination)
        if way is None:
            way = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            way.setblocking(False)
            with contextlib.suppress(OSError):
                way.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BUFFER)
            try:
                way.connect(str(self._folder / f"inbox-{destination}"))
            except OSError as error:
                way.close()
                return error.errno in _GONE
            self._ways[destination] = way
        try:
            way.send(datagram)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as error:
            _log.debug("process %d cannot be reached: %s", destination, error)
            return error.errno in _GONE
        return True


class Multi(Mapping):
    """Runs each process of the plan as a process of this host."""

    name = "multi"

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        methods = multiprocessing.get_all_start_methods()
        default = "fork" if sys.platform.startswith("linux") else "spawn"
        self._method = options.start_method or default
        if self._method not in methods:
            raise ParameterError(
                f"unknown start method {self._method!r}; there are {', '.join(methods)}"
            )

    def processes(self, wanted: int | None) -> int:
        """Return the wanted number, or one per core."""
        if not hasattr(socket, "AF_UNIX"):
            raise MappingUnavailable(
                "the mapping 'multi' needs Unix sockets; use 'simple' or 'mpi'"
            )
        return available_cores() if wanted is None else wanted

    def execute(
        self, plan: Plan, inputs: SourceInputs, observers: Observers
    ) -> RunResult:
        """Start the workers, gather what they send, and end them whatever happens."""
        folder = run_folder()
        began = time.perf_counter()
        collector = Collector(plan, observers)
        post = SocketPost(folder, plan.n_processes)
        collector.post = post
        workers: list[Any] = []
        try:
            with _default_interrupts():
                workers = self._start(folder, plan, inputs, observers)
            self._gather(collector, post, workers, folder, plan)
            if collector.failure is not None:
                raise RunError([collector.failure])
            for worker in workers:
                worker.join(_GRACE_SECONDS)
        finally:
            _end(workers)
            post.close()
            remove_folder(folder)
        return collector.finish(time.perf_counter() - began)

    def _start(
        self, folder: Path, plan: Plan, inputs: SourceInputs, observers: Observers
    ) -> list[Any]:
        context: Any = multiprocessing.get_context(self._method)
        job: Any = (plan, inputs, self.options.on_error, observers.at_worker())
        if self._method != "fork":
            job = self._written(job, folder)
        workers: list[Any] = []
        try:
            for process in range(plan.n_processes):
                worker = context.Process(
                    target=_work,
                    args=(str(folder), process, plan.n_processes, job, os.getpid()),
                    name=f"dispel4py-{process}",
                    daemon=False,
                )
                worker.start()
                workers.append(worker)
        except BaseException:
            _end(workers)
            raise
        return workers

    def _written(self, job: Any, folder: Path) -> str:
        """Write the job to a file, once for all workers, and return its path.

        As an argument of the process it would be sent by a pipe, whose writer waits
        for ever if the new process ends before it reads.
        """
        path = folder / "job"
        try:
            path.write_bytes(pickle.dumps(job, 5))
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise ItemError(
                f"the graph cannot be sent to a worker (start method "
                f"{self._method!r}): {error}; define its classes and functions at the "
                "top level of a module"
            ) from error
        return str(path)

    def _gather(
        self,
        collector: Collector,
        post: SocketPost,
        workers: list[Any],
        folder: Path,
        plan: Plan,
    ) -> None:
        """Take in frames until every worker is done, or one failed or died."""
        while collector.still_running and collector.failure is None:
            wait([post.inbox, *(w.sentinel for w in workers if w.is_alive())], 0.5)
            dead = [k for k, w in enumerate(workers) if not w.is_alive()]
            frame = post.receive(0.0)
            while frame is not None:
                collector.take_in(frame, pickle.loads(frame.head))
                frame = post.receive(0.0)
            lost = [k for k in dead if k in collector.still_running]
            if lost and collector.failure is None:
                cause = cause_of_death(workers[lost[0]].exitcode)
                record = record_path(folder, lost[0])
                failure = read_record(record, plan, lost[0], cause)
                collector.take_report(lost[0], FAILED, failure)


@contextlib.contextmanager
def _default_interrupts() -> Any:
    """Ignore Ctrl-C while workers start: they inherit it, the parent ends them."""
    try:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    except ValueError:  # not the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _end(workers: list[Any]) -> None:
    """End the workers that still run, first kindly."""
    alive = [w for w in workers if w.is_alive()]
    for worker in alive:
        worker.terminate()
    deadline = time.monotonic() + 1.0
    for worker in alive:
        worker.join(max(0.0, deadline - time.monotonic()))
        if worker.is_alive():
            worker.kill()
            worker.join()


def _work(folder: str, process: int, n_processes: int, job: Any, parent: int) -> None:
    """Be one worker; ``job`` is what to do, or the file that says it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    die_with_parent()
    if os.getppid() != parent and multiprocessing.get_start_method() == "fork":
        os._exit(1)
    raise_allocator_thresholds()
    limit_threads(n_processes)
    post = SocketPost(Path(folder), process)
    root = n_processes
    try:
        if isinstance(job, str):
            job = pickle.loads(Path(job).read_bytes())
        plan, inputs, on_error, observers = job
        recorder = FlightRecorder(record_path(folder, process))
        worker = Worker(
            plan, process, post, inputs, on_error, observers, None, root, recorder
        )
        worker.run()
    except Stop as stop:
        post.send(root, pack(FAILED, process, stop.failure))
    except Exception as error:  # noqa: BLE001 - reported to the parent
        _log.exception("process %d failed outside its PEs", process)
        failure = Failure("", 0, process, "worker", None, "", root_cause(error))
        post.send(root, pack(FAILED, process, failure))
    finally:
        post.deliver(_GRACE_SECONDS)
        post.close()
    sys.stdout.flush()
    sys.stderr.flush()
