"""The policies for failing items: skipped, tried again, stored, run again."""

from __future__ import annotations

import json
import os
import pickle
import signal
import stat
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from dispel4py.base import ConsumerPE, IterativePE, ProducerPE
from dispel4py.core import GenericPE
from dispel4py.dead_letters import read_letters
from dispel4py.errors import InputError, ParameterError, RunError
from dispel4py.mappings.collector import Collector
from dispel4py.mappings.wire import DONE, PROGRESS
from dispel4py.observe import Observers
from dispel4py.plan import make_plan
from dispel4py.result import InstanceReport, ProcessReport
from dispel4py.run import run
from dispel4py.summary import as_dict, as_text, brief
from dispel4py.testing import feed
from dispel4py.trace import Trace
from dispel4py.workflow_graph import WorkflowGraph

MAPPINGS = [("simple", None), ("multi", 1), ("multi", 3), ("multi", 5)]


@pytest.fixture(params=MAPPINGS, ids=[f"{m}-{n}" for m, n in MAPPINGS])
def how(request) -> dict:
    mapping, processes = request.param
    return {"mapping": mapping, "processes": processes}


class Numbers(ProducerPE):
    def __init__(self, n: int) -> None:
        super().__init__()
        self.n = n

    def _process(self, inputs):
        for k in range(self.n):
            self.write("output", k)


class Picky(IterativePE):
    """Writes each item twice, but fails before the second time on some items."""

    def __init__(self, bad=(3, 7), error=ValueError) -> None:
        super().__init__()
        self.bad, self.error = bad, error

    def process(self, inputs):
        item = inputs["input"]
        yield {"output": item}
        if item in self.bad:
            raise self.error(f"I do not like {item}")
        yield {"output": item}


class Flaky(IterativePE):
    """Changes each item, and fails in the first attempts."""

    def __init__(self, n_failures: int) -> None:
        super().__init__()
        self.n_failures, self.seen = n_failures, Counter()

    def _process(self, data):
        self.write("output", f"attempt at {data['value']}")
        attempt, data["value"] = data["value"], -1
        self.seen[attempt] += 1
        if self.seen[attempt] <= self.n_failures:
            raise RuntimeError("not yet")
        return attempt


class Wrap(IterativePE):
    def _process(self, data):
        return {"value": data}


class Slow(IterativePE):
    """Works long on 2, and catches errors of a class."""

    caught: type[BaseException] = Exception

    def _process(self, data):
        try:
            time.sleep(30 if data == 2 else 0)
        except self.caught:
            return "caught"
        return data


class Deadly(IterativePE):
    """Kills its process at the first sight of an item, once in the run."""

    def __init__(self, marker: str, victims=(5,)) -> None:
        super().__init__()
        self.marker, self.victims = marker, victims

    def _process(self, data):
        marker = Path(f"{self.marker}-{data}")
        if data in self.victims and not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return data


def chain(*pes: GenericPE) -> WorkflowGraph:
    graph = WorkflowGraph()
    for first, second in pairwise(pes):
        graph.connect(first, "output", second, "input")
    return graph


# -- skip and retry ----------------------------------------------------------------


def test_skip_keeps_everything_else(how) -> None:
    picky = Picky()
    result = run(chain(Numbers(10), picky), on_error="skip", **how)
    output = Counter(result.output(picky.id))
    assert output == {k: 1 if k in (3, 7) else 2 for k in range(10)}
    assert result.n_failures == len(result.failures) == 2
    assert {f.item for f in result.failures} == {"3", "7"}
    assert all(f.pe_id == picky.id and f.port == "input" for f in result.failures)


def test_a_retry_gives_the_items_of_the_good_attempt(how) -> None:
    flaky = Flaky(2)
    graph = chain(Numbers(5), Wrap(), flaky)
    graph.partitions = [graph.pes]  # a process gets an item again
    result = run(graph, on_error="retry:2", **how)
    expected = Counter([*range(5), *(f"attempt at {k}" for k in range(5))])
    assert Counter(result.output(flaky.id)) == expected
    assert not result.failures


def test_retries_end_after_their_number(how) -> None:
    flaky = Flaky(2)
    graph = chain(Numbers(5), Wrap(), flaky)
    graph.partitions = [graph.pes]
    result = run(graph, on_error="retry:1", **how)
    assert not result.output(flaky.id)  # nothing of a failed attempt
    assert result.n_failures == 5


def test_a_pe_has_its_own_policy(how) -> None:
    picky = Picky()
    picky.on_error = "skip"
    assert run(chain(Numbers(10), picky), **how).n_failures == 2
    picky.on_error = "stop"
    with pytest.raises(RunError, match="I do not like"):
        run(chain(Numbers(10), picky), on_error="skip", **how)


