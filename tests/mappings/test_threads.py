"""Processes x threads is the number of cores."""

from __future__ import annotations

import contextlib
import os
from typing import Any

import graphs
import pytest

from dispel4py.base import IterativePE
from dispel4py.mappings import process, threads
from dispel4py.run import run


class Look(IterativePE):
    """Sends the number of threads that BLAS may use in its process."""

    def _process(self, data: Any) -> Any:
        from threadpoolctl import threadpool_info

        libraries = [library["num_threads"] for library in threadpool_info()]
        return os.environ["OMP_NUM_THREADS"], max(libraries, default=1)


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch):
    """Remove limits of the user and of earlier runs."""
    for name in threads._THREAD_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(threads, "_limits", contextlib.ExitStack())
    monkeypatch.setattr(threads, "_n_runs", 0)
    monkeypatch.setattr(threads, "available_cores", lambda: 6)


@pytest.mark.parametrize(
    ("files", "n"),
    [
        ({"cpu.max": "250000 100000\n"}, 3),
        ({"cpu.max": "max 100000\n"}, 8),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu/cpu.cfs_quota_us": "200000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 2),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 8),
        ({}, 8),
    ],
)
def test_cores_of_a_container(files, n, tmp_path, monkeypatch):
    (tmp_path / "cpu").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(process, "_CONTROL_GROUP", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    assert process.available_cores() == n


@pytest.mark.parametrize("start_method", ["fork", "spawn"])
def test_workers_share_the_cores(start_method):
    pytest.importorskip("threadpoolctl", reason="threadpoolctl is not installed")
    look = Look()
    graph = graphs.WorkflowGraph()
    graph.connect(graphs.Items(1, 2), "output", look, "input")
    result = run(graph, mapping="multi", processes=3, start_method=start_method)
    assert {message for message, _ in result.output(look.id)} == {"2"}
    assert max(n for _, n in result.output(look.id)) <= 2
    assert "OMP_NUM_THREADS" not in os.environ


def test_the_last_of_several_runs_lifts_the_limit():
    message = []
    with threads.thread_limit(2):
        message.append(os.environ["OMP_NUM_THREADS"])
        other = threads.thread_limit(6)
        other.__enter__()
        message.append(os.environ["OMP_NUM_THREADS"])
    message.append(os.environ["OMP_NUM_THREADS"])
    other.__exit__(None, None, None)
    assert message == ["3"] * 3
    assert "OMP_NUM_THREADS" not in os.environ


def test_limits_of_the_user_do_not_change(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    with threads.thread_limit(2):
        assert os.environ["OMP_NUM_THREADS"] == "5"
    assert os.environ["OMP_NUM_THREADS"] == "5"
