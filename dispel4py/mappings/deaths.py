"""The report on MPI processes that are killed.

If a process of an MPI run is killed (no memory left, a crash in a library), the
launcher kills all other processes, so that none of them can report it. So one process
per host starts a watcher outside MPI (`dispel4py.mappings.watcher`). The kernel informs
the watcher of the process that died first. The watcher reports the last work of this
process from its flight record (`dispel4py.mappings.recorder`), and removes files in
shared memory.

The launcher may collect the exit status of the process before the watcher reads it.
Linux 6.15 and later keep it for the watcher; with an older Linux the watcher does not
know it in this case, and only the launcher reports it. The watcher cannot show an item
with large arrays, or an item of a class that it cannot import. In a run on several
hosts each watcher reports the first death on its host. It needs Linux; other systems
have no watcher.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pickle
import re
import resource
import select
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from dispel4py.file_search import files_named
from dispel4py.files import list_folder
from dispel4py.grouping import Grouping
from dispel4py.mappings import watcher
from dispel4py.mappings.folders import remove_folder
from dispel4py.plan import Plan

#: Seconds that a starting run needs to map its files.
_MOMENT_SECONDS = 0.1


def can_watch() -> bool:
    """Return whether this system can watch processes that are not its children."""
    return hasattr(os, "pidfd_open") and hasattr(select, "epoll")


class DeathWatch:
    """The watcher of one host, as the processes of the run use it.

    Parameters
    ----------
    folder : Path
        The folder with the flight records of this host.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._watcher: subprocess.Popen[bytes] | None = None

    def start(self, pids: Mapping[int, int]) -> None:
        """Start the watcher of these processes (process of the plan to pid)."""
        for process in pids:
            os.mkfifo(watcher.lifeline(str(self.folder), process))
        # run as a file, not as a module: it starts quickly and needs little memory
        self._watcher = subprocess.Popen(
            [
                *(sys.executable, "-S", "-P", watcher.__file__, str(self.folder)),
                *(f"{process}:{pid}" for process, pid in pids.items()),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._watcher.stdout is not None
        self._watcher.stdout.read(1)  # the watcher is ready

    def join(self, process: int) -> None:
        """Open a pipe to the watcher, which breaks when this process dies.

        When a process dies, Linux closes its highest descriptors first. So the watcher
        learns of the death earlier than the launcher, which kills the other processes.
        """
        highest = min(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 4096) - 1
        with contextlib.suppress(OSError):  # there is no watcher
            pipe = os.open(
                watcher.lifeline(str(self.folder), process), os.O_WRONLY | os.O_NONBLOCK
            )
            fcntl.fcntl(pipe, fcntl.F_DUPFD_CLOEXEC, highest)
            os.close(pipe)

    def save_plan(self, plan: Plan) -> None:
        """Save the plan of the current run for the watcher."""
        # without PEs and groupings, which may not be picklable
        routes = tuple(replace(route, grouping=Grouping()) for route in plan.routes)
        content = replace(plan, pes=(), routes=routes), mpich_files()
        (self.folder / watcher.PLAN).write_bytes(pickle.dumps(content))

    def is_first(self) -> bool:
        """Return whether no process of this host has reported a failure before."""
        return watcher.is_first(str(self.folder))

    def mark_explained(self) -> None:
        """Let the watcher report nothing: this process reports the end itself."""
        (self.folder / watcher.EXPLAINED).touch()

    def stop(self) -> None:
        """End the watcher after a run without failures, if this process started it."""
        if self._watcher is not None:
            self._watcher.communicate(watcher.GOODBYE)
            remove_folder(self.folder)


def mpich_files() -> list[str]:
    """Return files in shared memory that MPICH removes only at a normal exit."""
    return sorted(_mapped(Path("/proc/self")))


def files_of_killed(since_s: float) -> list[str]:
    """Return the MPICH files of processes that were killed before a run had started.

    Parameters
    ----------
    since_s : float
        Time at which the processes were started (`time.time`). Older files, files of
        other users, and files that a process has mapped are not returned.
    """
    files = {
        str(path)
        for path in files_named(Path("/dev/shm"), "mpich_shm_*")
        if (owner := _owner(path, since_s)) is not None and owner == os.getuid()
    }
    for _ in range(2):  # a starting run needs a moment to map its files
        if files:
            time.sleep(_MOMENT_SECONDS)
            for pid in filter(str.isdigit, list_folder("/proc")[0]):
                files -= _mapped(Path("/proc", pid))
    return sorted(files)


def _owner(path: Path, since_s: float) -> int | None:
    try:
        status = path.lstat()
    except OSError:  # the file no longer exists
        return None
    return status.st_uid if status.st_mtime >= since_s else None


def _mapped(process: Path) -> set[str]:
    """Return the shared files of MPICH that a process has mapped."""
    try:
        maps = (process / "maps").read_text()
    except OSError:  # no Linux, a process that has ended, or a process of another user
        return set()
    return set(re.findall(r"/dev/shm/mpich_shm_\w+", maps))