@pytest.mark.parametrize("text", ["ignore", "retry:0", "retry:x", "retry:-1", ""])
def test_unknown_policies_are_refused(text: str) -> None:
    with pytest.raises(ParameterError, match="stop, skip, or retry:K"):
        run(chain(Numbers(1), Picky()), on_error=text)


# -- dead letters ------------------------------------------------------------------


def test_dead_letters_can_be_run_again(how, tmp_path: Path) -> None:
    path = tmp_path / "letters"
    picky = Picky()
    run(chain(Numbers(10), picky), on_error="skip", dead_letters=path, **how)
    letters = read_letters(path)
    assert sorted(letter.item() for letter in letters) == [3, 7]
    assert all("I do not like" in letter.failure.traceback for letter in letters)
    content = Picky(bad=())
    mended = chain(Numbers(10), content)
    result = run(mended, letters=letters, **how)
    assert Counter(result.output(content.id)) == {3: 2, 7: 2}


def test_letters_of_a_source_call_it_again(tmp_path: Path) -> None:
    class Opens(GenericPE):
        def __init__(self, known) -> None:
            super().__init__()
            self._add_input("input")
            self._add_output("output")
            self.known = known

        def process(self, inputs):
            return {"output": self.known[inputs["input"]]}

    path, inputs = tmp_path / "letters", [{"input": "a"}, {"input": "b"}]
    source = Opens({"a": 1})
    run(chain(source, Wrap()), {source: inputs}, on_error="skip", dead_letters=path)
    source, wrap = Opens({"b": 2}), Wrap()
    graph = chain(source, wrap)
    assert run(graph, letters=read_letters(path)).output(wrap.id) == [{"value": 2}]


def test_letters_of_another_graph_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "letters"
    run(chain(Numbers(9), Picky()), on_error="skip", dead_letters=path)
    with pytest.raises(InputError, match="Picky1"):
        run(chain(Numbers(9), Wrap()), letters=read_letters(path))


def test_other_files_than_letters_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "letters"
    with pytest.raises(InputError, match="No such file"):
        read_letters(path)
    path.write_text("hello")
    with pytest.raises(InputError, match="not a dead-letter file"):
        read_letters(path)


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_letters_that_others_may_have_written_are_not_read(
    tmp_path: Path, monkeypatch
) -> None:
    path, trap = tmp_path / "letters", tmp_path / "trap"
    run(chain(Numbers(9), Picky()), on_error="skip", dead_letters=path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with open(path, "ab") as file:
        file.write(pickle.dumps(Trap(trap)))
    with pytest.raises(InputError, match="not a dead-letter file"):
        read_letters(path)
    path.chmod(0o620)
    with pytest.raises(InputError, match="can be changed by others"):
        read_letters(path)
    path.chmod(0o600)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(InputError, match="belongs to another user"):
        read_letters(path)
    assert not trap.exists()


def test_a_run_whose_letters_cannot_be_kept_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"dead_letters .*: there is no folder"):
        run(chain(Numbers(9), Picky()), dead_letters=tmp_path / "none" / "letters")


def test_a_torn_last_letter_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "letters"
    run(chain(Numbers(9), Picky()), on_error="skip", dead_letters=path)
    path.write_bytes(path.read_bytes()[:-5])
    assert [letter.item() for letter in read_letters(path)] == [3]


# -- time limits -------------------------------------------------------------------


@pytest.mark.parametrize("caught", [Exception, BaseException])
def test_a_hung_item_fails_in_time(how, caught) -> None:
    slow = Slow()
    slow.caught = caught
    result = run(chain(Numbers(4), slow), on_error="skip", item_timeout_s=0.3, **how)
    assert sorted(result.output(slow.id)) == [0, 1, 3]
    assert "0.3 s" in result.failures[0].cause


def test_waiting_for_others_is_not_counted(how) -> None:
    """A quick source before a slow sink works all the time on one input."""

    class Sleepy(ConsumerPE):
        def _process(self, data):
            time.sleep(0.02)

    result = run(chain(Numbers(30), Sleepy()), item_timeout_s=0.4, **how)
    assert result.n_failures == 0


# -- workers that die --------------------------------------------------------------


@pytest.mark.parametrize("n", [3, 4])
def test_a_killed_worker_is_started_again(tmp_path: Path, n: int) -> None:
    deadly, wrap = Deadly(str(tmp_path / "mark"), (5, 40)), Wrap()
    graph = chain(Numbers(200), deadly, wrap)
    result = run(graph, mapping="multi", processes=n, restart_workers=True)
    values = Counter(item["value"] for item in result.output(wrap.id))
    assert set(values) == set(range(200))  # at least once each
    assert sum(report.restarts for report in result.processes) == 2
    assert "was started again" in as_text(result)
    assert "was started again" in brief(result)


