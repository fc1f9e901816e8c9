"""A last word for processes that are killed.

When a process of an MPI run is killed (no memory left, a crash in a library), its
launcher ends all the others the same way: nobody in the run is left to say what
happened. So one process per host starts a watcher, outside MPI
(`dispel4py.mappings.watcher`). It learns from the kernel which process died first,
says what that one was working on, by the flight records
(`dispel4py.mappings.recorder`), and removes what was left in shared memory.

What it cannot know: how the process ended, if the launcher was quicker to clear it
away (the launcher says it); an item that came with large arrays, or of a class that
only the run could import; and, in a run over several hosts, on which of them the first
one died: the watcher of each host names its own. It needs Linux; elsewhere there is no
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

_MOMENT_SECONDS = 0.1


def can_watch() -> bool:
    """Return whether this system can watch processes that are no children."""
    return hasattr(os, "pidfd_open") and hasattr(select, "epoll")


class Watch:
    """What the processes of one host share with their watcher.

    Parameters
    ----------
    folder : Path
        Where the flight records of this host lie.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._watcher: subprocess.Popen[bytes] | None = None

    def start(self, pids: Mapping[int, int]) -> None:
        """Start the watcher of these processes (process of the plan to pid)."""
        for process in pids:
            os.mkfifo(watcher.lifeline(str(self.folder), process))
        # The file itself, not as a module: it has to start quickly and weigh little.
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
        self._watcher.stdout.read(1)  # from now on nobody dies unseen

    def join(self, process: int) -> None:
        """Hold a pipe to the watcher, which breaks when this process dies.

        Of a process that dies, Linux closes the highest descriptors first. So the
        watcher learns of it before the launcher does and kills the others.
        """
        highest = min(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 4096) - 1
        with contextlib.suppress(OSError):  # there is no watcher
            pipe = os.open(
                watcher.lifeline(str(self.folder), process), os.O_WRONLY | os.O_NONBLOCK
            )
            fcntl.fcntl(pipe, fcntl.F_DUPFD_CLOEXEC, highest)
            os.close(pipe)

    def note(self, plan: Plan) -> None:
        """Write down what runs now."""
        # without what may not be picklable
        routes = tuple(replace(route, grouping=Grouping()) for route in plan.routes)
        known = replace(plan, pes=(), routes=routes), mpich_files()
        (self.folder / watcher.PLAN).write_bytes(pickle.dumps(known))

    def explained(self) -> None:
        """Say that the end that comes now needs no other explanation."""
        (self.folder / watcher.EXPLAINED).touch()

    def stop(self) -> None:
        """End the watcher, if this is who started it: all ended well."""
        if self._watcher is not None:
            self._watcher.communicate(watcher.GOODBYE)
            remove_folder(self.folder)


def mpich_files() -> list[str]:
    """Return the files in shared memory that MPICH removes only at an orderly exit."""
    return sorted(_mapped(Path("/proc/self")))


def files_of_killed(since_s: float) -> list[str]:
    """Return such files that are of processes killed before a run had begun.

    Parameters
    ----------
    since_s : float
        When the processes were started (`time.time`). Files of others, and files that
        a process has mapped, are left alone.
    """
    found = {
        str(path)
        for path in Path("/dev/shm").glob("mpich_shm_*")
        if (owner := _owner(path, since_s)) is not None and owner == os.getuid()
    }
    for _ in range(2):  # of a run that begins just now it is mapped in a moment
        if found:
            time.sleep(_MOMENT_SECONDS)
            for process in Path("/proc").glob("[0-9]*"):
                found -= _mapped(process)
    return sorted(found)


def _owner(path: Path, since_s: float) -> int | None:
    try:
        status = path.stat()
    except OSError:  # gone
        return None
    return status.st_uid if status.st_mtime >= since_s else None


def _mapped(process: Path) -> set[str]:
    """Return the files of MPICH that a process has mapped."""
    try:
        maps = (process / "maps").read_text()
    except OSError:  # not Linux, gone, or of somebody else
        return set()
    return set(re.findall(r"/dev/shm/mpich_shm_\w+", maps))
