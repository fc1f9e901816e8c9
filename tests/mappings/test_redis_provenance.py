"""Calls, names of items and provenance under the mapping ``redis``."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import graphs
import pytest
import records_seen
from calls_seen import Notes, read, received_names, sent_names
from hypothesis import HealthCheck, given, settings
from random_graphs import build, random_graphs
from redis_servers import Killer, sums
from test_provenance import Derives, Numbers, Refuses, all_values

from dispel4py.base import IterativePE, ProducerPE
from dispel4py.core import GenericPE
from dispel4py.errors import RunError
from dispel4py.lineage import COLLECTOR, INPUTS
from dispel4py.provenance.ingest import ingest
from dispel4py.provenance.instance_records import InstanceRecords
from dispel4py.provenance.lineage import lineage
from dispel4py.provenance.model import CALLS_PER_START
from dispel4py.provenance.questions import describe_run
from dispel4py.provenance.report import analyse
from dispel4py.provenance.store import open_store
from dispel4py.run import run
from dispel4py.trace import Trace
from tests.draws import chosen

CASES = chosen(graphs.FEW[::2], graphs.CASES)


@pytest.mark.parametrize("name", CASES)
def test_results_are_the_same_with_provenance(name, url, tmp_path):
    how = {"mapping": "redis", "processes": 3, "url": url}
    if graphs.CASES[name].at_most < 3:
        pytest.skip("for fewer processes")
    expected = graphs.outcome(name, mapping="simple")
    assert graphs.outcome(name, provenance=tmp_path, **how) == expected
    records_seen.check(records_seen.read(tmp_path))


@given(layout=random_graphs())
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
def test_random_graphs_give_the_same_and_join(layout, url, tmp_path_factory):
    graph, inputs = build(layout)
    expected = graphs.multisets(run(graph, inputs))
    records, notes = tmp_path_factory.mktemp("p"), tmp_path_factory.mktemp("notes")
    graph, inputs = build(layout)
    how = {"mapping": "redis", "processes": layout["processes"], "url": url}
    result = run(graph, inputs, provenance=records, observers=[Notes(notes)], **how)
    assert graphs.multisets(result) == expected
    seen = records_seen.read(records)
    records_seen.check(seen)
    assert len(seen.products) == sum(n_out for _, n_out in result.counts.values())
    calls = read(notes)
    sent, received = sent_names(calls), received_names(calls)
    results = {name for name in sent if name[0].destination == COLLECTOR}
    inputs = {name for name in received if name[0].source == INPUTS}
    assert set(sent) - results == set(received) - inputs
    assert set(sent.values()) | set(received.values()) <= {1}
    assert len(results) == sum(map(len, expected.values()))
    assert {name for p in seen.products for name in p["items"]} == {
        ".".join(map(str, (*key, number))) for key, number in sent
    }


def lost_names(seen: Any) -> set[str]:
    """Return the received items that no product has."""
    sent = {name for product in seen.products for name in product["items"]}
    received = {call["got"][1] for call in seen.calls if "got" in call}
    return {name for name in received - sent if not name.startswith("-2.")}


def values_by_name(seen: Any) -> dict[str, Any]:
    """Return the value of each named item; one name has one value."""
    values: dict[str, Any] = {}
    for product in seen.products:
        for name in product["items"]:
            value = product["terms"]["value"]
            assert values.setdefault(name, value) == value
    return values


def check_store(folder: Path, n_calls: int) -> None:
    """Check that a store takes all records, and knows the process of each call."""
    with contextlib.closing(open_store(folder)) as store:
        assert ingest(store, folder).n_cut == 0
        analysis = analyse(store, 1)
    processes = analysis["processes_used"]
    assert sum(process["n_calls"] for process in processes) == n_calls
    assert [process["process"] for process in processes] == sorted(
        int(path.stem.partition("-")[2])
        for path in folder.glob("*/prov-[0-9]*.jsonl")
        if b'"call"' in path.read_bytes()
    )


@pytest.mark.parametrize("seed", [1, 2])
def test_records_are_consistent_when_workers_are_killed(url, seed, tmp_path):
    graph, expected = sums(2000)
    with Killer(seed) as killer:
        how = {"processes": 5, "deliveries": 50, "url": url}
        result = run(graph, mapping="redis", provenance=tmp_path, **how)
    assert killer.n_kills > 0
    assert dict(result.output("Sums2")) == expected
    seen = records_seen.read(tmp_path)
    records_seen.check(seen, lost=True)
    received = Counter(call["got"][1] for call in seen.calls if "got" in call)
    assert max(received.values()) == 1  # no work is recorded twice
    check_store(tmp_path, len(seen.calls))
    # what is lost was sent by a process that was killed
    assert {name.split(".")[0] for name in lost_names(seen)} <= seen.unended


def die_once(mark: Path) -> None:
    """Kill this process, unless one was killed here before."""
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)


class Mortal(ProducerPE):
    """Sends numbers in two calls, in which its process is killed several times."""

    def __init__(self, marks: Path) -> None:
        super().__init__()
        self.marks, self.first = marks, 0

    def _process(self, inputs: Any) -> None:
        first, self.first = self.first, 21
        for number in range(first, first + 21):
            if number in (3, 17, 18, 32, 41):
                die_once(self.marks / str(number))
            self.write("output", number)


class Kept(IterativePE):
    """Passes items on; each of its instances has a stream of its own."""

    def __init__(self) -> None:
        super().__init__(2)
        self.stateful = True

    def _process(self, data: Any) -> Any:
        return data


def test_items_that_a_killed_call_had_sent_keep_their_names(url, tmp_path, monkeypatch):
    """Also in the middle of the round of a shuffle, after a commit."""
    monkeypatch.setattr("dispel4py.mappings.redis.desk._SLICE_S", 0.0)
    monkeypatch.setattr("dispel4py.mappings.redis.desk._SLICE_PER_SAVING", 0.0)
    monkeypatch.setattr("dispel4py.mappings.redis.desk._LONGEST_WAIT_S", 0.0)
    source, kept = Mortal(tmp_path), Kept()
    graph = graphs.chain(source, kept)
    how = {"mapping": "redis", "processes": 3, "url": url, "deliveries": 9}
    result = run(graph, 2, provenance=tmp_path / "records", **how)
    assert sorted(result.output(kept.id)) == [*range(42)]
    seen = records_seen.read(tmp_path / "records")
    records_seen.check(seen, lost=True)
    assert lost_names(seen) == set()  # the last worker has sent, or repeated, all
    own = [p for p in seen.of(source.id) if p["items"]]
    assert {p["n"] // CALLS_PER_START for p in own} > {own[-1]["n"] // CALLS_PER_START}
    values = values_by_name(seen)
    names = {call["got"][1] for call in seen.calls_of(kept.id) if "got" in call}
    assert sorted(values[name] for name in names) == [*range(42)]


class Dying(Derives):
    """Its process is killed at some items, and its state moves to other workers."""

    def __init__(self, derives: str, marks: Path) -> None:
        super().__init__(derives)
        self.marks = marks

    def process(self, inputs: Any) -> Any:
        if inputs["input"] in (2, 5, 6):
            die_once(self.marks / str(inputs["input"]))
        return super().process(inputs)


@pytest.mark.parametrize("pattern", ["each", "last 2", "batch", "accumulate"])
def test_derivations_continue_at_the_next_worker(pattern, url, tmp_path, monkeypatch):
    monkeypatch.setattr("dispel4py.mappings.redis.desk._SLICE_S", 0.0)
    monkeypatch.setattr("dispel4py.mappings.redis.desk._SLICE_PER_SAVING", 0.0)
    pe = Dying(pattern, tmp_path)
    how = {"mapping": "redis", "processes": 2, "url": url}
    records = tmp_path / "records"
    result = run(graphs.chain(graphs.Range(8), pe), provenance=records, **how)
    expected = result.output(pe.id)
    if pattern.startswith("last"):  # ``postprocess`` sends more
        expected[-1] = expected[-1][-2:]
    elif pattern == "each":
        del expected[-1]
    seen = records_seen.read(records)
    records_seen.check(seen)
    products = seen.of(pe.id)[: len(expected)]
    assert len({product["n"] // CALLS_PER_START for product in products}) > 1
    assert [all_values(seen, product) for product in products] == expected


@pytest.mark.parametrize("pattern", ["last 2", "accumulate", "matching"])
def test_calls_of_a_commit_that_a_killed_worker_did_not_write_are_marked(
    pattern, url, tmp_path, monkeypatch
):
    """A worker is killed between its commit and the records of the calls in it."""
    monkeypatch.setattr("dispel4py.mappings.redis.desk._SLICE_S", 0.0)
    monkeypatch.setattr("dispel4py.mappings.redis.desk._SLICE_PER_SAVING", 0.0)
    settle, pe = InstanceRecords.settle, Derives(pattern)

    def settle_or_die(records: Any, is_done: bool) -> None:
        is_later = records._pe_id == pe.id and records.n % CALLS_PER_START > 3
        if is_done and is_later:
            die_once(tmp_path / "mark")
        settle(records, is_done)

    monkeypatch.setattr(InstanceRecords, "settle", settle_or_die)
    how = {"mapping": "redis", "processes": 2, "url": url}
    folder = tmp_path / "records"
    run(graphs.chain(graphs.Range(8), pe), provenance=folder, **how)
    assert (tmp_path / "mark").exists()
    with contextlib.closing(open_store(folder)) as store:
        ingest(store, folder)
        described = describe_run(store, 1)
        numbers = [n for (n,) in store.rows("SELECT n FROM product ORDER BY n")]
        lost = lineage(store, numbers).lost
    assert described["calls_lost_with_their_process"] >= 1
    names_calls = any(text.endswith("calls that were lost") for _, text in lost)
    assert lost if pattern == "accumulate" else names_calls  # or the lost product


def test_work_that_others_repeated_is_not_recorded(url, tmp_path):
    """A worker that was stopped for longer than its lease continues later."""

    class Stopped(IterativePE):
        stateful = False

        def _process(self, data: Any) -> Any:
            if data == 7 and not (tmp_path / "mark").exists():
                (tmp_path / "mark").touch()
                pid = os.getpid()
                if not os.fork():
                    time.sleep(1.5)
                    os.kill(pid, signal.SIGCONT)
                    os._exit(0)
                os.kill(pid, signal.SIGSTOP)
            time.sleep(0.02)
            return data

    pe = Stopped()
    how = {"mapping": "redis", "processes": 3, "url": url, "lease_s": 0.4}
    records = tmp_path / "records"
    result = run(graphs.chain(graphs.Range(100), pe), provenance=records, **how)
    assert sorted(result.output(pe.id)) == [*range(100)]
    seen = records_seen.read(records)
    records_seen.check(seen)
    assert len(seen.calls_of(pe.id)) == 100 + len(pre(seen, pe))


def pre(seen: Any, pe: GenericPE) -> list[Any]:
    return [call for call in seen.calls_of(pe.id) if "got" not in call]


def test_a_failure_is_recorded_with_the_interrupted_call(url, tmp_path):
    source, refuses = Numbers(), Refuses()
    how = {"mapping": "redis", "processes": 2, "url": url}
    with pytest.raises(RunError, match="I do not like 2"):
        run(graphs.chain(source, refuses), provenance=tmp_path, **how)
    seen = records_seen.read(tmp_path)
    records_seen.check(seen, lost=True)
    assert seen.end["outcome"] == "failed"
    (failed,) = (call for call in seen.calls if "error" in call)
    assert (failed["outcome"], failed["error"]["message"]) == (
        "failed",
        "I do not like 2",
    )
    assert lost_names(seen) == set()


def test_skipped_and_unreadable_items_have_names(url, tmp_path):
    refuses = Refuses()
    how = {"mapping": "redis", "processes": 2, "url": url, "on_error": "skip"}
    graph = graphs.chain(Shy(), graphs.Pass(), refuses)
    result = run(graph, provenance=tmp_path, **how)
    assert result.n_failures == 2
    seen = records_seen.read(tmp_path)
    records_seen.check(seen)
    errors = [call["error"]["message"] for call in seen.calls if "error" in call]
    assert len(errors) == 2
    assert any("I cannot be read" in message for message in errors)


class Closed:
    """An item that cannot be unpickled."""

    def __reduce__(self) -> Any:
        return _read_closed, ()


def _read_closed() -> Any:
    raise ValueError("I cannot be read")


class Shy(ProducerPE):
    """Sends numbers, and an item that cannot be read."""

    def _process(self, inputs: Any) -> None:
        for item in (0, 1, Closed(), 2, 3):
            self.write("output", item)


class Adds(IterativePE):
    """Writes to outputs that it does not declare."""

    def _process(self, data: Any) -> Any:
        self.write("even" if data % 2 == 0 else "odd", data)
        return data


def test_items_of_undeclared_outputs_have_names(url, tmp_path):
    pe = Adds()
    how = {"mapping": "redis", "processes": 2, "url": url}
    result = run(graphs.chain(graphs.Range(30), pe), provenance=tmp_path, **how)
    assert sorted(result.output(pe.id, "odd")) == [*range(1, 30, 2)]
    assert sorted(result.output(pe.id, "even")) == [*range(0, 30, 2)]
    seen = records_seen.read(tmp_path)
    records_seen.check(seen)
    assert len(values_by_name(seen)) == 90


def test_a_trace_has_all_calls(url, tmp_path):
    trace = tmp_path / "trace.json"
    how = {"mapping": "redis", "processes": 2, "url": url}
    graph = graphs.chain(graphs.Range(20), graphs.Pass())
    run(graph, observers=[Trace(trace)], **how)
    events = json.loads(trace.read_text())["traceEvents"]
    assert sum(event["name"].startswith("Pass") for event in events) == 20
