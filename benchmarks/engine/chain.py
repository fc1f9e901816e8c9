# It runs in environments of its own.
# mypy: ignore-errors
"""One chain of four PEs, timed; runs unchanged on every dispel4py since 1.2.

    python chain.py MAPPING KIND N

MAPPING is simple, multi or mpi (four processes, mpi under mpiexec), KIND small (ints)
or array (1 MB of float64). The source writes all items in one call. Only the mapping's
``process`` is timed; one line of JSON is printed.
"""

import argparse
import json
import resource
import sys
import time

import numpy as np

from dispel4py.base import ConsumerPE, IterativePE
from dispel4py.core import GenericPE
from dispel4py.workflow_graph import WorkflowGraph

ARRAY = 131072
PROCESSES = 4


class Source(GenericPE):
    """Writes all items."""

    def __init__(self, kind, n):
        GenericPE.__init__(self)
        self._add_output("output")
        self.kind, self.n = kind, n

    def process(self, inputs):
        """Write them."""
        for k in range(self.n):
            item = np.full(ARRAY, float(k)) if self.kind == "array" else k
            self.write("output", item)


class Increment(IterativePE):
    """Adds one."""

    def _process(self, data):
        return data + 1


class Sink(ConsumerPE):
    """Looks at each item."""

    def __init__(self):
        ConsumerPE.__init__(self)
        self.total = 0

    def _process(self, data):
        self.total += 1


def chain(kind, n):
    """Return the graph and its source."""
    graph, source = WorkflowGraph(), Source(kind, n)
    first, second, sink = Increment(), Increment(), Sink()
    graph.connect(source, "output", first, "input")
    graph.connect(first, "output", second, "input")
    graph.connect(second, "output", sink, "input")
    return graph, source


def main():
    """Time one run."""
    mapping, kind, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
    graph, source = chain(kind, n)
    inputs = {source.id: [{}]}
    args = argparse.Namespace(
        num=PROCESSES, num_processes=PROCESSES, simple=False, results=False
    )
    rank = 0
    if mapping == "simple":
        from dispel4py.new.simple_process import process
    elif mapping == "multi":
        from dispel4py.new.multi_process import process
    else:
        from mpi4py import MPI

        from dispel4py.new.mpi_process import process, rank

        MPI.COMM_WORLD.Barrier()
    began = time.perf_counter()
    if mapping == "simple":
        process(graph, inputs)
    else:
        process(graph, inputs, args)
    if mapping == "mpi":
        MPI.COMM_WORLD.Barrier()
    seconds = time.perf_counter() - began
    if rank == 0:
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        peak = max(own, children) / 1e3
        sys.stdout.write(
            "\n" + json.dumps({"seconds": seconds, "peak_mb": peak}) + "\n"
        )


if __name__ == "__main__":
    main()
