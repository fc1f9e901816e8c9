"""Several workers in one process, in virtual time: for tests and simulations.

Each worker of a plan is a thread, but only one worker works at a time. When it waits
for a frame or sleeps, a scheduler chooses the next worker by random numbers with a
seed. So a run is the same every time, and another seed gives another order of events.
If all workers wait, the virtual time advances to the next event.
"""

from __future__ import annotations

import copy
import random
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from dispel4py.errors import RunError
from dispel4py.grouping import share_hashes
from dispel4py.mappings.base import SourceInputs
from dispel4py.mappings.collector import Collector
from dispel4py.mappings.options import Options
from dispel4py.mappings.worker import Worker
from dispel4py.message import Frame
from dispel4py.observe import Observers
from dispel4py.plan import Plan
from dispel4py.result import RunResult
from dispel4py.stop import Stop

_ROOT = 0
#: Seconds between two attempts to end a thread after a failure; one attempt is usual.
_LONGEST_JOIN_S = 0.5
#: Attempts to end a thread; one that is in a call without an end is left.
_MOST_ATTEMPTS = 10


class Simulation:
    """A run in virtual time; it is the clock of its workers.

    Parameters
    ----------
    seed : int
        Chooses the order of events.
    delay_s : float
        Time from sending a frame to its arrival, in seconds of virtual time.
    """

    def __init__(self, seed: int = 0, delay_s: float = 0.0) -> None:
        self.seconds = 0.0
        self._delay_s = delay_s
        self._choose = random.Random(seed).choice
        self._actors: list[_Actor] = []
        self._tickers: list[_VirtualTicker] = []
        self._turn = threading.local()
        self._scheduler = threading.Semaphore(0)
        self.posts: list[MemoryPost] = []

    def __deepcopy__(self, memo: dict[int, Any]) -> Simulation:
        """Return the object itself: all copies of a PE have the same clock."""
        return self

    # -- the clock ---------------------------------------------------------------

    def now(self) -> float:
        """Return the virtual time in seconds."""
        return self.seconds

    def time(self) -> float:
        """Return the virtual time in seconds, in place of the time since 1970."""
        return self.seconds

    def sleep(self, seconds: float) -> None:
        """Sleep in virtual time; PEs of a simulation call this."""
        self.wait(self.seconds + seconds, None)

    def ticker(self, function: Callable[[], bool], seconds: float) -> _VirtualTicker:
        """Return a ticker of virtual time that does not call the function yet.

        Parameters
        ----------
        function : callable
            Called by the scheduler, while no worker works.
        seconds : float
            The time between two calls.
        """
        ticker = _VirtualTicker(self, function, seconds)
        self._tickers.append(ticker)
        return ticker

    def wait(self, until: float, post: MemoryPost | None) -> None:
        """Let other workers work until a time, or until a frame arrives.

        Parameters
        ----------
        until : float
            Virtual time in seconds.
        post : MemoryPost or None
            The mailbox of the worker; None to wait for the time only.
        """
        actor: _Actor = self._turn.actor
        actor.until, actor.post = until, post
        self._scheduler.release()
        actor.turn.acquire()
        if actor.is_stopped:
            raise _Stopped

    # -- a run ---------------------------------------------------------------------

    def execute(
        self,
        plan: Plan,
        inputs: SourceInputs,
        observers: Observers,
        options: Options,
    ) -> RunResult:
        """Run a plan.

        Parameters
        ----------
        plan : Plan
            Its PEs are copied. A PE that sleeps must use this object as its clock.
        inputs : dict
            Source instance to its inputs.
        observers : Observers
        options : Options

        Raises
        ------
        RunError
            If a PE failed.
        """
        share_hashes(True)
        collector = Collector(plan, observers, options)
        self.posts = [MemoryPost(self, k) for k in range(plan.n_processes)]
        collector.post = self.posts[_ROOT]
        for process, post in enumerate(self.posts):
            is_root = process == _ROOT
            worker = Worker(
                replace(plan, pes=copy.deepcopy(plan.pes)),
                process,
                post,
                inputs,
                options,
                observers if is_root else observers.at_worker(),
                collector if is_root else None,
                _ROOT,
                clock=self,
            )
            self._actors.append(_Actor(worker, self._turn, self._scheduler))
        try:
            self._schedule()
        finally:
            self._end()
        return collector.finish(self.seconds)

    def _schedule(self) -> None:
        while self._running():
            ready = self._ready()
            if not ready:
                self._advance()
                continue
            actor = self._choose(ready)
            actor.turn.release()
            self._scheduler.acquire()
            if isinstance(actor.error, Stop):
                raise RunError([actor.error.failure]) from actor.error.__cause__
            if actor.error is not None:
                raise actor.error

    def _running(self) -> list[_Actor]:
        return [actor for actor in self._actors if actor.is_running]

    def _ready(self) -> list[_Actor]:
        return [
            a for a in self._running() if a.resume_time(self.seconds) <= self.seconds
        ]

    def _advance(self) -> None:
        """Advance the time to the next event."""
        times = [actor.resume_time(self.seconds) for actor in self._running()]
        times += [ticker.due for ticker in self._tickers]
        self.seconds = max(self.seconds, min(times))
        for ticker in self._tickers:
            if ticker.due <= self.seconds:
                ticker.tick()

    def _end(self) -> None:
        """End the threads of the other workers after a failure."""
        for actor in self._running():
            actor.is_stopped = True
            # Ctrl-C inside `release` may have left the semaphore with a waiter that no
            # longer waits: one more release may wake nobody
            for _ in range(_MOST_ATTEMPTS):
                if not actor.thread.is_alive():
                    break
                actor.turn.release()
                actor.thread.join(_LONGEST_JOIN_S)

    def deliver(self, destination: int, frame: Frame) -> None:
        """Put a frame into a mailbox.

        Parameters
        ----------
        destination : int
            The process.
        frame : Frame
            The frame; it arrives after the delay.
        """
        self.posts[destination].mail.append((self.seconds + self._delay_s, frame))


