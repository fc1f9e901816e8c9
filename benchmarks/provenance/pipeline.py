"""Six PEs without work, timed: ``python pipeline.py off|on N FOLDER MAPPING``."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from dispel4py.base import IterativePE, ProducerPE
from dispel4py.run import run
from dispel4py.workflow_graph import WorkflowGraph


class Source(ProducerPE):
    """Sends numbers."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.n = n

    def _process(self, inputs: Any) -> None:
        for k in range(self.n):
            self.write("output", k)


class Pass(IterativePE):
    """Passes items on."""

    def _process(self, data: Any) -> Any:
        return data


def main(how: str, n: str, folder: str, mapping: str) -> None:
    """Run the chain and print the seconds."""
    graph, last = WorkflowGraph(), Source(int(n))
    for _ in range(5):
        pe = Pass()
        graph.connect(last, "output", pe, "input")
        last = pe  # type: ignore[assignment]
    began = time.perf_counter()
    run(
        graph,
        mapping=mapping,
        processes=None if mapping == "simple" else 2,
        provenance=folder if how == "on" else None,
    )
    sys.stdout.write(json.dumps(time.perf_counter() - began) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
