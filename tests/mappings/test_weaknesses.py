"""The known weaknesses of the older engines, W1 to W9, W12, W17 and W19, each tested.

Each docstring describes the old behaviour.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import textwrap
from collections import Counter

import failing
import graphs
import pytest
from programs import environment, require_mpi

from dispel4py.errors import InputError, PlanError, PortError, RunError
from dispel4py.run import run
from dispel4py.workflow_graph import WorkflowGraph

#: Under MPI, the same graphs run in test_conformance.py, by one start of MPI.
EVERYWHERE = [("simple", 1), ("multi", 5)]
anywhere = pytest.mark.parametrize(("mapping", "n"), EVERYWHERE)


@pytest.mark.parametrize("name", ["raising", "raising_leaf"])
def test_w1_pe_that_raises(name, nothing_left_by_runs):
    """Multi hung for ever; where the PE was a leaf, it ended as if all were well."""
    with pytest.raises(RunError, match="three"):
        run(getattr(failing, name)(), mapping="multi", processes=3)


@anywhere
def test_w2_two_edges_into_one_input(mapping, n):
    """With two instances behind the input, multi and mpi waited for ends for ever."""
    for name in ("two_outputs_into_one_input", "merge_of_two_sources"):
        result = graphs.outcome(name, mapping=mapping, processes=n)
        assert result == graphs.outcome(name, mapping="simple")


def test_w3_group_by_string():
    """Each interpreter salts `hash`, so ranks sent one key to different instances."""
    view = graphs.outcome(
        "group_by_string", mapping="multi", processes=5, start_method="spawn"
    )["view"]
    # a key at two instances would be counted twice
    keys = [re.search(r"'(.*?)'", text).group(1) for text in view["Gather2.output"]]
    assert Counter(keys) == {"CI.CCA": 1, "CI.HEC": 1, "IU.ANMO": 1}


@pytest.mark.parametrize("processes", [1, 2, 3, 4])
def test_w4_fewer_processes_than_pes(processes):
    """It ended in 'dictionary changed size during iteration'."""
    name = "more_pes_than_processes"
    result = graphs.outcome(name, mapping="multi", processes=processes)
    assert result == graphs.outcome(name, mapping="simple")


@pytest.mark.parametrize("name", ["partitions", "partitions_with_sizes"])
def test_w4_partitions(name):
    """Partitions did not work at all."""
    result = graphs.outcome(name, mapping="multi", processes=3)
    assert result == graphs.outcome(name, mapping="simple")


def test_w4_partition_of_something_else():
    graph = failing.raising()
    graph.partitions = [[graphs.Pass()]]
    with pytest.raises(PlanError, match="not in the graph"):
        run(graph)


@pytest.mark.parametrize("size", [1, 200])
def test_w5_many_results(size):
    """Multi hung when the results were more than a pipe holds."""
    items = ["x" * size + str(k) for k in range(20_000)]
    graph = graphs.chain(graphs.Items(*items), graphs.alone(graphs.Pass()))
    assert run(graph, mapping="multi", processes=2).output("Pass1") == items


def test_w6_unpicklable_item(nothing_left_by_runs):
    """The item was lost, with a message of a thread or without; then the run hung."""
    with pytest.raises(RunError, match=r"Unpicklable1 .*'input' = 3: .*lock"):
        run(failing.unpicklable(), mapping="multi", processes=3)


def test_w7_misspelt_output():
    """Before, it was accepted, and the items became results."""
    graph = WorkflowGraph()
    with pytest.raises(PortError, match="did you mean 'output'"):
        graph.connect(graphs.Pass(), "ouput", graphs.Pass(), "input")
    with pytest.raises(PortError, match="did you mean 'left'"):
        graph.connect(graphs.Pass(), "output", graphs.Join(), "lefft")
    assert graph.pes == []


@pytest.mark.parametrize("mapping", ["simple", "multi"])
def test_w7_misspelt_pe_in_inputs(mapping):
    """Simple ran as if nothing was given, multi hung."""
    graph = graphs.chain(graphs.Add(), graphs.Pass())
    with pytest.raises(InputError, match="did you mean 'Add0'"):
        run(graph, {"Ad": [{"input": 1}]}, mapping=mapping)
    with pytest.raises(InputError, match="did you mean 'input'"):
        run(graph, {"Add": [{"inptu": 1}]}, mapping=mapping)
    with pytest.raises(InputError, match="fed by another PE"):
        run(graph, {"Pass": [{"input": 1}]}, mapping=mapping)


def test_w8_an_item_passes_all_pes_before_the_next_item():
    """Each PE processed the whole stream before the next PE began."""
    seen = []

    class Watched(graphs.Pass):
        def _process(self, data):
            seen.append((self.name, data))
            return data

    pes = [Watched(), Watched()]
    pes[0].name, pes[1].name = "a", "b"
    run(graphs.chain(graphs.Range(3), *pes))
    assert seen == [(name, k) for k in range(3) for name in "ab"]


# --------------------------------------------------------------------- memory

MEMORY = """
import json, sys, time
import numpy as np
from dispel4py.base import ConsumerPE, IterativePE, ProducerPE
from dispel4py.run import run
from dispel4py.workflow_graph import WorkflowGraph


