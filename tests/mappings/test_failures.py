"""A run that fails ends soon, names PE, input and cause, and leaves nothing behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import failing
import pytest
from programs import HERE, environment, require_mpi

from dispel4py.errors import RunError
from dispel4py.run import run
from tests.draws import chosen, each_once

#: A failed run ends within this time, with the start of its processes. A program hangs
#: if it takes longer; on a busy machine a few seconds are normal.
SECONDS = 100.0


@dataclass(frozen=True)
class Told:
    """The expected parts of a failure, as regular expressions."""

    pe: str
    phase: str = "process"
    on: str | None = None
    cause: str = ""


FAILURES = {
    "raising": Told(
        "Raising1",
        on=r"on input 'input' = 3:",
        cause=r"ValueError: three is too many \(from ZeroDivisionError: .*\)",
    ),
    "careless": Told(
        "Raising2",
        on=r"on input 'input' = 3:",
        cause=r"ValueError: three is too many \(from ZeroDivisionError: .*\)",
    ),
    "careless_at_the_end": Told("Raising2", on=r"'input' = 3:", cause="too many"),
    "raising_leaf": Told(
        "RaisingLeaf2", on=r"on input 'input' = 3:", cause="no place for three"
    ),
    "raising_source": Told("RaisingSource0", on="", cause="the archive is gone"),
    "exiting": Told("Exiting1", on="'input' = 3:", cause="SystemExit: had enough"),
    "unspeakable": Told(
        "ChokesOnIt1",
        on="<Unspeakable whose repr raises RuntimeError>",
        cause="ValueError: cannot take this",
    ),
    "wrong_port": Told(
        "WrongPort1", on=r"'input' = \d:", cause="did you mean 'output'"
    ),
    "wrong_return": Told(
        "WrongReturn1", on="'input' = 0:", cause="returned 7; it must"
    ),
    "bad_start": Told("BadStart1", "preprocess", cause="OSError: no such catalogue"),
    "bad_end": Told("BadEnd1", "postprocess", cause="OSError: disk full"),
}
DEATHS = {
    "killed": Told("Killed1", on="'input' = 3:", cause="SIGKILL"),
    "vanishing": Told("Vanishing1", on="'input' = 3:", cause="exit status 3"),
    "unpicklable": Told("Unpicklable1", on="'input' = 3:", cause="lock"),
    "carelessly_unpicklable": Told(
        "CarelesslyUnpicklable1", on="'input' = 3:", cause="lock"
    ),
}
ALL = FAILURES | DEATHS
#: Their messages are made in the same way under every mapping; multi has them.
ELSEWHERE = ("raising_leaf", "unspeakable", "wrong_port", "wrong_return")


def check(text: str, output: Told) -> None:
    """Assert that one line of ``text`` has the whole message; no other names a PE."""
    blame = re.compile(r"(\S+) \(instance \d+, process \d+\) failed in (\w+)")
    lines = [line for line in text.splitlines() if blame.search(line)]
    assert [blame.search(line).groups() for line in lines] == [
        (output.pe, output.phase)
    ]
    assert re.search(output.on or "", lines[0])
    assert re.search(output.cause, lines[0])


# ----------------------------------------------------------------- from Python


@pytest.mark.parametrize("name", FAILURES)
def test_simple(name):
    with pytest.raises(RunError) as caught:
        run(getattr(failing, name)())
    check(str(caught.value), FAILURES[name])


@pytest.mark.parametrize("name", ["raising", "bad_start"])
def test_the_error_at_the_root_can_be_had(name):
    with pytest.raises(RunError) as caught:
        run(getattr(failing, name)())
    assert isinstance(caught.value.__cause__, ValueError | OSError)
    (failure,) = caught.value.failures
    assert "Traceback" in failure.traceback


def test_simple_needs_no_pickle():
    assert run(failing.unpicklable()).counts["Sink2"] == (10, 0)


@pytest.mark.parametrize("name", ALL)
def test_multi(name, nothing_left_by_runs):
    with pytest.raises(RunError) as caught:
        run(getattr(failing, name)(), mapping="multi", processes=4)
    check(str(caught.value), ALL[name])


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize(
    "name", ["raising", "careless", "careless_at_the_end", "bad_end", "killed"]
)
def test_multi_where_pes_share_processes(name, processes, nothing_left_by_runs):
    with pytest.raises(RunError) as caught:
        run(getattr(failing, name)(), mapping="multi", processes=processes)
    (failure,) = caught.value.failures
    assert failure.pe_id == ALL[name].pe
    assert re.search(ALL[name].cause, failure.cause)


@pytest.mark.parametrize(
    ("name", "method"),
    each_once(["killed", "raising", "careless", "bad_end"], ["spawn", "forkserver"]),
)
def test_multi_with_workers_that_are_not_forked(name, method, nothing_left_by_runs):
    with pytest.raises(RunError) as caught:
        run(getattr(failing, name)(), None, "multi", 3, start_method=method)
    check(str(caught.value), ALL[name])


# ------------------------------------------------------- from the command line


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "dispel4py", *words]


def call(words: list[str], **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words,
        env=environment() | variables,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@pytest.mark.parametrize(
    ("mapping", "name"),
    [("simple", "raising"), ("multi", "raising_leaf"), ("multi", "killed")],
)
def test_command(mapping, name, nothing_left):
    done = call(command(mapping, "failing", "-a", name, "-n", "3"))
    assert done.returncode == 1
    assert done.stdout == ""
    check(done.stderr, ALL[name])
    assert done.stderr.splitlines()[-1].startswith("dispel4py: error: ")
    assert ("Traceback" in done.stderr) == (name != "killed")


@pytest.mark.parametrize("name", chosen([n for n in ALL if n not in ELSEWHERE], ALL))
def test_mpi_started_by_the_command(name, nothing_left):
    require_mpi()
    done = call(command("mpi", "failing", "-a", name, "-n", "3"))
    assert done.returncode == 1, done.stderr
    errors, text = ALL[name], done.stderr
    if name in ("killed", "vanishing"):
        # mpiexec ends the other ranks at once: on a busy machine the watcher may miss
        # the first death and its signal
        errors = replace(errors, cause="SIGKILL|exit status 3|without a message")
        text = "".join(line for line in text.splitlines() if errors.pe in line)
    check(text, errors)


@pytest.mark.parametrize("name", ["raising", "exiting"])
def test_mpi_started_by_mpiexec(name, nothing_left):
    mpiexec = require_mpi()
    words = [mpiexec, "-n", "2", *command("mpi", str(HERE / "failing.py"), "-a", name)]
    done = call(words)
    assert done.returncode == 1, done.stderr
    check(done.stderr, ALL[name])


# ----------------------------------------------------------------- interrupted


@pytest.mark.parametrize(
    ("words", "number", "status"),
    [
        ("simple", signal.SIGINT, 130),
        ("simple -a careless_sleeper", signal.SIGINT, 130),
        ("simple -a careless_sleeper", signal.SIGTERM, 143),
        ("multi -n 3", signal.SIGINT, 130),
        ("multi -n 3", signal.SIGTERM, 143),
        ("multi -n 2 --start-method spawn", signal.SIGINT, 130),
        ("multi -n 2 --start-method forkserver", signal.SIGINT, 130),
        ("multi -n 2 --start-method forkserver", signal.SIGTERM, 143),
        ("mpi -n 3", signal.SIGINT, 130),
        ("mpi -n 3", signal.SIGTERM, 143),
        ("mpi -n 2 -a careless_sleeper", signal.SIGTERM, 143),
    ],
)
def test_interrupt(words, number, status, nothing_left, tmp_path):
    mapping, *options = words.split()
    if mapping == "mpi":
        require_mpi()
    started = tmp_path / "started"
    program = subprocess.Popen(
        command(
            mapping,
            "failing",
            *(["-a", "sleeper"] if "-a" not in options else []),
            *options,
        ),
        env=environment() | {"STARTED": str(started)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_for(started, program)
    # Ctrl-C reaches all processes of the terminal's foreground group
    if number == signal.SIGINT:
        os.killpg(program.pid, number)
    else:
        program.send_signal(number)
    output, error = program.communicate(timeout=SECONDS)
    assert program.returncode == status, error
    assert "Traceback" not in error
    if mapping != "mpi":  # mpiexec reports that it ends its processes
        assert output == ""


def test_sigterm_of_a_program_leaves_nothing(nothing_left, tmp_path):
    started = tmp_path / "started"
    code = (
        "import failing; from dispel4py.run import run; "
        "run(failing.sleeper(), mapping='multi', processes=3)"
    )
    program = subprocess.Popen(
        [sys.executable, "-c", code],
        env=environment() | {"STARTED": str(started)},
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(started, program)
    program.terminate()
    error = program.communicate(timeout=SECONDS)[1]
    assert (program.returncode, error) == (-signal.SIGTERM, "")
    assert not list(Path("/dev/shm").glob(f"dispel4py-{program.pid}-*"))


def wait_for(path: Path, program: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + SECONDS
    while not path.exists():
        assert program.poll() is None, program.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(0.1)
