"""How the process of the command ends."""

import os
import subprocess
import sys

import pytest

REGISTERED = """
import atexit, sys
from xcorr_app.terminal import leave
atexit.register(print, "registered", flush=True)
class Slow:
    def __del__(self):
        print("taken apart")
kept = Slow()
print("printed")
leave(3)
"""
THREAD = """
import threading, time
from xcorr_app.terminal import leave
def late():
    time.sleep(0.2)
    print("late")
threading.Thread(target=late).start()
leave(4)
"""
MPI = """
import sys, types
from xcorr_app.terminal import leave
sys.modules["mpi4py"] = types.ModuleType("mpi4py")
try:
    leave(5)
except SystemExit as done:
    print("the usual way")
    raise
"""


@pytest.mark.parametrize(
    ("code", "status", "said"),
    [
        (REGISTERED, 3, "printed\nregistered\n"),
        (THREAD, 4, "late\n"),
        (MPI, 5, "the usual way\n"),
    ],
    ids=["registered", "thread", "mpi"],
)
def test_a_process_leaves_when_all_is_done(code, status, said):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (status, said, "")


def test_a_reader_that_has_gone_is_no_traceback():
    # the usual way: Python says that it could not write, and gives the status 120
    code = "from xcorr_app.terminal import leave; print('x' * 10); leave(0)"
    with subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONUNBUFFERED": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        process.stdout.close()
        said = process.stderr.read().decode()
        assert process.wait() == 120
    assert "Traceback" not in said


def test_threads_without_work_do_not_spin():
    """OpenBLAS reads what it is told when numpy is loaded, so that comes later."""
    code = """
import os, sys
import xcorr_app
assert "numpy" not in sys.modules
import xcorr_app.__main__
print(os.environ["OPENBLAS_THREAD_TIMEOUT"])
"""
    names = {"OPENBLAS_THREAD_TIMEOUT"}
    env = {name: value for name, value in os.environ.items() if name not in names}
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "4\n"


RANK_WITH_A_MISTAKE = """
import os, sys
sys.argv[1:] = ["--stations", "nowhere.txt", "--data", ".", "--out", "out"]
if os.environ["PMI_RANK"] in {ranks}:
    sys.argv += ["--window-s", "long"]
from xcorr_app.__main__ import command
command()
"""


@pytest.mark.parametrize("ranks", [["1"], ["0", "1", "2"]])
def test_a_mistake_on_one_rank_keeps_nobody_waiting(ranks, tmp_path):
    pytest.importorskip("mpi4py")
    from dispel4py.mappings.launch import find_mpiexec

    program = tmp_path / "program.py"
    program.write_text(RANK_WITH_A_MISTAKE.format(ranks=ranks))
    command = [find_mpiexec(), "-n", "3", sys.executable, str(program)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=100, cwd=tmp_path
    )
    assert done.returncode == 2
    rank = "rank 1: " if ranks == ["1"] else ""
    assert f"error: {rank}--window-s: 'long' is not a number" in done.stderr
    assert done.stderr.count("is not a number") == 1
