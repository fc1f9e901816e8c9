"""A last word for processes that are killed.

When a process of an MPI run is killed (no memory left, a crash in a library), its
launcher ends all the others the same way: nobody in the run is left to say what
happened. So one process per host starts a watcher, outside MPI. It learns from the
kernel which process died first, and says what that one was working on, by the flight
records (`dispel4py.mappings.recorder`). It also removes what was left in shared memory.

What it cannot know: how the process ended, if the launcher was quicker to clear it
away (the launcher says it); an item that came with large arrays; and, in a run over
several hosts, on which of them the first one died: the watcher of each host names its
own. It needs Linux (process descriptors); elsewhere there is no watcher.
"""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dispel4py.instance import Failure
    from dispel4py.plan import Plan

_PLAN, _EXPLAINED = "plan", "explained"
_GOODBYE = b"."


def can_watch() -> bool:
    """Return whether this system can watch processes that are no children."""
    return hasattr(os, "pidfd_open")


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

    def note(self, plan: Plan) -> None:
        """Write down what runs now."""
        import pickle

        known = _bare(plan), mpich_files()
        (self.folder / _PLAN).write_bytes(pickle.dumps(known))

    def start(self, pids: Mapping[int, int]) -> None:
        """Start the watcher of these processes (process of the plan to pid)."""
        # The file itself, not the package: it has to start quickly and weigh little.
        self._watcher = subprocess.Popen(
            [
                *(sys.executable, "-P", __file__, str(self.folder)),
                *(f"{process}:{pid}" for process, pid in pids.items()),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )

    def explained(self) -> None:
        """Say that the end that comes now needs no other explanation."""
        (self.folder / _EXPLAINED).touch()

    def stop(self) -> None:
        """End the watcher, if this is who started it: all ended well."""
        from dispel4py.mappings.segments import remove_folder

        if self._watcher is not None:
            self._watcher.communicate(_GOODBYE)
            remove_folder(self.folder)


def mpich_files() -> list[str]:
    """Return the files in shared memory that MPICH removes only at an orderly exit."""
    try:
        maps = Path("/proc/self/maps").read_text()
    except OSError:  # not Linux
        return []
    return sorted(set(re.findall(r"/dev/shm/mpich_shm_\w+", maps)))


def remove_files(paths: Iterable[str]) -> None:
    """Remove files; whoever has them mapped keeps them to its end."""
    for path in paths:
        Path(path).unlink(missing_ok=True)


def _bare(plan: Plan) -> Plan:
    """Return the plan without what may not be picklable."""
    from dataclasses import replace

    from dispel4py.grouping import Grouping

    routes = tuple(replace(route, grouping=Grouping()) for route in plan.routes)
    return replace(plan, pes=(), routes=routes)


def first_deaths(pids: Mapping[int, int]) -> dict[int, int | None]:
    """Wait for the first of these processes to die.

    Parameters
    ----------
    pids : mapping
        Process of the plan to process id.

    Returns
    -------
    dict
        Those that are dead, each with its exit code as `subprocess` gives it (None
        where it is not known any more). Empty if the run said goodbye.
    """
    poll = select.poll()
    poll.register(0, select.POLLIN)
    watched: dict[int, int] = {}
    gone: dict[int, int | None] = {}
    for process, pid in pids.items():
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            gone[process] = None
            continue
        watched[descriptor] = process
        poll.register(descriptor, select.POLLIN)
    while not gone:
        ready = {descriptor for descriptor, _ in poll.poll()}
        if 0 in ready:
            if os.read(0, 1) == _GOODBYE:
                return {}
            poll.unregister(0)  # whoever started this is dying
        for descriptor in ready & watched.keys():
            process = watched[descriptor]
            gone[process] = _exit_code(pids[process])
    return gone


def _exit_code(pid: int) -> int | None:
    """Return the exit code of a process that was not yet cleared away."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    state, status = fields[0], int(fields[-1])
    return os.waitstatus_to_exitcode(status) if state == "Z" else None


def last_word(folder: Path, plan: Plan, process: int, exit_code: int | None) -> Failure:
    """Return what the record of a dead process says of its end."""
    from dispel4py.mappings.recorder import cause_of_death, read_record, record_path

    cause = "the process was killed, or left without a word"
    if exit_code is not None:
        cause = cause_of_death(exit_code)
    return read_record(record_path(folder, process), plan, process, cause)


def main(arguments: Sequence[str]) -> None:
    """Watch processes: the folder of their records, then ``process:pid`` of each."""
    folder = Path(arguments[0])
    pairs = (pair.split(":") for pair in arguments[1:])
    gone = first_deaths({int(process): int(pid) for process, pid in pairs})
    if not gone:
        return
    sys.path.append(str(Path(__file__).parents[2]))
    import pickle

    from dispel4py.mappings.segments import remove_folder

    plan, left_by_mpich = pickle.loads((folder / _PLAN).read_bytes())
    try:
        if not (folder / _EXPLAINED).exists():
            words = [last_word(folder, plan, k, code) for k, code in gone.items()]
            sys.stderr.write("".join(f"{word.summary}\n" for word in words))
            sys.stderr.flush()
    finally:
        remove_folder(folder)
        remove_files(left_by_mpich)


if __name__ == "__main__":
    main(sys.argv[1:])
