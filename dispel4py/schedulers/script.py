"""The script of a job: written, and submitted."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dispel4py.errors import Dispel4pyError, ParameterError
from dispel4py.files import exists
from dispel4py.schedulers.options import JobOptions, time_s
from dispel4py.schedulers.template import filled, submit_command, template_text

#: A script with this line may be replaced by a new script.
MARK = "Written by dispel4py; remove this line before you edit the script."
#: Memory of a process, in bytes, if neither the user nor a plan says more.
USUAL_BYTES = 2 * 10**9
#: Longest time in seconds that the command of the scheduler may take.
_LONGEST_SECONDS = 120.0


@dataclass(frozen=True)
class Task:
    """One run of a job; the tasks of a job array are independent of each other.

    Attributes
    ----------
    words : sequence of str
        Words that the command gets besides those of all tasks.
    record : str or Path, optional
        A file that exists once the run has been started. If the job starts again, the
        run is then continued by ``--resume``. None: the run cannot be continued.
    """

    words: Sequence[str] = ()
    record: str | Path | None = None


@dataclass(frozen=True)
class BatchRun:
    """A run that a job does.

    Attributes
    ----------
    name : str
        Name of the job, unless the user gives one.
    command : sequence of str
        The command of each process, the program first.
    processes : int
    tasks : sequence of Task
        Several tasks are a job array.
    process_bytes : int, optional
        Memory of a process by the plan of the run.
    """

    name: str
    command: Sequence[str]
    processes: int
    tasks: Sequence[Task] = (Task(),)
    process_bytes: int | None = None


def write_job(run: BatchRun, options: JobOptions) -> str:
    """Write the script of a job, and submit it if the options say so.

    Parameters
    ----------
    run : BatchRun
    options : JobOptions

    Returns
    -------
    str
        What was done, for the user.

    Raises
    ------
    ParameterError
        If an option or the template makes no sense.
    MappingUnavailable
        If launcher and MPI library do not fit.
    Dispel4pyError
        If the scheduler refuses the job.
    """
    name = options.job_name or re.sub(r"[^A-Za-z0-9._-]", "_", run.name)
    path = Path(options.script or f"{name}.sh")
    text = job_text(run, options, name, path)
    _write(path, text)
    command = submit_command(text) if options.submit else ""
    if command:
        return f"{path} is written.\n{_submit(command)}"
    tells = [line for line in text.splitlines() if line.startswith("# Submit: ")]
    hint = f" Submit it: {tells[0].removeprefix('# Submit: ')}" if tells else ""
    return f"{path} is written.{hint}"


def job_text(run: BatchRun, options: JobOptions, name: str, path: Path) -> str:
    """Return the script of a job.

    Parameters
    ----------
    run : BatchRun
    options : JobOptions
    name : str
        Name of the job.
    path : Path
        File of the script.

    Raises
    ------
    ParameterError
        If an option or the template makes no sense.
    MappingUnavailable
        If launcher and MPI library do not fit.
    """
    from dispel4py.schedulers.launching import launcher_text  # imports MPI

    n, (nodes, each) = run.processes, options.placement(run.processes)
    memory_mb = _memory_mb(run, options)
    is_array = len(run.tasks) > 1
    continues = all(task.record is not None for task in run.tasks)
    seconds = None if options.time is None else time_s(options.time)
    array = f"1-{len(run.tasks)}" if is_array else ""
    values = {
        "mark": MARK,
        "script": shlex.quote(str(path)),
        "job_name": name,
        "array": array,
        "array_in_brackets": f"[{array}]" if array else "",
        "processes": str(n),
        "nodes": str(nodes or ""),
        "processes_per_node": str(each or ""),
        "chunks": str(nodes or n),
        "processes_per_chunk": str(each or 1),
        "memory_mb": str(memory_mb),
        "memory_per_chunk_mb": str(memory_mb * (each or 1)),
        "time": _clock(seconds, "{}:{:02}:{:02}"),
        "time_hours_minutes": _clock(seconds, "{}:{:02}"),
        "partition": options.partition or "",
        "account": options.account or "",
        "requeue": "requeue" if continues else "no-requeue",
        "rerun": "y" if continues else "n",
        "directives": options.directive,
        "folder": shlex.quote(os.getcwd()),
        "setup": options.setup,
        "arguments": _arguments(run.tasks),
        "launcher": launcher_text(options.job_launcher, n),
        "command": shlex.join(run.command),
    }
    return filled(template_text(options.template or options.scheduler), values)


def _memory_mb(run: BatchRun, options: JobOptions) -> int:
    """Return the memory of a process in MB of schedulers, which are 2^20 bytes."""
    given = options.mem_per_process_gb
    n_bytes = given * 1e9 if given is not None else run.process_bytes or USUAL_BYTES
    return max(-int(-n_bytes // 2**20), 1)


def _clock(seconds: int | None, form: str) -> str:
    """Write a time; a form without seconds rounds it up to minutes."""
    if seconds is None:
        return ""
    if form.count("{") == 2:
        seconds = -(-seconds // 60) * 60
    return form.format(seconds // 3600, seconds // 60 % 60, seconds % 60)


def _arguments(tasks: Sequence[Task]) -> str:
    """Return the lines of shell that set the words of a task."""
    if len(tasks) == 1:
        return _task(tasks[0])
    lines = ["case $task in"]
    for k, task in enumerate(tasks, 1):
        lines += [f"{k})", *(f"  {line}" for line in _task(task).splitlines()), "  ;;"]
    lines += ['*) echo "there is no task $task" >&2; exit 2 ;;', "esac"]
    return "\n".join(lines)


def _task(task: Task) -> str:
    text = shlex.join(["set", "--", *task.words])
    if task.record is None:
        return text
    record = shlex.quote(str(task.record))
    return f'{text}\nif [ -e {record} ]; then set -- "$@" --resume; fi'


def _write(path: Path, text: str) -> None:
    """Write a script; only scripts that were written here are replaced."""
    if exists(path) and MARK not in path.read_text(errors="replace"):
        raise ParameterError(
            f"{path} exists and was not written by this command: remove it, or give "
            "another --script"
        )
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


def _submit(command: str) -> str:
    """Run the command that submits a script; return its answer."""
    program = command.split()[0]
    try:
        done = subprocess.run(
            ["bash", "-c", command],
            capture_output=True,
            text=True,
            timeout=_LONGEST_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Dispel4pyError(
            f"{program} has not answered after {_LONGEST_SECONDS:.0f} s; whether the "
            "job was submitted is unknown"
        ) from None
    if done.returncode:
        lines = [*done.stderr.split("\n"), *done.stdout.split("\n")]
        cause = "; ".join(line.strip() for line in lines if line.strip())
        raise Dispel4pyError(f"the job was not submitted: {cause}")
    return done.stdout.strip()
