"""Fixtures that every test may use, time limits, and the list of skipped tests.

The numerical libraries read their thread counts once, when they are first
imported, so the caps stand above every other import.
"""

import os

for _variable in (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
):
    os.environ[_variable] = "1"
os.environ["MPLBACKEND"] = "Agg"

import contextlib  # noqa: E402
import ctypes  # noqa: E402
import gc  # noqa: E402
import itertools  # noqa: E402
import logging  # noqa: E402
import signal  # noqa: E402
from collections import Counter  # noqa: E402
from collections.abc import Generator, Iterator  # noqa: E402
from pathlib import Path  # noqa: E402
from types import TracebackType  # noqa: E402
from typing import Any  # noqa: E402

import hypothesis  # noqa: E402
import pytest  # noqa: E402

# The same examples in each run, without limits of time; new ones in `make test-all`.
if not os.environ.get("DISPEL4PY_TEST_ALL"):
    hypothesis.settings.load_profile("ci")

# Tests that run in the background ignore Ctrl-C, and so would the programs that they
# start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

REPOSITORY = Path(__file__).resolve().parent.parent
SHARED_DATA_VARIABLE = "DISPEL4PY_SHARED_DATA"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Root of the real-data folders; the test is skipped where there is none."""
    chosen = os.environ.get(SHARED_DATA_VARIABLE)
    root = Path(chosen) if chosen else REPOSITORY.parent / "shared" / "data"
    if not root.is_dir():
        pytest.skip(f"no real data at {root}; set {SHARED_DATA_VARIABLE} to its folder")
    return root


@pytest.fixture(scope="module", autouse=True)
def freed_memory() -> Iterator[None]:
    """Give the memory that a file of tests has freed back to the system.

    The tests of workers fork this process, and a fork costs 80 ms for each gigabyte.
    """
    yield
    with contextlib.suppress(AttributeError):  # glibc has it
        ctypes.CDLL(None).malloc_trim(0)


@pytest.fixture(scope="session")
def repository() -> Path:
    """Root of the source tree."""
    return REPOSITORY


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    call: pytest.CallInfo[None],
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Give every traceback line numbers, before pytest writes the report.

    A time limit and Ctrl-C raise between two instructions. The compiler adds jumps that
    have no line, and an exception that is raised there has a traceback without a line
    number. pytest fails with an internal error then, and the later tests do not run.
    """
    if call.excinfo is not None:
        _number_lines(call.excinfo.value)
        call.excinfo = pytest.ExceptionInfo.from_exception(call.excinfo.value)
    return (yield)


def _number_lines(error: BaseException) -> None:
    """Give an exception, and those before it, tracebacks with line numbers."""
    seen: set[int] = set()
    todo: list[BaseException | None] = [error]
    while todo:
        error_now = todo.pop()
        if error_now is None or id(error_now) in seen:
            continue
        seen.add(id(error_now))
        error_now.__traceback__ = _numbered(error_now.__traceback__)
        todo += [error_now.__cause__, error_now.__context__]
        if isinstance(error_now, BaseExceptionGroup):
            todo += error_now.exceptions


def _numbered(traceback: TracebackType | None) -> TracebackType | None:
    """Return the traceback; a missing line number is that of the line before it."""
    entries = []
    while traceback is not None:
        entries.append(traceback)
        traceback = traceback.tb_next
    result = None
    for entry in reversed(entries):
        # the type of tb_lineno leaves out the case of no line
        line: int | None = entry.tb_lineno
        if line is None:
            line = _line_before(entry)
        result = TracebackType(result, entry.tb_frame, entry.tb_lasti, line)
    return result


def _line_before(entry: TracebackType) -> int:
    code = entry.tb_frame.f_code
    lines = [
        line
        for start, _, line in code.co_lines()
        if line is not None and start <= entry.tb_lasti
    ]
    return lines[-1] if lines else code.co_firstlineno


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Take a file of each folder in turn, if several processes run the tests.

    Those of one folder are alike: the tests of clusters wait most of their time, and
    beside each other would leave the cores idle.
    """
    if not hasattr(config, "workerinput"):
        return
    folders: dict[Any, dict[Path, list[pytest.Item]]] = {}
    for item in items:
        folder = item.path.relative_to(config.rootpath).parts[:2]
        folders.setdefault(folder, {}).setdefault(item.path, []).append(item)
    turns = itertools.zip_longest(*(f.values() for f in folders.values()), fillvalue=[])
    items[:] = [item for turn in turns for tests in turn for item in tests]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, Any, Any]:
    """Look for no garbage: nearly all objects of a collection live to the end."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Distribute the files, and never repeat the test that ended its process.

    The scheduler of pytest-xdist gives that test to the next process, which ends, too,
    until no more processes may be started. It fails if two processes have ended and
    only one of the new processes has collected the tests. And it may leave a new
    process with one test, which waits for a second test before it begins.
    """
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def remove_node(self, node: Any) -> str | None:
            for tests in self.assigned_work[node].values():
                for name, is_done in tests.items():
                    if not is_done:
                        tests[name] = True
                        super().remove_node(node)
                        return name
            return super().remove_node(node)

        def _reschedule(self, node: Any) -> None:
            if node not in self.registered_collections:
                return
            super()._reschedule(node)
            while self.workqueue and self._pending_of(self.assigned_work[node]) < 2:
                self._assign_work_unit(node)

    return Scheduling(config, log)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the reasons for skipped tests, each once, above the closing line."""
    reasons = Counter(
        report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report)
        for report in terminalreporter.stats.get("skipped", [])
    )
    if not reasons:
        return
    terminalreporter.section("skipped tests, with reasons")
    for reason, count in sorted(reasons.items()):
        terminalreporter.write_line(f"{count:4d} x {reason.removeprefix('Skipped: ')}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Generator[None, Any, Any]:
    """Restore the logging after each test: a command starts it in this process."""
    logs = [logging.getLogger(), logging.getLogger("dispel4py.pe")]
    states = [(log.handlers[:], log.level) for log in logs]
    try:
        return (yield)
    finally:
        for log, (handlers, level) in zip(logs, states, strict=True):
            log.handlers[:] = handlers
            log.setLevel(level)


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, Any, Any]:
    """Escape what UTF-8 cannot hold: a report with it would end the test process."""
    return _escape_surrogates((yield))


def _escape_surrogates(value: Any) -> Any:
    """Return a value of JSON with surrogates as escape sequences, also in its parts."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, dict):
        return {
            _escape_surrogates(key): _escape_surrogates(part)
            for key, part in value.items()
        }
    if isinstance(value, list | tuple):
        return type(value)(_escape_surrogates(part) for part in value)
    return value
