"""Jobs of a real Slurm with three hosts, which share folders and nothing else."""

from __future__ import annotations

import csv
import os
import re
import shutil
import subprocess
import sys
import time
import venv
from ast import literal_eval
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from network import LAUNCHER, Network, ended
from test_mpi_hosts import PROGRAM

import misfit_app
from misfit_app.synthetic import Scene, scene_inputs, write_scene
from xcorr_app import cli, store

pytest.importorskip("mpi4py", reason="mpi4py is not installed")

#: Longest time for a job, and for the start of the daemons, in seconds.
LONGEST_S = 120.0
#: The library that Slurm of Debian loads for Open MPI.
PMIX = "*/pmix2/lib/libpmix.so"
NAMES = ("h1", "h2", "h3")
#: The hosts have no other programs, so any ports are free.
SETTINGS = """\
ClusterName=local
SlurmctldHost={controller}({launcher})
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CryptoType=crypto/munge
SlurmctldPort=16817
SlurmdPort=16818
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
TmpFS={folder}/tmp.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=batch_sched_delay=0,sched_interval=1
SlurmdParameters=config_overrides
KillWait=5
{nodes}
PartitionName=debug Nodes={names} Default=YES State=UP OverSubscribe=YES
"""


class Slurm:
    """A controller beside the hosts, and a daemon on each of them.

    Parameters
    ----------
    network : Network
    folder : Path
        An empty folder that all hosts share.
    """

    def __init__(self, network: Network, folder: Path) -> None:
        self._network, self._folder = network, folder
        self._programs: list[subprocess.Popen[bytes]] = []
        nodes = [
            f"NodeName={name} NodeAddr={address} CPUs=4 RealMemory=4000 State=UNKNOWN"
            for name, address in zip(NAMES, network.addresses, strict=True)
        ]
        self.settings = folder / "slurm.conf"
        self.settings.write_text(
            SETTINGS.format(
                controller=os.uname().nodename,
                launcher=LAUNCHER,
                folder=folder,
                nodes="\n".join(nodes),
                names=",".join(NAMES),
            )
        )

    def start(self) -> None:
        """Start the daemons, and wait until all hosts are free."""
        folder, beside = self._folder, self._network.launcher()
        for host in NAMES:
            for name in ("spool", "tmp"):
                (folder / f"{name}.{host}").mkdir()
        (folder / "state").mkdir()
        key = folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o600)
        files = {"key-file": "key", "socket": "socket", "pid-file": "pid"}
        files |= {"log-file": "log", "seed-file": "seed"}
        words = [f"--{name}={folder}/munge.{end}" for name, end in files.items()]
        self._start([sbin("munged"), "--foreground", "--force", *words])
        wait_for((folder / "munge.socket").exists, "munged does not start")
        self._start([*beside, sbin("slurmctld"), "-D", "-c"])
        for number, name in enumerate(NAMES, 1):
            enter = [str(self._network.enter), str(number)]
            self._start([*enter, sbin("slurmd"), "-D", "-N", name])
        wait_for(
            lambda: self.output("sinfo", "-h", "-o", "%T") == "idle",
            "the hosts are not free",
        )

    def _start(self, words: list[str]) -> None:
        program = subprocess.Popen(
            words,
            env=os.environ | {"SLURM_CONF": str(self.settings)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._programs.append(program)

    def output(self, *words: str) -> str:
        """Return what a command of Slurm writes."""
        environment = os.environ | {"SLURM_CONF": str(self.settings)}
        done = ended([*self._network.launcher(), *words], env=environment)
        return str(done.stdout).strip()

    def state(self, job: str) -> str:
        """Return the states of the tasks of a job, with their exit statuses."""
        text = self.output("scontrol", "show", "job", job, "-o")
        states = re.findall(r"JobState=(\S+) .*? ExitCode=(\S+)", text)
        return ", ".join(sorted({" ".join(pair) for pair in states}))

    def stop(self) -> None:
        """End all daemons."""
        for program in reversed(self._programs):
            program.kill()
            program.wait()


def sbin(name: str) -> str:
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin") or name


def wait_for(condition: object, message: str) -> None:
    assert callable(condition)
    deadline = time.monotonic() + LONGEST_S
    while not condition():
        assert time.monotonic() < deadline, message
        time.sleep(0.1)


@pytest.fixture(scope="module")
def slurm(
    network: Network, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Slurm]:
    """Start Slurm on the hosts."""
    programs = ("munged", "slurmctld", "slurmd", "sbatch", "scontrol")
    absent = [name for name in programs if not Path(sbin(name)).exists()]
    if absent:
        pytest.skip(f"there is no {absent[0]} (apt: slurm-wlm, munge)")
    cluster = Slurm(network, tmp_path_factory.mktemp("slurm"))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def submit(slurm, launch, environment, tmp_path):
    """Submit a job by a command, and wait for its end; nothing of it may be left."""
    environment["SLURM_CONF"] = str(slurm.settings)
    network = slurm._network

    def submit(*words: str, python: str = sys.executable) -> str:
        more = ("--mem-per-process-gb", "0.5", "--submit")
        done = launch([*network.launcher(), python, "-m", *words, *more])
        output, error = done.communicate(timeout=LONGEST_S)
        assert done.returncode == 0, error
        job = output.split()[-1]
        assert finished(slurm, job) == "COMPLETED 0:0", logs(tmp_path)
        return job

    return submit


def finished(slurm: Slurm, job: str) -> str:
    """Wait for the end of a job; return its state and exit status."""
    working = ("PENDING", "RUNNING", "COMPLETING", "CONFIGURING", "REQUEUED")

    def is_over() -> bool:
        state = slurm.state(job)
        return bool(state) and not any(name in state for name in working)

    wait_for(is_over, slurm.output("scontrol", "show", "job", job))
    return slurm.state(job)


def logs(folder: Path) -> str:
    return "\n".join(path.read_text() for path in folder.glob("slurm-*.out"))


# ---------------------------------------------------------------------- both MPIs


@pytest.fixture(scope="module")
def open_mpi(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a Python beside the launcher of Open MPI, with the same packages."""
    mpiexec = shutil.which("mpiexec.openmpi")
    if mpiexec is None:
        pytest.skip("there is no mpiexec.openmpi (apt: openmpi-bin)")
    folder = tmp_path_factory.mktemp("open-mpi") / "venv"
    venv.create(folder, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    paths = [path for path in sys.path if path and Path(path).is_dir()]
    (site / "here.pth").write_text(f"import sys; sys.path += {paths}\n")
    (folder / "bin" / "mpiexec").symlink_to(mpiexec)
    return folder / "bin" / "python"


@pytest.mark.parametrize(
    ("library", "launcher"),  # the applications run by the mpiexec of MPICH
    [("MPICH", "srun"), ("Open MPI", "mpiexec"), ("Open MPI", "srun")],
)
def test_arrays_travel_between_hosts(
    library, launcher, submit, request, environment, tmp_path
):
    python = sys.executable
    if library == "Open MPI":
        if launcher == "srun" and not any(Path("/usr/lib").glob(PMIX)):
            pytest.skip("srun cannot load PMIx (apt: libpmix-dev)")
        python = str(request.getfixturevalue("open_mpi"))
        environment["MPI4PY_MPIABI"] = "openmpi"
        for name in ("OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"):
            environment[name] = "1"
    (tmp_path / "flows.py").write_text(PROGRAM)
    where = ("-n", "6", "--ntasks-per-node", "2", "--job-launcher", launcher)
    job = submit(
        "dispel4py", "slurm", "flows.py", "-a", "arrays", *where, python=python
    )
    output = (tmp_path / f"slurm-{job}.out").read_text()
    # the summary, from standard error, may follow a row without a new line
    rows = sorted(map(literal_eval, re.findall(r"\(\d+, .*?'\)", output)))
    assert [(k, total) for k, total, *_ in rows] == [(k, 2e5 * k) for k in range(18)]
    assert {host for row in rows for host in row[2:]} == set(NAMES)


# --------------------------------------------------------------- the applications


def stack(folder: Path) -> dict[tuple[str, str], tuple[int, np.ndarray]]:
    with store.open(folder) as results:
        assert results.complete
        return {(c.first, c.second): (c.n_windows, c.data) for c in results}


@pytest.fixture
def kansas(shared_data, tmp_path):
    """Return the options of xcorr-app, and the stacks of a run in this process."""
    (tmp_path / "list.txt").write_text("KS *\n")
    options = [
        *("--stations", str(tmp_path / "list.txt"), "--channels", "LHZ", "--quiet"),
        *("--data", str(shared_data.resolve() / "kansas4"), "--memory-gb", "4"),
        *("--window-s", "3600", "--step-s", "3600", "--max-lag-s", "100"),
    ]
    assert cli.main([*options, "--out", str(tmp_path / "here")]) == 0
    return options, stack(tmp_path / "here")


def test_correlations_of_a_script_that_is_submitted_twice(
    slurm, submit, kansas, tmp_path
):
    options, expected = kansas
    out = tmp_path / "out"
    words = ("xcorr_app", *options, "--out", str(out), "--slurm")
    submit(*words, "-n", "3", "--nodes", "3")
    assert_same(stack(out), expected)
    assert '"mapping": "mpi"' in (out / "run.json").read_text()
    assert not logs(tmp_path).count("error")
    here = ("--output", str(tmp_path / "slurm-%j.out"))
    again = slurm.output("sbatch", "--parsable", *here, str(tmp_path / "xcorr-app.sh"))
    assert finished(slurm, again) == "COMPLETED 0:0", logs(tmp_path)
    assert_same(stack(out), expected)


def assert_same(found: dict, expected: dict) -> None:
    assert list(found) == list(expected)
    assert len(found) == 6
    for pair, (n_windows, data) in expected.items():
        assert found[pair][0] == n_windows
        # sums in another order, in single precision
        np.testing.assert_allclose(found[pair][1], data, rtol=0, atol=1e-6)


def test_misfits(submit, tmp_path):
    scene = tmp_path / "scene"
    write_scene(Scene(n_stations=1, noise=0.0, duration_s=200.0), scene)
    inputs = scene_inputs(scene) | {"periods_s": "4-20"}
    misfit_app.measure(**inputs, out=str(tmp_path / "here"))
    words = [f"--{name.replace('_', '-')}={value}" for name, value in inputs.items()]
    out = tmp_path / "out"
    submit("misfit_app", *words, "--out", str(out), "--quiet", "--slurm", "-n", "2")
    tables = [rows_of(folder / "ledger.csv") for folder in (out, tmp_path / "here")]
    assert tables[0] == tables[1]
    assert len(tables[0]) > 1


def rows_of(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.reader(file))
