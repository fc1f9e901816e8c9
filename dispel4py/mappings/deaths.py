"""A report on MPI processes that are killed.

When a process of an MPI run is killed (no memory left, a crash in a library), its
launcher kills all the others, and no process of the run is left to report it. So one
process per host starts a watcher, outside MPI (`dispel4py.mappings.watcher`). It learns
from the kernel which process died first, reports the last work of this process by its
flight record (`dispel4py.mappings.recorder`), and removes files in shared memory.

The watcher cannot know how the process ended, if the launcher has already collected
its status (then the launcher reports it). It cannot show an item with large arrays, or
of a class that only the run could import. In a run over several hosts the watcher of
each host names the first death on its host. It needs Linux; other systems have no
watcher.
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

from dispel4py.grouping import Grouping
from dispel4py.mappings import watcher
from dispel4py.mappings.folders import remove_folder
from dispel4py.plan import Plan

#: Pause after which a run that just begins has mapped its files.
_MOMENT_SECONDS = 0.1


def can_watch() -> bool:
    """Return whether this system can watch processes that are not its children."""
    return hasattr(os, "pidfd_open") and hasattr(select, "epoll")


class Watch:
    """The side of the watched processes of one host.

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
        self._watcher.stdout.read(1)  # it watches from now on

    def join(self, process: int) -> None:
        """Hold a pipe to the watcher, which breaks when this process dies.

        When a process dies, Linux closes its highest descriptors first. So the watcher
        learns of the death before the launcher does, which kills the others.
        """
        highest = min(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 4096) - 1
        with contextlib.suppress(OSError):  # there is no watcher
            pipe = os.open(
                watcher.lifeline(str(self.folder), process), os.O_WRONLY | os.O_NONBLOCK
            )
            fcntl.fcntl(pipe, fcntl.F_DUPFD_CLOEXEC, highest)
            os.close(pipe)

    def note(self, plan: Plan) -> None:
        """Save the plan of the present run, for the watcher."""
        # without PEs and groupings, which may not be picklable
        routes = tuple(replace(route, grouping=Grouping()) for route in plan.routes)
        known = replace(plan, pes=(), routes=routes), mpich_files()
        (self.folder / watcher.PLAN).write_bytes(pickle.dumps(known))

    def explained(self) -> None:
        """Tell the watcher that the coming end has been explained."""
        (self.folder / watcher.EXPLAINED).touch()

    def stop(self) -> None:
        """End the watcher, if this process started it: all processes ended well."""
        if self._watcher is not None:
            self._watcher.communicate(watcher.GOODBYE)
            remove_folder(self.folder)


def mpich_files() -> list[str]:
    """Return files in shared memory that MPICH only removes at an orderly exit."""
    return sorted(_mapped(Path("/proc/self")))


def files_of_killed(since_s: float) -> list[str]:
    """Return such files of processes that were killed before a run had begun.

    Parameters
    ----------
    since_s : float
        When the processes were started (`time.time`). Older files, files of other
        users, and files that a process has mapped do not count.
    """
    files = {
        str(path)
        for path in Path("/dev/shm").glob("mpich_shm_*")
        if (owner := _owner(path, since_s)) is not None and owner == os.getuid()
    }
    for _ in range(2):  # a run that just begins maps its file in a moment
        if files:
            time.sleep(_MOMENT_SECONDS)
            for process in Path("/proc").glob("[0-9]*"):
                files -= _mapped(process)
    return sorted(files)


def _owner(path: Path, since_s: float) -> int | None:
    try:
        status = path.stat()
    except OSError:  # it is gone
        return None
    return status.st_uid if status.st_mtime >= since_s else None


def _mapped(process: Path) -> set[str]:
    """Return the shared files of MPICH that a process has mapped."""
    try:
        maps = (process / "maps").read_text()
    except OSError:  # no Linux, or the process is gone, or of another user
        return set()
    return set(re.findall(r"/dev/shm/mpich_shm_\w+", maps))
