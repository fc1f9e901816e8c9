"""The records of calls for observers: every item is sent once, and received once."""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import graphs
import pytest
from calls_seen import Notes, check_joined, read, received_names, sent_names
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from programs import HERE, environment, require_mpi
from random_graphs import build, given_by, random_graphs

from dispel4py.base import IterativePE, ProducerPE
from dispel4py.core import GenericPE
from dispel4py.errors import RunError
from dispel4py.lineage import (
    COLLECTOR,
    DONE,
    FAILED,
    INPUTS,
    INTERRUPTED,
    POSTPROCESS,
    PREPROCESS,
    PROCESS,
    SKIPPED,
    Key,
    ends_of,
)
from dispel4py.observe import Observer
from dispel4py.plan import make_plan
from dispel4py.run import run
from dispel4py.testing import Simulation, simulate
from dispel4py.workflow_graph import WorkflowGraph
from tests.draws import chosen

PLACES = [("simple", 1), ("multi", 1), ("multi", 3)]
UNDER_MULTI = chosen(graphs.FEW, graphs.CASES)


class Calls(Observer):
    """Keeps calls, if the workers are in this process."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def called(self, call: Any) -> None:
        self.calls.append(call)

    def of(self, pe: GenericPE, phase: str = PROCESS) -> list[Any]:
        return [c for c in self.calls if c.instance.pe_id == pe.id and c.phase == phase]


class Numbers(ProducerPE):
    """Sends 0 to n - 1 in one call."""

    def __init__(self, n: int = 5) -> None:
        super().__init__()
        self.n = n

    def _process(self, inputs: Any) -> None:
        for k in range(self.n):
            self.write("output", k)


class Twice(IterativePE):
    """Sends each item twice, and the number of items at the end."""

    n = 0

    def _process(self, data: Any) -> None:
        self.n += 1
        self.write("output", data)
        self.write("output", data)

    def _postprocess(self) -> None:
        self.write("output", -self.n)


class Picky(IterativePE):
    """Fails on 3 after it has written, and on 1 in the first two attempts."""

    attempts = 0

    def _process(self, data: Any) -> Any:
        if data == 3:
            self.write("output", "half")
            raise ValueError("I do not like 3")
        if data == 1 and self.attempts < 2:
            self.attempts += 1
            raise ValueError("not yet")
        return data


def chain(*pes: Any) -> WorkflowGraph:
    graph = WorkflowGraph()
    for source, sink in itertools.pairwise(pes):
        graph.connect(source, "output", sink, "input")
    return graph


def test_a_call_has_the_items_received_and_sent():
    source, twice, seen = Numbers(3), Twice(), Calls()
    graph = chain(source, twice)
    run(graph, observers=[seen])
    plan = make_plan(graph, 1)
    (call,) = seen.of(source)
    between, results = Key(0, 0, 1), Key(1, -1, COLLECTOR)
    assert call.received.channel == Key(INPUTS, 0, 0)
    assert call.received.names == [(Key(INPUTS, 0, 0), 0)]
    assert [(s.port, s.channel, s.first, s.n) for s in call.sent] == [
        ("output", between, 0, 3)
    ]
    first, second, third = seen.of(twice)
    assert (second.port, second.item, second.outcome) == ("input", 1, DONE)
    assert second.received.names == [(between, 1)]
    assert second.sent[0].names == [(results, 2), (results, 3)]
    assert call.began <= first.began <= first.ended <= third.began <= call.ended
    (last,) = seen.of(twice, POSTPROCESS)
    assert (last.received, last.sent[0].names) == (None, [(results, 6)])
    assert len(seen.of(twice, PREPROCESS)) == 1
    ends = ends_of(plan, between)
    assert (ends.source.pe_id, ends.output) == (source.id, "output")
    assert (ends.destination.pe_id, ends.input) == (twice.id, "input")
    assert ends_of(plan, results)[1:] == ("output", None, None)
    assert ends_of(plan, Key(INPUTS, 0, 0)).destination.pe_id == source.id


@pytest.mark.parametrize("policy", ["skip", "retry:2"])
def test_a_call_has_its_outcome(policy):
    source, picky, last, seen = Numbers(5), Picky(), IterativePE(), Calls()
    last._process = lambda data: data
    run(chain(source, picky, last), on_error=policy, observers=[seen])
    calls = {call.item: call for call in seen.of(picky)}
    is_retried = policy != "skip"
    assert calls[0].ending == (DONE, 1, None)
    assert calls[3].outcome == SKIPPED
    assert "I do not like 3" in calls[3].failure.cause
    assert calls[3].attempts == (3 if is_retried else 1)
    assert calls[1].outcome == (DONE if is_retried else SKIPPED)
    assert calls[1].attempts == (3 if is_retried else 1)
    # items that a skipped call wrote before its failure were sent; items of a failed
    # attempt were not
    assert sum(items.n for items in calls[3].sent) == (0 if is_retried else 1)


def test_the_failure_that_ends_a_run_is_reported_with_the_interrupted_calls():
    source, picky, seen = Numbers(5), Picky(), Calls()
    picky.attempts = 2
    with pytest.raises(RunError):
        run(chain(source, picky), observers=[seen])
    (call,) = seen.of(source)
    assert (call.outcome, call.failure) == (INTERRUPTED, None)
    *_, failed = seen.of(picky)
    assert (failed.item, failed.outcome) == (3, FAILED)
    assert sum(items.n for items in call.sent) == 4  # the failing item was received


@pytest.mark.parametrize(("mapping", "n"), PLACES)
@pytest.mark.parametrize("grouping", [None, [0], "all", "global", "own"])
@pytest.mark.parametrize("policy", ["stop", "skip", "retry:1"])
def test_sent_and_received_items_join(mapping, n, grouping, policy, tmp_path):
    class Both(GenericPE):
        """Writes to both outputs, and fails on some items if failures are allowed."""

        def __init__(self) -> None:
            super().__init__(2)
            self._add_input("input", grouping=own if grouping == "own" else grouping)
            self._add_output("output")
            self._add_output("other")

        def process(self, inputs: Any) -> Any:
            value = inputs["input"][0]
            self.write("other", (value,))
            if value % 7 == 3 and policy != "stop":
                raise ValueError(value)
            return {"output": (value,)}

        def postprocess(self) -> None:
            self.write("output", (-1,))

    def own(item: Any, m: int) -> list[int]:
        return [k for k in range(m) if (item[0] + k) % 3]

    class Tuples(Numbers):
        def _process(self, inputs: Any) -> None:
            for k in range(40):
                self.write("output", (k,))

    source, first, second = Tuples(), Both(), Both()
    graph = chain(source, first, second)
    graph.connect(first, "other", second, "input")
    how = {"mapping": mapping, "processes": n, "on_error": policy}
    watched = run(graph, observers=[Notes(tmp_path)], **how)
    calls = read(tmp_path)
    n_results = sum(
        len(items) for ports in watched.outputs.values() for items in ports.values()
    )
    check_joined(calls, n_results)
    n_skipped = sum(call.outcome == SKIPPED for call in calls)
    assert n_skipped == watched.n_failures
    assert (n_skipped > 0) == (policy != "stop")


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(random_graphs())
def test_observers_change_nothing_in_random_graphs(layout):
    expected = given_by(layout)
    how = {"mapping": "multi", "processes": layout["processes"]}
    for place in ({}, how):
        with tempfile.TemporaryDirectory() as folder:
            result = given_by(layout, observers=[Notes(Path(folder))], **place)
            assert result == expected
            check_joined(read(Path(folder)), sum(map(len, expected.values())))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(random_graphs(), st.integers(0, 1000))
def test_any_order_of_events_gives_the_same_results(layout, seed):
    """Several workers in one process, in virtual time."""
    graph, inputs = build(layout)
    clock = Simulation(seed, delay_s=0.001 * (seed % 3))
    with tempfile.TemporaryDirectory() as folder:
        result = simulate(
            *(graph, inputs, layout["processes"], "stop", [Notes(Path(folder))]), clock
        )
        expected = given_by(layout)
        assert graphs.multisets(result) == expected
        check_joined(read(Path(folder)), sum(map(len, expected.values())))


@settings(
    max_examples=2,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(st.integers(2, 5), st.lists(random_graphs(), min_size=6, max_size=6))
def test_observers_change_nothing_under_mpi(n, layouts):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "layouts.json"
        path.write_text(json.dumps(layouts))
        program = str(HERE / "calls_seen.py")
        done = subprocess.run(
            [require_mpi(), "-n", str(n), sys.executable, program, str(path), folder],
            env=environment(),
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        expected = [given_by(layout) for layout in layouts]
        assert json.loads(done.stdout) == expected
        for k, outputs in enumerate(expected):
            check_joined(read(Path(folder) / str(k)), sum(map(len, outputs.values())))


@pytest.mark.parametrize("mapping", ["simple", "multi"])
def test_observers_change_nothing_in_the_conformance_graphs(mapping, tmp_path):
    changed = []
    for name in graphs.CASES if mapping == "simple" else UNDER_MULTI:
        folder = tmp_path / name
        folder.mkdir()
        how = {} if mapping == "simple" else {"mapping": "multi", "processes": 3}
        seen = graphs.outcome(name, observers=[Notes(folder)], **how)
        check_joined(read(folder))
        if seen != graphs.outcome(name, mapping="simple"):
            changed.append(name)
    assert not changed


class Deadly(GenericPE):
    """Sends several items for each item; its process is killed at some moments.

    Parameters
    ----------
    marks : Path
        Has a file for each moment that has passed, in seconds after the start.
    moments : list of float
        The moments.
    """

    stateful = False

    def __init__(self, marks: Path, moments: list[float]) -> None:
        super().__init__()
        self._add_input("input")
        self._add_output("output")
        self._add_output("other")
        self.marks, self.moments = marks, moments

    def preprocess(self) -> None:
        for k, moment in enumerate(self.moments):
            try:
                (self.marks / f"{k}").touch(exist_ok=False)
            except FileExistsError:
                continue
            kill = threading.Timer(moment, os.kill, (os.getpid(), signal.SIGKILL))
            kill.daemon = True
            kill.start()
            return

    def process(self, inputs: Any) -> Any:
        item = inputs["input"]
        for k in range(item % 4):
            self.write("output", f"{item}.{k}")
            time.sleep(0.0005)
        return {"other": f"{item} other"}

    def postprocess(self) -> None:
        self.write("other", "end")


class Passing(IterativePE):
    """Passes items on; it can be started again."""

    def _process(self, data: Any) -> Any:
        return data


def check_equal_names(calls: list[Any], restarted: set[int]) -> None:
    """Check the names of items that restarted instances sent before and send again.

    The values of the items of a channel differ. So an item that is sent again has the
    value of the item that was sent before, and must have its name.
    """
    value_of: dict[Any, str] = {}
    name_of: dict[Any, Any] = {}
    sent_by: dict[Any, dict[Key, list[int]]] = {}
    for call in calls:
        if not call.received:
            continue
        name = Key(*call.received[:3]), call.received[3]
        assert value_of.setdefault(name, call.item) == call.item
        which = name[0].source, name[0].route, call.item
        if name[0].source in restarted:
            assert name_of.setdefault(which, name) == name
        if call.instance in restarted and call.outcome == DONE:
            sent = {Key(*s[:3]): list(range(s[3], s[3] + s[4])) for s in call.sent}
            assert sent_by.setdefault(name, sent) == sent


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(("processes", "n_deadly"), [(4, 1), (6, 2), (2, 1)])
def test_a_restarted_worker_repeats_names(tmp_path, seed, processes, n_deadly):
    """Also the choice of instances, and items in the middle of a call."""
    moments = [random.Random(seed).uniform(0.01, 0.2) for _ in range(2 * n_deadly)]
    deadly = Deadly(tmp_path, moments)
    first, second = Passing(), Passing()
    graph = chain(Numbers(300), deadly, first)
    graph.connect(deadly, "other", second, "input")
    graph.connect(first, "output", second, "input")
    if processes > 2:
        deadly.numprocesses = n_deadly
    else:  # the PEs after the deadly one are in its process
        graph.partitions = [[graph.pes[0]], graph.pes[1:]]
    result = run(
        *(graph, None, "multi", processes),
        restart_workers=True,
        observers=[Notes(tmp_path)],
    )
    restarted = {r.process for r in result.processes if r.restarts}
    assert restarted
    calls = read(tmp_path)
    check_equal_names(calls, {c.instance for c in calls if c.process in restarted})
    sent, received = sent_names(calls), received_names(calls)
    results = {name for name in sent if name[0].destination == COLLECTOR}
    # the last call of a killed worker is not reported
    inputs = {name for name in received if name[0].source == INPUTS}
    assert set(received) - inputs <= set(sent)
    assert set(sent) - results <= set(received)


def test_an_observer_of_items_may_fail():
    class Fails(Observer):
        def emitted(self, instance: Any, port: str, item: Any) -> None:
            raise ValueError("broken")

    result = run(chain(Numbers(3), Twice()), observers=[Fails()])
    assert len(result.output("Twice1")) == 7
    assert Counter(result.output("Twice1"))[-3] == 1
