"""The folder of a run: files and sockets of its processes, removed at its end."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

_PREFIX = "dispel4py-"
_locks: dict[str, int] = {}


def run_folder() -> Path:
    """Make a folder for one run, in shared memory where the system has it.

    Folders of killed runs are removed, unless a process has locked them.
    """
    shm = Path("/dev/shm")
    parent = shm if shm.is_dir() and os.access(shm, os.W_OK) else tempfile.gettempdir()
    for name in _names(parent, _PREFIX):
        pid = name.removeprefix(_PREFIX).split("-")[0]
        if pid.isdigit() and not _is_alive(int(pid)) and not _is_locked(parent, name):
            remove_folder(Path(parent, name))
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=parent))
    lock(folder)
    return folder


def lock(folder: Path) -> None:
    """Lock a folder, so that other runs do not remove it before this process ends.

    Another process may still read its files after the process that made the folder was
    killed. And containers may share the memory, but not the process numbers.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    _locks[str(folder)] = descriptor


def _is_locked(parent: str | Path, name: str) -> bool:
    try:
        descriptor = os.open(os.path.join(parent, name), os.O_RDONLY)
    except OSError:  # it no longer exists, or belongs to another user
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
            # a segment on disk, as the shared memory was full
            os.unlink(os.readlink(path))
        with contextlib.suppress(OSError):
            os.unlink(path)
    with contextlib.suppress(OSError):
        folder.rmdir()
    if (descriptor := _locks.pop(str(folder), None)) is not None:
        os.close(descriptor)


def _names(folder: str | Path, prefix: str = "") -> list[str]:
    """Return the names in a folder; `Path.glob` is slow in large ones."""
    try:
        return [name for name in os.listdir(folder) if name.startswith(prefix)]
    except OSError:
        return []


def remove_files(paths: Iterable[str]) -> None:
    """Remove files; a process that has mapped a file keeps its content."""
    for path in paths:
        Path(path).unlink(missing_ok=True)
