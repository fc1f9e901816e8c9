"""The options of the mapping ``multi``."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

from dispel4py.errors import ParameterError
from dispel4py.mappings import options
from dispel4py.mappings.options import check_silence, option, silence_option

#: Variables of the environment with the default hosts, and the command to reach them.
HOSTS_VARIABLE = "DISPEL4PY_HOSTS"
SSH_VARIABLE = "DISPEL4PY_SSH"
#: The default does not ask for passwords, as several hosts would ask at the same time.
_SSH = "ssh -o BatchMode=yes"
#: Longest silence of a host, in seconds, unless the user gives it.
_SILENCE_SECONDS = 60.0
START_METHODS = ("fork", "spawn", "forkserver")


@dataclass(frozen=True)
class MultiOptions(options.Options):
    """The options of ``multi``.

    Attributes
    ----------
    start_method : str, optional
        How workers are started: fork, spawn or forkserver. The default is fork on
        Linux, and spawn on other systems.
    restart_workers : bool
        Start a killed worker again, if its PEs have no state.
    hosts : str, optional
        The hosts, ``NAME,NAME`` or ``NAME:N,NAME:N`` with their numbers of processes;
        by default the variable of the environment `HOSTS_VARIABLE`, else this host.
    ssh : str, optional
        The command that starts a command on a host; by default the variable
        `SSH_VARIABLE`, else ssh.
    address : str, optional
        Address of this host, as the other hosts reach it.
    silence_s : float, optional
        The run ends if a worker is stopped, or with hosts if nothing comes from a
        host, for so many seconds; by default 60 with hosts, and never without.

    Raises
    ------
    ParameterError
        If a value is invalid, or the system does not have the start method.
    """

    start_method: str | None = option(
        None, "how processes are started", choices=START_METHODS
    )
    restart_workers: bool = option(
        False,
        "start killed workers again, if their PEs have no state; they get unfinished "
        "items again, so some items may arrive twice",
    )

    hosts: str | None = option(
        None, f"hosts of the processes, also by {HOSTS_VARIABLE}", "NAME[:N],..."
    )
    ssh: str | None = option(
        None, "command that starts a command on a host (default: ssh)", "COMMAND"
    )
    address: str | None = option(
        None, "address of this host for the other hosts", "ADDRESS"
    )
    silence_s: float | None = silence_option(None)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_hosts()
        import multiprocessing  # slow to import

        known = multiprocessing.get_all_start_methods()
        if self.method not in known:
            raise ParameterError(
                f"unknown start method {self.method!r}; there are {', '.join(known)}"
            )

    def _check_hosts(self) -> None:
        if self.silence_s is not None:
            check_silence(self.silence_s)
        if self.where is None:
            for name in ("ssh", "address"):
                if getattr(self, name) is not None:
                    raise ParameterError(f"{name} is for several hosts: give hosts")
            return
        from dispel4py.mappings.tcp.hosts import read_hosts

        read_hosts(self.where)
        if self.start_method is not None or self.restart_workers:
            name = "restart_workers" if self.restart_workers else "start_method"
            raise ParameterError(f"{name} is for the processes of this host, not hosts")

    @property
    def where(self) -> str | None:
        """The list of hosts that is used; None for this host."""
        return self.hosts or os.environ.get(HOSTS_VARIABLE) or None

    @property
    def ssh_command(self) -> str:
        """The command that starts a command on a host."""
        return self.ssh or os.environ.get(SSH_VARIABLE) or _SSH

    @property
    def longest_silence_s(self) -> float:
        """Longest silence of a host, in seconds."""
        return self.silence_s or _SILENCE_SECONDS

    @property
    def method(self) -> str:
        """The start method that is used."""
        default = "fork" if sys.platform.startswith("linux") else "spawn"
        return self.start_method or default

    @property
    def keeps_frames(self) -> bool:
        """Whether workers keep sent batches for a worker that is started again."""
        return self.restart_workers
