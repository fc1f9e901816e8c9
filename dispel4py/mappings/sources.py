"""When the sources of a process are called, and with what."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from dispel4py.clock import Clock
from dispel4py.instance import Instance
from dispel4py.mappings.feeding import Fed


class Host(Protocol):
    """The part of a worker that calls its sources."""

    clock: Clock

    def call_source(self, instance: Instance, inputs: dict[str, Any]) -> None:
        """Call a source once.

        Parameters
        ----------
        instance : Instance
            The source.
        inputs : dict
            Its inputs.
        """

    def source_ended(self, instance: Instance) -> None:
        """Note that a source has had all its inputs."""


class Turn(Protocol):
    """Something that a worker does between the items that come to it."""

    is_over: bool

    def is_due(self, now: float) -> bool:
        """Return whether there is something to do."""

    def step(self, now: float) -> None:
        """Do one piece of it."""


class SourceTurn:
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
        self, worker: Host, instance: Instance, inputs: Iterable[Any] | Fed
    ) -> None:
        self._worker, self.instance = worker, instance
        self._fed = inputs if isinstance(inputs, Fed) else None
        self._inputs: Iterator[Any] = iter(inputs)
        self._again: dict[str, Any] | None = None
        self.due = -math.inf
        self.is_over = False

    @property
    def waits_for_time(self) -> bool:
        """Whether the source has said when it wants to be called again."""
        return self._again is not None

    def is_due(self, now: float) -> bool:
        """Return whether the source can be called, or has ended."""
        if self._again is None and self._fed is not None:
            return self._fed.is_ready
        return self.due <= now

    def step(self, now: float) -> None:
        """Call the source once more, or end it."""
        inputs = self._again
        if inputs is None:
            inputs = next(self._inputs, None)
            if inputs is None:
                self.is_over = True
                self._worker.source_ended(self.instance)
                return
            inputs = {} if isinstance(inputs, int) else inputs
        self._worker.call_source(self.instance, inputs)
        after_s = self.instance.seconds_to_next_call()
        self._again = None if after_s is None else inputs
        self.due = -math.inf if after_s is None else self._worker.clock.now() + after_s
        if after_s is None and self._fed is not None:
            self._fed.worked_off()


class Sources:
    """The turns of one process, one after the other."""

    def __init__(self) -> None:
        self._turns: deque[Turn] = deque()

    @property
    def are_over(self) -> bool:
        """Whether nothing is left to do."""
        return not self._turns

    def add(self, turn: Turn) -> None:
        """Add a turn."""
        self._turns.append(turn)

    def has(self, instance: Instance) -> bool:
        """Return whether an instance is a source that has not ended."""
        return any(turn.instance is instance for turn in self._source_turns())

    def step(self, now: float) -> bool:
        """Give the next turn that is due; False if none is."""
        for _ in range(len(self._turns)):
            turn = self._turns[0]
            self._turns.rotate(-1)
            if turn.is_due(now):
                turn.step(now)
                if turn.is_over:
                    self._turns.remove(turn)
                return True
        return False

    def seconds_to_next(self, now: float) -> float:
        """Return how long it is until a source wants to be called again."""
        times = [turn.due - now for turn in self._source_turns() if turn.waits_for_time]
        return max(0.0, min(times, default=math.inf))

    def _source_turns(self) -> list[SourceTurn]:
        return [turn for turn in self._turns if isinstance(turn, SourceTurn)]
