"""The families of MPI: a launcher starts only programs that use the same family."""

from __future__ import annotations

import os
import subprocess
from typing import Any

from dispel4py.errors import MappingUnavailable

MPICH, OPEN_MPI = "MPICH", "Open MPI"
#: Words in the version texts of libraries and launchers. Intel MPI and MVAPICH come
#: from MPICH, with the same protocol between launcher and processes.
_WORDS = {
    "Open MPI": OPEN_MPI,
    "OpenRTE": OPEN_MPI,
    "PRRTE": OPEN_MPI,
    "prterun": OPEN_MPI,
    "MPICH": MPICH,
    "HYDRA": MPICH,
    "Intel(R) MPI": MPICH,
    "MVAPICH": MPICH,
}
#: Longest time in seconds that a program may take to tell its version, or what it can
#: do; it takes 0.1 s.
_LONGEST_SECONDS = 20.0


def family_of(text: str) -> str | None:
    """Return the family that a version text names, or None.

    >>> family_of("mpiexec (OpenRTE) 4.1.4"), family_of("MPICH Version: 5.0.2")
    ('Open MPI', 'MPICH')
    """
    return next((family for word, family in _WORDS.items() if word in text), None)


def library_family(library: Any) -> str | None:
    """Return the family of the MPI library; MPI need not be initialised.

    Parameters
    ----------
    library : module
        ``mpi4py.MPI``.
    """
    return family_of(library.Get_library_version())


def launcher_family(mpiexec: str) -> str | None:
    """Return the family of a launcher; None if its version text names none."""
    _, text = answer_of([mpiexec, "--version"])
    return family_of(text)


def answer_of(words: list[str]) -> tuple[int, str]:
    """Return the exit status and all text of a program that tells about itself.

    Parameters
    ----------
    words : list of str
        The command.

    Returns
    -------
    tuple
        The status is 1, and there is no text, if the program cannot be run or takes too
        long.
    """
    try:
        done = subprocess.run(
            words,
            capture_output=True,
            text=True,
            timeout=_LONGEST_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return 1, ""
    return done.returncode, done.stdout + done.stderr


def check_launcher(library: Any) -> None:
    """Check, before MPI starts, that the launcher of this process fits the library.

    Only Open MPI is recognised here, by its variables. MPICH under its launcher would
    end with a stack of internal errors.

    Parameters
    ----------
    library : module
        ``mpi4py.MPI``.

    Raises
    ------
    MappingUnavailable
        If the launcher belongs to another MPI.
    """
    family = library_family(library)
    if "OMPI_COMM_WORLD_SIZE" in os.environ and family not in (None, OPEN_MPI):
        raise MappingUnavailable(mismatch(OPEN_MPI, family))


def mismatch(launcher: str, library: str | None) -> str:
    """Return the message about a launcher of another family than the library.

    Parameters
    ----------
    launcher, library : str
        Their families.
    """
    return (
        f"the launcher belongs to {launcher}, and the MPI library of this Python is "
        f"{library}: use the mpiexec of {library}"
    )
