"""The sources of a process: the times and inputs of their calls."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from dispel4py.clock import Clock
from dispel4py.instance import Instance
from dispel4py.lineage import INPUTS, Key
from dispel4py.mappings.feeding import InputQueue
from dispel4py.message import Unreadable


class Host(Protocol):
    """The part of a worker that sources use."""

    clock: Clock
    recorder: Any

    def flush_after(self, began: float) -> None:
        """Send unfinished batches if work that began at this time took long."""

    def source_ended(self, instance: Instance) -> None:
        """Note that a source has no more inputs."""


class Task(Protocol):
    """Work that a worker does when no item waits."""

    is_over: bool
    #: The source, as index into the PEs of the plan.
    pe_index: int

    def stop(self) -> None:
        """Give the source no more inputs."""

    def is_due(self, now: float) -> bool:
        """Return whether there is work now."""

    def step(self, now: float) -> None:
        """Do one step of the work."""


class SourceTask:
    """The calls of one source.

    Parameters
    ----------
    worker : Host
        Calls the source.
    instance : Instance
        The source.
    inputs : iterable
        Its inputs: dicts, or numbers for calls with an empty dict.
    """

    def __init__(
        self, worker: Host, instance: Instance, inputs: Iterable[Any] | InputQueue
    ) -> None:
        self._worker, self.instance = worker, instance
        self.pe_index = instance.spec.pe_index
        self._queue = inputs if isinstance(inputs, InputQueue) else None
        self._inputs: Iterator[Any] = iter(inputs)
        self._repeated_inputs: dict[str, Any] | None = None
        self._is_stopped = False
        self.due = -math.inf
        self.is_over = False

    def stop(self) -> None:
        """Call the source no more."""
        self._repeated_inputs, self._inputs, self._queue = None, iter(()), None
        self.due, self._is_stopped = -math.inf, True

    def _call(self, inputs: Any) -> None:
        """Call the source, or give inputs of the run to another instance."""
        worker, instance = self._worker, self.instance
        began = worker.clock.now()
        if worker.recorder is not None:
            worker.recorder.note_source(instance.spec.index, inputs)
        if isinstance(inputs, Unreadable):
            key = Key(INPUTS, instance.spec.pe_index, instance.spec.index)
            instance.refuse(None, key)(inputs)
        elif not instance.spec.depth:
            instance.give(None, inputs)
        else:
            for port, item in inputs.items():
                instance.give(port, item)
        worker.flush_after(began)

    @property
    def waits_for_time(self) -> bool:
        """Whether the source waits for a time to be called again."""
        return self._repeated_inputs is not None

    def is_due(self, now: float) -> bool:
        """Return whether the source can be called, or has ended."""
        if self._repeated_inputs is None and self._queue is not None:
            return self._queue.is_ready
        return self.due <= now

    def step(self, now: float) -> None:
        """Call the source once, or end it."""
        inputs = self._repeated_inputs
        if inputs is None:
            inputs = next(self._inputs, None)
            if inputs is None:
                self.is_over = True
                self._worker.source_ended(self.instance)
                return
            inputs = {} if isinstance(inputs, int) else inputs
        self._call(inputs)
        after_s = self.instance.seconds_to_next_call()
        if self._is_stopped:
            return
        self._repeated_inputs = None if after_s is None else inputs
        self.due = -math.inf if after_s is None else self._worker.clock.now() + after_s
        if after_s is None and self._queue is not None:
            self._queue.acknowledge()


class Sources:
    """The tasks of one process, done in turn."""

    def __init__(self) -> None:
        self._tasks: deque[Task] = deque()

    @property
    def are_done(self) -> bool:
        """Whether all tasks have ended."""
        return not self._tasks

    def add(self, task: Task) -> None:
        """Add a task."""
        self._tasks.append(task)

    def has(self, instance: Instance) -> bool:
        """Return whether an instance is a source that has not ended."""
        return any(task.instance is instance for task in self._source_tasks())

    def stop(self, pes: Iterable[int]) -> None:
        """Give no more inputs to these sources."""
        for task in self._tasks:
            if task.pe_index in pes:
                task.stop()

    def step(self, now: float) -> bool:
        """Do a step of the next task that is due; return False if no task is due."""
        for _ in range(len(self._tasks)):
            task = self._tasks[0]
            self._tasks.rotate(-1)
            if task.is_due(now):
                task.step(now)
                if task.is_over:
                    self._tasks.remove(task)
                return True
        return False

    def seconds_to_next(self, now: float) -> float:
        """Return the time until a source is to be called again, in seconds."""
        times = [task.due - now for task in self._source_tasks() if task.waits_for_time]
        return max(0.0, min(times, default=math.inf))

    def _source_tasks(self) -> list[SourceTask]:
        return [task for task in self._tasks if isinstance(task, SourceTask)]
