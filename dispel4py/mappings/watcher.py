"""A program that waits for one of several processes to die, and reports it.

`dispel4py.mappings.deaths` starts it for every MPI run, while the ranks wait. So it
imports next to nothing until a process dies.
"""

import fcntl
import os
import select
import sys

#: Files in the folder of the records.
PLAN, EXPLAINED = "plan", "explained"
GOODBYE = b"."


def main(arguments: list[str]) -> None:
    """Watch processes: the folder of their records, then ``process:pid`` of each."""
    folder = arguments[0]
    # held, as the folder must outlive the processes that made it
    fcntl.flock(os.open(folder, os.O_RDONLY), fcntl.LOCK_SH)
    pairs = (pair.split(":") for pair in arguments[1:])
    pids = {int(process): int(pid) for process, pid in pairs}
    before = kernel_kills()
    process = first_death(folder, pids)
    if process is not None:
        tell(folder, process, exit_code(pids[process]), kernel_kills() > before)


def kernel_kills() -> int:
    """Return how many processes the kernel has killed because memory was short."""
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
        Where their lifelines are.
    pids : dict
        Process of the plan to process id.

    Returns
    -------
    int or None
        The process. None if all ended well, as the starter writes to standard input.
    """
    watching, watched = select.epoll(), {}
    for process, pid in pids.items():
        pipe = os.open(lifeline(folder, process), os.O_RDONLY | os.O_NONBLOCK)
        watched[pipe] = process
        watching.register(pipe, select.EPOLLHUP)
        # a lifeline does not break while a child of the process holds it, too
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            return process
        watched[descriptor] = process
        watching.register(descriptor, select.EPOLLIN)
    watching.register(0, select.EPOLLIN)
    os.write(1, b"r")
    while True:
        # one at a time: the kernel returns them in the order of the events
        ((descriptor, _),) = watching.poll(maxevents=1)
        if descriptor:
            return watched[descriptor]
        if os.read(0, 1) == GOODBYE:
            return None
        watching.unregister(0)  # the process that started this program is dying


def exit_code(pid: int) -> int | None:
    """Return how a dying process ended, as `subprocess` does.

    None if its parent has already collected its status.
    """
    try:
        ending = select.poll()
        ending.register(os.pidfd_open(pid), select.POLLIN)
        ending.poll(1000)
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:  # it is gone
        return None
    state, status = fields[0], int(fields[-1])
    return os.waitstatus_to_exitcode(status) if state == "Z" else None


def tell(folder: str, process: int, exit_code: int | None, by_kernel: bool) -> None:
    """Write the last work of a dead process, unless its end was explained; clear up.

    Parameters
    ----------
    folder : str
        The folder of the run.
    process : int
        The process of the plan.
    exit_code : int or None
        How it ended, as `subprocess` has it.
    by_kernel : bool
        Whether the kernel killed a process because memory was short.
    """
    import pickle
    import site
    from pathlib import Path

    site.main()
    sys.path.append(str(Path(__file__).parents[2]))
    from dispel4py.mappings.folders import remove_files, remove_folder
    from dispel4py.mappings.recorder import cause_of_death, read_record, record_path

    cause = "the process was killed, or left without a word"
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
