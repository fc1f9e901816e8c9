"""Faults of PEs, and the threads, files and processes of PEs, under every mapping."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import faults
import pytest
from faults import ENDLESS, ERRORS, N, Pass, Source, chain
from programs import HERE, environment, require_mpi

from dispel4py.dead_letters import read_letters
from dispel4py.errors import RunError
from dispel4py.plan import make_plan
from dispel4py.run import run
from tests.draws import last_once

#: Workers that are spawned take seconds to start.
PLACES: list[dict[str, Any]] = [
    {},
    {"mapping": "multi", "processes": 1},
    {"mapping": "multi", "processes": 4},
    {"mapping": "multi", "processes": 4, "start_method": "spawn"},
]
MULTI = PLACES[1:]


def program(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*words],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.mark.parametrize("how", PLACES)
def test_receivers_do_not_share_objects_in_arrays(how):
    assert faults.changed(**how) == faults.EXPECTED_CHANGED


@pytest.mark.parametrize(("how", "policy"), last_once(PLACES, ["stop", "retry:1"]))
def test_items_that_threads_write_arrive(how, policy):
    found = faults.written_in_threads(**how, on_error=policy)
    assert found == faults.EXPECTED_WRITTEN


@pytest.mark.parametrize("n", [1, 4])
def test_a_thread_that_writes_after_the_end_is_refused(n):
    code = (
        "import faults; from dispel4py.run import run; "
        "graph = faults.chain(faults.Source(), faults.WritesTooLate()); "
        f"run(graph, None, 'multi', {n})"
    )
    done = program(sys.executable, "-c", code)
    assert "WritesTooLate1 has finished: the item written to 'output' is" in done.stderr


@pytest.mark.parametrize("how", MULTI)
def test_threads_are_waited_for_and_files_are_written(
    how, tmp_path, nothing_left_by_runs
):
    run(chain(Source(), faults.Lingers(tmp_path)), **how)
    lines = [line for path in tmp_path.iterdir() for line in path.read_text().split()]
    n_late = lines.count("late")
    assert sorted(line for line in lines if line != "late") == sorted(
        map(str, range(N))
    )
    assert n_late == len(list(tmp_path.iterdir()))


@pytest.mark.parametrize(("how", "fails"), last_once(MULTI, [True, False]))
def test_processes_of_a_pe_do_not_outlive_the_run(how, fails, nothing_left_by_runs):
    graph = chain(Source(), faults.KeepsPool(fails), Pass())
    if fails:
        with pytest.raises(RunError, match="three is too many"):
            run(graph, **how)
    else:
        run(graph, **how)


def check_error(text: str, cause: str) -> None:
    (line,) = text.splitlines()
    assert re.match(
        r"Fails1 \(instance \d, process \d\) failed in process on input 'input' = 3: ",
        line,
    )
    assert line.endswith(cause)


@pytest.mark.parametrize(("how", "kind"), last_once(PLACES, ERRORS))
def test_every_error_is_one_line_and_the_policy_holds(how, kind, tmp_path):
    with pytest.raises(RunError) as caught:
        run(chain(Source(), faults.Fails(kind), Pass()), **how)
    check_error(str(caught.value), ERRORS[kind])
    last = Pass()
    result = run(chain(Source(), faults.Fails(kind), last), on_error="skip", **how)
    check_error(str(result.failures[0]), ERRORS[kind])
    assert sorted(result.output(last.id)) == [k for k in range(N) if k != 3]
    result = run(
        chain(Source(), faults.Fails(kind, once=True), last), on_error="retry:1", **how
    )
    assert sorted(result.output(last.id)) == list(range(N))


@pytest.mark.parametrize(
    ("how", "policy"), last_once(PLACES, ["stop", "skip", "retry:1"])
)
def test_a_child_that_returns_from_a_pe_ends(how, policy, tmp_path, nothing_left):
    path = tmp_path / "program.py"
    path.write_text(
        "import faults; from dispel4py.run import run\n"
        "if __name__ == '__main__':\n"
        "    last = faults.Pass()\n"
        "    graph = faults.chain(faults.Source(), faults.Forks(), last)\n"
        f"    result = run(graph, on_error={policy!r}, **{how!r})\n"
        "    print(sorted(result.output(last.id)))\n"
    )
    done = program(sys.executable, str(path))
    assert done.stdout == f"{list(range(N))}\n"
    expected = "Forks1 returned in a process that it forked: this ends\n"
    # on a busy machine, the threads of another element may be waited for
    lines = [line for line in done.stderr.splitlines(True) if "waiting for" not in line]
    assert lines == [expected]


@pytest.mark.parametrize("how", MULTI)
def test_a_pe_that_raises_a_keyboard_interrupt_is_named(how):
    with pytest.raises(RunError) as caught:
        run(chain(Source(), faults.Interrupts()), **how)
    assert re.match(r"Interrupts1 \(.* in process on ", str(caught.value))
    assert str(caught.value).endswith("KeyboardInterrupt: not by the user")


@pytest.mark.parametrize("how", PLACES[2:])
def test_an_item_that_its_receiver_cannot_read(how, tmp_path):
    """Its receiver is a PE."""
    graph = chain(Source(), faults.GivesBad(), Pass(), Pass())
    with pytest.raises(RunError) as caught:
        run(graph, **how)
    expected = (
        r"Pass2 \(instance 0, process \d\) failed in process on input 'input' = "
        r"<an item of \d+ bytes that cannot be unpickled>: "
        r"LookupError: no such thing here$"
    )
    assert re.match(expected, str(caught.value))
    letters = str(tmp_path / "letters")
    last = Pass()
    graph = chain(Source(), faults.GivesBad(), Pass(), last)
    result = run(graph, on_error="skip", dead_letters=letters, **how)
    assert sorted(result.output(last.id)) == [(k,) for k in range(N) if k != 3]
    assert re.match(expected, str(result.failures[0]))
    assert result.n_failures == len(read_letters(letters)) == 1


@pytest.mark.parametrize("how", MULTI)
def test_a_result_that_cannot_be_read(how):
    gives = faults.GivesBad()
    with pytest.raises(RunError) as caught:
        run(chain(Source(), gives), **how)
    assert re.match(
        r"GivesBad1 \(instance 0, process \d\) failed in results on <an item of \d+ "
        r"bytes that cannot be unpickled>: LookupError: no such thing here$",
        str(caught.value),
    )
    result = run(chain(Source(), gives), on_error="skip", **how)
    assert sorted(result.output(gives.id)) == [(k,) for k in range(N) if k != 3]
    assert result.n_failures == 1


@pytest.mark.parametrize("how", PLACES[2:])
def test_an_input_that_its_source_cannot_read(how):
    first = Pass()
    items = [faults.BadAtReceiver() if k == 3 else k for k in range(N)]
    with pytest.raises(RunError, match=r"Pass0 .* on <an item of .*: LookupError: no"):
        run(chain(first, Pass()), iter([{"input": item} for item in items]), **how)


# ------------------------------------------------------------------- teardown


def count(folder: Path, what: str) -> dict[str, int]:
    """Return the number of instances of each PE that started, or were torn down."""
    return {
        path.name.removeprefix(f"{what}-"): len(path.read_text().splitlines())
        for path in folder.glob(f"{what}-*")
    }


@pytest.mark.parametrize(
    ("how", "does"),
    last_once(PLACES, ["fails", "", "fails at start", "fails at the end"]),
)
def test_teardown_after_success_and_failure(how, does, tmp_path, nothing_left_by_runs):
    first, second = faults.TearsDown(tmp_path), faults.TearsDown(tmp_path, does)
    first.name, second.name = "First", "Second"
    graph = chain(Source(), first, second)
    if does:
        with pytest.raises(RunError) as caught:
            run(graph, **how)
        phase = {"fails": "process", "fails at start": "preprocess"}.get(
            does, "teardown"
        )
        assert re.match(f"Second2 .* failed in {phase}", str(caught.value))
    else:
        assert len(run(graph, **how).output(second.id)) == N
    started = count(tmp_path, "started")
    assert "Second" in started
    assert count(tmp_path, "ended") == started


@pytest.mark.parametrize("how", PLACES[2:])
def test_a_failure_at_the_end_does_not_interrupt_other_ends(how, tmp_path):
    with pytest.raises(RunError, match=r"TearsDownAlone1 .* failed in teardown: "):
        faults.fail_at_one(str(tmp_path), "fails at the end", "1", **how)
    assert {path.name for path in tmp_path.glob("ended-*")} == {"ended-2", "ended-3"}


def test_an_interrupt_at_the_end_does_not_keep_other_pes_from_theirs(tmp_path):
    first, second = faults.TearsDown(tmp_path), faults.InterruptsAtEnd(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run(chain(Source(), first, second))
    assert count(tmp_path, "ended") == {"TearsDown": 1, "InterruptsAtEnd": 1}


@pytest.mark.parametrize(
    ("how", "number"), last_once(PLACES, [signal.SIGTERM, signal.SIGHUP])
)
def test_teardown_after_a_signal(how, number, tmp_path, nothing_left):
    code = (
        "import faults, pathlib, signal; from dispel4py.run import run\n"
        "if __name__ == '__main__':\n"
        "    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup ignores it\n"
        f"    folder = pathlib.Path({str(tmp_path)!r})\n"
        "    pe = faults.TearsDown(folder, 'sleeps'); pe.name = 'Sleeper'\n"
        f"    run(faults.chain(faults.Source(), pe), **{how!r})\n"
    )
    path = tmp_path / "program.py"
    path.write_text(code)
    running = subprocess.Popen(
        [sys.executable, str(path)],
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    sleeper = faults.TearsDown(tmp_path)
    plan = make_plan(chain(Source(), sleeper), how.get("processes", 1))
    n_instances = sum(
        1 for instance in plan.instances if plan.pes[instance.pe_index] is sleeper
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "sleeps").exists() or count(tmp_path, "started") != {
        "Sleeper": n_instances
    }:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    if number == signal.SIGHUP:  # a closed terminal sends this signal to all processes
        os.killpg(running.pid, number)
    else:
        running.send_signal(number)
    try:
        error = running.communicate(timeout=60)[1]
    finally:
        running.kill()
    assert (running.returncode, error) == (-number, "")
    assert count(tmp_path, "ended") == count(tmp_path, "started") != {}


# --------------------------------------------------------------- the early end


@pytest.mark.parametrize(("how", "kind"), last_once(PLACES, [*ENDLESS, "inputs"]))
def test_a_pe_ends_an_endless_stream(how, kind, nothing_left_by_runs):
    assert faults.taken(kind, **how) == [11, "end"]


def test_faults_under_mpi():
    done = program(require_mpi(), "-n", "4", sys.executable, str(HERE / "faults.py"))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "changed": faults.EXPECTED_CHANGED,
        "written": faults.EXPECTED_WRITTEN,
        "taken": [[11, "end"]] * 4,
    }


def test_policies_threads_and_processes_under_mpi(tmp_path, nothing_left):
    """Every kind of error is one line, and the other items arrive."""
    command = (sys.executable, str(HERE / "faults.py"), "policies", str(tmp_path))
    done = program(require_mpi(), "-n", "3", *command)
    assert done.returncode == 0, done.stderr
    forked, found = json.loads(done.stdout)
    assert forked == list(range(N))
    assert "Forks1 returned in a process that it forked: this ends\n" in done.stderr
    for kind, (failures, kept, retried) in found.items():
        (line,) = failures
        if kind == "unreadable":
            assert re.match(r"Pass\d .* that cannot be unpickled>: LookupError: ", line)
        else:
            check_error(line, ERRORS[kind])
        assert kept == [k for k in range(N) if k != 3]
        assert retried == list(range(N))
    lines = [line for path in tmp_path.iterdir() for line in path.read_text().split()]
    assert lines.count("late") == len(list(tmp_path.iterdir()))
    assert sorted(line for line in lines if line != "late") == sorted(
        map(str, range(N))
    )


@pytest.mark.parametrize("kind", ["group", "fails", "fails at start", "interrupts"])
def test_the_first_cause_and_teardown_under_mpi(kind, tmp_path, nothing_left):
    command = (sys.executable, str(HERE / "faults.py"), "stop", kind, str(tmp_path))
    done = program(require_mpi(), "-n", "3", *command)
    assert done.returncode == 1
    causes = [text for text in done.stderr.splitlines() if "2 (instance" in text]
    (line,) = [text for text in causes if " failed in " in text]
    assert line.startswith(("Fails2 ", "TearsDown2 ", "Interrupts2 "))
    assert count(tmp_path, "ended") == count(tmp_path, "started")


@pytest.mark.parametrize("failing", [1, 3])
@pytest.mark.parametrize("does", ["", "sleeps"])
def test_teardown_on_all_ranks_when_one_fails(failing, does, tmp_path, nothing_left):
    command = [sys.executable, str(HERE / "faults.py"), str(tmp_path), does]
    done = program(require_mpi(), "-n", "4", *command, str(failing))
    assert done.returncode == 1
    assert done.stderr.count("TearsDownAlone1 (instance") == 1
    assert "killed" not in done.stderr
    assert {path.name for path in tmp_path.glob("ended-*")} == {
        f"ended-{rank}" for rank in (1, 2, 3)
    }


def test_a_failure_at_the_end_does_not_interrupt_other_ranks(tmp_path, nothing_left):
    command = [sys.executable, str(HERE / "faults.py"), str(tmp_path)]
    done = program(require_mpi(), "-n", "4", *command, "fails at the end", "1")
    assert done.returncode == 1
    assert done.stderr.count("TearsDownAlone1 (instance") == 1
    assert {path.name for path in tmp_path.glob("ended-*")} == {"ended-2", "ended-3"}
