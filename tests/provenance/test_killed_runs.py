"""Runs that are killed at random: each parent is known, or marked as lost."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from dispel4py.provenance.ingest import ingest
from dispel4py.provenance.lineage import lineage
from dispel4py.provenance.store import open_store

WORKFLOW = """
import time
from dispel4py.base import IterativePE, ProducerPE
from dispel4py.core import GenericPE
from dispel4py.workflow_graph import WorkflowGraph


class Source(ProducerPE):
    def _process(self, inputs):
        for number in range(400):
            time.sleep(0.0005)
            self.write("output", number)


class Next(IterativePE):
    def _process(self, data):
        return data + 1


class Total(GenericPE):
    derives = "accumulate"

    def __init__(self):
        GenericPE.__init__(self)
        self._add_input("input")
        self._add_output("output")

    def preprocess(self):
        self.total = 0

    def process(self, inputs):
        self.total += inputs["input"]
        return {"output": self.total}


graph = WorkflowGraph()
source, add, total = Source(), Next(), Total()
graph.connect(source, "output", add, "input")
graph.connect(add, "output", total, "input")
"""


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(word) for word in file.read().split()]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("seed", range(3))
def test_each_parent_is_known_or_marked_as_lost(seed, tmp_path):
    draw = random.Random(seed)
    (tmp_path / "killed.py").write_text(WORKFLOW)
    records = tmp_path / "records"
    words = ["multi", "killed.py", "-n", "3", "--quiet", "--provenance", str(records)]
    with subprocess.Popen(
        [sys.executable, "-m", "dispel4py", *words],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            limit = time.monotonic() + 60
            while not list(records.glob("*/prov-0.jsonl")):
                assert time.monotonic() < limit
                time.sleep(0.01)
            time.sleep(draw.uniform(0, 0.3))
            workers = children(process.pid)
            if workers and seed % 2:  # one worker; the run ends by itself
                os.kill(draw.choice(workers), signal.SIGKILL)
                process.wait(60)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    store = open_store(records)
    ingest(store, records)
    found = lineage(store, [n for (n,) in store.rows("SELECT n FROM product")])
    store.close()
    explained = {child for child, _ in found.derivations}
    explained |= {name for name, _ in found.inputs} | {name for name, _ in found.lost}
    ids = {product["id"] for product in found.products}
    assert {name for name in ids - explained if "/Source" not in name} == set()
