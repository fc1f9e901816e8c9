"""If the kernel kills a worker for lack of memory, the message names PE and item."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest
from programs import environment, require_mpi

LIMIT_BYTES = 400_000_000
#: Files with the limits of a control group: of memory, and of memory with swap.
LIMITS = {
    1: {
        "memory.limit_in_bytes": LIMIT_BYTES,
        "memory.memsw.limit_in_bytes": LIMIT_BYTES,
    },
    2: {"memory.max": LIMIT_BYTES, "memory.swap.max": 0},
}


def parents() -> list[tuple[int, Path]]:
    """Yield the folders in which a group with a limit can be made: version, path."""
    mounted = [
        (fields[1], fields[2], fields[3])
        for fields in map(str.split, Path("/proc/self/mounts").read_text().splitlines())
    ]
    results = []
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        for folder, kind, options in mounted:
            is_first = kind == "cgroup" and "memory" in options.split(",")
            if is_first and controllers == "memory":
                results.append((1, Path(folder + path)))
            elif kind == "cgroup2" and not controllers:
                results.append((2, Path(folder + path)))
    return results


def limit(group: Path, version: int) -> None:
    """Limit a group, and check that a process can enter it."""
    has_swap = len(Path("/proc/swaps").read_text().splitlines()) > 1
    for name, value in LIMITS[version].items():
        if has_swap or "sw" not in name:
            (group / name).write_text(str(value))
    subprocess.run(["sh", "-c", f"echo $$ > {group}/cgroup.procs"], check=True)


@pytest.fixture
def group():
    """A group of processes that may use `LIMIT_BYTES` together."""
    if not sys.platform.startswith("linux"):
        pytest.skip("memory is limited by control groups, which Linux has")
    reasons = []
    for version, parent in parents():
        result = parent / f"dispel4py-test-{uuid.uuid4().hex[:8]}"
        try:
            result.mkdir()
            limit(result, version)
        except (OSError, subprocess.CalledProcessError) as error:
            reasons.append(getattr(error, "strerror", "") or str(error))
            with contextlib.suppress(OSError):
                result.rmdir()
            continue
        yield result
        deadline = time.monotonic() + 60.0
        while True:  # until killed processes are collected
            try:
                result.rmdir()
                return
            except OSError:
                assert time.monotonic() < deadline, "the program left processes"
                time.sleep(0.05)
    pytest.skip(f"no control group can be made: {'; '.join(reasons) or 'none here'}")


@pytest.mark.parametrize("mapping", ["multi", "mpi"])
def test_a_worker_killed_by_the_kernel_is_named(mapping, group, nothing_left):
    if mapping == "mpi":
        require_mpi()
    words = [sys.executable, "-m", "dispel4py", mapping, "failing", "-a", "hoarding"]
    enter = f'echo $$ > {group}/cgroup.procs && exec "$@"'
    done = subprocess.run(
        ["sh", "-c", enter, "sh", *words, "-n", "3"],
        env=environment() | {"MALLOC_ARENA_MAX": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    expected_message = [
        line for line in done.stderr.splitlines() if "Hoarding1" in line
    ]
    assert len(expected_message) == 1, done.stderr
    assert "(instance 0, process" in expected_message[0]
    assert expected_message[0].endswith(
        "failed in process on input 'input' = 3: killed by the kernel (SIGKILL): "
        "out of memory"
    )
