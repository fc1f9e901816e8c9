"""Limits of the system, and stopped workers, are reported in one line."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import pytest
from failing import Pass, Source, chain
from programs import environment

from dispel4py.errors import RunError
from dispel4py.mappings import folders, stopped
from dispel4py.run import run


def call(*words: str, **how: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dispel4py", *words],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        **how,
    )


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    (line,) = done.stderr.splitlines()
    assert done.returncode == 2
    return line


def limit_files(soft: int, hard: int) -> Any:
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_few_open_files_are_refused():
    done = call(
        *("multi", "failing", "-a", "raising_leaf", "-n", "12"),
        preexec_fn=limit_files(40, 40),
    )
    assert "12 processes need" in one_line(done)
    assert one_line(done).endswith("raise it by 'ulimit -n', or use fewer processes")


def test_a_low_limit_is_raised():
    words = ("multi", "dispel4py.examples.squares", "-n", "12", "--quiet")
    done = call(*words, preexec_fn=limit_files(30, 4000))
    assert (done.returncode, done.stderr) == (0, "")


def test_a_long_path_of_temporary_files(tmp_path):
    long = tmp_path / ("x" * 60) / ("y" * 60)
    long.mkdir(parents=True)
    code = (
        "import pathlib, sys\n"
        "from dispel4py.mappings import folders\n"
        "folders.os.access = lambda *a: False\n"
        "from dispel4py.cli import main\n"
        "sys.exit(main(['multi', 'dispel4py.examples.squares', '-n', '2']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment() | {"TMPDIR": str(long)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert one_line(done).endswith("too long for sockets: set TMPDIR to a shorter one")


def test_full_shared_memory_is_not_used(monkeypatch):
    monkeypatch.setattr(
        folders, "_free_bytes", lambda folder: 0 if "shm" in str(folder) else 1 << 40
    )
    found: list[str] = []
    make = folders.tempfile.mkdtemp
    monkeypatch.setattr(
        folders.tempfile,
        "mkdtemp",
        lambda **how: found.append(how["dir"]) or make(**how),
    )
    last = Pass()
    assert len(run(chain(Source(), last), None, "multi", 2).output(last.id)) == 10
    assert found
    assert not str(found[0]).startswith("/dev/shm")
    monkeypatch.setattr(folders, "_free_bytes", lambda folder: 0)
    with pytest.raises(folders.MappingUnavailable, match="there is no space"):
        run(chain(Source(), last), None, "multi", 2)


@pytest.mark.parametrize("mapping", ["simple", "multi"])
@pytest.mark.parametrize("name", ["raising", "raising_leaf"])
def test_closed_standard_streams(mapping, name):
    """The exit status tells; no file gets the number of standard error."""

    def close() -> None:
        os.close(0)
        os.close(2)

    done = call(mapping, "failing", "-a", name, "-n", "3", preexec_fn=close)
    assert (done.returncode, done.stdout) == (1, "")


def test_a_stopped_worker_is_reported(monkeypatch, caplog):
    monkeypatch.setattr(stopped, "CHECK_SECONDS", 0.2)
    monkeypatch.setattr(stopped, "REPORT_SECONDS", 0.6)

    class Stops(Pass):
        def preprocess(self) -> None:
            os.kill(os.getpid(), signal.SIGSTOP)

    def carry_on() -> None:
        deadline = time.monotonic() + 60
        while "has been stopped" not in caplog.text and time.monotonic() < deadline:
            time.sleep(0.05)
        pid = int(caplog.text.rpartition("-CONT ")[2].partition("'")[0])
        os.kill(pid, signal.SIGCONT)

    helper = threading.Thread(target=carry_on)
    helper.start()
    stops = Stops()
    result = run(chain(Source(), stops), None, "multi", 2)
    helper.join()
    assert len(result.output(stops.id)) == 10
    assert "process 1 (Stops1, process id" in caplog.text


class StopsOnce(Pass):
    """Stops its process at an item, or sleeps or computes for a while."""

    def __init__(self, does: str) -> None:
        super().__init__()
        self.does = does

    def _process(self, data: Any) -> Any:
        if data == 3 and self.does == "stops":
            os.kill(os.getpid(), signal.SIGSTOP)
        if data == 3 and self.does == "sleeps":
            time.sleep(1.2)
        if data == 3 and self.does == "computes":  # and holds the interpreter
            began, number = time.monotonic(), 3**400_000
            while time.monotonic() - began < 1.2:
                str(number % 10**4000)
                number * number
        return data


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_stopped_worker_ends_the_run_after_its_silence(method, nothing_left):
    with pytest.raises(RunError) as caught:
        run(
            chain(Source(), StopsOnce("stops"), Pass()),
            None,
            "multi",
            3,
            silence_s=0.6,
            start_method=method,
        )
    (line,) = str(caught.value).splitlines()
    assert line.startswith("StopsOnce1 (instance 0, process 1) failed in process")
    assert re.search(
        r"stopped for \S+ s, by SIGSTOP or a debugger \(--silence-s\)", line
    )


@pytest.mark.parametrize("does", ["sleeps", "computes"])
def test_a_slow_worker_is_not_silent(does, nothing_left):
    last = Pass()
    graph = chain(Source(), StopsOnce(does), last)
    result = run(graph, None, "multi", 3, silence_s=0.3)
    assert sorted(result.output(last.id)) == list(range(10))


def test_a_worker_that_is_stopped_at_its_end(nothing_left):
    """All items have arrived, but a thread of a PE still runs."""

    class Ends(Pass):
        def postprocess(self) -> None:
            pid = os.getpid()
            threading.Timer(0.5, os.kill, (pid, signal.SIGSTOP)).start()
            threading.Thread(target=time.sleep, args=(2.0,)).start()

    with pytest.raises(RunError, match="stopped for"):
        run(chain(Source(), Ends()), None, "multi", 2, silence_s=0.5)


def test_a_run_that_was_stopped_as_a_whole_is_continued(nothing_left):
    """A batch system suspends a job: nothing is silent for longer than the others."""
    code = (
        "import failing, time\n"
        "from dispel4py.run import run\n"
        "class Slow(failing.Pass):\n"
        "    def _process(self, data):\n"
        "        print('item', data, flush=True)\n"
        "        time.sleep(0.1)\n"
        "slow = Slow()\n"
        "graph = failing.chain(failing.Source(), slow)\n"
        "run(graph, None, 'multi', 2, silence_s=0.6)\n"
    )
    program = subprocess.Popen(
        [sys.executable, "-c", code],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert program.stdout is not None
        assert program.stdout.readline() == "item 0\n"
        os.killpg(program.pid, signal.SIGSTOP)
        time.sleep(1.5)
        os.killpg(program.pid, signal.SIGCONT)
        output, error = program.communicate(timeout=100)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(program.pid, signal.SIGKILL)
    assert (program.returncode, error) == (0, "")
    assert output.splitlines()[-1] == "item 9"
