"""Start of the processes of an MPI run by ``mpiexec``, and traces of such a start."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from dispel4py.errors import MappingUnavailable, ParameterError
from dispel4py.mappings.process import die_with_parent

#: Variables with the number of processes that a launcher started: of MPICH and Intel
#: MPI, of these for one host, of Open MPI, and of Slurm's srun.
SIZE_VARIABLES = (
    "PMI_SIZE",
    "MPI_LOCALNRANKS",
    "OMPI_COMM_WORLD_SIZE",
    "SLURM_STEP_NUM_TASKS",
)
#: Variables with the number of this process; Slurm sets its own in a shell, too.
_RANK_VARIABLES = ("PMI_RANK", "PMIX_RANK", "OMPI_COMM_WORLD_RANK")
_SLURM_RANK = "SLURM_PROCID"
#: How long mpiexec has to end after a signal, before it gets the next one.
_PATIENCE_SECONDS = 3.0
# Exit statuses of our commands; any other status of mpiexec stands for a signal.
_KNOWN_STATUS = (0, 1, 2, 128 + signal.SIGINT)


def sizes_said_by_launcher() -> dict[str, int]:
    """Return the numbers of processes in the launcher's variables, by variable."""
    sizes = {name: os.environ.get(name, "") for name in SIZE_VARIABLES}
    return {name: int(text) for name, text in sizes.items() if text.isdigit()}


def launched_by_mpi() -> bool:
    """Return whether an MPI launcher started this process.

    A Slurm step of one task does not count: an interactive shell is one.
    """
    if any(name in os.environ for name in _RANK_VARIABLES):
        return True
    sizes = sizes_said_by_launcher()
    one_task = sizes.pop("SLURM_STEP_NUM_TASKS", 1) == 1
    return bool(sizes) or not one_task


def rank_said_by_launcher() -> int:
    """Return the number of this process in a launcher's variables; 0 without one."""
    numbers = (os.environ.get(name, "") for name in (*_RANK_VARIABLES, _SLURM_RANK))
    return next((int(text) for text in numbers if text.isdigit()), 0)


def find_mpiexec() -> str:
    """Return the path of ``mpiexec``: that of this environment, else that on PATH.

    Raises
    ------
    MappingUnavailable
        If there is none.
    """
    beside = Path(sys.executable).parent / "mpiexec"
    if os.access(beside, os.X_OK):
        return str(beside)
    on_path = shutil.which("mpiexec")
    if on_path is None:
        raise MappingUnavailable(
            "there is no mpiexec, neither in this environment nor on PATH: install it "
            "with 'pip install dispel4py-seismo[mpi]'"
        )
    return on_path


def launch(n: int, argv: Sequence[str]) -> int:
    """Run a command under ``mpiexec`` and wait for its end.

    Parameters
    ----------
    n : int
        How many processes.
    argv : sequence of str
        The command of each process, the program first.

    Returns
    -------
    int
        The exit status: 0; 1 if the run failed or a process was killed; 2 for a
        mistake of the user; 130 after Ctrl-C in a process.

    Raises
    ------
    MappingUnavailable
        If there is no ``mpiexec``.
    KeyboardInterrupt
        After Ctrl-C here, once the processes have ended.
    """
    if n < 1:
        raise ParameterError(f"the number of processes must be 1 or more, not {n}")
    mpiexec = find_mpiexec()
    sys.stdout.flush()
    sys.stderr.flush()
    began_s = time.time()
    # In a process group of its own, so that Ctrl-C reaches mpiexec once, from here. But
    # a process outside of the foreground group is stopped when it reads the terminal.
    reads_terminal = sys.stdin is not None and sys.stdin.isatty()
    started = subprocess.Popen(
        [mpiexec, "-n", str(n), *argv],
        stdin=subprocess.DEVNULL if reads_terminal else None,
        process_group=0,
        preexec_fn=die_with_parent,
    )
    status = 1
    try:
        status = started.wait()
    except BaseException:  # Ctrl-C, or SIGTERM turned into an exception
        _end(started)
        raise
    finally:
        if status:
            _clear_up(began_s)
    return status if status in _KNOWN_STATUS else 1


def _clear_up(began_s: float) -> None:
    """Remove the files of processes that were killed before their run had begun."""
    from dispel4py.mappings.deaths import files_of_killed  # seldom needed
    from dispel4py.mappings.folders import remove_files

    remove_files(files_of_killed(began_s))


def _end(started: subprocess.Popen[bytes]) -> None:
    """End mpiexec and its processes by ever harder signals; hold a second Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            started.send_signal(ending)
            try:
                started.wait(max(0.5, deadline - time.monotonic()))
                return
            except subprocess.TimeoutExpired:
                continue
        started.wait()
    finally:
        signal.signal(signal.SIGINT, before)
