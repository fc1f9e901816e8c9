"""The scripts of jobs: their lines, refused mistakes, and what they run."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from dispel4py import cli
from dispel4py.errors import Dispel4pyError, MappingUnavailable, ParameterError
from dispel4py.mappings.mpi import family
from dispel4py.schedulers import (
    SCHEDULERS,
    BatchRun,
    JobOptions,
    Task,
    launching,
    write_job,
)
from dispel4py.schedulers.options import time_s, words_of_run
from dispel4py.schedulers.template import filled

pytest.importorskip("mpi4py", reason="mpi4py is not installed")

GRAPH = "dispel4py.examples.squares"


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def plain_launcher(monkeypatch):
    """A launcher that starts one process, so that scripts run anywhere."""
    monkeypatch.setattr(launching, "launcher_text", lambda launcher, n: "env")


def written(*words: str, scheduler: str = "slurm") -> str:
    assert cli.main([scheduler, GRAPH, *words]) == 0
    return Path("squares.sh").read_text()


def run_of(*tasks: Task, program: str = "import sys; print(sys.argv[1:])") -> BatchRun:
    return BatchRun("job", [sys.executable, "-c", program], 4, tasks or (Task(),))


def test_a_job_of_slurm():
    text = written(
        *("-n", "7", "-i", "3", "--nodes", "2", "--time", "1-2:00:00"),
        *("--mem-per-process-gb", "1.5", "--partition", "short", "--account", "geo"),
        *("--directive=--qos=long", "--directive=--exclusive", "--setup", "module x"),
    )
    lines = [line for line in text.splitlines() if line.startswith("#SBATCH")]
    assert [line.removeprefix("#SBATCH ") for line in lines] == [
        "--job-name=squares",
        "--ntasks=7",
        "--nodes=2",
        "--ntasks-per-node=4",
        "--cpus-per-task=1",
        "--mem-per-cpu=1431M",
        "--time=26:00:00",
        "--partition=short",
        "--account=geo",
        "--no-requeue",
        "--qos=long",
        "--exclusive",
    ]
    assert "\nmodule x\n" in text
    last = shlex.split(text.splitlines()[-1])
    assert last[0] == "exec"
    assert last[2:4] == ["-n", "7"]
    words = [sys.executable, "-m", "dispel4py", "mpi", GRAPH, "-n", "7", "-i", "3"]
    assert last[-len(words) - 1 : -1] == words


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_scripts_are_shell(scheduler):
    text = written("-n", "4", "--time", "0:30:01", scheduler=scheduler)
    subprocess.run(["bash", "-n", "squares.sh"], check=True)
    assert "{{" not in text
    assert any(t in text for t in ("=0:30:01", " 0:31\n"))
    assert cli.main([scheduler, "--show-template"]) == 0


def test_directives_of_pbs_and_lsf():
    more = ("-n", "8", "--nodes", "2", "--mem-per-process-gb", "1.048576")
    pbs = written(*more, scheduler="pbs")
    assert "#PBS -l select=2:ncpus=4:mpiprocs=4:mem=4000mb\n" in pbs
    lsf = written(*more, scheduler="lsf")
    assert '#BSUB -n 8\n#BSUB -R "span[ptile=4]"\n' in lsf


def test_a_template_of_the_user():
    Path("mine.sh").write_text(
        "# Submit: cat {{script}}\n#X -c {{account}}\n{{setup}}\n"
    )
    more = ("-n", "2", "--template", "mine.sh", "--setup", "a", "--setup", "b")
    assert written(*more) == "# Submit: cat squares.sh\na\nb\n"
    Path("mine.sh").write_text("{{proceses}}\n")
    with pytest.raises(ParameterError, match=r"'proceses'.*did you mean 'processes'"):
        write_job(run_of(), JobOptions(scheduler="slurm", template="mine.sh"))
    with pytest.raises(ParameterError, match=r"absent\.sh cannot be read"):
        write_job(run_of(), JobOptions(scheduler="slurm", template="absent.sh"))


def test_values_are_not_filled_again():
    values = {"a": "{{b}} \\1", "b": "x"}
    assert filled("{{a}}{{b}}", values) == "{{b}} \\1x\n"


def test_memory_of_an_earlier_run():
    assert cli.main(["simple", GRAPH, "--summary-json", "s.json", "--quiet"]) == 0
    summary = json.loads(Path("s.json").read_text())
    summary["processes"] = [{"peak_memory_mb": 1048.576}]
    Path("s.json").write_text(json.dumps(summary))
    assert "--mem-per-cpu=1250M" in written("-n", "2", "--profile", "s.json")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "give the number of processes"),
        (["-n", "4", "--time", "90"], "--time 90: write hours:minutes:seconds"),
        (["-n", "4", "--nodes", "8"], "4 processes do not fit 8 hosts"),
        (["-n", "9", "--nodes", "2", "--ntasks-per-node", "4"], "do not fit 2 hosts"),
        (["-n", "4", "--nodes", "0"], "--nodes 0: must be more than 0"),
        (["-n", "4", "--job-name", "a b"], "--job-name 'a b': only letters"),
        (["-n", "4", "--setup", "a\nb"], "more than one line"),
    ],
)
def test_mistakes_are_one_line(words, message, capsys):
    assert cli.main(["slurm", GRAPH, *words]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error


def test_only_own_scripts_are_replaced(capsys):
    written("-n", "2")
    assert "--ntasks=3" in written("-n", "3")
    Path("squares.sh").write_text("mine\n")
    assert cli.main(["slurm", GRAPH, "-n", "2"]) == 2
    assert "squares.sh exists and was not written" in capsys.readouterr().err
    assert Path("squares.sh").read_text() == "mine\n"


@pytest.mark.usefixtures("plain_launcher")
def test_a_run_continues_once_it_has_begun():
    write_job(run_of(Task(["a b"], "out dir/run.json")), JobOptions(scheduler="slurm"))
    assert "#SBATCH --requeue\n" in Path("job.sh").read_text()
    assert output_of("job.sh") == "['a b']\n"
    Path("out dir").mkdir()
    Path("out dir/run.json").touch()
    assert output_of("job.sh") == "['a b', '--resume']\n"


@pytest.mark.usefixtures("plain_launcher")
@pytest.mark.parametrize(
    ("scheduler", "variable", "line"),
    [
        ("slurm", "SLURM_ARRAY_TASK_ID", "#SBATCH --array=1-2"),
        ("pbs", "PBS_ARRAY_INDEX", "#PBS -J 1-2"),
        ("lsf", "LSB_JOBINDEX", "#BSUB -J job[1-2]"),
    ],
)
def test_tasks_of_an_array(scheduler, variable, line):
    tasks = [Task(["--out", "a"], "a/run.json"), Task(["--out", "b"], "b/run.json")]
    write_job(run_of(*tasks), JobOptions(scheduler=scheduler))
    assert line in Path("job.sh").read_text().splitlines()
    Path("a").mkdir()
    Path("a/run.json").touch()
    outputs = [output_of("job.sh", **{variable: k}) for k in "12"]
    assert outputs == ["['--out', 'a', '--resume']\n", "['--out', 'b']\n"]
    with pytest.raises(subprocess.CalledProcessError):
        output_of("job.sh", **{variable: "3"})


def output_of(path: str, **variables: str) -> str:
    return subprocess.run(
        ["bash", path], env=os.environ | variables, stdout=-1, text=True, check=True
    ).stdout


@pytest.mark.usefixtures("plain_launcher")
def test_submission():
    Path("ok.sh").write_text("# Submit: echo job 7 < {{script}}\n# {{mark}}\n")
    options = JobOptions(scheduler="slurm", template="ok.sh", submit=True)
    assert write_job(run_of(), options) == "job.sh is written.\njob 7"
    Path("bad.sh").write_text(
        "# Submit: echo no such account >&2; exit 3\n# {{mark}}\n"
    )
    options = JobOptions(scheduler="slurm", template="bad.sh", submit=True)
    with pytest.raises(Dispel4pyError, match="not submitted: no such account"):
        write_job(run_of(), options)
    Path("none.sh").write_text("# {{mark}}\n")
    options = JobOptions(scheduler="slurm", template="none.sh", submit=True)
    with pytest.raises(ParameterError, match="no line '# Submit"):
        write_job(run_of(), options)


def test_options_of_the_run_stay():
    words = ["--data", "x", "--time=1:0:0", "--setup=--a", "-n", "4", "--submit"]
    assert words_of_run(words) == ["--data", "x", "-n", "4"]


def test_times():
    assert [time_s(t) for t in ("0:00:01", "1:30:00", "2-0:00:00")] == [1, 5400, 172800]
    for text in ("", "1:00", "0:00:00", "1:60:00", "-1:00:00"):
        with pytest.raises(ParameterError):
            time_s(text)


# ------------------------------------------------------------------ launchers


def program(name: str, text: str, status: int = 0) -> str:
    path = Path(name).resolve()
    path.write_text(f"#!/bin/sh\ncat <<'E'\n{text}\nE\nexit {status}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("launcher", "library", "fits"),
    [
        ("HYDRA build details:", "MPICH Version:      5.0.2", True),
        ("mpiexec (OpenRTE) 4.1.4", "Open MPI v4.1.4, package: Debian", True),
        ("mpiexec (Open MPI) 5.0.11", "MPICH Version:      5.0.2", False),
        ("HYDRA build details:", "Open MPI v5.0.11", False),
        ("Intel(R) MPI Library for Linux* OS", "MPICH Version: 4.1", True),
        ("some launcher of a computer centre", "Open MPI v5.0.11", True),
    ],
)
def test_launcher_and_library(launcher, library, fits, monkeypatch):
    mpiexec = program("mpiexec", launcher)
    monkeypatch.setattr(launching, "find_mpiexec", lambda: mpiexec)
    monkeypatch.setattr(launching, "mpi_library", lambda: Library(library))
    if not fits:
        with pytest.raises(MappingUnavailable, match="use the mpiexec of"):
            launching.launcher_text("mpiexec", 4)
        return
    words = launching.launcher_text("mpiexec", 4).split()
    assert words[:3] == [mpiexec, "-n", "4"]
    assert ("--bind-to" in words) == ("Open" in launcher)


class Library:
    def __init__(self, text: str) -> None:
        self.text = text

    def Get_library_version(self) -> str:
        return self.text


def test_plugins_of_srun(monkeypatch):
    program("srun", "MPI plugin types are...\n\tpmi2\n\tnone")
    monkeypatch.setenv("PATH", str(Path.cwd()), prepend=os.pathsep)
    monkeypatch.setattr(launching, "mpi_library", lambda: Library("MPICH 5"))
    assert launching.launcher_text("srun", 4).startswith("srun --mpi=pmi2")
    monkeypatch.setattr(launching, "mpi_library", lambda: Library("Open MPI v5"))
    with pytest.raises(MappingUnavailable, match="srun has no plugin pmix"):
        launching.launcher_text("srun", 4)


def test_a_launcher_of_open_mpi_and_mpich(monkeypatch):
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "2")
    with pytest.raises(MappingUnavailable, match="belongs to Open MPI"):
        family.check_launcher(Library("MPICH Version: 5.0.2"))
    family.check_launcher(Library("Open MPI v4.1.4"))
