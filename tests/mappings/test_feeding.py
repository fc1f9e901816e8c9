"""Inputs from iterators, also endless iterators; sources that return between items."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
import time
from typing import Any

import pytest
from endless import ENOUGH, Live, Pass, Reader, Stops, chain, numbers
from programs import HERE, environment, require_mpi

from dispel4py.base import IterativePE, ProducerPE
from dispel4py.errors import GraphError, InputError, ParameterError, RunError
from dispel4py.mappings import standstill, worker
from dispel4py.run import run
from dispel4py.testing import Simulation, feed, simulate
from dispel4py.workflow_graph import WorkflowGraph

PLACES = [("simple", 1), ("multi", 1), ("multi", 3)]


def program(mapping: str, case: str) -> list[str]:
    command = [sys.executable, str(HERE / "endless.py"), mapping, case]
    return [require_mpi(), "-n", "3", *command] if mapping == "mpi" else command


@pytest.mark.parametrize(("mapping", "n"), PLACES)
@pytest.mark.parametrize("is_named", [True, False])
def test_a_generator_gives_inputs_and_is_closed(mapping, n, is_named):
    reader, last, events = Reader(), Pass(), []
    graph, given = chain(reader, last), numbers(500, events)
    inputs = {reader: given} if is_named else given
    result = run(graph, inputs, mapping=mapping, processes=n)
    assert sorted(value for value, _ in result.output(last.id)) == list(range(500))
    assert events == ["closed"]
    assert result.counts[reader.id] == (500, 500)


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_an_iterator_is_not_sent_to_a_worker(method):
    """A generator cannot be pickled."""
    last = Pass()
    result = run(
        *(chain(Reader(), last), numbers(50, []), "multi", 4), start_method=method
    )
    assert sorted(value for value, _ in result.output(last.id)) == list(range(50))


def test_inputs_are_dealt_out_to_all_instances_under_mpi():
    done = subprocess.run(
        program("mpi", "finite"),
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "True [0, 1]" in done.stdout
    assert "closed" in done.stdout


@pytest.mark.parametrize("mapping", ["simple", "multi"])
def test_an_endless_iterator_is_read_as_its_inputs_are_worked_off(mapping):
    """Only a few inputs are read ahead of the consumer, which stops the run."""
    n_read, events = itertools.count(), []

    def endless():
        try:
            while True:
                yield {"input": next(n_read)}
        finally:
            events.append("closed")

    slow = Stops()
    graph = chain(Reader(), slow)
    with pytest.raises(RunError, match=f"{ENOUGH}, .*that is enough"):
        run(graph, endless(), mapping=mapping, processes=2)
    assert events == ["closed"]
    assert next(n_read) < 100 * ENOUGH


@pytest.mark.parametrize("seed", range(5))
def test_few_inputs_are_read_ahead_of_slow_sources(seed):
    clock, events = Simulation(seed, delay_s=0.001), []

    class Slow(Reader):
        def process(self, inputs):
            self.clock.sleep(10.0)
            return super().process(inputs)

    reader, last = Slow(), Pass()
    reader.clock = clock

    def given():
        for k in range(30):
            events.append(clock.now())
            yield {"input": k}

    result = simulate(chain(reader, last), given(), 3, simulation=clock)
    assert sorted(value for value, _ in result.output(last.id)) == list(range(30))
    in_time = [k for k, read_at in enumerate(events) if k > 10 * (read_at / 10.0 + 1)]
    assert not in_time, "more than ten inputs are read while two are worked on"


# a program that does not handle SIGTERM ends at once, so simple gets SIGINT only
@pytest.mark.parametrize(
    ("mapping", "name"),
    [
        ("simple", "SIGINT"),
        ("multi", "SIGINT"),
        ("multi", "SIGTERM"),
        ("mpi", "SIGINT"),
        ("mpi", "SIGTERM"),
    ],
)
def test_an_endless_run_ends_cleanly(mapping, name, nothing_left, tmp_path):
    started = subprocess.Popen(
        program(mapping, "endless"),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert started.stdout.readline() == "opened\n"
    time.sleep(0.5)  # so that items are on their way
    started.send_signal(signal.Signals[name])
    try:
        output, error = started.communicate(timeout=100)
    finally:
        started.kill()
    assert started.returncode != 0
    if mapping != "mpi" or name == "SIGINT":  # mpiexec kills all ranks at SIGTERM
        assert "closed" in output
    assert "RunError" not in error


@pytest.mark.parametrize("mapping", ["simple", "multi"])
def test_an_iterator_that_fails_ends_the_run(mapping):
    def broken():
        yield {"input": 1}
        raise OSError("the line is cut")

    reader = Reader()
    with pytest.raises(RunError, match=f"{reader.name}0.*inputs.*the line is cut"):
        run(chain(reader, Pass()), broken(), mapping=mapping, processes=2)


@pytest.mark.parametrize("mapping", ["simple", "multi"])
@pytest.mark.parametrize(
    ("item", "expected_message"),
    [(7, "7 is not a dict"), ({"imput": 1}, "did you mean 'input'")],
)
def test_inputs_that_do_not_fit_are_refused_when_they_come(
    mapping, item, expected_message
):
    with pytest.raises(InputError, match=expected_message):
        run(chain(Reader(), Pass()), iter([item]), mapping=mapping, processes=2)


def test_an_iterable_for_two_sources_must_name_one():
    graph, last = WorkflowGraph(), Pass()
    graph.connect(Reader(), "output", last, "input")
    graph.connect(Reader(), "output", last, "input")
    with pytest.raises(InputError, match="names a source: Reader0, Reader"):
        run(graph, iter([]))


# ------------------------------------------------- sources that return between items


@pytest.mark.parametrize(("mapping", "n"), PLACES)
def test_a_source_requests_its_next_call(mapping, n):
    live, last = Live(5, 0.02), Pass()
    began = time.monotonic()
    result = run(chain(live, last), mapping=mapping, processes=n)
    assert sorted(result.output(last.id)) == [1, 2, 3, 4, 5]
    assert time.monotonic() - began >= 4 * 0.02


def test_each_input_is_repeated_until_the_source_needs_no_more_calls():
    class Repeats(ProducerPE):
        n = 0

        def _process(self, inputs):
            self.n += 1
            if self.n % 3:
                self.call_again()
            return inputs["name"]

    calls = {"output": ["a", "a", "a", "b", "b", "b"]}
    assert feed(Repeats(), {"name": "a"}, {"name": "b"}) == calls


@pytest.mark.parametrize("seed", range(3))
def test_its_process_works_on_other_things_meanwhile(seed):
    """Two sources in a process: each is called every 10 s, for a minute."""
    clock = Simulation(seed)
    sources, last = [Live(7, 10.0), Live(7, 10.0)], Pass()
    graph = WorkflowGraph()
    for source in sources:
        graph.connect(source, "output", last, "input")
    graph.partitions = [sources, [last]]
    result = simulate(graph, processes=2, simulation=clock)
    assert sorted(result.output(last.id)) == sorted([*range(1, 8)] * 2)
    assert 60.0 <= clock.now() < 61.5


def test_a_source_that_fails_is_called_again_on_request():
    class Shaky(Live):
        def _process(self, inputs):
            number = super()._process(inputs)
            if number == 2:
                raise OSError("no packet")
            return number

    result = run(chain(Shaky(4, 0.0), Pass()), on_error="skip")
    assert result.output("Pass1") == [1, 3, 4]
    assert result.n_failures == 1


def test_a_source_that_waits_long_is_no_standstill(monkeypatch):
    """All processes wait without a frame meanwhile, but not for one another."""
    monkeypatch.setattr(standstill, "MOST_WAITS", 2)
    monkeypatch.setattr(standstill, "CHECK_SECONDS", 0.1)
    monkeypatch.setattr(worker, "_IDLE_SECONDS", 0.02)
    live, last = Live(2, 1.5), Pass()
    result = run(chain(live, last), mapping="multi", processes=2, start_method="fork")
    assert result.output(last.id) == [1, 2]


def test_only_sources_call_again():
    class Asks(IterativePE):
        def _process(self, data: Any) -> None:
            self.call_again(1.0)

    with pytest.raises(RunError, match="only sources call again"):
        run(chain(Live(1, 0.0), Asks()))
    with pytest.raises(ParameterError, match="use 0 or more"):
        Live(1, 0.0).call_again(-1.0)
    assert issubclass(GraphError, Exception)
