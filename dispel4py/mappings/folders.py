"""Folders of runs: where their processes meet, and what is removed when they end."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

_PREFIX = "dispel4py-"
_held: dict[str, int] = {}


def run_folder() -> Path:
    """Make a folder for one run, in memory if the system has such a place.

    Folders of runs whose process was killed are removed, unless somebody holds them.
    """
    shm = Path("/dev/shm")
    parent = shm if shm.is_dir() and os.access(shm, os.W_OK) else tempfile.gettempdir()
    for name in _names(parent, _PREFIX):
        pid = name.removeprefix(_PREFIX).split("-")[0]
        if pid.isdigit() and not _is_alive(int(pid)) and not _is_held(parent, name):
            remove_folder(Path(parent, name))
    made = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=parent))
    hold(made)
    return made


def hold(folder: Path) -> None:
    """Keep a folder from being removed by others, until this process ends.

    Its maker may have been killed while somebody else still reads what it left there.
    And the maker's number means nothing in a container that shares the memory only.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    _held[str(folder)] = descriptor


def _is_held(parent: str | Path, name: str) -> bool:
    try:
        descriptor = os.open(os.path.join(parent, name), os.O_RDONLY)
    except OSError:  # gone, or of another user
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # of another user
        pass
    return True


def remove_folder(folder: Path) -> None:
    """Remove the folder of a run and everything that its processes left."""
    for path in [os.path.join(folder, name) for name in _names(folder)]:
        with contextlib.suppress(OSError):  # it is none
            os.unlink(os.readlink(path))  # to what did not find room here
        with contextlib.suppress(OSError):
            os.unlink(path)
    with contextlib.suppress(OSError):
        folder.rmdir()
    if (descriptor := _held.pop(str(folder), None)) is not None:
        os.close(descriptor)


def _names(folder: str | Path, prefix: str = "") -> list[str]:
    """Return the names in a folder; of a large one `Path.glob` takes a while."""
    try:
        return [name for name in os.listdir(folder) if name.startswith(prefix)]
    except OSError:
        return []


def remove_files(paths: Iterable[str]) -> None:
    """Remove files; whoever has them mapped keeps them to its end."""
    for path in paths:
        Path(path).unlink(missing_ok=True)
