"""A program that waits until one of several processes dies, and reports the death.

`dispel4py.mappings.deaths` starts it at the begin of each MPI run, and the ranks wait
for its start. So it imports only a few modules before a process dies.
"""

import fcntl
import os
import select
import sys

#: Files in the folder of the records.
PLAN, EXPLAINED = "plan", "explained"
GOODBYE = b"."


def main(arguments: list[str]) -> None:
    """Watch processes; arguments are the folder of the run, and ``process:pid``s."""
    folder = arguments[0]
    # lock the folder: it must exist longer than the processes that made it
    fcntl.flock(os.open(folder, os.O_RDONLY), fcntl.LOCK_SH)
    pairs = (pair.split(":") for pair in arguments[1:])
    pids = {int(process): int(pid) for process, pid in pairs}
    before = kernel_kills()
    process = first_death(folder, pids)
    if process is not None:
        report(folder, process, exit_code(pids[process]), kernel_kills() > before)


def kernel_kills() -> int:
    """Return the number of processes that the kernel has killed for lack of memory."""
    try:
        with open("/proc/vmstat") as file:
            counts = dict(line.split() for line in file)
    except OSError:
        return 0
    return int(counts.get("oom_kill", 0))


def lifeline(folder: str, process: int) -> str:
    """Return the path of the pipe that breaks when a process dies.

    Parameters
    ----------
    folder : str
        The folder of the run.
    process : int
    """
    return f"{folder}/alive-{process}"


def first_death(folder: str, pids: dict[int, int]) -> int | None:
    """Wait for the first of these processes to die.

    Parameters
    ----------
    folder : str
        The folder with their pipes (`lifeline`).
    pids : dict
        Process of the plan to process id.

    Returns
    -------
    int or None
        The process. None if all ended without a failure: then the process that started
        this program writes to its standard input.
    """
    watching, watched = select.epoll(), {}
    for process, pid in pids.items():
        pipe = os.open(lifeline(folder, process), os.O_RDONLY | os.O_NONBLOCK)
        watched[pipe] = process
        watching.register(pipe, select.EPOLLHUP)
        # a pipe does not break while a child of the process has it open, too
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            return process
        watched[descriptor] = process
        watching.register(descriptor, select.EPOLLIN)
    watching.register(0, select.EPOLLIN)
    os.write(1, b"r")
    while True:
        # one event per call, to get the events in their order
        ((descriptor, _),) = watching.poll(maxevents=1)
        if descriptor:
            return watched[descriptor]
        if os.read(0, 1) == GOODBYE:
            return None
        watching.unregister(0)  # the process that started this program is dying


def exit_code(pid: int) -> int | None:
    """Return the exit code of a dying process, as `subprocess` has it.

    None if its parent has already collected it.
    """
    try:
        ending = select.poll()
        ending.register(os.pidfd_open(pid), select.POLLIN)
        ending.poll(1000)
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:  # the process no longer exists
        return None
    state, status = fields[0], int(fields[-1])
    return os.waitstatus_to_exitcode(status) if state == "Z" else None


def report(folder: str, process: int, exit_code: int | None, by_kernel: bool) -> None:
    """Report the last work of a dead process, if no process has; remove its files.

    Parameters
    ----------
    folder : str
        The folder of the run.
    process : int
        The process of the plan.
    exit_code : int or None
        From `exit_code`.
    by_kernel : bool
        Whether the kernel killed a process for lack of memory.
    """
    import pickle
    import site
    from pathlib import Path

    site.main()
    sys.path.append(str(Path(__file__).parents[2]))
    from dispel4py.mappings.folders import remove_files, remove_folder
    from dispel4py.mappings.recorder import cause_of_death, read_record, record_path

    cause = "the process was killed, or ended without a message"
    if exit_code is not None or by_kernel:
        cause = cause_of_death(exit_code, by_kernel)
    plan, left_by_mpich = pickle.loads(Path(folder, PLAN).read_bytes())
    try:
        if not Path(folder, EXPLAINED).exists():
            path = record_path(folder, process)
            summary = read_record(path, plan, process, cause).summary
            sys.stderr.write(f"{summary}\n")
            sys.stderr.flush()
    finally:
        remove_folder(Path(folder))
        remove_files(left_by_mpich)


if __name__ == "__main__":
    main(sys.argv[1:])
