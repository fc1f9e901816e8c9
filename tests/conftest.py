"""Fixtures that every test may use, and the list of skipped tests at the end.

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

import signal  # noqa: E402
from collections import Counter  # noqa: E402
from pathlib import Path  # noqa: E402

import pytest  # noqa: E402

# Whoever starts the tests in the background lets them ignore Ctrl-C, and so would
# every program that they start and interrupt.
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


@pytest.fixture(scope="session")
def repository() -> Path:
    """Root of the source tree."""
    return REPOSITORY


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print why tests were skipped, each reason once, above the closing line."""
    reasons = Counter(
        report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report)
        for report in terminalreporter.stats.get("skipped", [])
    )
    if not reasons:
        return
    terminalreporter.section("what was skipped, and why")
    for reason, count in sorted(reasons.items()):
        terminalreporter.write_line(f"{count:4d} x {reason.removeprefix('Skipped: ')}")
