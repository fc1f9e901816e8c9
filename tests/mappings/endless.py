"""Sources and inputs without an end: as a program, ``endless.py MAPPING CASE``."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from typing import Any

from dispel4py.base import IterativePE, ProducerPE
from dispel4py.core import GenericPE
from dispel4py.run import run
from dispel4py.workflow_graph import WorkflowGraph

ENOUGH = 300


class Reader(GenericPE):
    """Works on inputs of the run; has two instances if there are enough processes."""

    def __init__(self) -> None:
        GenericPE.__init__(self, 2)
        self._add_input("input")
        self._add_output("output")

    def process(self, inputs: Any) -> Any:
        return {"output": (inputs["input"], self.rank)}


class Pass(IterativePE):
    """Passes items on."""

    def _process(self, data: Any) -> Any:
        return data


class Stops(IterativePE):
    """Fails on one item."""

    def _process(self, data: Any) -> Any:
        if data[0] == ENOUGH:
            raise ValueError("that is enough")
        return data


class Live(ProducerPE):
    """Sends a number from time to time, and returns in between."""

    def __init__(self, n: int, pause_s: float) -> None:
        super().__init__()
        self.n, self.pause_s, self.given = n, pause_s, 0

    def _process(self, inputs: Any) -> Any:
        self.given += 1
        if self.given < self.n:
            self.call_again(self.pause_s)
        return self.given


def numbers(n: int | None, until: list[str] | None = None) -> Iterator[dict[str, int]]:
    """Yield inputs, and note when the generator is opened and closed."""
    if until is None:
        sys.stdout.write("opened\n")
        sys.stdout.flush()
    try:
        for k in itertools.count() if n is None else range(n):
            yield {"input": k}
    finally:
        if until is None:
            sys.stdout.write("closed\n")
            sys.stdout.flush()
        else:
            until.append("closed")


def chain(*pes: Any) -> WorkflowGraph:
    """Connect PEs in a row."""
    graph = WorkflowGraph()
    for source, sink in itertools.pairwise(pes):
        graph.connect(source, "output", sink, "input")
    return graph


def main(mapping: str, case: str) -> None:
    """Run one case, and write its outcome."""
    processes = None if mapping == "mpi" else 3
    last: Any = Stops() if case == "failing" else Pass()
    if case == "live":
        graph = chain(Live(10**6, 0.05), last)
        run(graph, mapping=mapping, processes=processes)
    n = 2000 if case == "finite" else None
    result = run(chain(Reader(), last), numbers(n), mapping, processes)
    if result.complete:
        values = [value for value, _ in result.output(last.id)]
        ranks = {rank for _, rank in result.output(last.id)}
        sys.stdout.write(f"{sorted(values) == list(range(2000))} {sorted(ranks)}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
