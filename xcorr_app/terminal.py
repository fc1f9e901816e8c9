"""Where the command meets its surroundings: logs, signals, an MPI launcher."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn, TextIO

from dispel4py.errors import ParameterError

_RANK_VARIABLES = ("PMI_RANK", "PMIX_RANK", "OMPI_COMM_WORLD_RANK", "SLURM_PROCID")


class _StandardError(logging.StreamHandler):
    """Log to whatever standard error is now: a progress display may own it."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:
        return sys.stderr


def start_logging(level: str) -> None:
    """Log to standard error from this level on."""
    root = logging.getLogger()
    root.setLevel(level.upper())
    if not any(isinstance(one, _StandardError) for one in root.handlers):
        handler = _StandardError()
        handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
        root.addHandler(handler)


class Terminated(KeyboardInterrupt):
    """SIGTERM: unwinds the stack as Ctrl-C does, so that no process is left behind."""


@contextlib.contextmanager
def sigterm_unwinds() -> Iterator[None]:
    """Turn SIGTERM into :class:`Terminated` for a while."""

    def terminate(signum: int, frame: Any) -> NoReturn:
        raise Terminated

    try:
        before = signal.signal(signal.SIGTERM, terminate)
    except ValueError:  # not the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def mpi_rank() -> int:
    """Return which process of an MPI launcher this is; 0 without one."""
    found = (os.environ.get(name, "") for name in _RANK_VARIABLES)
    return next((int(text) for text in found if text.isdigit()), 0)


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
