"""The mapping ``dask`` on a cluster of this host."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from pathlib import Path
from typing import Any

import graphs
import kansas
import misfits
import pytest
from over_tcp import CASES, ENDS, ending

from dispel4py.cli import main
from dispel4py.errors import MappingUnavailable, RunError
from dispel4py.run import run
from dispel4py.testing.conformance import Conformance
from tests.draws import chosen
from xcorr_app import cli

distributed = pytest.importorskip("distributed", reason="needs the extra dask")
dask = pytest.importorskip("dask")
#: Time of a scheduler that does not answer, in seconds.
LONGEST_S = 60.0
#: Other cases run in test_tcp.py by the same workers and connections.
FEW = (
    *("group_by_odd_keys", "source_with_inputs"),
    *("arrays_of_every_kind", "failures_are_listed"),
)


@pytest.fixture(scope="module")
def cluster() -> Any:
    """Two workers with two threads each."""
    with distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=2,
        dashboard_address="127.0.0.1:0",  # two runs may be on one host
        silence_logs=50,
    ) as cluster:
        yield cluster


@pytest.fixture
def how(cluster: Any) -> Any:
    """Return options of runs; the cluster must be idle after the test."""
    yield {"mapping": "dask", "scheduler": cluster.scheduler_address}
    assert members() == []


def members() -> list[int]:
    """Return the processes of runs that have not ended."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
            variables = (folder / "environ").read_bytes()
        except OSError:
            continue
        mark = f"PYTEST_CURRENT_TEST={os.environ['PYTEST_CURRENT_TEST'].split('::')[0]}"
        if b"dispel4py.mappings.tcp.member" in command and mark.encode() in variables:
            found.append(int(folder.name))
    return found


class TestConformance(Conformance):
    mapping = "dask"
    processes = (3,)
    cases = chosen(FEW, CASES)
    n_random_graphs = 1

    @pytest.fixture(autouse=True)
    def _on_cluster(self, how):
        self.options = {"scheduler": how["scheduler"]}


def test_the_number_of_processes_is_that_of_the_threads(how):
    assert run(*graphs.CASES["round_robin"].make(), **how).n_processes == 4


def test_the_client_of_the_program_is_used(cluster):
    with distributed.Client(cluster) as client:
        result = graphs.outcome("diamond", mapping="dask", processes=2)
        assert client.status == "running"
    assert result == graphs.outcome("diamond", mapping="simple")


def test_a_command_with_a_scheduler_file(cluster, tmp_path, capfd):
    file = tmp_path / "scheduler.json"
    file.write_text(json.dumps({"address": cluster.scheduler_address}))
    graph = "dispel4py.examples.word_count"
    assert main(["dask", graph, "-n", "2", "--scheduler", str(file)]) == 0
    words = sorted(capfd.readouterr().out.splitlines()[1:])
    assert main(["simple", graph]) == 0
    assert words == sorted(capfd.readouterr().out.splitlines()[1:])


def test_correlations_are_those_of_simple(cluster, tmp_path, shared_data):
    options = kansas.words(shared_data, tmp_path)
    there, here = tmp_path / "there", tmp_path / "here"
    how = ["--mapping", "dask", "-n", "3", "--out", str(there)]
    with dask.config.set({"scheduler-address": cluster.scheduler_address}):
        assert cli.main([*options, *how]) == 0
    assert cli.main([*options, "--out", str(here)]) == 0
    kansas.assert_same(there, here)


def test_misfits_are_those_of_simple(cluster, tmp_path):
    with dask.config.set({"scheduler-address": cluster.scheduler_address}):
        misfits.assert_same(tmp_path, "dask")


# ------------------------------------------------------------------------- failures


@pytest.mark.parametrize(("end", "cause"), [ENDS[0], ENDS[1], ENDS[4]])
def test_the_first_cause_ends_the_run(how, end, cause):
    with pytest.raises(RunError, match=cause) as caught:
        run(ending(end), processes=3, **how)
    assert len(caught.value.failures) == 1


def test_too_few_threads_are_refused(how, monkeypatch):
    monkeypatch.setattr("dispel4py.mappings.dask.cluster.WORKER_SECONDS", 0.1)
    with pytest.raises(MappingUnavailable, match=r"^9 processes need a thread each"):
        graphs.outcome("diamond", processes=9, **how)


def test_a_cluster_that_is_absent_is_refused(monkeypatch):
    monkeypatch.setattr("dispel4py.mappings.dask.cluster._CONNECT_SECONDS", 0.3)
    with pytest.raises(MappingUnavailable, match="DASK_SCHEDULER_ADDRESS"):
        graphs.outcome("diamond", mapping="dask", processes=2)
    where = "tcp://127.0.0.1:1"
    with pytest.raises(MappingUnavailable, match="no Dask scheduler at tcp://"):
        graphs.outcome("diamond", mapping="dask", processes=2, scheduler=where)


def test_a_scheduler_that_does_not_answer_is_reported(cluster, monkeypatch):
    async def wait(**more: Any) -> None:
        await asyncio.sleep(LONGEST_S)

    monkeypatch.setattr("dispel4py.mappings.dask.cluster._CONNECT_SECONDS", 0.3)
    monkeypatch.setattr("dispel4py.mappings.dask.cluster._ANSWER_SECONDS", 0.3)
    with distributed.Client(cluster):
        monkeypatch.setitem(cluster.scheduler.handlers, "identity", wait)
        with pytest.raises(MappingUnavailable, match=r"tcp://.* does not answer: Time"):
            graphs.outcome("diamond", mapping="dask", processes=2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        where = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(MappingUnavailable, match="no Dask scheduler at tcp://"):
            graphs.outcome("diamond", mapping="dask", processes=2, scheduler=where)


def test_a_run_ends_although_the_scheduler_does_not_answer(how, cluster, monkeypatch):
    async def wait(**more: Any) -> None:
        await asyncio.sleep(LONGEST_S)

    class Mute:
        def progress(self, counts: Any) -> None:
            monkeypatch.setitem(cluster.scheduler.handlers, "identity", wait)

    monkeypatch.setattr("dispel4py.mappings.dask.cluster._ANSWER_SECONDS", 0.3)
    graph = graphs.chain(graphs.Range(100), total := graphs.Total())
    result = run(graph, processes=2, observers=[Mute()], **how)
    assert cluster.scheduler.handlers["identity"] is wait
    assert result.output(total.id) == [sum(range(100))]


def test_a_task_that_cannot_start_is_reported(how, monkeypatch):
    monkeypatch.setattr("dispel4py.mappings.dask.cluster.tend", absent)
    with pytest.raises(MappingUnavailable, match=r"worker tcp://.*: OSError: no space"):
        graphs.outcome("diamond", processes=2, **how)


def absent(ticket: Any) -> None:
    raise OSError("no space")
