# It runs in an environment of its own.
# mypy: ignore-errors
"""The same chain for stream-d4py: ``python old_pipeline.py off|on N FOLDER``."""

import collections
import contextlib
import json
import sys
import time
from collections.abc import Iterable

from dispel4py.base import IterativePE, ProducerPE
from dispel4py.new import simple_process
from dispel4py.workflow_graph import WorkflowGraph


class Source(ProducerPE):
    """Sends numbers."""

    def __init__(self, n):
        ProducerPE.__init__(self)
        self.n = n

    def _process(self, inputs):
        for k in range(self.n):
            self.write("output", k)


class Pass(IterativePE):
    """Passes items on."""

    def _process(self, data):
        self.write("output", data)


def main(how, n, folder):
    """Run the chain and print the seconds."""
    graph, last = WorkflowGraph(), Source(int(n))
    source = last
    for _ in range(5):
        pe = Pass()
        graph.connect(last, "output", pe, "input")
        last = pe
    with contextlib.redirect_stdout(sys.stderr):
        if how == "on":
            # its provenance needs a name that Python has dropped in 3.10
            vars(collections)["Iterable"] = Iterable
            from dispel4py.provenance import ProvenanceType, configure_prov_run

            ProvenanceType.PROV_PATH = folder
            ProvenanceType.BULK_SIZE = 1000
            configure_prov_run(
                graph,
                provImpClass=(ProvenanceType,),
                username="benchmark",
                runId="run",
                workflowId="chain",
                workflowName="chain",
                save_mode="file",
            )
        began = time.perf_counter()
        simple_process.process_and_return(graph, {source.name: [{"input": None}]})
        seconds = time.perf_counter() - began
    sys.stdout.write(json.dumps(seconds) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
