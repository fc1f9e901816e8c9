"""The end of a run: last frames arrive, also late ones, and no process waits for ever.

If workers are killed and started again, no item of the stream is lost.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import graphs
import pytest

from dispel4py.base import IterativePE
from dispel4py.errors import RunError
from dispel4py.lineage import Key
from dispel4py.mappings import leftovers, standstill, wire, worker
from dispel4py.mappings.multi import run as multi_run
from dispel4py.mappings.sockets import SocketPost
from dispel4py.mappings.wire import END
from dispel4py.run import run


class Late(graphs.Items):
    """Sends its items after a pause."""

    def __init__(self, seconds: float, *items: Any) -> None:
        super().__init__(*items)
        self.seconds = seconds

    def process(self, inputs: Any) -> Any:
        time.sleep(self.seconds)
        return super().process(inputs)


class Busy(IterativePE):
    """Works for a long time on one item, and reads no frames meanwhile."""

    def _process(self, data: Any) -> Any:
        time.sleep(1.2 if data == "long" else 0.0)
        return data


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Set the waits of some seconds to zero."""
    monkeypatch.setattr(multi_run, "_GRACE_SECONDS", 0.05)


def test_the_end_of_a_stream_waits_for_a_full_mailbox(nothing_left_by_runs):
    """The system keeps ten messages for a process; the eleventh message has to wait."""
    busy = Busy()
    sources = [Late(0.0, "long"), *(Late(0.4, *range(5)) for _ in range(5)), Late(0.8)]
    graph = graphs.WorkflowGraph()
    for source in sources:
        graph.connect(source, "output", busy, "input")
    result = run(graph, mapping="multi", processes=8)
    assert len(result.output(busy.id)) == 26


# ---------------------------------------------------------------- started again


class Mortal(IterativePE):
    """Kills its process at an item, once in the run; it may first wait for another PE.

    Parameters
    ----------
    victim : int
        The item.
    folder : Path
        Folder for a file with its name, written before it dies.
    after : str
        Name of the PE whose process must have died before.
    """

    def __init__(self, victim: int, folder: Path, after: str = "") -> None:
        super().__init__()
        self.victim, self.folder, self.after = victim, folder, after

    def _process(self, data: Any) -> Any:
        dead = self.folder / self.name
        if data == self.victim and not dead.exists():
            while self.after and not (self.folder / self.after).exists():
                time.sleep(0.01)
            time.sleep(0.2)
            dead.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return data


def restarted(graph: Any, processes: int, pe: Any) -> set[Any]:
    """Return the different results of a PE in a run with restarted workers."""
    how = {"mapping": "multi", "processes": processes, "restart_workers": True}
    return set(run(graph, **how).output(pe.id))


def test_a_source_that_has_ended_need_not_end_again(tmp_path, nothing_left_by_runs):
    """Before, a new worker waited for the end of a stream whose source had ended."""
    mortal, graph = Mortal(4, tmp_path), graphs.WorkflowGraph()
    graph.connect(Late(0.5, *range(5)), "output", mortal, "input")
    graph.connect(graphs.Items(), "output", mortal, "input")
    assert restarted(graph, 3, mortal) == set(range(5))


def test_a_source_that_ends_during_a_restart_need_not_end_again(
    tmp_path, nothing_left_by_runs
):
    mortals = Mortal(2, tmp_path), Mortal(4, tmp_path)
    mortals[0].name, mortals[1].name = "first", "second"
    graph = graphs.chain(graphs.Items(*range(5)), *mortals)
    graph.connect(graphs.Items(), "output", mortals[1], "input")
    assert restarted(graph, 4, mortals[1]) == set(range(5))


def test_items_of_two_killed_workers_are_sent_again(tmp_path, nothing_left_by_runs):
    """Items that the first worker had acknowledged waited for the second worker."""
    first, second = Mortal(2, tmp_path), Mortal(0, tmp_path, after="first")
    first.name, second.name = "first", "second"
    graph = graphs.chain(graphs.Items(*range(9)), first, second)
    assert restarted(graph, 3, second) == set(range(9))


@pytest.mark.parametrize("victim", [5, 60, 199])
def test_items_of_an_unfinished_batch_are_sent_again(
    victim, tmp_path, nothing_left_by_runs
):
    """In a shared process, the first PE had acknowledged before the last had sent."""
    source, mortal, last = graphs.Range(200), Mortal(victim, tmp_path), graphs.Pass()
    graph = graphs.chain(source, mortal, last)
    graph.partitions = [[source], [mortal, last]]
    assert restarted(graph, 2, last) == set(range(200))


def test_a_worker_receives_a_batch_twice(tmp_path, nothing_left_by_runs):
    """A worker gets a batch again for a PE that has finished."""
    mortals = Mortal(30, tmp_path), Mortal(60, tmp_path), Mortal(90, tmp_path)
    for mortal, name in zip(mortals, ("first", "second", "third"), strict=True):
        mortal.name = name
    source, last = graphs.Range(100), graphs.Pass()
    graph = graphs.chain(source, *mortals, last)
    graph.partitions = [[source], [mortals[0], mortals[2]], [mortals[1], last]]
    assert restarted(graph, 3, last) == set(range(100))


# ----------------------------------------------------------------- a safety net


def test_a_run_without_progress_fails(monkeypatch, nothing_left_by_runs):
    """Even with a defect of the engine, the run ends."""
    send = SocketPost.send

    def lossy(post: SocketPost, destination: int, head: bytes, *more: Any) -> None:
        if head != wire.pack(END, lost):
            send(post, destination, head, *more)

    lost = Key(0, 0, 1)
    monkeypatch.setattr(SocketPost, "send", lossy)
    monkeypatch.setattr(standstill, "CHECK_SECONDS", 0.3)
    monkeypatch.setattr(standstill, "MOST_WAITS", 2)
    monkeypatch.setattr(worker, "_IDLE_SECONDS", 0.05)
    graph = graphs.chain(graphs.Range(), graphs.Pass(), graphs.Pass())
    with pytest.raises(RunError, match="Pass1, Pass2 wait for one another for ever"):
        run(graph, mapping="multi", processes=3)


def test_a_worker_that_is_ended_at_its_start_prints_nothing(monkeypatch, capfd):
    """Before, it ended like the parent, with a traceback."""
    work = multi_run._work

    def ended_early(*arguments: Any) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        work(*arguments)

    monkeypatch.setattr(multi_run, "_work", ended_early)
    with pytest.raises(RunError, match="SIGTERM"):
        run(graphs.chain(graphs.Range(), graphs.Pass()), mapping="multi", processes=2)
    assert capfd.readouterr().err == ""


@pytest.mark.skipif(sys.platform != "linux", reason="processes are found by /proc")
def test_a_thread_that_ends_meanwhile_hides_no_process(monkeypatch):
    """The children of each thread are noted on their own."""
    own = str(os.getpid())
    monkeypatch.setattr(leftovers, "list_folder", lambda folder: (["1", own], []))
    with subprocess.Popen(["sleep", "60"]) as child:
        try:
            assert child.pid in leftovers._children(os.getpid())
        finally:
            child.kill()
