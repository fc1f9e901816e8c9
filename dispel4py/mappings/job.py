"""The work of a run in a file, for workers that are not forked.

If the job were an argument of the process, it would be sent through a pipe, and the
parent would wait for ever if the new process ended before it read the pipe.

Classes of a notebook or of another program without a file cannot be imported by a new
process. With the package cloudpickle, the classes themselves are sent. They get their
names in the main module of the worker, so that items of these classes can be sent, too.
"""

from __future__ import annotations

import io
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Any, BinaryIO

from dispel4py.errors import ItemError
from dispel4py.files import is_file
from dispel4py.loading import import_files, imported_files

PROTOCOL = 5  # earlier ones change the byte order of numpy arrays


def write_job(path: Path, job: Any, method: str) -> None:
    """Write a job to a file.

    Parameters
    ----------
    path : Path
        The file.
    job, method
        As for `dump_job`.

    Raises
    ------
    ItemError
        If the job cannot be pickled.
    """
    path.write_bytes(dump_job(job, method))


def dump_job(job: Any, method: str, has_main: bool = True) -> bytes:
    """Return a job as bytes.

    Parameters
    ----------
    job : object
        The work of all processes.
    method : str
        How processes are started, for the message.
    has_main : bool
        Whether new processes import the main module of this program.

    Raises
    ------
    ItemError
        If the job cannot be pickled.
    """
    dumps: Callable[[Any, int], bytes] = pickle.dumps
    names = {}
    is_known = has_main and _is_importable_main()
    if not is_known and (cloud := _cloudpickle()) is not None:
        dumps, names = cloud.dumps, _names_of_main()
    try:
        text = dumps((names, job), PROTOCOL)
    except Exception as error:
        cloud = _cloudpickle()
        if cloud is None:
            raise _refusal(error, method, "; or install cloudpickle") from error
        try:  # functions within functions, for instance
            text = cloud.dumps((_names_of_main(), job), PROTOCOL)
        except Exception as second:
            raise _refusal(second, method) from second
    return pickle.dumps(imported_files()) + text


def read_job(path: str) -> Any:
    """Return the job that `write_job` wrote."""
    with open(path, "rb") as file:
        return _load(file)


def load_job(text: bytes) -> Any:
    """Return the job that `dump_job` made."""
    return _load(io.BytesIO(text))


def _load(file: BinaryIO) -> Any:
    import_files(pickle.load(file))
    names, job = pickle.load(file)
    vars(sys.modules["__main__"]).update(names)
    return job


def _refusal(error: Exception, method: str, hint: str = "") -> ItemError:
    return ItemError(
        f"the graph cannot be sent to a worker (start method {method!r}): {error}; "
        f"define its classes and functions at module level{hint}"
    )


def _cloudpickle() -> Any:
    try:
        import cloudpickle
    except ImportError:
        return None
    return cloudpickle


def _is_importable_main() -> bool:
    """Return whether a new process can import the main module of this program."""
    main = sys.modules["__main__"]
    if getattr(main, "__spec__", None) is not None:
        return True
    return is_file(getattr(main, "__file__", None) or "")


def _names_of_main() -> dict[str, Any]:
    """Return the classes and functions that the main module defines."""
    return {
        name: value
        for name, value in vars(sys.modules["__main__"]).items()
        if isinstance(value, type | FunctionType) and value.__module__ == "__main__"
    }
