"""The process of an application: its exit status, and the processes of a launcher."""

from __future__ import annotations

import gc
import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NoReturn

from dispel4py import command_line
from dispel4py.errors import ParameterError
from dispel4py.failure import Failure
from dispel4py.mappings import mapping_class, place
from dispel4py.terminal import is_output, unwind_at_sigterm
from seismo_pes.full_disk import DISK_ERRORS, DiskFailed, late_errors, system_error

__all__ = [
    "end_process",
    "exit_status",
    "launched",
    "membership",
    "report_failed_steps",
    "use_mapping_here",
]

WAY_OUT = "mend this, then give the command again"
# The text of a failed call: `dispel4py.failure.root_cause` of an error with a file.
SYSTEM_ERROR = re.compile(
    r"\w+Error: \[Errno \d+\] (?P<reason>[^:]+): '(?P<file>.+?)'( \(from .*)?"
)


def exit_status(program: str, command: Callable[[], int]) -> int:
    """Run a command; report an error in one line, and return the exit status.

    Parameters
    ----------
    program : str
        Name of the program, which begins the line.
    command : callable
        What to do; it returns an exit status.
    """
    with late_errors() as late:
        status = command_line.exit_status(
            program, lambda: _explained(command), _full_disk
        )
    if late and status == 0:
        return command_line.report_line(program, f"error: {late[0]}", 1)
    return status


def _explained(command: Callable[[], int]) -> int:
    """Run a command; an error of the disk says what to do."""
    try:
        return command()
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        problem = system_error(error)
        if problem is None or problem.errno not in DISK_ERRORS or is_output(problem):
            raise
        place = f"{problem.filename}: " if problem.filename else ""
        reason = os.strerror(problem.errno)
        raise DiskFailed(f"{place}{reason}; {WAY_OUT}") from error


def _full_disk(failure: Any) -> str:
    """Return the line about a file or a disk that caused a failure, else ""."""
    cause = str(failure.cause)
    kind, _, text = cause.partition(": ")
    if kind in ("DiskFull", "DiskFailed", "ReadFailed"):
        return text
    if match := SYSTEM_ERROR.fullmatch(cause):
        return f"{match['file']}: {match['reason']}"
    problem = system_error(RuntimeError(cause))  # of HDF5, which names the file
    if problem is not None and problem.filename:
        return f"{problem.filename}: {problem.strerror}"
    return ""


def report_failed_steps(program: str, failures: Iterable[Failure]) -> int:
    """Report the failures of a run that skipped them; return the exit status.

    Parameters
    ----------
    program : str
        Name of the program, which begins each line.
    failures : iterable of Failure

    Returns
    -------
    int
        1 if a file or the disk caused one of them, which ends the report; else 0.
    """
    for failure in failures:
        if line := _full_disk(failure):
            return command_line.report_line(program, f"error: {line}", 1)
        command_line.report_line(program, f"failed: {failure.summary}", 1)
    return 0


def use_mapping_here(given: dict[str, Any]) -> None:
    """Take the mapping of the launcher, if one started this process.

    Parameters
    ----------
    given : dict of str to object
        The options of a command line; gets the option ``mapping``.

    Raises
    ------
    ParameterError
        If a launcher started several processes, and each would do the whole run.
    """
    here = place()
    if here.size == 1:
        return
    mapping = given.get("mapping", here.mapping)
    if mapping.lower() != here.mapping:
        raise ParameterError(
            f"--mapping {mapping}: {here.size} processes were started by a launcher, "
            "and each would do the whole run: start one, or use --mapping "
            f"{here.mapping}"
        )
    given["mapping"] = here.mapping


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
        ``python -P -m module words`` is the command of each process that is launched.
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
        command = [sys.executable, "-P", "-m", module, *words]
        return kind.launch(kind.expected(processes), command)


def end_process(status: int) -> NoReturn:
    """End this process with an exit status, after flushing files as usual.

    Its objects are hidden from the garbage collector. Otherwise, the collector would
    visit all of them once more, which takes a quarter of a second.
    """
    gc.freeze()
    sys.exit(status)
