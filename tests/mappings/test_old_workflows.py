"""Workflows as users of dispel4py 1.x write them, under every mapping."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import old_workflows
import pytest
from failing import Raising, chain
from old_workflows import EXPECTED_GROUPS, EXPECTED_WRITTEN, KINDS
from programs import HERE, environment, require_mpi

from dispel4py.base import IterativePE, ProducerPE
from dispel4py.errors import RunError
from dispel4py.plan import make_plan
from dispel4py.run import run
from dispel4py.workflow_graph import WorkflowGraph
from tests.draws import last_once

#: Workers that are spawned take seconds to start.
PLACES: list[dict[str, Any]] = [
    {},
    {"mapping": "multi", "processes": 1},
    {"mapping": "multi", "processes": 4},
    {"mapping": "multi", "processes": 4, "start_method": "spawn"},
]
POLICIES = [{}, {"on_error": "retry:1"}]


@pytest.mark.parametrize(("how", "policy"), last_once(PLACES, POLICIES))
def test_outputs_that_are_not_declared_collect_results(how, policy, caplog):
    assert old_workflows.written(**how, **policy) == EXPECTED_WRITTEN


def test_an_output_that_is_not_declared_gives_one_warning(caplog):
    old_workflows.written()
    (line,) = [r.getMessage() for r in caplog.records if "'errors'" in r.getMessage()]
    assert line.startswith("Writes1 writes to 'errors', which is not a declared output")


@pytest.mark.parametrize("how", PLACES)
@pytest.mark.parametrize("kind", KINDS)
def test_equal_keys_go_to_one_instance(how, kind):
    assert old_workflows.grouped(kind, **how) == EXPECTED_GROUPS


def test_old_workflows_under_mpi():
    program = str(HERE / "old_workflows.py")
    done = subprocess.run(
        [require_mpi(), "-n", "4", sys.executable, program],
        env=environment() | {"PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    expected = dict.fromkeys(KINDS, EXPECTED_GROUPS) | {"written": EXPECTED_WRITTEN}
    assert json.loads(done.stdout) == json.loads(json.dumps(expected))


def test_ranks_with_different_hashes_refuse_such_keys():
    code = (
        "import old_workflows; from dispel4py.run import run; "
        "old_workflows.grouped('station', mapping='mpi')"
    )
    variables = {k: v for k, v in environment().items() if k != "PYTHONHASHSEED"}
    done = subprocess.run(
        [require_mpi(), "-n", "4", sys.executable, "-c", code],
        env=variables,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 1
    assert (
        "cannot group by a Station: its hash differs between processes" in done.stderr
    )


def test_workers_keep_the_seed_that_the_user_has_set(monkeypatch):
    monkeypatch.setenv("PYTHONHASHSEED", "5")
    how = {"mapping": "multi", "processes": 4, "start_method": "spawn"}
    assert old_workflows.grouped("name", **how) == EXPECTED_GROUPS
    assert os.environ["PYTHONHASHSEED"] == "5"


@pytest.mark.parametrize("how", PLACES[1:])
def test_a_graph_in_a_file_with_dots(how, tmp_path):
    path = tmp_path / "squares.v1.py"
    path.write_text(
        "from dispel4py.base import IterativePE, ProducerPE\n"
        "from dispel4py.workflow_graph import WorkflowGraph\n"
        "class Two(ProducerPE):\n"
        "    def _process(self, inputs): return 2\n"
        "class Square(IterativePE):\n"
        "    def _process(self, data): return data ** 2\n"
        "graph = WorkflowGraph()\n"
        "graph.connect(Two(), 'output', Square(), 'input')\n"
    )
    words = ["multi", str(path), "-n", str(how["processes"])]
    if "start_method" in how:
        words += ["--start-method", how["start_method"]]
    done = subprocess.run(
        [sys.executable, "-m", "dispel4py", *words],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.stdout == "Square1.output: 1 item\n  4\n", done.stderr


def test_a_misspelt_output_is_refused_and_a_number_is_another_name():
    class Numbered(IterativePE):
        def _process(self, data: Any) -> None:
            self.write("output2", data)

    numbered = Numbered()
    result = run(chain(old_workflows.Count(), numbered))
    assert len(result.output(numbered.id, "output2")) == old_workflows.N


def counts(graph: WorkflowGraph, n: int) -> list[int]:
    plan = make_plan(graph, n, compat=True)
    return [len(plan.instances_of(k)) for k in range(len(plan.pes))]


def test_instances_as_dispel4py_1_counts_them():
    """By the rule of `_getNumProcesses`: one instance of a source, shares of others."""
    source, first, second = ProducerPE(), IterativePE(), IterativePE()
    graph = chain(source, first, second)
    assert counts(graph, 3) == [1, 1, 1]
    assert counts(graph, 6) == [1, 2, 2]  # one process has no work
    first.numprocesses, source.numprocesses = 3, 4
    assert counts(graph, 5) == [1, 3, 1]
    assert counts(graph, 10) == [1, 6, 2]
    plan = make_plan(graph, 10, compat=True)
    assert [i.process for i in plan.instances] == [*range(9)]


def test_partitions_as_dispel4py_1_makes_them():
    """With too few processes: the sources in one process, other PEs in the others."""
    source, first, second = ProducerPE(), IterativePE(), IterativePE()
    graph = chain(source, first, second)
    first.numprocesses = 3
    plan = make_plan(graph, 4, compat=True)
    processes = [[i.process for i in plan.instances_of(k)] for k in range(3)]
    assert processes == [[0], [1, 2, 3], [1, 2, 3]]
    graph.partitions, graph.numprocesses = [[source, first], [second]], [2, 1]
    plan = make_plan(graph, 4, compat=True)
    processes = [[i.process for i in plan.instances_of(k)] for k in range(3)]
    assert processes == [[0], [0], [1, 2, 3]]
    assert counts(graph, 1) == [1, 1, 1]


@pytest.mark.parametrize("words", [("-n", "6"), ("-n", "6", "--compat")])
def test_the_command_counts_as_the_user_wants(words):
    done = subprocess.run(
        [sys.executable, "-m", "dispel4py", "plan", "failing", "-a", "raising", *words],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert ("without work" in done.stdout) == ("--compat" in words)


def test_a_run_with_the_counts_of_dispel4py_1():
    graph = chain(old_workflows.Count(), Raising())
    with pytest.raises(RunError, match="three is too many"):
        run(graph, mapping="multi", processes=3, compat=True)
