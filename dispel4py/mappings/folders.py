"""The folder of a run: files and sockets of its processes, removed at its end."""

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
    """Make a folder for one run, in shared memory where the system has it.

    Folders of runs whose process was killed are removed, unless a process holds them.
    """
    shm = Path("/dev/shm")
    parent = shm if shm.is_dir() and os.access(shm, os.W_OK) else tempfile.gettempdir()
    for name in _names(parent, _PREFIX):
        pid = name.removeprefix(_PREFIX).split("-")[0]
        if pid.isdigit() and not _is_alive(int(pid)) and not _is_held(parent, name):
            remove_folder(Path(parent, name))
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=parent))
    hold(folder)
    return folder


def hold(folder: Path) -> None:
    """Keep other runs from removing a folder, until this process ends.

    The process that made it may have been killed while another one still reads its
    files. And its number is of no use in a container that shares memory, but not
    process numbers.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    _held[str(folder)] = descriptor


def _is_held(parent: str | Path, name: str) -> bool:
    try:
        descriptor = os.open(os.path.join(parent, name), os.O_RDONLY)
    except OSError:  # it is gone, or belongs to another user
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
    except OSError:  # it belongs to another user
        pass
    return True


def remove_folder(folder: Path) -> None:
    """Remove the folder of a run, and the files to which links in it point."""
    for path in [os.path.join(folder, name) for name in _names(folder)]:
        with contextlib.suppress(OSError):  # not a link
            # a segment in another folder, as this one was full
            os.unlink(os.readlink(path))
        with contextlib.suppress(OSError):
            os.unlink(path)
    with contextlib.suppress(OSError):
        folder.rmdir()
    if (descriptor := _held.pop(str(folder), None)) is not None:
        os.close(descriptor)


def _names(folder: str | Path, prefix: str = "") -> list[str]:
    """Return the names in a folder; `Path.glob` is slow in large ones."""
    try:
        return [name for name in os.listdir(folder) if name.startswith(prefix)]
    except OSError:
        return []


def remove_files(paths: Iterable[str]) -> None:
    """Remove files; a process that has one mapped keeps its content."""
    for path in paths:
        Path(path).unlink(missing_ok=True)
