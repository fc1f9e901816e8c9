"""Files of a run with their checksum, the identity of the results, and their place.

A damaged file, a file of another run and a file under the name of another station are
refused. A file has JSON, or arrays with a description in JSON.
"""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dispel4py.errors import DataError
from misfit_app.run_file import VERSION
from seismo_pes.application.checked_arrays import (
    read_checked_arrays,
    write_checked_arrays,
)
from seismo_pes.application.files import read_checked, write_checked
from seismo_pes.full_disk import name_errors
from seismo_pes.regular_file import ReadFailed

__all__ = ["file_sum", "read_arrays", "read_bound", "write_arrays", "write_bound"]

FORMAT = "misfit-app results"


def write_bound(out: Path, path: Path, results: str, values: Mapping[str, Any]) -> None:
    """Write values as JSON, in one step; the folder is made.

    Parameters
    ----------
    out : Path
        Folder of the run.
    path : Path
        The file, in it.
    results : str
        Identity of the results.
    values : mapping of str to object
        In types that JSON has.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # without indentation json has an encoder that is written in C
    write_checked(path, _bonds(out, path, results) | dict(values), indent=None)


def read_bound(out: Path, path: Path, results: str) -> dict[str, Any]:
    """Read the values that `write_bound` wrote.

    Parameters
    ----------
    out, path, results
        See `write_bound`.

    Raises
    ------
    DataError
        If the file is damaged or missing, or belongs to another run, place or version.
    ReadFailed
        If it cannot be read now.
    """
    with _refused(out, path):
        values = read_checked(path, FORMAT, VERSION, _way_out(out))
    _check_bonds(out, path, results, values)
    return values


@contextlib.contextmanager
def _refused(out: Path, path: Path) -> Iterator[None]:
    """Name a file that is missing or cannot be read now."""
    try:
        yield
    except FileNotFoundError:
        raise DataError(f"{path}: missing: {_way_out(out)}") from None
    except OSError as error:
        raise ReadFailed(f"{path}: cannot be read ({error.strerror})") from error


def _way_out(out: Path) -> str:
    return f"misfit-app check {out} --repair marks it as not done"


def _bonds(out: Path, path: Path, results: str) -> dict[str, Any]:
    place = path.relative_to(out).as_posix()
    return {"format": FORMAT, "version": VERSION, "results": results, "place": place}


def _check_bonds(out: Path, path: Path, results: str, values: dict[str, Any]) -> None:
    """Refuse values of another run or place; remove what binds them."""
    for name, bond in _bonds(out, path, results).items():
        if values.pop(name, None) == bond:
            continue
        if name == "place":
            raise DataError(f"{path}: is a file of another station: {_way_out(out)}")
        raise DataError(f"{path}: belongs to another run: {_way_out(out)}")


def write_arrays(
    out: Path,
    path: Path,
    results: str,
    about: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
) -> None:
    """Write arrays and their description to a file, in one step; the folder is made.

    Parameters
    ----------
    out, path, results
        See `write_bound`.
    about : mapping
        Values of JSON.
    arrays : mapping of str to numpy.ndarray
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    write_checked_arrays(path, _bonds(out, path, results) | dict(about), arrays)


def read_arrays(
    out: Path, path: Path, results: str
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the description and the arrays of a file of `write_arrays`.

    Parameters
    ----------
    out, path, results
        See `write_bound`.

    Raises
    ------
    DataError
        If the file is damaged or missing, or belongs to another run, place or version.
    ReadFailed
        If it cannot be read now.
    """
    with _refused(out, path):
        about, arrays = read_checked_arrays(path, FORMAT, VERSION, _way_out(out))
    _check_bonds(out, path, results, about)
    return about, arrays


def file_sum(path: Path) -> str:
    """Return the checksum of a file of any format.

    Parameters
    ----------
    path : Path
    """
    with name_errors(path):
        return f"{zlib.crc32(path.read_bytes()):08x}"
