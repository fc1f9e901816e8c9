"""The mapping ``spark`` on this host: the results of all cases, failures, observers."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any

import graphs
import misfits
import pytest
from calls_seen import Notes, check_joined, read
from hypothesis import HealthCheck, given, settings
from programs import SHORT_JAVA
from random_graphs import given_by, random_graphs

from dispel4py.base import IterativePE, ProducerPE
from dispel4py.core import GenericPE
from dispel4py.dead_letters import read_letters
from dispel4py.errors import MappingUnavailable, ParameterError, RunError
from dispel4py.mappings import get_mapping, mapping_class
from dispel4py.mappings.spark.records import Outgoing, items_by_route
from dispel4py.message import Unreadable
from dispel4py.plan import make_plan
from dispel4py.run import run
from dispel4py.testing.conformance import Conformance
from dispel4py.workflow_graph import WorkflowGraph
from seismo_pes.whole_file import whole_file
from tests.draws import chosen

MASTER = {"mapping": "spark", "master": "local[2]"}


@pytest.fixture(scope="module")
def spark() -> Any:
    """Skip without Spark; end its program after the last test of this file."""
    try:
        mapping_class("spark").require()
    except MappingUnavailable as reason:
        pytest.skip(str(reason))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SHORT_JAVA.items():
            patch.setenv(name, value)
        yield
    from pyspark import SparkContext

    from dispel4py.mappings.spark.context import stop_context

    stop_context()
    gateway = SparkContext._gateway
    if gateway is not None:
        gateway.shutdown()
        gateway.proc.stdin.close()
        gateway.proc.wait()
        SparkContext._gateway = SparkContext._jvm = None


# ------------------------------------------------------------------ conformance


@pytest.mark.usefixtures("spark")
class TestConformance(Conformance):
    mapping = "spark"
    options = {"master": MASTER["master"]}  # noqa: RUF012
    processes = (2,)
    cases = chosen(graphs.FEW, graphs.CASES)
    n_random_graphs = 1  # hypothesis draws more below
    stops_streams = False  # a source has ended before the next stage starts


@settings(
    max_examples=5,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(random_graphs())
def test_random_graphs(spark, tmp_path_factory, layout):
    folder = tmp_path_factory.mktemp("calls")
    how = {"processes": layout["processes"], "observers": [Notes(folder)]}
    assert given_by(layout, **how, **MASTER) == given_by(layout)
    check_joined(read(folder))


# --------------------------------------------------------------------- failures


class Numbers(ProducerPE):
    """Sends 0 to 99."""

    def _process(self, inputs: Any) -> None:
        for number in range(100):
            self.write("output", number)


class Fails(IterativePE):
    """Fails on 70."""

    def _process(self, number: Any) -> Any:
        if number == 70:
            raise ValueError("seventy")
        return number


class Killed(IterativePE):
    """Kills its process at item 70, as often as a file does not exist."""

    def __init__(self, folder: Path, times: int = 1) -> None:
        super().__init__()
        self.folder, self.times = str(folder), times

    def _process(self, number: Any) -> Any:
        if number == 70:
            for k in range(self.times):
                mark = Path(self.folder, f"killed-{k}")
                if not mark.exists():
                    mark.touch()
                    os.kill(os.getpid(), signal.SIGKILL)
        return number


class Writes(GenericPE):
    """Writes a file at its end, and sends the sum of its items."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._add_input("input", grouping="global")
        self._add_output("output")
        self.folder, self.items = str(folder), []

    def process(self, inputs: dict[str, Any]) -> None:
        self.items.append(inputs["input"])

    def postprocess(self) -> None:
        Path(self.folder, "finished").touch()
        self.write("output", sum(self.items))


def workflow(middle: GenericPE, folder: Path) -> tuple[WorkflowGraph, GenericPE]:
    graph, source, sink = WorkflowGraph(), Numbers(), Writes(folder)
    graph.connect(source, "output", middle, "input")
    graph.connect(middle, "output", sink, "input")
    return graph, sink


def test_a_failure_ends_the_run_before_later_pes_start(spark, tmp_path):
    graph, _ = workflow(Fails(), tmp_path)
    with pytest.raises(RunError) as caught:
        run(graph, processes=2, **MASTER)
    (failure,) = caught.value.failures
    where = failure.pe_id, failure.instance, failure.phase, failure.port, failure.item
    assert where == ("Fails1", 0, "process", "input", "70")
    assert failure.cause == "ValueError: seventy"
    assert "_process" in failure.traceback
    assert not Path(tmp_path, "finished").exists()


