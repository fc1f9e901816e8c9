"""The command ``check`` of an application: whether the files of a run are intact."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from dispel4py.errors import DataError, ParameterError
from dispel4py.files import exists
from seismo_pes.application.lock import RunLock
from seismo_pes.application.run_record import RUN_FILE, WAY_OUT

__all__ = ["CheckedFile", "CheckedFiles", "check_run", "problem_of"]


@dataclass(frozen=True)
class CheckedFile:
    """A file of a run, and its damage; an application adds fields in a subclass.

    Attributes
    ----------
    path : Path
    problem : str
        The damage in words; "" if there is none.
    """

    path: Path
    problem: str = ""


class CheckedFiles(NamedTuple):
    """The files of a run.

    Attributes
    ----------
    files : sequence of CheckedFile
    content : str
        What they are, for the message that all are intact: ``3 files``.
    repair : callable
        Marks damaged files, so that ``--resume`` makes them again; returns lines. The
        record of the run is not among the files.
    """

    files: Sequence[CheckedFile]
    content: str
    repair: Callable[[list[Any]], list[str]]


def check_run(
    out: Path,
    prog: str,
    check: Callable[[Path], CheckedFiles],
    repair: bool,
    advice: str,
) -> tuple[str, bool]:
    """Check the files of a run, and repair them if this is asked for.

    Parameters
    ----------
    out : Path
        The folder of the run.
    prog : str
        The command of the application.
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
    DataError
        If the record of the run is damaged and files are to be repaired: without it the
        other files have no meaning.
    """
    record = out / RUN_FILE
    if not exists(record):
        raise ParameterError(f"{out}: no run of {prog} ({RUN_FILE} is not in it)")
    with RunLock(out) as lock:
        if repair:
            lock.take()
        checked = check(out)
        damaged = [file for file in checked.files if file.problem]
        if not damaged:
            return f"{out}: {checked.content} are intact", True
        lines = [f"{file.path}: {file.problem}" for file in damaged]
        for file, line in zip(damaged, lines, strict=True):
            if file.path == record:
                way_out = f"{prog} cannot make it again: {WAY_OUT}"
                if repair:
                    raise DataError(f"{line}: {way_out}")
                return "\n".join([*lines, f"{record}: {way_out}"]), False
        if repair:
            return "\n".join([*lines, *checked.repair(damaged)]), True
        return "\n".join([*lines, f"{prog} check {out} --repair {advice}"]), False


def problem_of(path: Path, prog: str, error: DataError | OSError) -> str:
    """Return the damage of a file in words, without what the user can do.

    Parameters
    ----------
    path : Path
        The file.
    prog : str
        The command of the application, whose errors may advise its command ``check``.
    error : DataError or OSError
        The error of reading the file.

    Examples
    --------
    >>> error = DataError("a/b: not a run: app check a --repair mends it")
    >>> problem_of(Path("a/b"), "app", error)
    'not a run'
    """
    if not isinstance(error, DataError):
        return f"cannot be read ({error.strerror})"
    problem = str(error).removeprefix(f"{path}: ").partition(f": {prog} check")[0]
    return problem.removesuffix(f": {WAY_OUT}")
