"""The number of threads of BLAS and OpenMP in processes that share the cores."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from dispel4py.mappings.process import available_cores

try:
    from threadpoolctl import ThreadpoolController
except ImportError:
    ThreadpoolController = None

_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)


_lock = threading.Lock()
_limits = contextlib.ExitStack()
_n_runs = 0


@contextlib.contextmanager
def limited_threads(n_processes: int) -> Iterator[None]:
    """Limit BLAS and OpenMP so that processes x threads is the number of cores.

    Processes that are started within the context keep the limit: a forked process
    inherits that of the libraries, a spawned one reads the variables. The context is
    meant for a whole run, as OpenBLAS keeps a core busy for a while when its limit is
    lifted. Of several runs at the same time the first sets the limit, and the last
    lifts it.
    """
    global _n_runs
    limit_threads(n_processes)
    try:
        yield
    finally:
        with _lock:
            _n_runs -= 1
            if not _n_runs:
                _limits.close()


def limit_threads(n_processes: int) -> None:
    """Limit the threads of this process for good, as `limited_threads` does."""
    global _n_runs
    with _lock:
        if not _n_runs:
            _limits.enter_context(_limited(n_processes))
        _n_runs += 1


@contextlib.contextmanager
def _limited(n_processes: int) -> Iterator[None]:
    n = str(max(1, available_cores() // n_processes))
    before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    for name, value in before.items():
        os.environ[name] = value or n
    is_settled = any(before[name] for name in _THREAD_VARIABLES[:3])
    try:
        with _limited_libraries(int(n), is_settled):
            yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]


def _limited_libraries(
    n: int, is_settled: bool
) -> contextlib.AbstractContextManager[Any]:
    """Limit the loaded libraries, unless the user did so by a variable."""
    if "numpy" not in sys.modules or is_settled:
        return contextlib.nullcontext()
    if (libraries := _libraries()) is None:
        return contextlib.nullcontext()
    limits: contextlib.AbstractContextManager[Any] = libraries.limit(limits=n)
    return limits


@lru_cache(maxsize=1)
def _libraries() -> Any:
    """Return the controller of the loaded libraries; a search for them takes long."""
    return None if ThreadpoolController is None else ThreadpoolController()