def test_the_work_of_a_worker_is_the_sum_over_its_starts() -> None:
    collector = Collector(make_plan(chain(Numbers(9), Wrap()), 2), Observers())
    output = ProcessReport(
        *(1, 2.0, 0.5, 80.0, {"a": 7, "b": 1}),
        (InstanceReport("Wrap1", 0, n_in=6, n_out=5, n_failed=1, n_waiting=4),),
    )
    last = ProcessReport(
        *(1, 1.0, 0.25, 70.0, {"a": 2}),
        (InstanceReport("Wrap1", 0, n_in=3, n_out=3, busy_s=0.5),),
    )
    collector.take_report(1, PROGRESS, output)
    collector.start_again(1)
    collector.start_again(1)  # killed before its first report
    collector.take_report(1, PROGRESS, output)
    collector.start_again(1)
    collector.take_report(1, DONE, last)
    result = collector.finish(3.0)
    assert result.counts["Wrap1"] == (15, 13)
    assert result.processes == [
        ProcessReport(
            *(1, 5.0, 1.25, 80.0, {"a": 16, "b": 2}),
            (InstanceReport("Wrap1", 0, 15, 13, n_failed=2, busy_s=0.5),),
            restarts=3,
        )
    ]
    assert "process 1 was started again, 3 x" in as_text(result)


def test_a_worker_that_keeps_dying_ends_the_run(tmp_path: Path) -> None:
    class Lethal(IterativePE):
        def _process(self, data):
            if data == 5:
                os.kill(os.getpid(), signal.SIGKILL)
            return data

    lethal = Lethal()
    with pytest.raises(RunError, match=rf"{lethal.name}1.*= 5: killed by signal"):
        run(
            *(chain(Numbers(9), lethal, Wrap()), None, "multi", 3),
            restart_workers=True,
        )


def test_a_worker_with_state_is_not_started_again(tmp_path: Path) -> None:
    class Counting(Deadly):
        def _postprocess(self):
            self.write("output", "total")

    graph = chain(Numbers(9), Counting(str(tmp_path / "mark")), Wrap())
    with pytest.raises(RunError, match="SIGKILL"):
        run(graph, mapping="multi", processes=3, restart_workers=True)


def test_restarting_needs_multi() -> None:
    with pytest.raises(ParameterError, match="multi"):
        run(chain(Numbers(1), Wrap()), restart_workers=True)


# -- seeing ------------------------------------------------------------------------


def test_busy_time_is_each_pes_own(how) -> None:
    class Works(IterativePE):
        def _process(self, data):
            end = time.perf_counter() + 0.01
            while time.perf_counter() < end:
                pass
            return data

    works, wrap = Works(), Wrap()
    result = run(chain(Numbers(20), works, wrap), measure=True, **how)
    busy = {pe: of["busy_s"] for pe, of in as_dict(result)["pes"].items()}
    assert busy[works.id] >= 0.19
    assert busy["Numbers0"] < 0.1
    assert busy[wrap.id] < 0.1
    assert json.loads(json.dumps(as_dict(result)))["n_failures"] == 0
    assert works.id in as_text(result)


def test_bytes_between_processes_are_counted() -> None:
    graph = chain(Numbers(1000), Wrap(), Wrap())
    result = run(graph, mapping="multi", processes=3)
    sent = as_dict(result)["bytes_sent"]
    assert sent["Numbers0.output -> Wrap1.input"] > 1000
    assert len(sent) == 3  # the third output is a result
    assert all(report.peak_memory_mb > 1 for report in result.processes)


def test_a_trace_is_in_the_format_of_chrome(how, tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    result = run(chain(Numbers(10), Wrap()), observers=[Trace(path)], **how)
    events = json.loads(path.read_text())["traceEvents"]
    calls = [e for e in events if e["ph"] == "X"]
    assert Counter(e["name"] for e in calls) == {"Numbers0": 1, "Wrap1": 10}
    assert {e["pid"] for e in events} == set(range(result.n_processes))
    assert list(tmp_path.iterdir()) == [path]


def test_a_trace_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"trace .*: it is a folder"):
        Trace(tmp_path)


def test_a_pe_can_be_tested_alone() -> None:
    assert feed(Wrap(), 1, 2) == {"output": [{"value": 1}, {"value": 2}]}
    assert feed(Numbers(3)) == {"output": [0, 1, 2]}
    with pytest.raises(RunError, match="I do not like 3"):
        feed(Picky(), 3)
