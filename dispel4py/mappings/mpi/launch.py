"""The start of an MPI run by ``mpiexec``, and the variables that a launcher sets."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from dispel4py.errors import MappingUnavailable, ParameterError
from dispel4py.mappings.process import die_with_parent, seed_of_hashes

#: Variables with the number of processes: of MPICH and Intel MPI, of the same on one
#: host, of Open MPI, and of srun of Slurm.
SIZE_VARIABLES = (
    "PMI_SIZE",
    "MPI_LOCALNRANKS",
    "OMPI_COMM_WORLD_SIZE",
    "SLURM_STEP_NUM_TASKS",
)
#: Variables with the number of this process. Slurm sets its variable in a shell, too.
_RANK_VARIABLES = ("PMI_RANK", "PMIX_RANK", "OMPI_COMM_WORLD_RANK")
_SLURM_RANK = "SLURM_PROCID"
#: Seconds to wait for the end of mpiexec after a signal, before the next signal.
_PATIENCE_SECONDS = 3.0
# Exit statuses of our commands; any other status of mpiexec comes from a signal.
_KNOWN_STATUS = (0, 1, 2, 128 + signal.SIGINT)


def launcher_sizes() -> dict[str, int]:
    """Return the numbers of processes by the variables of a launcher."""
    sizes = {name: os.environ.get(name, "") for name in SIZE_VARIABLES}
    return {name: int(text) for name, text in sizes.items() if text.isdigit()}


def launched_by_mpi() -> bool:
    """Return whether an MPI launcher started this process.

    A Slurm step with one task does not count, as it may be an interactive shell.
    """
    if any(name in os.environ for name in _RANK_VARIABLES):
        return True
    sizes = launcher_sizes()
    one_task = sizes.pop("SLURM_STEP_NUM_TASKS", 1) == 1
    return bool(sizes) or not one_task


def launcher_rank() -> int:
    """Return the rank of this process by the variables of a launcher; 0 without one."""
    numbers = (os.environ.get(name, "") for name in (*_RANK_VARIABLES, _SLURM_RANK))
    return next((int(text) for text in numbers if text.isdigit()), 0)


def find_mpiexec() -> str:
    """Return the path of ``mpiexec``, in this environment or else on PATH.

    Raises
    ------
    MappingUnavailable
        If there is no ``mpiexec``.
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
        Number of processes.
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
        After Ctrl-C in this process, when the other processes have ended.
    """
    if n < 1:
        raise ParameterError(f"the number of processes must be 1 or more, not {n}")
    mpiexec = find_mpiexec()
    sys.stdout.flush()
    sys.stderr.flush()
    start_s = time.time()
    # mpiexec gets its own process group, so that Ctrl-C reaches it only once, from this
    # process. But a process outside the foreground group may not read the terminal.
    reads_terminal = sys.stdin is not None and sys.stdin.isatty()
    launcher = subprocess.Popen(
        [mpiexec, "-n", str(n), *argv],
        stdin=subprocess.DEVNULL if reads_terminal else None,
        env=os.environ | seed_of_hashes(),
        process_group=0,
        preexec_fn=die_with_parent,
    )
    status = 1
    try:
        status = launcher.wait()
    except BaseException:  # Ctrl-C, or SIGTERM turned into an exception
        _end(launcher)
        raise
    finally:
        if status:
            _clear_up(start_s)
    return status if status in _KNOWN_STATUS else 1


def _clear_up(start_s: float) -> None:
    """Remove the files of processes that were killed before their run had started."""
    from dispel4py.mappings.deaths import files_of_killed  # seldom needed
    from dispel4py.mappings.folders import remove_files

    with contextlib.suppress(OSError):  # a running process may have mapped each file
        remove_files(files_of_killed(start_s))


def _end(launcher: subprocess.Popen[bytes]) -> None:
    """End mpiexec and its processes by SIGINT, SIGTERM, SIGKILL; ignore Ctrl-C."""
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            launcher.send_signal(ending)
            try:
                launcher.wait(max(0.5, deadline - time.monotonic()))
                return
            except subprocess.TimeoutExpired:
                continue
        launcher.wait()
    finally:
        signal.signal(signal.SIGINT, handler)
