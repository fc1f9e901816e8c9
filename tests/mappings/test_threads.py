"""Processes x threads is the number of cores."""

from __future__ import annotations

import contextlib
import os
from typing import Any

import graphs
import pytest

from dispel4py.base import IterativePE
from dispel4py.mappings import threads
from dispel4py.run import run


class Look(IterativePE):
    """Tells how many threads BLAS may take where it works."""

    def _process(self, data: Any) -> Any:
        from threadpoolctl import threadpool_info

        libraries = [library["num_threads"] for library in threadpool_info()]
        return os.environ["OMP_NUM_THREADS"], max(libraries, default=1)


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch):
    """The user has set no limit, nor has a run before."""
    for name in threads._THREAD_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(threads, "_limits", contextlib.ExitStack())
    monkeypatch.setattr(threads, "_n_runs", 0)
    monkeypatch.setattr(threads, "available_cores", lambda: 6)


@pytest.mark.parametrize("start_method", ["fork", "spawn"])
def test_workers_share_the_cores(start_method):
    pytest.importorskip("threadpoolctl", reason="threadpoolctl is not installed")
    look = Look()
    graph = graphs.WorkflowGraph()
    graph.connect(graphs.Items(1, 2), "output", look, "input")
    result = run(graph, mapping="multi", processes=3, start_method=start_method)
    assert {said for said, _ in result.output(look.id)} == {"2"}
    assert max(n for _, n in result.output(look.id)) <= 2
    assert "OMP_NUM_THREADS" not in os.environ


def test_the_last_of_several_runs_lifts_the_limit():
    said = []
    with threads.thread_limit(2):
        said.append(os.environ["OMP_NUM_THREADS"])
        other = threads.thread_limit(6)
        other.__enter__()
        said.append(os.environ["OMP_NUM_THREADS"])
    said.append(os.environ["OMP_NUM_THREADS"])
    other.__exit__(None, None, None)
    assert said == ["3"] * 3
    assert "OMP_NUM_THREADS" not in os.environ


def test_what_the_user_has_set_stays(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    with threads.thread_limit(2):
        assert os.environ["OMP_NUM_THREADS"] == "5"
    assert os.environ["OMP_NUM_THREADS"] == "5"
