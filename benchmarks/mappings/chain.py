"""A chain of four PEs: a source, two that add one, and a sink.

The source notes when it begins, and the sink when the last item arrives, on the clock
that all processes of the host have in common.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from dispel4py.base import ConsumerPE, IterativePE, ProducerPE
from dispel4py.workflow_graph import WorkflowGraph

#: Variable with the folder for the two times, and the names of their files.
FOLDER_VARIABLE = "DISPEL4PY_BENCHMARK_FOLDER"
BEGIN, END = "begin", "end"
#: Numbers of an array of 1 MB.
N_ARRAY = 131_072


class Numbers(ProducerPE):
    """Sends 0, 1, 2, ... in one call."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.n, self.folder = n, os.environ.get(FOLDER_VARIABLE)

    def items(self) -> Iterator[Any]:
        """Yield the items."""
        yield from range(self.n)

    def _process(self, inputs: Any) -> None:
        note(self.folder, BEGIN)
        for item in self.items():
            self.write("output", item)


class Arrays(Numbers):
    """Sends arrays of 1 MB in one call."""

    def items(self) -> Iterator[Any]:
        """Yield the items."""
        for k in range(self.n):
            yield np.full(N_ARRAY, float(k))


class Increment(IterativePE):
    """Adds one."""

    def _process(self, data: Any) -> Any:
        return data + 1


class Sink(ConsumerPE):
    """Looks at each item.

    Parameters
    ----------
    last : int
        The last item, or the numbers in it.
    """

    def __init__(self, last: int) -> None:
        super().__init__()
        self.last, self.folder = last, os.environ.get(FOLDER_VARIABLE)

    def _process(self, data: Any) -> None:
        number = data if type(data) is int else data[0]
        if number == self.last:
            note(self.folder, END)


def note(folder: str | None, name: str) -> None:
    """Write the time into a file of the folder, if there is one."""
    if folder is not None:
        Path(folder, name).write_text(repr(time.monotonic()))


def chain(source: Numbers) -> WorkflowGraph:
    """Return the graph."""
    graph = WorkflowGraph()
    first, second = Increment(), Increment()
    graph.connect(source, "output", first, "input")
    graph.connect(first, "output", second, "input")
    graph.connect(second, "output", Sink(source.n + 1), "input")
    return graph


def one() -> WorkflowGraph:
    """Return the graph with one item."""
    return chain(Numbers(1))


def numbers() -> WorkflowGraph:
    """Return the graph with 100,000 numbers."""
    return chain(Numbers(100_000))


def arrays() -> WorkflowGraph:
    """Return the graph with 300 arrays."""
    return chain(Arrays(300))
