"""The exit code of a process that the watcher of an MPI run has not started."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from dispel4py.mappings.deaths import can_watch
from dispel4py.mappings.watcher import exit_code

pytestmark = pytest.mark.skipif(not can_watch(), reason="needs Linux")
#: Its standard output breaks when it begins to end.
PROGRAM = "import sys; sys.exit(len(sys.stdin.read()))"


@pytest.fixture
def program() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [sys.executable, "-S", "-c", PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as program:
        yield program
        program.kill()


def kill(program: subprocess.Popen[bytes]) -> int:
    program.kill()
    return -signal.SIGKILL


def let_it_exit(program: subprocess.Popen[bytes]) -> int:
    program.stdin.write(b"123")
    program.stdin.close()
    return 3


ENDS = pytest.mark.parametrize("end", [kill, let_it_exit])
End = Callable[[subprocess.Popen[bytes]], int]


@ENDS
def test_a_process_that_begins_to_end(program, end: End):
    descriptor = os.pidfd_open(program.pid)
    code = end(program)
    assert program.stdout.read() == b""
    assert exit_code(program.pid, descriptor) == code
    os.close(descriptor)


@ENDS
def test_a_process_that_its_parent_has_collected(program, end: End):
    descriptor = os.pidfd_open(program.pid)
    code = end(program)
    assert program.wait(60) == code
    release = tuple(map(int, re.findall(r"\d+", os.uname().release)[:2]))
    known = code if release >= (6, 15) else None
    assert exit_code(program.pid, descriptor) == known
    os.close(descriptor)


def test_a_process_that_had_ended_before(program):
    assert exit_code(program.pid, None) is None
