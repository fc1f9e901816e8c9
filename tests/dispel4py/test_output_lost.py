"""Standard output that is full or closed: one line or none, and the right status."""

import os
import signal
import subprocess
import sys

import pytest

PRINTING = """
from dispel4py.base import ConsumerPE, ProducerPE
from dispel4py.workflow_graph import WorkflowGraph

class Numbers(ProducerPE):
    def _process(self, inputs):
        return 1

class Print(ConsumerPE):
    def _process(self, data):
        print("x" * 20_000)

graph = WorkflowGraph()
graph.connect(Numbers(), "output", Print(), "input")
"""
COMMANDS = [
    ("dispel4py", "mappings"),
    ("dispel4py", "simple", "printing.py", "-i", "9"),
    ("dispel4py", "multi", "printing.py", "-n", "2", "-i", "9"),
    ("xcorr_app", "--help"),
    ("xcorr_app", "init", "-"),
    ("misfit_app", "--version"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("graph")
    (folder / "printing.py").write_text(PRINTING)
    return folder


def outcome(words, folder, output, unbuffered):
    done = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=folder,
        stdout=output,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_full_output_is_one_line(folder, words):
    if not os.path.exists("/dev/full"):
        pytest.skip("/dev/full is a device of Linux")
    with open("/dev/full", "w") as full:
        status, text = outcome(words, folder, full, "")
    program = words[0].replace("_", "-")
    assert text == f"{program}: error: standard output: No space left on device\n"
    assert status == 1


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_reader_that_has_ended_ends_the_command_silently(folder, words):
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = outcome(words, folder, writing, "1")
    finally:
        os.close(writing)
    assert done == (128 + signal.SIGPIPE, "")
