"""Whatever a test does or prints is one failure, and the later tests run."""

import shutil
import subprocess
import sys

import pytest

FILE = """
import ctypes
import itertools
import time

import pytest


def wait_for_ever():
    for number in itertools.repeat(0):
        if number:  # the jump back at the end of this loop has no line
            first = 1
        elif number > 1:
            second = 2


@pytest.mark.timeout(1)
def test_loop():
    wait_for_ever()


@pytest.mark.timeout(1)
def test_in_the_course_of_another_exception():
    try:
        wait_for_ever()
    except BaseException as error:
        raise ExceptionGroup("two", [KeyError("a"), ValueError("b")]) from error


@pytest.fixture
def slow():
    wait_for_ever()


@pytest.mark.timeout(1)
def test_fixture(slow):
    pass


@pytest.mark.timeout(1)
def test_sleep():
    time.sleep(100)


def test_compiled_code():
    ctypes.PyDLL(None).sleep(100)  # no signal is handled in this time


@pytest.mark.skip(reason="no data")
def test_skipped():
    pass


def test_name_of_any_bytes():
    print("\\udcff")
    raise ValueError("\\udcff")


def test_last():
    pass
"""
# Both processes end at about the same time, and five files wait for new processes.
ALSO = """
import ctypes


def test_compiled_code():
    ctypes.PyDLL(None).sleep(100)
"""
SHORT = """
def test_short():
    pass
"""
HOW = {"here": ["--deselect=test_slow.py::test_compiled_code"], "beside": ["-n", "2"]}


@pytest.fixture(scope="module", params=HOW)
def output(request, repository, tmp_path_factory):
    folder = tmp_path_factory.mktemp("suite")
    shutil.copy(repository / "tests" / "conftest.py", folder)
    shutil.copy(repository / "pyproject.toml", folder)
    (folder / "test_slow.py").write_text(FILE)
    files = ["test_slow.py"]
    if request.param == "beside":
        names = ["test_also.py", *(f"test_short_{k}.py" for k in range(5))]
        (folder / names[0]).write_text(ALSO)
        for name in names[1:]:
            (folder / name).write_text(SHORT)
        files += names
    command = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider"]
    options = [*HOW[request.param], "--dist=loadfile", "-o", "faulthandler_timeout=6"]
    done = subprocess.run(
        [*command, *options, *files],
        cwd=folder,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=200,
        check=False,
    )
    assert done.returncode == 1, done.stdout
    return done.stdout


def test_the_later_tests_run(output):
    n_failed, n_passed = (6, 6) if "test_also.py" in output else (4, 1)
    counts = f"{n_failed} failed, {n_passed} passed, 1 skipped, 1 error"
    assert counts in output.splitlines()[-1].replace("1 deselected, ", "")
    assert "INTERNALERROR" not in output
    assert "   1 x no data" in output.splitlines()


def test_the_report_has_the_line_of_the_loop(output):
    line = FILE.splitlines().index("        elif number > 1:") + 1
    places = [f"test_slow.py:{n}: Failed" for n in range(line - 3, line + 2)]
    assert [place for place in places if place in output]
    assert "Timeout (>1.0s) from pytest-timeout" in output
