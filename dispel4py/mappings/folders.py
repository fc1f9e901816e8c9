"""The folder of a run: files and sockets of its processes, removed at its end.

Other users can make files in the same parent folder. So a name there is not trusted:
only a folder that belongs to this user is opened, never through a link, and never a
pipe or device, which could block.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import tempfile
from collections.abc import Iterable
from pathlib import Path

from dispel4py.errors import MappingUnavailable
from dispel4py.files import is_folder

_PREFIX = "dispel4py-"
#: Longest path of a run folder without its random part, in bytes: paths of sockets have
#: at most 107 bytes on Linux and 103 on macOS, and names of sockets have up to 16.
_LONGEST_PATH = 103 - 8 - 16
_locks: dict[str, int] = {}


def run_folder(needed_bytes: int = 0) -> Path:
    """Make a folder for one run, in shared memory where the system has it.

    Folders of killed runs are removed, unless a process has locked them.

    Parameters
    ----------
    needed_bytes : int
        If the shared memory has less space, the folder for temporary files is used.

    Raises
    ------
    MappingUnavailable
        If there is no space, or the path is too long for sockets.
    """
    shm, temporary = Path("/dev/shm"), Path(tempfile.gettempdir())
    is_usable = is_folder(shm) and os.access(shm, os.W_OK)
    for parent in [shm, temporary] if is_usable else [temporary]:
        _remove_folders_of_killed_runs(parent)
        if _free_bytes(parent) < needed_bytes:
            continue
        prefix = f"{_PREFIX}{os.getpid()}-"
        if len(os.fsencode(parent / prefix)) > _LONGEST_PATH:
            raise MappingUnavailable(
                f"the path of the temporary folder {parent} is too long for sockets: "
                "set TMPDIR to a shorter one"
            )
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        lock(folder)
        return folder
    raise MappingUnavailable(
        f"there is no space in {temporary} for the files of a run, {needed_bytes} bytes"
    )


def _remove_folders_of_killed_runs(parent: Path) -> None:
    for name in _names(parent, _PREFIX):
        pid = name.removeprefix(_PREFIX).split("-")[0]
        if pid.isdigit() and not _is_alive(int(pid)) and not _is_locked(parent, name):
            remove_folder(Path(parent, name))


def _free_bytes(folder: Path) -> int:
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize


def lock(folder: Path) -> None:
    """Lock a folder, so that other runs do not remove it before this process ends.

    Another process may still read its files after the process that made the folder was
    killed. And containers may share the memory, but not the process numbers.
    """
    descriptor = _open_folder(folder)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    _locks[str(folder)] = descriptor


def _open_folder(folder: str | Path) -> int:
    """Open a folder of this user.

    Raises
    ------
    OSError
        If it is no folder, a link, or a folder of another user.
    """
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NONBLOCK
    descriptor = os.open(folder, flags)
    status = os.fstat(descriptor)
    if status.st_uid != os.getuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        os.close(descriptor)
        raise PermissionError(f"{folder} belongs to another user")
    return descriptor


def _is_locked(parent: str | Path, name: str) -> bool:
    try:
        descriptor = _open_folder(os.path.join(parent, name))
    except OSError:  # it no longer exists, or is not of this user
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
    """Remove the folder of a run, and its segments on disk.

    Nothing is removed if the folder is not of this user.
    """
    with contextlib.suppress(OSError):
        descriptor = _open_folder(folder)
        try:
            for name in os.listdir(descriptor):
                _remove_segment(folder.name, name, descriptor)
                with contextlib.suppress(OSError):
                    os.unlink(name, dir_fd=descriptor)
        finally:
            os.close(descriptor)
        folder.rmdir()
    if (lock_descriptor := _locks.pop(str(folder), None)) is not None:
        os.close(lock_descriptor)


def _remove_segment(folder_name: str, name: str, descriptor: int) -> None:
    """Remove the file of a link to a segment on disk, as the shared memory was full.

    A segment has a name by which it is known, is an ordinary file, and is of this user.
    """
    with contextlib.suppress(OSError):  # not a link
        path = os.readlink(name, dir_fd=descriptor)
        status = os.lstat(path)
        is_own = stat.S_ISREG(status.st_mode) and status.st_uid == os.getuid()
        if is_own and os.path.basename(path) == f"{folder_name}-{name}":
            os.unlink(path)


def _names(folder: str | Path, prefix: str = "") -> list[str]:
    """Return the names in a folder; `Path.glob` is slow in large ones."""
    try:
        return [name for name in os.listdir(folder) if name.startswith(prefix)]
    except OSError:
        return []


def remove_files(paths: Iterable[str]) -> None:
    """Remove files; a process that has mapped a file keeps its content."""
    for path in paths:
        with contextlib.suppress(OSError):  # removed already, or not of this user
            os.unlink(path)