def test_skipped_items_can_be_run_again(spark, tmp_path):
    letters = tmp_path / "letters"
    graph, sink = workflow(Fails(), tmp_path)
    how = {"on_error": "skip", "dead_letters": letters, **MASTER}
    result = run(graph, processes=2, **how)
    assert result.output(sink.id) == [sum(range(100)) - 70]
    assert [f.item for f in result.failures] == ["70"]
    graph, sink = workflow(Killed(tmp_path, times=0), tmp_path)
    again = read_letters(letters)
    middle = graph.pes[1]
    middle.id = "Fails1"
    result = run(graph, letters=again, processes=2, **MASTER)
    assert result.output(sink.id) == [70]


def test_a_killed_python_process_is_replaced(spark, tmp_path):
    graph, sink = workflow(Killed(tmp_path), tmp_path)
    result = run(graph, processes=2, **MASTER)
    assert result.output(sink.id) == [sum(range(100))]
    assert Path(tmp_path, "killed-0").exists()
    assert result.counts["Killed1"] == (100, 100)


def test_a_process_that_is_always_killed_ends_the_run(spark, tmp_path):
    graph, _ = workflow(Killed(tmp_path, times=99), tmp_path)
    with pytest.raises(RunError) as caught:
        run(graph, processes=2, **MASTER)
    (failure,) = caught.value.failures
    assert (failure.pe_id, failure.instance, failure.phase) == ("Killed1", 0, "worker")
    assert "Python worker exited unexpectedly" in failure.cause
    assert len(list(tmp_path.glob("killed-*"))) == 4
    assert not Path(tmp_path, "finished").exists()


