"""Where the command meets an MPI launcher, and where its process ends."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Sequence
from typing import NoReturn

from dispel4py.errors import ParameterError


def started_by_mpi() -> bool:
    """Return whether this is one of several processes of an MPI launcher."""
    from dispel4py.mappings.launch import sizes_said_by_launcher

    return max(sizes_said_by_launcher().values(), default=1) > 1


def mapping_here(given: str | None) -> str | None:
    """Return the mapping to use, as given or as the launcher implies.

    Raises
    ------
    ParameterError
        If several processes were started that would all do the same.
    """
    if not started_by_mpi():
        return given
    if given is not None and given.lower() != "mpi":
        raise ParameterError(
            f"--mapping {given}: several processes were started by an MPI launcher, "
            "and each would do the whole run: leave mpiexec out or use --mapping mpi"
        )
    return "mpi"


def launch_mpi(processes: int | None, words: Sequence[str]) -> int:
    """Run ``xcorr-app run`` again under ``mpiexec``; return its exit status."""
    from dispel4py.mappings.launch import launch

    n = processes or len(os.sched_getaffinity(0))
    return launch(n, [sys.executable, "-m", "xcorr_app", "run", *words])


def leave(status: int) -> NoReturn:
    """End this process now; what is registered for its end is done.

    The usual way all that was imported and read is taken apart first, which takes half
    a second. It is gone where something still runs: MPI, which is to be told, or a
    thread; or where what was printed cannot be written.
    """
    if "mpi4py" in sys.modules or threading.active_count() > 1:
        sys.exit(status)
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        sys.exit(status)
    atexit._run_exitfuncs()
    os._exit(status)
