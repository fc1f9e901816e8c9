"""Streams that are quick at first and then slow; as a program, runs them under MPI."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from dispel4py.base import IterativePE, ProducerPE
from dispel4py.core import GenericPE
from dispel4py.run import run
from dispel4py.workflow_graph import WorkflowGraph

N_QUICK = 3000
N_SLOW = 4
PAUSE_S = 0.5


class Time:
    """The clock of the system, for the PEs of these graphs."""

    def now(self) -> float:
        return time.time()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class Timed:
    """A PE that has a clock."""

    clock: Any = Time()

    def bursts(self) -> Any:
        """Yield the times of many quick items, then of slow items."""
        for _ in range(N_QUICK):
            yield self.clock.now()
        for _ in range(N_SLOW):
            yield self.clock.now()
            self.clock.sleep(PAUSE_S)


class Writes(Timed, ProducerPE):
    """Writes all items in one call."""

    def _process(self, inputs: Any) -> None:
        for item in self.bursts():
            self.write("output", item)


class Yields(Timed, ProducerPE):
    """Is a generator whose items are not numbers."""

    def process(self, inputs: Any) -> Any:
        for item in self.bursts():
            yield {"output": (item,)}


class InTheMiddle(Timed, IterativePE):
    """Sends all items in a call with one item."""

    def _process(self, data: Any) -> None:
        for item in self.bursts():
            self.write("output", item)


class AtTheEnd(Timed, IterativePE):
    """Sends all items when its input has ended."""

    def _process(self, data: Any) -> None:
        pass

    def postprocess(self) -> None:
        for item in self.bursts():
            self.write("output", item)


class OnePe(ProducerPE):
    """Sends one item."""

    def _process(self, inputs: Any) -> int:
        return 1


class Two(Timed, GenericPE):
    """Writes to two outputs in turn."""

    def __init__(self) -> None:
        super().__init__()
        self._add_output("output")
        self._add_output("other")

    def process(self, inputs: Any) -> None:
        for k, item in enumerate(self.bursts()):
            self.write("other" if k % 2 else "output", item)


class Restarted(Timed, IterativePE):
    """Gives the time at each item; its process is killed once, at a quick item."""

    def __init__(self, mark: Path) -> None:
        super().__init__()
        self.mark, self.n = mark, 0

    def _process(self, data: Any) -> float:
        self.n += 1
        if self.n > N_QUICK // 2 and not self.mark.exists():
            self.mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return self.clock.now()


class Delay(Timed, IterativePE):
    """Sends the delay of each item, and the time at which it was written."""

    def _process(self, data: Any) -> tuple[float, float]:
        written = data[0] if isinstance(data, tuple) else data
        return self.clock.now() - written, written


def graph_of(kind: str) -> tuple[WorkflowGraph, GenericPE]:
    """Return a graph, and the PE that gives the delays."""
    graph, delay = WorkflowGraph(), Delay()
    if kind in ("writes", "yields"):
        graph.connect(
            Writes() if kind == "writes" else Yields(), "output", delay, "input"
        )
    elif kind == "two edges":
        two = Two()
        graph.connect(two, "output", delay, "input")
        graph.connect(two, "other", delay, "input")
    else:
        middle = InTheMiddle() if kind == "in the middle" else AtTheEnd()
        graph.connect(OnePe(), "output", middle, "input")
        graph.connect(middle, "output", delay, "input")
    return graph, delay


KINDS = ("writes", "yields", "two edges", "in the middle", "at the end")


def delays(kind: str, **how: Any) -> list[float] | None:
    """Return the delays of the slow items in seconds; None if they are not known."""
    graph, delay = graph_of(kind)
    result = run(graph, **how)
    return slow_delays(result.output(delay.id)) if result.complete else None


def slow_delays(pairs: list[tuple[float, float]]) -> list[float]:
    """Return the delays of the items that were written last."""
    assert len(pairs) == N_QUICK + N_SLOW
    return [age for age, _ in sorted(pairs, key=lambda pair: pair[1])[-N_SLOW:]]


if __name__ == "__main__":
    found = [delays(kind, mapping="mpi") for kind in sys.argv[1:]]
    if None not in found:
        sys.stdout.write(json.dumps(found))