class _Stopped(KeyboardInterrupt):
    """Ends a worker after the failure of another worker."""


class _Actor:
    """A worker in its thread."""

    def __init__(
        self, worker: Worker, current: threading.local, scheduler: threading.Semaphore
    ) -> None:
        self.until = 0.0
        self.post: MemoryPost | None = None
        self.is_running, self.is_stopped = True, False
        self.error: BaseException | None = None
        self.turn = threading.Semaphore(0)
        self._worker, self._current, self._scheduler = worker, current, scheduler
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def resume_time(self, now: float) -> float:
        """Return the virtual time at which the worker can continue."""
        if self.post is not None and self.post.mail:
            return min(self.until, max(now, self.post.mail[0][0]))
        return self.until

    def _run(self) -> None:
        self._current.actor = self
        self.turn.acquire()
        try:
            if not self.is_stopped:
                self._worker.run()
                if self._worker.collector is not None:
                    self._worker.attend()
        except _Stopped:
            pass
        except BaseException as error:  # noqa: BLE001 - raised by the scheduler
            self.error = error
        self.is_running = False
        if not self.is_stopped:
            self._scheduler.release()


class _VirtualTicker:
    """Calls a function at regular intervals of virtual time."""

    def __init__(
        self, simulation: Simulation, function: Callable[[], bool], seconds: float
    ) -> None:
        self._simulation, self._function = simulation, function
        self._seconds = seconds
        self.due = float("inf")

    def wake(self) -> None:
        """Begin to call the function."""
        self.due = self._simulation.now() + self._seconds

    def tick(self) -> None:
        """Call the function once."""
        has_work = self._function()
        self.due = self._simulation.now() + self._seconds if has_work else float("inf")

    def close(self) -> None:
        """Stop calling the function."""
        self.due = float("inf")


class MemoryPost:
    """A mailbox in the memory of this process.

    Parameters
    ----------
    simulation : Simulation
        The simulation with the other mailboxes.
    process : int
        The process of this mailbox.
    """

    is_behind = False

    def __init__(self, simulation: Simulation, process: int) -> None:
        self.process = process
        self.mail: deque[tuple[float, Frame]] = deque()
        self._simulation = simulation

    def catch_up(self) -> None:
        """Do nothing: a frame leaves at once."""

    def send(self, destination: int, head: bytes, buffers: Sequence[Any] = ()) -> None:
        """Put a frame into another mailbox.

        Parameters
        ----------
        destination : int
            The receiving process.
        head : bytes
            The message.
        buffers : sequence, optional
            Bytes beside the message; they are copied.
        """
        copies = [memoryview(bytearray(buffer)) for buffer in buffers]
        self._simulation.deliver(destination, Frame(self.process, head, copies))

    def receive(self, timeout_s: float) -> Frame | None:
        """Return the next frame, or None if none comes within the time."""
        simulation = self._simulation
        if timeout_s > 0 and not self._has_frame():
            simulation.wait(simulation.now() + timeout_s, self)
        return self.mail.popleft()[1] if self._has_frame() else None

    def _has_frame(self) -> bool:
        return bool(self.mail) and self.mail[0][0] <= self._simulation.now()
