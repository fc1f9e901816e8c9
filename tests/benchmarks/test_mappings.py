"""The benchmark of mappings: its chain, its servers, and the figures of a mapping."""

import shutil

import numpy as np
import pytest

from benchmarks.mappings import __main__ as command
from benchmarks.mappings.chain import Arrays, Numbers, Sink, chain, one
from benchmarks.mappings.services import service
from dispel4py.run import run


@pytest.mark.parametrize("source", [Numbers(3), Arrays(3)])
def test_all_items_reach_the_sink(source, monkeypatch):
    items = []
    monkeypatch.setattr(Sink, "_process", lambda self, item: items.append(item))
    run(chain(source), {source: 1}, mapping="simple")
    assert [np.max(item) for item in items] == [2, 3, 4]
    assert len({np.size(item) for item in items}) == 1


def test_a_mapping_that_needs_no_server(tmp_path, capsys):
    with service("simple") as variables:
        start_s, items_s = command.time_chain("simple", one, 1, variables)
        job = command.job("simple", 4, variables, tmp_path)
    assert 0 < items_s < start_s
    assert job["largest_difference"] < command.GOAL_DIFFERENCE
    assert job["largest_lag_error_samples"] < 0.5
    row = {"start_s": start_s, "us_per_number": 1.0, "ms_per_array": 2.0, "job": job}
    command.show("simple", row)
    assert f"{job['wall_s']:.1f}" in capsys.readouterr().out


def test_a_server_is_started_and_ended():
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")
    redis = pytest.importorskip("redis", reason="needs the extra redis")
    with service("redis") as variables:
        (url,) = variables.values()
        client = redis.Redis.from_url(url)
        assert client.ping()
    with pytest.raises(redis.ConnectionError):
        client.ping()
    client.close()


def test_a_mapping_that_cannot_run_has_its_reason(monkeypatch, capsys):
    monkeypatch.delenv("STORM_HOME", raising=False)
    monkeypatch.delenv("DISPEL4PY_NIMBUS", raising=False)
    row = command.figures("storm", 1, 4)
    assert "STORM_HOME" in row["reason"]
    command.show("storm", row)
    assert "STORM_HOME" in capsys.readouterr().out
