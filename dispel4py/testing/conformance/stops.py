"""Streams that are stopped early: before their source is called, and in a call."""

from __future__ import annotations

import itertools
import time
from typing import Any

from dispel4py.base import IterativePE, ProducerPE
from dispel4py.core import GenericPE
from dispel4py.run import run
from dispel4py.testing.conformance.elements import Pass
from dispel4py.workflow_graph import WorkflowGraph

#: Seconds between two items.
_PAUSE_S = 0.001
#: Items that a source sends before its first call, and after its last call.
_N_ITEMS = 150


class Endless(ProducerPE):
    """Sends numbers in one call, without an end."""

    def _process(self, inputs: Any) -> None:
        for number in itertools.count():
            self.write("output", number)
            time.sleep(_PAUSE_S)


class Polls(ProducerPE):
    """Sends a number in each call, and asks for further calls without an end."""

    def _process(self, inputs: Any) -> int:
        self.call_again(_PAUSE_S)
        return 1


class StopsItself(ProducerPE):
    """Stops its stream before its first call, and sends its number of calls."""

    n = 0

    def _preprocess(self) -> None:
        self.stop_stream()

    def _process(self, inputs: Any) -> None:
        self.n += 1
        self.call_again(_PAUSE_S)

    def _postprocess(self) -> None:
        self.write("output", -1 - self.n)


class Prepares(Endless):
    """Sends items before its first call, and after its last call."""

    is_prepared = False

    def _preprocess(self) -> None:
        for number in range(_N_ITEMS):
            self.write("output", number)
        self.is_prepared = True

    def _postprocess(self) -> None:
        assert self.is_prepared
        for number in range(1, _N_ITEMS):
            self.write("output", -number)
            time.sleep(_PAUSE_S)


class Undeclared(GenericPE):
    """Writes to its output once, and then to an output that it does not declare."""

    def __init__(self) -> None:
        super().__init__()
        self._add_output("output")

    def process(self, inputs: dict[str, Any]) -> None:
        self.write("output", -1)
        for number in itertools.count():
            self.write("others", number)
            time.sleep(_PAUSE_S)


class Stops(IterativePE):
    """Stops the stream at its start, or at each item; passes on negative items."""

    def __init__(self, at_start: bool) -> None:
        super().__init__()
        self.single, self.at_start = True, at_start

    def _preprocess(self) -> None:
        if self.at_start:
            self.stop_stream()

    def _process(self, item: Any) -> Any:
        if not self.at_start:
            self.stop_stream()
        return item if item < 0 else None

    def _postprocess(self) -> None:
        self.write("output", 0)


_LAST = [0, *(-number for number in range(1, _N_ITEMS))]


def stopped_early(**how: Any) -> dict[str, tuple[list[int], list[int]]] | None:
    """Run a graph of several streams without an end; each of them is stopped.

    If a stop is lost, the run does not end.

    Parameters
    ----------
    **how : object
        The mapping, its options, and the number of processes, as for `run`.

    Returns
    -------
    dict or None
        For each stream the items at its end, and the expected items; None in a process
        without the whole result.
    """
    fed = Pass()
    streams: dict[str, tuple[list[GenericPE], list[int]]] = {
        "one call": ([Endless(), Pass(), Stops(at_start=True)], [0]),
        "many calls": ([Polls(), Stops(at_start=True)], [0]),
        "inputs of an iterator": ([fed, Stops(at_start=True)], [0]),
        "stopped by its source": ([StopsItself(), Stops(at_start=False)], [0, -1]),
        "stopped before it starts": ([Prepares(), Stops(at_start=True)], _LAST),
        "stopped while it starts": ([Prepares(), Stops(at_start=False)], _LAST),
        "undeclared output": ([Undeclared(), Stops(at_start=False)], [0, -1]),
    }
    graph = WorkflowGraph()
    for chain, _ in streams.values():
        for pe, receiver in itertools.pairwise(chain):
            graph.connect(pe, "output", receiver, "input")
    inputs: Any = {fed: ({"input": number} for number in itertools.count())}
    result = run(graph, inputs, **how)
    if not result.complete:
        return None
    return {
        name: (sorted(result.output(chain[-1].id), reverse=True), expected)
        for name, (chain, expected) in streams.items()
    }