class WritesFiles(IterativePE):
    """Writes a file for each item; the first process is killed in the middle of one."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def _process(self, number: Any) -> Any:
        with whole_file(self.folder / f"{number}.txt", sync=False) as path:
            path.write_text("half ")
            mark = self.folder / "killed"
            if number == 70 and not mark.exists():
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            path.write_text(f"number {number}")
        return number


def test_files_of_a_killed_process_are_written_again_and_are_whole(spark, tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    graph, sink = workflow(WritesFiles(folder), tmp_path)
    result = run(graph, processes=2, **MASTER)
    assert result.output(sink.id) == [sum(range(100))]
    found = {path.name: path.read_text() for path in folder.iterdir()}
    assert found.pop("killed") == ""
    assert found == {f"{k}.txt": f"number {k}" for k in range(100)}


def test_misfits_are_those_of_simple(spark, tmp_path):
    misfits.assert_same(tmp_path, "spark")


# ------------------------------------------------------------- inputs, observers


def test_an_iterator_of_inputs_is_distributed(spark):
    graph, source = WorkflowGraph(), graphs.Pass()
    graph.add(source)
    result = run(graph, ({"input": k} for k in range(7)), processes=3, **MASTER)
    assert sorted(result.output(source.id)) == list(range(7))


class Progress:
    """Keeps the last counts of a run."""

    counts: Any = None

    def progress(self, counts: Any) -> None:
        self.counts = counts


def test_progress_is_reported(spark, tmp_path):
    graph, sink = workflow(Killed(tmp_path, times=0), tmp_path)
    seen = Progress()
    run(graph, processes=2, observers=[seen], measure=True, **MASTER)
    assert seen.counts[sink.id][:2] == (100, 1)


# ---------------------------------------------------------------- without Spark


@pytest.mark.parametrize("master", ["local[", "mesos://h:1", "h:7077", ""])
def test_an_unknown_master_is_refused(master):
    with pytest.raises(ParameterError, match="master"):
        get_mapping("spark", master=master)


@pytest.mark.parametrize(
    "master", ["yarn", "k8s://https://host:6443", "spark://h:7077"]
)
def test_settings_for_a_cluster(master, tmp_path):
    """What is known without a cluster: the settings that Spark gets."""
    from dispel4py.mappings.spark.context import _settings

    archive, modules = tmp_path / "environment.tar.gz", tmp_path / "modules.zip"
    archive.touch()
    modules.touch()
    files = {"environment": str(archive), "py_files": str(modules)}
    settings = _settings(get_mapping("spark", master=master, **files).options)
    assert settings["spark.master"] == master
    assert settings["spark.archives"] == f"{archive}#environment"
    assert settings["spark.dispel4py.files"] == str(modules)


@pytest.mark.parametrize("option", ["environment", "py_files"])
def test_a_file_that_is_absent_is_refused(option, tmp_path):
    with pytest.raises(ParameterError, match="no such file"):
        get_mapping("spark", **{option: str(tmp_path / "absent.zip")})


def test_a_master_that_does_not_answer_is_refused(spark):
    from dispel4py.mappings.spark.context import _check_reachable

    with pytest.raises(MappingUnavailable, match="no master"):
        _check_reachable("spark://127.0.0.1:1")


def test_a_signal_interrupts_the_wait_for_spark_and_not_its_call():
    from dispel4py.mappings.spark.context import call_in_thread

    has_begun, is_cancelled = threading.Event(), threading.Event()

    def interrupt():
        has_begun.wait()
        os.kill(os.getpid(), signal.SIGINT)

    def work():
        has_begun.set()
        return is_cancelled.wait(60)

    sender = threading.Thread(target=interrupt)
    sender.start()
    with pytest.raises(KeyboardInterrupt):
        call_in_thread(work, is_cancelled.set)
    sender.join()
    assert is_cancelled.is_set()
    assert call_in_thread(lambda: 3) == 3
    with pytest.raises(ZeroDivisionError):
        call_in_thread(lambda: 1 // 0)


def test_each_instance_is_a_process_of_its_own_in_stages():
    graph, _ = workflow(Fails(), Path())
    plan = make_plan(graph, 3, apart=True)
    assert [spec.process for spec in plan.instances] == list(range(plan.n_processes))
    assert [len(plan.instances_of(k)) for k in range(3)] == [1, 3, 1]
    assert not any(route.stays_local for route in plan.routes)


def test_records_keep_the_order_of_items_also_through_a_file(monkeypatch):
    from dispel4py.lineage import Key
    from dispel4py.mappings.spark import records

    monkeypatch.setattr(records, "_MEMORY_BYTES", 50_000)
    outgoing = Outgoing([])
    channels = [outgoing.channel(Key(0, route, 4), 4, 0) for route in (0, 1)]
    for k in range(3000):
        channels[k % 2].put([k] * 30)
    assert outgoing._file is not None
    records = [*outgoing.take(), *outgoing.take(is_last=True)]
    assert [key for key, _ in records] == [(4, k, 0) for k in range(len(records))]
    items = [
        (route, item)
        for _, content in records
        for route, group in items_by_route(content)
        for item in group
    ]
    assert items == [(k % 2, [k] * 30) for k in range(3000)]
    assert [*outgoing.take(is_last=True)] == []


def test_an_item_that_cannot_be_read_is_marked():
    ((route, items),) = items_by_route([(3, 1), (3, b"no pickle", [])])
    assert (route, items[0], type(items[1])) == (3, 1, Unreadable)


# ------------------------------------------------------------ all at the same time


@pytest.mark.usefixtures("spark")
class TestConformanceOfBarriers(Conformance):
    mapping = "spark"
    options = {"master": MASTER["master"], "barrier": True}  # noqa: RUF012
    processes = (2,)
    cases = ("diamond", "group_by_odd_keys", "arrays_of_every_kind")
    n_random_graphs = 1


class FirstItems(IterativePE):
    """Stops the stream after five items."""

    n = 0

    def _process(self, item: Any) -> Any:
        self.n += 1
        if self.n == 5:
            self.stop_stream()
        return item if self.n <= 5 else None


def test_a_stream_without_an_end_is_stopped_by_an_element(spark):
    first = FirstItems()
    graph = graphs.chain(graphs.Pass(), graphs.alone(first))
    endless = ({"input": k} for k in iter(int, 1))
    result = run(
        graph, {graph.roots()[0]: endless}, processes=2, barrier=True, **MASTER
    )
    assert result.output(first.id) == [0] * 5


def test_too_few_cores_for_a_barrier_are_refused(spark):
    with pytest.raises(MappingUnavailable, match=r"^3 processes need a core of Spark"):
        graphs.outcome("diamond", processes=3, barrier=True, **MASTER)


def test_a_killed_process_of_a_barrier_ends_the_run(spark, tmp_path):
    graph, _ = workflow(Killed(tmp_path), tmp_path)
    item = (
        r"(input 'input' = 70|an item made of inputs \{\})"  # of another process or not
    )
    with pytest.raises(RunError, match=rf"Killed1 .* on {item}: killed by signal SIGK"):
        run(graph, processes=2, barrier=True, **MASTER)
