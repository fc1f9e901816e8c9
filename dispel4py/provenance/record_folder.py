"""The folder with the records of runs, as a user gives it to ``dispel4py prov``."""

from __future__ import annotations

from pathlib import Path

from dispel4py.errors import ParameterError
from dispel4py.files import is_folder
from dispel4py.provenance.model import run_folders

__all__ = ["check_exists", "check_folder", "with_folder"]

#: Options of ``dispel4py prov`` without a value.
SWITCHES = frozenset({"--json", "--failed", "--dry-run"})
_WAY_OUT = "give the folder in which a run recorded its provenance (--provenance DIR)"


def has_records(folder: str | Path) -> bool:
    """Return whether there is such a folder, with records of runs in it.

    Folders in it that cannot be listed may have records.

    Parameters
    ----------
    folder : str or Path
    """
    closed: list[OSError] = []
    return is_folder(folder) and bool(
        run_folders(Path(folder), closed.append) or closed
    )


def check_exists(folder: str | Path) -> None:
    """Check that there is a folder.

    Parameters
    ----------
    folder : str or Path

    Raises
    ------
    ParameterError
        If there is no such folder.
    """
    if not is_folder(folder):
        raise ParameterError(f"there is no folder {folder}: {_WAY_OUT}")


def check_folder(folder: str | Path) -> None:
    """Check that a folder has records of runs.

    Parameters
    ----------
    folder : str or Path

    Raises
    ------
    ParameterError
        If there is no such folder, or no record in it.
    """
    check_exists(folder)
    if not has_records(folder):
        raise ParameterError(f"no records of runs are in {folder}: {_WAY_OUT}")


def with_folder(words: list[str]) -> list[str]:
    """Return a command line in which a last word that is the folder has its option.

    Parameters
    ----------
    words : list of str
        The words after ``prov``.

    Examples
    --------
    >>> with_folder(["show", "last"])
    ['show', 'last']
    """
    is_given = any(word.partition("=")[0] == "--provenance" for word in words)
    if len(words) < 2 or is_given or words[0] == "ingest":
        return words
    before, last = words[-2], words[-1]
    is_value = before.startswith("-") and before not in SWITCHES
    if last.startswith("-") or is_value or not has_records(last):
        return words
    return [*words[:-1], "--provenance", last]
