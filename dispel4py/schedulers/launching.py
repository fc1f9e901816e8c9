"""The words that start the processes of a job, after a check that they will work."""

from __future__ import annotations

import shlex
import shutil

from dispel4py.errors import MappingUnavailable
from dispel4py.mappings.mpi.family import (
    OPEN_MPI,
    answer_of,
    launcher_family,
    library_family,
    mismatch,
)
from dispel4py.mappings.mpi.launch import find_mpiexec
from dispel4py.mappings.mpi.world import mpi_library

#: The plugin of Slurm by which srun starts the processes of each family of MPI.
_PLUGINS = {OPEN_MPI: "pmix"}
_USUAL_PLUGIN = "pmi2"


def launcher_text(launcher: str, processes: int) -> str:
    """Return the words of shell that start a command in several processes.

    Parameters
    ----------
    launcher : str
        ``mpiexec`` or ``srun``.
    processes : int

    Raises
    ------
    MappingUnavailable
        If the launcher and the MPI library of this Python do not fit, or one is absent.
    """
    library = library_family(mpi_library())
    if launcher == "srun":
        plugin = _PLUGINS.get(library or "", _USUAL_PLUGIN)
        _check_plugin(plugin, library)
        return f"srun --mpi={plugin} --kill-on-bad-exit=1"
    mpiexec = find_mpiexec()
    family = launcher_family(mpiexec)
    if family is not None and library is not None and family != library:
        raise MappingUnavailable(f"{mpiexec}: {mismatch(family, library)}")
    words = [mpiexec, "-n", str(processes)]
    if family == OPEN_MPI:  # the scheduler binds processes to cores, if it wants to
        words += ["--bind-to", "none"]
    return shlex.join(words)


def _check_plugin(plugin: str, library: str | None) -> None:
    """Check the plugins of srun, if it is on this machine and tells them."""
    srun = shutil.which("srun")
    if srun is None:
        return
    status, text = answer_of([srun, "--mpi=list"])
    if status == 0 and plugin not in text.split():
        raise MappingUnavailable(
            f"srun has no plugin {plugin}, which {library or 'this MPI'} needs: use "
            "--job-launcher mpiexec"
        )