def peak_mb():
    for line in open("/proc/self/status"):
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024


class Measured:
    def preprocess(self):
        self.before = peak_mb()

    def postprocess(self):
        if self.rank == 0 or mapping != "simple":
            self.write("peak", peak_mb() - self.before)


class Source(Measured, ProducerPE):
    def __init__(self):
        ProducerPE.__init__(self)
        self._add_output("peak")

    def process(self, inputs):
        for k in range(300):
            self.write("output", np.full(125_000, float(k)))


class Step(Measured, IterativePE):
    def __init__(self):
        IterativePE.__init__(self)
        self._add_output("peak")

    def _process(self, data):
        return data + 1.0


class Slow(Measured, ConsumerPE):
    def __init__(self):
        ConsumerPE.__init__(self)
        self._add_output("peak")

    def _process(self, data):
        time.sleep(pause_s)


mapping, n, pause_s = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
pes = [Source(), Step(), Step(), Slow()]
graph = WorkflowGraph()
for source, sink in zip(pes, pes[1:]):
    sink.single = True
    graph.connect(source, "output", sink, "input")
before = peak_mb()
result = run(graph, mapping=mapping, processes=n)
if result.complete:
    peaks = {pe.id: result.output(pe.id, "peak")[0] for pe in pes}
    peaks["gathering"] = peak_mb() - before
    print(json.dumps(peaks))
"""


def peaks_mb(tmp_path, mapping, n, pause_s):
    """Return the growth of memory in each process while 300 MB pass through it."""
    program = tmp_path / "memory.py"
    program.write_text(textwrap.dedent(MEMORY))
    words = [sys.executable, str(program), mapping, str(n), str(pause_s)]
    if mapping == "mpi":
        words = [require_mpi(), "-n", str(n), *words]
    done = subprocess.run(
        words,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return json.loads(done.stdout)


def test_w8_memory_of_simple(tmp_path):
    """300 arrays of 1 MB through 4 PEs took 949 MB."""
    assert max(peaks_mb(tmp_path, "simple", 1, 0.0).values()) < 120.0


@pytest.mark.parametrize("mapping", ["multi", "mpi"])
def test_w9_a_quick_source_waits_for_a_slow_consumer(mapping, tmp_path):
    """The source continued, and its process had 231 MB for 200 arrays of 1 MB."""
    assert max(peaks_mb(tmp_path, mapping, 4, 0.003).values()) < 120.0


# ---------------------------------------------------------------------- others


@anywhere
def test_w12_both_sides_of_a_tee_get_all(mapping, n):
    """The dynamic mappings gave 0 and 10 items instead of 10 and 10."""
    view = graphs.outcome("tee", mapping=mapping, processes=n)["view"]
    assert {port: len(items) for port, items in view.items()} == {
        "Add1.output": 20,
        "Pass2.output": 20,
    }


def test_w17_mpi_reports_the_error_of_any_rank(nothing_left):
    """Before, only rank 0 reported its error; other ranks ended without a message."""
    mpiexec = require_mpi()
    words = [mpiexec, "-n", "3", sys.executable, "-m", "dispel4py", "mpi", "failing"]
    done = subprocess.run(
        [*words, "-a", "raising_leaf"],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    message = r"RaisingLeaf2 \(instance 0, process 2\) .*'input' = 3: KeyError"
    assert len(re.findall(message, done.stderr)) == 1
    assert 'raise KeyError("no place for three")' in done.stderr


@anywhere
def test_w19_composite_fed_by_two_sources(mapping, n):
    """Only the first edge was kept; the items of the other source became results."""
    name = "composite_fed_by_two_sources"
    view = graphs.outcome(name, mapping=mapping, processes=n)["view"]
    assert view == {"Pass4.output": ["11", "111", "112", "12"]}
