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
def thread_limit(n_processes: int) -> Iterator[None]:
    """Limit BLAS and OpenMP so that processes x threads is the number of cores.

    Processes that are started within the context keep the limit: a forked process
    inherits the limits of the libraries, a spawned process reads the variables. Use the
    context for a whole run, as OpenBLAS keeps a core busy for some time after its limit
    is removed. If several runs happen at the same time, the first run sets the limit,
    and the last run removes it.
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
    """Limit the threads of this process until its end; see `thread_limit`."""
    global _n_runs
    with _lock:
        if not _n_runs:
            _limits.enter_context(_limited(n_processes))
        _n_runs += 1


def thread_variables(n_processes: int) -> dict[str, str]:
    """Return the variables by which new processes share the cores.

    Values that the user has set are kept.
    """
    n = str(max(1, available_cores() // n_processes))
    return {name: os.environ.get(name) or n for name in _THREAD_VARIABLES}


@contextlib.contextmanager
def _limited(n_processes: int) -> Iterator[None]:
    n = max(1, available_cores() // n_processes)
    old_values = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    os.environ.update(thread_variables(n_processes))
    is_set_by_user = any(old_values[name] for name in _THREAD_VARIABLES[:3])
    try:
        with _limited_libraries(n, is_set_by_user):
            yield
    finally:
        for name, value in old_values.items():
            if value is None:
                del os.environ[name]


def _limited_libraries(
    n: int, is_set_by_user: bool
) -> contextlib.AbstractContextManager[Any]:
    """Limit the loaded libraries, unless the user has set a variable."""
    if "numpy" not in sys.modules or is_set_by_user:
        return contextlib.nullcontext()
    if (libraries := _libraries()) is None:
        return contextlib.nullcontext()
    limits: contextlib.AbstractContextManager[Any] = libraries.limit(limits=n)
    return limits


@lru_cache(maxsize=1)
def _libraries() -> Any:
    """Return the controller of the loaded libraries; to find them takes long."""
    return None if ThreadpoolController is None else ThreadpoolController()
