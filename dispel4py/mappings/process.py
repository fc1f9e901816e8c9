"""Settings of an operating-system process, for workers."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import logging
import math
import os
import platform
import resource
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from dispel4py.errors import MappingUnavailable

_log = logging.getLogger(__name__)

# Constants of glibc and Linux.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
#: Freed memory is kept for arrays of up to this size, the largest that glibc allows.
_KEEP_BYTES = 32 * 1024 * 1024
#: Open files that a process of a run needs: a few, and some for each other process.
_FILES, _FILES_PER_PROCESS = 24, 4
#: Folder of the limits of a container.
_CONTROL_GROUP = Path("/sys/fs/cgroup")
#: Loaded once, before processes are forked.
_LIBC = ctypes.CDLL(None)


def raise_allocator_thresholds() -> None:
    """Keep freed memory for the next array (only with glibc).

    By default the memory of each array above 128 kB is mapped anew, page by page. This
    costs more than most arithmetic on the array.
    """
    if not sys.platform.startswith("linux"):
        return
    with contextlib.suppress(AttributeError):
        _LIBC.mallopt(_M_MMAP_THRESHOLD, _KEEP_BYTES)
        _LIBC.mallopt(_M_TRIM_THRESHOLD, 4 * _KEEP_BYTES)


def available_cores() -> int:
    """Return the number of cores that this process may use, also in a container."""
    if hasattr(os, "sched_getaffinity"):
        n = len(os.sched_getaffinity(0))
    else:
        n = os.cpu_count() or 1
    return max(1, math.ceil(min(n, _cores_of_container())))


def _cores_of_container() -> float:
    """Return the limit of the control group, in cores, if there is one."""
    old = "cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"
    for names in (("cpu.max",), old):  # version 2 has both numbers in a file
        with contextlib.suppress(OSError, ValueError):
            texts = [(_CONTROL_GROUP / name).read_text("ascii") for name in names]
            quota, period = " ".join(texts).split()
            if quota not in ("max", "-1"):
                return int(quota) / int(period)
    return math.inf


@contextlib.contextmanager
def freeze_objects() -> Iterator[None]:
    """Hide the existing objects from the garbage collector, also in forked processes.

    The collector writes into every object that it visits, and a forked process copies
    each page that it writes to.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def peak_memory_mb() -> float:
    """Return the largest resident size of this process so far."""
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size / (1e6 if sys.platform == "darwin" else 1e3)


def process_state(pid: int) -> str:
    """Return the state of a process, as in ``/proc`` of Linux; "" if it is unknown."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    return text.rpartition(")")[2].split()[0]


def is_stopped(pid: int) -> bool:
    """Return whether a process is stopped, by SIGSTOP or a debugger (Linux)."""
    return process_state(pid) in ("T", "t")


def is_running(pid: int) -> bool:
    """Return whether a process is neither stopped nor ended (Linux)."""
    return process_state(pid) in ("R", "S", "D", "I")


def process_namespace() -> str:
    """Return the space in which the id of this process is known, "" if unknown."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def die_with_parent() -> None:
    """Ask the kernel to end this process when its parent ends (Linux)."""
    if sys.platform.startswith("linux"):
        with contextlib.suppress(AttributeError):
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def adopt_orphans() -> None:
    """Ask the kernel to make this process the parent of orphans (Linux).

    If a child ends, its children become children of this process.
    """
    if sys.platform.startswith("linux"):
        with contextlib.suppress(AttributeError):
            _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1)


def enter_folder(folder: str) -> None:
    """Work in the folder where the run was started: relative paths begin there.

    Parameters
    ----------
    folder : str
        If it is absent on this host, this process stays where it is, with a warning.
    """
    try:
        os.chdir(folder)
    except OSError as error:
        _log.warning(
            "%s: the folder in which the run was started cannot be entered, so "
            "relative paths begin in %s: %s",
            *(platform.node(), os.getcwd(), error),
        )


@contextlib.contextmanager
def in_folder(folder: str) -> Iterator[None]:
    """Do the same in the context, and return to the present folder.

    Parameters
    ----------
    folder : str
    """
    before = os.getcwd()
    enter_folder(folder)
    try:
        yield
    finally:
        os.chdir(before)


def seed_of_hashes() -> dict[str, str]:
    """Return the variable by which new processes have equal hashes of texts.

    A seed that the user has set is kept.
    """
    name = "PYTHONHASHSEED"
    known = os.environ.get(name, "random")
    return {name: "0" if known in ("", "random") else known}


def allow_open_files(n_processes: int) -> None:
    """Raise the limit of open files, if a run of so many processes needs it.

    Raises
    ------
    MappingUnavailable
        If the system does not allow it.
    """
    used = len(os.listdir("/dev/fd"))
    needed = used + _FILES + _FILES_PER_PROCESS * n_processes
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise MappingUnavailable(
            f"{n_processes} processes need {needed} open files, and the limit is "
            f"{hard}: raise it by 'ulimit -n', or use fewer processes"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
