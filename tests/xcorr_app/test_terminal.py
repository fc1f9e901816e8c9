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
