"""A program that waits until one of several processes dies, and reports the death.

`dispel4py.mappings.deaths` starts it at the beginning of each MPI run, and the ranks
wait for its start. So it imports only a few modules before a process dies, and none of
ours, which Python does not find then.
"""

import contextlib
import fcntl
import os
import select
import struct
import sys

#: Files in the folder of the records.
PLAN, EXPLAINED, FIRST = "plan", "explained", "first"
GOODBYE = b"."

#: A request of Linux 6.15 and later (``PIDFD_GET_INFO``), and the part of its answer
#: that has the exit status of a process that its parent has collected.
_GET_INFO, _EXIT_INFO = 0xC040FF0B, 1 << 3
#: The answer: the parts that it has, numbers that are not used here, the exit status.
_INFO = struct.Struct("Q52xi")


def main(arguments: list[str]) -> None:
    """Watch processes; arguments are the folder of the run, and ``process:pid``s."""
    folder = arguments[0]
    # lock the folder: it must exist longer than the processes that made it
    fcntl.flock(os.open(folder, os.O_RDONLY), fcntl.LOCK_SH)
    pairs = (pair.split(":") for pair in arguments[1:])
    pids = {int(process): int(pid) for process, pid in pairs}
    before = kernel_kills()
    descriptors = {k: _open_process(pid) for k, pid in pids.items()}
    process = first_death(folder, descriptors)
    if process is not None:
        code = exit_code(pids[process], descriptors[process])
        # before the imports of the report: meanwhile other ranks may fail after it
        is_explained = False
        with contextlib.suppress(OSError):  # a death is reported in any case
            os.stat(f"{folder}/{EXPLAINED}")
            is_explained = True
        is_cause = not is_explained and is_first(folder)
        by_kernel = kernel_kills() > before
        report(folder, process, code, by_kernel, is_cause)


def _open_process(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        return None


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


def first_death(folder: str, descriptors: dict[int, int | None]) -> int | None:
    """Wait for the first of these processes to die.

    Parameters
    ----------
    folder : str
        The folder with their pipes (`lifeline`).
    descriptors : dict
        Process of the plan to the descriptor of the process; None if it has ended.

    Returns
    -------
    int or None
        The process. None if all ended without a failure: then the process that started
        this program writes to its standard input.
    """
    watching, watched = select.epoll(), {}
    for process, descriptor in descriptors.items():
        pipe = os.open(lifeline(folder, process), os.O_RDONLY | os.O_NONBLOCK)
        watched[pipe] = process
        watching.register(pipe, select.EPOLLHUP)
        if descriptor is None:
            return process
        # a pipe does not break while a child of the process has it open, too
        watched[descriptor] = process
        watching.register(descriptor, select.EPOLLIN)
    watching.register(0, select.EPOLLIN)
    os.write(1, b"r")
    while True:
        # one event per call, to get the events in their order
        ((ready, _),) = watching.poll(maxevents=1)
        if ready:
            return watched[ready]
        if os.read(0, 1) == GOODBYE:
            return None
        watching.unregister(0)  # the process that started this program is dying


def is_first(folder: str) -> bool:
    """Return True to the first caller only: the first cause of a failure is reported.

    Ranks that fail after it, as their neighbour is lost, report nothing.
    """
    try:
        os.close(os.open(f"{folder}/{FIRST}", os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return False
    except OSError:  # the folder is being removed
        return True
    return True


def exit_code(pid: int, descriptor: int | None) -> int | None:
    """Return the exit code of a dying process, as `subprocess` has it.

    The kernel has it since the process began to end. So it is read at once, and again
    when the process has ended. Then the parent may have collected it, and only newer
    kernels still have it.

    Parameters
    ----------
    pid : int
    descriptor : int or None
        The descriptor of the process, if it was opened in time.

    Returns
    -------
    int or None
        None if it is not known.
    """
    if descriptor is None:
        return None
    ending = select.poll()
    ending.register(descriptor, select.POLLIN)
    try:
        for wait_ms in (0, 1000):
            ending.poll(wait_ms)
            with open(f"/proc/{pid}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
            state, status = fields[0], int(fields[-1])
            if state == "Z" or status:
                return os.waitstatus_to_exitcode(status)
    except OSError:  # the process no longer exists
        return _collected_exit_code(descriptor)
    return None


def _collected_exit_code(descriptor: int) -> int | None:
    """Return the exit code of a process that its parent has collected, or None."""
    answer = bytearray(_INFO.pack(_EXIT_INFO, 0))
    try:
        fcntl.ioctl(descriptor, _GET_INFO, answer)
    except OSError:  # an older kernel
        return None
    parts, status = _INFO.unpack(answer)
    return os.waitstatus_to_exitcode(status) if parts & _EXIT_INFO else None


def report(
    folder: str, process: int, exit_code: int | None, by_kernel: bool, is_cause: bool
) -> None:
    """Report the last work of a dead process, and remove its files.

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
    is_cause : bool
        Whether no process has reported a failure before; otherwise nothing is reported.
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
        if is_cause:
            path = record_path(folder, process)
            summary = read_record(path, plan, process, cause).summary
            sys.stderr.write(f"{summary}\n")
            sys.stderr.flush()
    finally:
        remove_folder(Path(folder))
        remove_files(left_by_mpich)


if __name__ == "__main__":
    main(sys.argv[1:])
