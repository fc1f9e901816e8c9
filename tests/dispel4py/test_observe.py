"""Observers see a run, take no part in it, and may fail alone."""

import logging
from pathlib import Path

import pytest

from dispel4py.base import ConsumerPE, IterativePE, ProducerPE
from dispel4py.errors import RunError
from dispel4py.lineage import PROCESS
from dispel4py.mappings import wiring, worker
from dispel4py.observe import Observer, Observers
from dispel4py.run import run
from dispel4py.workflow_graph import WorkflowGraph


class Numbers(ProducerPE):
    def _process(self, inputs):
        for number in range(5):
            self.write("output", number)


class Leaf(ConsumerPE):
    def _process(self, data):
        pass


class Reciprocal(IterativePE):
    def _process(self, data):
        return 1 / data


def graph():
    workflow = WorkflowGraph()
    workflow.connect(Numbers(), "output", Reciprocal(), "input")
    return workflow


class Everything(Observer):
    def __init__(self):
        self.seen = []

    def started(self, plan):
        self.seen.append(("started", plan.n_processes))

    def worker_started(self, plan, process):
        self.seen.append(("worker started", process))

    def called(self, call):
        assert call.ended >= call.began
        if call.phase == PROCESS:
            self.seen.append(("called", call.instance.pe_id, call.port, call.item))

    def emitted(self, instance, port, item):
        self.seen.append(("emitted", instance.pe_id, port, item))

    def failed(self, failure):
        self.seen.append(("failed", failure.pe_id))

    def worker_finished(self, process):
        self.seen.append(("worker finished", process))

    def finished(self, result):
        self.seen.append(("finished", len(result.failures)))


def test_a_run_is_seen_whole():
    watch = Everything()
    run(graph(), on_error="skip", observers=[watch])
    assert watch.seen[:2] == [("started", 1), ("worker started", 0)]
    assert watch.seen[-1] == ("finished", 1)
    assert ("failed", "Reciprocal1") in watch.seen
    assert ("worker finished", 0) in watch.seen
    assert ("called", "Numbers0", None, {}) in watch.seen
    assert ("called", "Reciprocal1", "input", 2) in watch.seen
    assert ("emitted", "Reciprocal1", "output", 0.5) in watch.seen
    n_emitted = sum(event[0] == "emitted" for event in watch.seen)
    assert n_emitted == 5 + 4


class Files(Observer):
    """Writes the events of the workers to files."""

    def __init__(self, folder):
        self.folder = folder

    def worker_started(self, plan, process):
        (Path(self.folder) / f"process-{process}").touch()

    def called(self, call):
        if call.phase == PROCESS:
            (Path(self.folder) / f"{call.instance.pe_id}-{call.item}").touch()


@pytest.mark.parametrize("start_method", ["fork", "spawn"])
def test_observers_are_called_in_the_workers(tmp_path, start_method):
    run(
        graph(),
        mapping="multi",
        processes=2,
        on_error="skip",
        observers=[Files(str(tmp_path))],
        start_method=start_method,
    )
    seen = {path.name for path in tmp_path.iterdir()}
    assert seen == {
        *("process-0", "process-1", "Numbers0-{}"),
        *(f"Reciprocal1-{number}" for number in range(5)),
    }


@pytest.mark.parametrize("mapping", ["simple", "multi"])
def test_an_observer_that_fails_is_dropped(mapping, caplog):
    class Broken(Observer):
        n_calls = 0

        def failed(self, failure):
            self.n_calls += 1
            raise ValueError("cannot draw")

    class Miscounts(Observer):
        def called(self, call):
            raise ValueError("cannot count")

    watch = Broken()
    with caplog.at_level(logging.CRITICAL):
        result = run(
            *(graph(), None, mapping, 2),
            on_error="skip",
            observers=[watch, Miscounts()],
        )
    assert sorted(result.output("Reciprocal1")) == [0.25, 1 / 3, 0.5, 1.0]
    assert watch.n_calls == 1


def test_an_observer_that_fails_is_reported_once_and_switched_off(caplog):
    class Broken(Observer):
        n_calls = 0

        def started(self, plan):
            raise ValueError("no terminal")

        def called(self, call):
            self.n_calls += 1

    broken, other = Broken(), Everything()
    run(graph(), on_error="skip", observers=[broken, other])
    assert broken.n_calls == 0
    assert [record.message for record in caplog.records] != []
    assert sum("switched off" in record.message for record in caplog.records) == 1
    assert ("called", "Reciprocal1", "input", 2) in other.seen


@pytest.mark.parametrize("mapping", ["simple", "multi"])
def test_observers_learn_of_a_failed_run(mapping):
    watch = Everything()
    with pytest.raises(RunError):
        run(graph(), mapping=mapping, processes=2, observers=[watch])
    if mapping == "multi":  # the mapping simple reports it by the exception
        assert ("failed", "Reciprocal1") in watch.seen
    assert ("finished", 0) not in watch.seen


def test_progress_is_reported_during_a_run():
    class Progress(Observer):
        counts = None

        def progress(self, counts):
            self.counts = counts

    for mapping in ("simple", "multi"):
        watch = Progress()
        run(graph(), mapping=mapping, processes=2, on_error="skip", observers=[watch])
        assert watch.counts == {"Numbers0": (1, 5, 0, 0), "Reciprocal1": (5, 4, 0, 1)}


@pytest.mark.parametrize(("mapping", "n"), [("simple", 1), ("multi", 1), ("multi", 2)])
def test_progress_is_reported_within_a_call_that_writes_many_items(
    mapping, n, monkeypatch
):
    monkeypatch.setattr(worker, "PROGRESS_SECONDS", -1.0)
    monkeypatch.setattr(wiring, "LOOK_SECONDS", -1.0)
    seen = []

    class Progress(Observer):
        def progress(self, counts):
            seen.append(counts["Numbers0"].n_out)

    workflow = WorkflowGraph()
    workflow.connect(Numbers(), "output", Leaf(), "input")
    run(workflow, mapping=mapping, processes=n, observers=[Progress()])
    assert seen[-1] == 5
    assert any(0 < given < 5 for given in seen)


def test_events_without_a_listener_cost_nothing():
    assert Observers([Observer()]).listener("called") is None
    assert Observers([Everything()]).listener("called") is not None
    assert Observers([Observer()]).at_worker().members == []


def test_an_observer_needs_no_base_class():
    class Plain:
        n = 0

        def finished(self, result):
            self.n += 1

    watch = Plain()
    run(graph(), on_error="skip", observers=[watch])
    assert watch.n == 1
