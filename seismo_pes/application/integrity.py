"""The command ``check`` of an application: whether the files of a run are intact."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from dispel4py.errors import ParameterError
from seismo_pes.application.lock import RunLock

__all__ = ["Checked", "CheckedFiles", "check_run"]


class Checked(Protocol):
    """A file that was checked.

    Attributes
    ----------
    path : Path
    problem : str
        The damage in words; "" if there is none.
    """

    @property
    def path(self) -> Path:
        """The file."""

    @property
    def problem(self) -> str:
        """The damage."""


class CheckedFiles(NamedTuple):
    """The files of a run.

    Attributes
    ----------
    files : sequence of Checked
    content : str
        What they are, for the message that all are intact: ``3 files``.
    repair : callable
        Marks damaged files, so that ``--resume`` makes them again; returns lines.
    """

    files: Sequence[Checked]
    content: str
    repair: Callable[[list[Any]], list[str]]


def check_run(
    out: Path,
    prog: str,
    run_file: str,
    check: Callable[[Path], CheckedFiles],
    repair: bool,
    advice: str,
) -> tuple[str, bool]:
    """Check the files of a run, and repair them if this is asked for.

    Parameters
    ----------
    out : Path
        The folder of the run.
    prog, run_file : str
        The command of the application, and the file that each of its runs has.
    check : callable
        Checks the files of a folder.
    repair : bool
        Whether damaged files are marked.
    advice : str
        What ``--repair`` and ``--resume`` do.

    Returns
    -------
    tuple
        The text for the user, and whether all files are usable.

    Raises
    ------
    ParameterError
        If there is no run in the folder.
    """
    if not (out / run_file).exists():
        raise ParameterError(f"{out}: no run of {prog} ({run_file} is not in it)")
    with RunLock(out) as lock:
        if repair:
            lock.take()
        found = check(out)
        damaged = [file for file in found.files if file.problem]
        if not damaged:
            return f"{out}: {found.content} are intact", True
        lines = [f"{file.path}: {file.problem}" for file in damaged]
        if repair:
            return "\n".join([*lines, *found.repair(damaged)]), True
        return "\n".join([*lines, f"{prog} check {out} --repair {advice}"]), False
