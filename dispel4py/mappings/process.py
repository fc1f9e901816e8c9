"""Settings of an operating-system process, for workers."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import resource
import signal
import sys
from collections.abc import Iterator

# Constants of glibc and Linux.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_PR_SET_PDEATHSIG = 1
#: Freed memory is kept for arrays of up to this size, the largest that glibc allows.
_KEEP_BYTES = 32 * 1024 * 1024
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
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


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


def die_with_parent() -> None:
    """Ask the kernel to end this process when its parent ends (Linux)."""
    if sys.platform.startswith("linux"):
        with contextlib.suppress(AttributeError):
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
