"""Starting the processes of an MPI run from within the command itself."""

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

#: Where launchers say how many processes they started: MPICH and Intel MPI, the same
#: for one host, Open MPI, Slurm's srun.
SIZE_VARIABLES = (
    "PMI_SIZE",
    "MPI_LOCALNRANKS",
    "OMPI_COMM_WORLD_SIZE",
    "SLURM_STEP_NUM_TASKS",
)
#: Where launchers say which of the processes this is; Slurm says it in a shell, too.
_RANK_VARIABLES = ("PMI_RANK", "PMIX_RANK", "OMPI_COMM_WORLD_RANK")
_SLURM_RANK = "SLURM_PROCID"
_PATIENCE_SECONDS = 3.0
# What a command means by its exit status; the other ones of mpiexec are signals.
_KNOWN_STATUS = (0, 1, 2, 128 + signal.SIGINT)


def sizes_said_by_launcher() -> dict[str, int]:
    """Return how many processes the launcher's variables speak of."""
    said = {name: os.environ.get(name, "") for name in SIZE_VARIABLES}
    return {name: int(text) for name, text in said.items() if text.isdigit()}


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
    """Return which of the processes of a launcher this is; 0 if no variable says it."""
    said = (os.environ.get(name, "") for name in (*_RANK_VARIABLES, _SLURM_RANK))
    return next((int(text) for text in said if text.isdigit()), 0)


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
    found = shutil.which("mpiexec")
    if found is None:
        raise MappingUnavailable(
            "there is no mpiexec, neither in this environment nor on PATH: install it "
            "with 'pip install dispel4py-seismo[mpi]'"
        )
    return found


def launch(n: int, argv: Sequence[str]) -> int:
    """Run a command under ``mpiexec`` and wait for its end.

    Parameters
    ----------
    n : int
        How many processes.
    argv : sequence of str
        The command that each of them is, the program first.

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
    # A group of its own: Ctrl-C reaches mpiexec once, from here. A process that is not
    # in the terminal's foreground group is stopped when it reads from the terminal.
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
    """Remove what processes left that were killed before their run had begun."""
    from dispel4py.mappings.deaths import files_of_killed  # seldom needed
    from dispel4py.mappings.folders import remove_files

    remove_files(files_of_killed(began_s))


def _end(started: subprocess.Popen[bytes]) -> None:
    """End mpiexec and with it the processes, first kindly; a second Ctrl-C waits."""
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
