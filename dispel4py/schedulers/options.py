"""The options of a job, each declared once for all commands that write one."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from dispel4py.declaration import flag
from dispel4py.errors import ParameterError
from dispel4py.mappings import REGISTRY, mapping_class
from dispel4py.mappings.options import add_arguments, option
from dispel4py.schedulers.template import SCHEDULERS

_TIME = re.compile(r"(?:(?P<d>\d+)-)?(?P<h>\d+):(?P<m>[0-5]?\d):(?P<s>[0-5]?\d)")
_JOB_NAME = re.compile(r"[A-Za-z0-9._-]+")


@dataclass(frozen=True, kw_only=True)
class JobOptions:
    """The options of a job.

    Attributes
    ----------
    scheduler : str
        One of `SCHEDULERS`.

    Raises
    ------
    ParameterError
        If a value is invalid.
    """

    scheduler: str
    time: str | None = option(None, "longest time of the job", "[D-]H:MM:SS")
    nodes: int | None = option(None, "number of hosts", "N")
    ntasks_per_node: int | None = option(None, "processes on each host", "N")
    mem_per_process_gb: float | None = option(
        None, "memory of each process (10^9 bytes)", "GB"
    )
    partition: str | None = option(None, "partition or queue", "NAME")
    account: str | None = option(None, "account or project", "NAME")
    job_name: str | None = option(None, "name of the job", "NAME")
    job_launcher: str = option(
        "mpiexec",
        "the program that starts the processes (default: mpiexec)",
        choices=("mpiexec", "srun"),
    )
    setup: tuple[str, ...] = option(
        (),
        "a line of shell before the run, such as 'module load gcc'; may be repeated",
        "LINE",
    )
    directive: tuple[str, ...] = option(
        (),
        "a further option for the scheduler, such as --directive=--qos=long; may be "
        "repeated",
        "TEXT",
    )
    template: str | None = option(
        None, "a template of yours instead of that of the scheduler", "FILE"
    )
    script: str | None = option(None, "file of the script (default: NAME.sh)", "FILE")
    submit: bool = option(False, "submit the job after its script is written")

    def __post_init__(self) -> None:
        for name in ("nodes", "ntasks_per_node", "mem_per_process_gb"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ParameterError(f"{flag(name)} {value}: must be more than 0")
        if self.time is not None:
            time_s(self.time)
        if self.job_name is not None and not _JOB_NAME.fullmatch(self.job_name):
            raise ParameterError(
                f"--job-name {self.job_name!r}: only letters, digits, '.', '_', '-'"
            )
        texts = (self.partition, self.account, *self.directive, *self.setup)
        if any("\n" in text for text in texts if text is not None):
            raise ParameterError("an option of the job has more than one line")
        if self.job_launcher == "srun" and self.scheduler != "slurm":
            raise ParameterError("--job-launcher srun belongs to Slurm: use mpiexec")

    def placement(self, processes: int) -> tuple[int | None, int | None]:
        """Return the number of hosts and the processes on each host, if either is set.

        Parameters
        ----------
        processes : int
            Number of all processes.

        Raises
        ------
        ParameterError
            If the processes have no place, or a host has none.
        """
        nodes, each = self.nodes, self.ntasks_per_node
        if nodes is None and each is None:
            return None, None
        if each is None:
            each = -(-processes // (nodes or 1))
        if nodes is None:
            nodes = -(-processes // each)
        if nodes * each < processes or nodes > processes:
            raise ParameterError(
                f"{processes} processes do not fit {nodes} hosts with {each} processes "
                "on each: change -n, --nodes or --ntasks-per-node"
            )
        return nodes, each


Job = TypeVar("Job", bound=JobOptions)


def time_s(text: str) -> int:
    """Return a time in seconds.

    Parameters
    ----------
    text : str
        The time as ``H:MM:SS`` or ``D-H:MM:SS``.

    Raises
    ------
    ParameterError
        If it has another form, or is zero.

    Examples
    --------
    >>> time_s("1-2:30:00")
    95400
    """
    match = _TIME.fullmatch(text)
    seconds = 0
    if match is not None:
        days, hours, minutes, rest = (int(group or 0) for group in match.groups())
        seconds = ((days * 24 + hours) * 60 + minutes) * 60 + rest
    if not seconds:
        raise ParameterError(
            f"--time {text}: write hours:minutes:seconds, such as 1:30:00, or "
            "days-hours:minutes:seconds"
        )
    return seconds


# ------------------------------------------------------------------ command lines


def add_job_arguments(
    add: Callable[..., Any], choose: bool = True, options: type = JobOptions
) -> None:
    """Add the options of a job to a parser; they have no default values there.

    Parameters
    ----------
    add : callable
        Method ``add_argument`` of a parser, or of a group of it.
    choose : bool
        Whether the command line chooses the scheduler, by ``--slurm`` and others.
    options : type
        `JobOptions`, or a subclass with further options.
    """
    for name in SCHEDULERS if choose else ():
        add(
            flag(name),
            dest="scheduler",
            action="store_const",
            const=name,
            default=argparse.SUPPRESS,
            help=f"write a script that runs this command as a job of {name.upper()}",
        )
    add_arguments(add, options, set())


def job_options(given: dict[str, Any], options: type[Job]) -> Job | None:
    """Take the options of a job out of a parsed command line.

    Parameters
    ----------
    given : dict
        The values by name; those of the job are removed.
    options : type
        `JobOptions`, or a subclass with further options.

    Returns
    -------
    JobOptions or None
        None if the command line asks for no job.

    Raises
    ------
    ParameterError
        If there are options of a job, but no scheduler.
    """
    names = [field.name for field in fields(options)]
    values = {name: given.pop(name) for name in names if name in given}
    if "scheduler" not in values:
        if values:
            flags = " or ".join(flag(name) for name in SCHEDULERS)
            raise ParameterError(f"{flag(next(iter(values)))} needs {flags}")
        return None
    return options(**values)


def words_of_run(words: Sequence[str], options: type = JobOptions) -> list[str]:
    """Return the words of a command line without those of the job.

    Parameters
    ----------
    words : sequence of str
    options : type
        As for `add_job_arguments`.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    add_job_arguments(parser.add_argument, options=options)
    return parser.parse_known_args(list(words))[1]


def job_mapping(given: str | None) -> str:
    """Return the mapping of a job: the given one, else the first with a launcher.

    Parameters
    ----------
    given : str, optional
        The mapping that the user gave.

    Raises
    ------
    ParameterError
        If no launcher starts the processes of the given mapping.
    """
    usable = [name for name in REGISTRY if mapping_class(name).launcher]
    if given is not None and given not in usable:
        raise ParameterError(
            f"--mapping {given}: a job runs with --mapping {' or '.join(usable)}"
        )
    return given or usable[0]
