"""Jobs of the applications: their command, memory, job arrays, and continuation."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import numpy as np
import pytest
from obspy import Trace, UTCDateTime

from dispel4py.schedulers import launching
from xcorr_app import cli as xcorr_app
from xcorr_app import store

DAY = UTCDateTime(2024, 3, 1)
OPTIONS = (
    *("--stations", "list.txt", "--data", "data", "--channels", "HHZ"),
    *("--window-s", "1800", "--max-lag-s", "20", "--out", "out"),
)


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """Three days of noise at two stations, with samples of 1 s."""
    folder = tmp_path_factory.mktemp("network")
    rng = np.random.default_rng(7)
    (folder / "data").mkdir()
    for name in "AB":
        header = {"network": "XX", "station": name, "channel": "HHZ", "starttime": DAY}
        noise = rng.normal(size=3 * 86400).astype("f4")
        path = folder / "data" / f"{name}.mseed"
        Trace(noise, header=header).write(str(path), format="MSEED")
    (folder / "list.txt").write_text("XX A\nXX B\n")
    return folder


@pytest.fixture(autouse=True)
def _one_process(monkeypatch):
    """Scripts run their command in one process."""
    monkeypatch.setattr(launching, "launcher_text", lambda launcher, n: "env")


def linear_stack(folder: Path) -> tuple[np.ndarray, int]:
    """Return the stack of the only pair, and its number of windows."""
    with store.open(folder) as results:
        (correlation,) = results
        return correlation.data.astype(float), correlation.n_windows


def script_text(*words: str) -> str:
    assert xcorr_app.main([*OPTIONS, "--slurm", *words]) == 0
    return Path("xcorr-app.sh").read_text()


def test_the_runs_of_an_array_are_parts_of_the_run(network, monkeypatch):
    monkeypatch.chdir(network)
    times = ("--start", "2024-03-01", "--end", "2024-03-04")
    assert xcorr_app.main([*OPTIONS[:-1], "whole", *times, "--quiet"]) == 0
    script_text(*times, "-n", "1", "--array-days", "2", "--quiet")
    for k in "12":
        task = os.environ | {"SLURM_ARRAY_TASK_ID": k}
        subprocess.run(["bash", "xcorr-app.sh"], env=task, check=True)
    stacks = [linear_stack(folder) for folder in sorted(Path("out").iterdir())]
    assert [n for _, n in stacks] == [96, 48]
    whole, n_windows = linear_stack(Path("whole"))
    assert n_windows == 144
    mean = sum(n * data for data, n in stacks) / n_windows
    # rows are written in single precision
    np.testing.assert_allclose(mean, whole, atol=2e-6 * np.abs(whole).max())
    # the same script again finds the run and continues it; without --resume it would
    # be refused
    subprocess.run(["bash", "xcorr-app.sh"], check=True)


def test_memory_of_the_plan(network, monkeypatch):
    monkeypatch.chdir(network)
    text = script_text("-n", "4", "--memory-gb", "3")
    with_limit = int(re.search(r"--mem-per-cpu=(\d+)M", text)[1])
    assert text.splitlines()[-1].endswith('--memory-gb 3.000 "$@"')
    text = script_text("-n", "4")
    usual = int(re.search(r"--mem-per-cpu=(\d+)M", text)[1])
    limit_gb = float(re.search(r"--memory-gb (\S+)", text)[1])
    # each process has its share of the limit and its modules, with a margin
    assert 190 < usual < 1.25 * (limit_gb / 4 * 1e3 + 160)
    assert with_limit < 1.25 * (3 / 4 * 1e3 + 160)
    text = script_text("-n", "4", "--mem-per-process-gb", "1.048576")
    assert "--mem-per-cpu=1000M" in text


def test_the_command_of_the_job(network, monkeypatch):
    monkeypatch.chdir(network)
    words = shlex.split(script_text("-n", "4", "--time", "1:00:00").splitlines()[-1])
    assert words[:2] == ["exec", "env"]
    command = ["-P", "-m", "xcorr_app", "run", *OPTIONS, "-n", "4", "--mapping", "mpi"]
    assert words[3 : 3 + len(command)] == command


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--slurm"], "a job needs the number of processes"),
        (["--time", "1:00:00"], "--time needs --lsf or --pbs or --slurm"),
        (["--slurm", "-n", "2", "--mapping", "multi"], "--mapping multi: a job runs"),
        (["--slurm", "-n", "2", "--array-days", "2"], "needs --start and --end"),
        (["--slurm", "-n", "2", "--array-days", "0"], "must be 1 or more"),
        (["--slurm", "-n", "2", "--channels", "BHN"], "BHN"),
        (["--slurm", "-n", "2", "--memory-gb", "0.1"], "--memory-gb 0.1"),
    ],
)
def test_mistakes_are_one_line(words, message, network, monkeypatch, capsys):
    monkeypatch.chdir(network)
    Path("xcorr-app.sh").unlink(missing_ok=True)
    assert xcorr_app.main([*OPTIONS, *words]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error
    assert not Path("xcorr-app.sh").exists()


def test_a_run_that_begins_anew_is_not_requeued(network, monkeypatch):
    monkeypatch.chdir(network)
    assert "#SBATCH --requeue" in script_text("-n", "2")
    text = script_text("-n", "2", "--force")
    assert "#SBATCH --no-requeue" in text
    assert "--resume" not in text
