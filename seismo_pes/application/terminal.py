"""The process of an application: its exit status, and the processes of a launcher."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from dispel4py import command_line
from dispel4py.errors import ParameterError
from dispel4py.mappings import mapping_class, place
from dispel4py.terminal import unwind_at_sigterm

__all__ = ["exit_status", "full_disk", "launched", "mapping_here", "membership"]


def exit_status(program: str, command: Callable[[], int]) -> int:
    """Run a command; report an error in one line, and return the exit status.

    Parameters
    ----------
    program : str
        Name of the program, which begins the line.
    command : callable
        What to do; it returns an exit status.
    """
    return command_line.exit_status(program, command, full_disk)


def full_disk(failure: Any) -> str:
    """Return the line about a full disk if one caused a failure, else ""."""
    kind, _, text = str(failure.cause).partition(": ")
    return text if kind == "DiskFull" else ""


def mapping_here(given: str | None) -> str | None:
    """Return the mapping to use: the given mapping, or the mapping of the launcher.

    Parameters
    ----------
    given : str, optional
        The value of ``--mapping``.

    Raises
    ------
    ParameterError
        If a launcher started several processes, and each would do the whole run.
    """
    here = place()
    if here.size == 1:
        return given
    if given is not None and given.lower() != here.mapping:
        raise ParameterError(
            f"--mapping {given}: {here.size} processes were started by a launcher, and "
            f"each would do the whole run: start one, or use --mapping {here.mapping}"
        )
    return here.mapping


def membership(program: str) -> AbstractContextManager[None]:
    """Return the context in which one of several processes of a launcher works.

    If one process fails in it, the others do not wait for it.

    Parameters
    ----------
    program : str
        Name of the program, for messages.
    """
    here = place()
    if here.size == 1:
        return nullcontext()
    return mapping_class(here.mapping).membership(program)


def launched(
    mapping: str,
    processes: int | None,
    module: str,
    words: Sequence[str],
    run: Callable[[], int],
) -> int:
    """Run in this process, or in the processes that the mapping has to launch.

    Parameters
    ----------
    mapping : str
        Name of the mapping.
    processes : int, optional
        How many processes the user asked for.
    module, words : str and sequence of str
        ``python -m module words`` is the command of each process that is launched.
    run : callable
        What to do in this process; it returns an exit status.

    Returns
    -------
    int
        The exit status.
    """
    kind = mapping_class(mapping)
    with unwind_at_sigterm():
        if not kind.must_launch():
            return run()
        command = [sys.executable, "-m", module, *words]
        return kind.launch(kind.expected(processes), command)
