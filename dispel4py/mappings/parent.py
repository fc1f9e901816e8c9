"""The process that called `run`, if all workers are other processes.

It sends the inputs that an iterator gives, and gathers the results.
"""

from __future__ import annotations

import contextlib
import time
from abc import ABC, abstractmethod
from typing import Any

from dispel4py.clock import SYSTEM_CLOCK
from dispel4py.errors import RunError
from dispel4py.mappings.base import SourceInputs
from dispel4py.mappings.channel import Post
from dispel4py.mappings.collector import Collector
from dispel4py.mappings.feeding import make_feeders
from dispel4py.mappings.options import Options
from dispel4py.mappings.outbox import Outbox
from dispel4py.mappings.stream_stop import stop_feeders
from dispel4py.mappings.wire import STREAM_STOPPED
from dispel4py.message import Frame
from dispel4py.observe import Observers
from dispel4py.plan import Plan
from dispel4py.result import RunResult
from dispel4py.stop import Stop

#: Seconds between checks of the workers, if no frame arrives.
CHECK_SECONDS = 0.5


class Parent(ABC):
    """The parent of the workers of a run.

    Parameters
    ----------
    plan : Plan
    inputs : dict
        Instance (by index) to its inputs.
    observers : Observers
    options : Options
    post : Post
        Carries frames from and to the workers.
    """

    def __init__(
        self,
        plan: Plan,
        inputs: SourceInputs,
        observers: Observers,
        options: Options,
        post: Post,
    ) -> None:
        self.collector = Collector(plan, observers, options)
        self.collector.post = post
        collect = self.collector.take_in
        self.outbox = Outbox(post, SYSTEM_CLOCK, self, [], collect=collect)
        self._feeders = make_feeders(plan, inputs, self.outbox, {})

    @abstractmethod
    def start(self) -> None:
        """Start the workers."""

    @abstractmethod
    def close(self) -> None:
        """End all workers that are left."""

    def run(self, began: float) -> RunResult:
        """Start the workers, gather their results, and end them in any case.

        Parameters
        ----------
        began : float
            Start of the run, as `time.perf_counter` gives it.

        Raises
        ------
        RunError
            If the run failed.
        """
        with contextlib.closing(self):
            try:
                self.start()
                self.gather()
            except KeyboardInterrupt:
                self.take_in()
                raise
            except Stop as stop:  # raised by an iterator of inputs
                raise RunError([stop.failure]) from stop.__cause__
        return self.collector.finish(time.perf_counter() - began)

    @abstractmethod
    def attend(self, timeout_s: float) -> None:
        """Receive frames for some time, and handle workers that have died.

        Raises
        ------
        RunError
            If the run has failed.
        """

    def gather(self) -> None:
        """Receive frames until every worker is done.

        Raises
        ------
        RunError
            If the run has failed.
        """
        if self._feeders:
            self.outbox.open()
        while self.collector.still_running:
            self.attend(0.0 if self._feed() else CHECK_SECONDS)

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
        self.attend(CHECK_SECONDS)

    def report_progress(self) -> None:  # noqa: B027 - part of the interface
        """Do nothing: workers report their progress."""

    def take_in(self) -> None:
        """Receive the frames that have arrived."""
        letter = self.outbox.receive(0.0)
        while letter is not None:
            if letter[1][0] == STREAM_STOPPED:
                stop_feeders(self._feeders, letter[1][1])
            self.handle(*letter)
            letter = self.outbox.receive(0.0)

    def handle(self, frame: Frame, message: tuple[Any, ...]) -> None:
        """Handle a frame.

        Parameters
        ----------
        frame : Frame
        message : tuple
            The unpacked head of the frame.
        """
        self.collector.take_in(frame, message)
