"""A live run by Redis and Dask: the results are those of a batch run."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dispel4py.errors import RunError
from xcorr_app.live.alerts import Alerts
from xcorr_app.live.session import run_live
from xcorr_app.live.source import ReplayInput
from xcorr_app.live.status import read_status

PATIENCE_S = 120  # for a busy machine


@contextlib.contextmanager
def redis(folder: Path) -> Iterator[dict[str, str]]:
    """Run a Redis server; give the variable with its address."""
    pytest.importorskip("redis", reason="needs the extra redis")
    if shutil.which("redis-server") is None:
        pytest.skip("needs the program redis-server")
    words = ["--port", "0", "--unixsocket", f"{folder}/s", "--dir", str(folder)]
    words += ["--save", "", "--appendonly", "no"]
    program = subprocess.Popen(["redis-server", *words], stdout=subprocess.DEVNULL)
    try:
        deadline_s = time.monotonic() + PATIENCE_S
        while not Path(folder, "s").exists():
            assert time.monotonic() < deadline_s
            time.sleep(0.02)
        yield {"DISPEL4PY_REDIS_URL": f"unix://{folder}/s"}
    finally:
        program.kill()
        program.wait()


@contextlib.contextmanager
def dask(folder: Path) -> Iterator[dict[str, str]]:
    """Run a Dask cluster in this process; its client is used."""
    distributed = pytest.importorskip("distributed", reason="needs the extra dask")
    with (
        distributed.LocalCluster(
            n_workers=1,
            threads_per_worker=3,
            processes=False,
            dashboard_address="127.0.0.1:0",  # two runs may be on one host
            local_directory=str(folder),
            silence_logs=50,
        ) as cluster,
        distributed.Client(cluster),
    ):
        yield {}


# Dask starts the workers that `multi --hosts` has, too.
SERVICES = {"redis": redis, "dask": dask}


@pytest.mark.parametrize("mapping", SERVICES)
def test_equal_to_batch(
    mapping, archive, config, batch, tmp_path, assert_equal_to, monkeypatch
):
    out = tmp_path / "out"
    with SERVICES[mapping](tmp_path) as variables:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        options = config(out, mapping=mapping, processes=3)
        run_live(options, ReplayInput(str(archive), delay_s=60.0), 600.0, Alerts())
    assert_equal_to(batch, out)


def test_a_lost_process_of_redis_ends_the_run_which_continues(
    archive, config, batch, tmp_path, assert_equal_to, monkeypatch
):
    """The stacks are on disk: another worker must not continue with older ones."""
    out = tmp_path / "out"

    def kill_the_stacks() -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        while not (status := read_status(out / "live") or {"windows": 0})["windows"]:
            if time.monotonic() > deadline_s:
                return
            time.sleep(0.05)
        os.kill(status["pid"], signal.SIGKILL)

    thread = threading.Thread(target=kill_the_stacks)
    with redis(tmp_path) as variables:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        options = config(out, mapping="redis", processes=3)
        thread.start()
        with pytest.raises(RunError, match="died, and the state"):
            run_live(options, ReplayInput(str(archive), 2000.0), 600.0, Alerts())
        thread.join()
    assert 0 < read_status(out / "live")["windows"] < 16
    run_live(config(out), ReplayInput(str(archive)), 600.0, Alerts())
    assert_equal_to(batch, out)
