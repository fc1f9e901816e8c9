"""The hosts of a run, and the start of its agents by ``ssh``."""

from __future__ import annotations

import contextlib
import os
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from dispel4py.errors import MappingUnavailable, ParameterError
from dispel4py.mappings.process import available_cores, die_with_parent
from dispel4py.mappings.tcp.hello import own_address
from dispel4py.mappings.tcp.run import Part
from dispel4py.mappings.tcp.ticket import Ticket, package_folder

#: Seconds that the agents have to end their workers, before ssh is ended.
_END_SECONDS = 8.0
_LOOPBACK = "127.0.0.1"


class Host(NamedTuple):
    """A host, and the number of its processes relative to other hosts."""

    name: str
    n: int

    @property
    def is_here(self) -> bool:
        """Whether it is this host, where ssh is not needed."""
        return self.name in ("localhost", _LOOPBACK)


def read_hosts(text: str) -> list[Host]:
    """Return the hosts of a list ``NAME[:N],...``.

    Parameters
    ----------
    text : str
        Names with the number of processes; without a number as many as this host has
        cores.

    Raises
    ------
    ParameterError
        If the text is no such list.

    Examples
    --------
    >>> read_hosts("a:2,b:1")
    [Host(name='a', n=2), Host(name='b', n=1)]
    """
    hosts = []
    for word in text.split(","):
        name, colon, number = word.strip().partition(":")
        is_number = number.isdigit() and int(number) > 0
        if not name or name.startswith("-") or (colon and not is_number):
            raise ParameterError(f"hosts={text!r}: use NAME,NAME or NAME:N,NAME:N")
        hosts.append(Host(name, int(number) if colon else available_cores()))
    return hosts


def share_out(n: int, hosts: Sequence[Host]) -> list[Part]:
    """Share the processes of a plan out to hosts, in proportion to their numbers.

    Neighbouring processes come to the same host. A host may get no process.

    Parameters
    ----------
    n : int
        Number of processes.
    hosts : sequence of Host

    Examples
    --------
    >>> share_out(4, [Host("a", 1), Host("b", 3)])
    [Part(host='a', processes=(0,)), Part(host='b', processes=(1, 2, 3))]
    >>> [len(part.processes) for part in share_out(5, 3 * [Host("a", 2)])]
    [2, 2, 1]
    """
    total, before, parts, first = sum(host.n for host in hosts), 0, [], 0
    for host in hosts:
        before += host.n
        end = -(-n * before // total)  # rounded up
        if end > first:
            parts.append(Part(host.name, tuple(range(first, end))))
        first = end
    return parts


class SSHStarter:
    """Starts an agent on each host by ssh.

    Parameters
    ----------
    hosts : sequence of Host
    n : int
        Number of processes.
    ssh : str
        The command; host and command line are added.
    address : str, optional
        Address of this host, as the other hosts reach it.

    Raises
    ------
    MappingUnavailable
        If there is no way to a host.
    """

    name = "multi"
    needs = "the host must reach"

    def __init__(
        self, hosts: Sequence[Host], n: int, ssh: str, address: str | None = None
    ) -> None:
        self.parts = share_out(n, hosts)
        self._ssh = shlex.split(ssh)
        self._here = {host.name for host in hosts if host.is_here}
        self.address = address or common_address(part.host for part in self.parts)
        self._programs: list[subprocess.Popen[bytes]] = []

    def start(self, tickets: Sequence[Ticket]) -> None:
        """Start an agent for each ticket, without waiting for it.

        Raises
        ------
        MappingUnavailable
            If there is no such command.
        """
        for part, ticket in zip(self.parts, tickets, strict=True):
            try:
                program = subprocess.Popen(
                    self._command(part.host),
                    stdin=subprocess.PIPE,
                    process_group=0,  # Ctrl-C reaches it from this process only
                    preexec_fn=die_with_parent,
                )
            except OSError as error:
                raise MappingUnavailable(
                    f"{self._ssh[0]} cannot be started: {error.strerror}"
                ) from error
            self._programs.append(program)
            assert program.stdin is not None
            with contextlib.suppress(BrokenPipeError):  # `check` reports it
                program.stdin.write(ticket.to_line())
                program.stdin.flush()

    def _command(self, host: str) -> list[str]:
        folders = [package_folder(), os.environ.get("PYTHONPATH", "")]
        path = f"PYTHONPATH={os.pathsep.join(filter(None, folders))}"
        agent = [sys.executable, "-P", "-m", "dispel4py.mappings.tcp.agent"]
        words = ["env", path, *agent]
        if host in self._here:
            return words
        line = f"cd {shlex.quote(os.getcwd())} && exec {shlex.join(words)}"
        return [*self._ssh, host, line]

    def check(self, awaited: Collection[int]) -> None:
        """Look whether an agent has ended before it was there.

        Parameters
        ----------
        awaited : collection of int
            The agents, by index.

        Raises
        ------
        MappingUnavailable
            If one has.
        """
        for k in sorted(awaited):
            status = self._programs[k].poll()
            if status is not None:
                host = self.parts[k].host
                command = "the agent" if host in self._here else self._ssh[0]
                raise MappingUnavailable(
                    f"{host} cannot be used: {command} ended with exit status {status}"
                )

    def close(self) -> None:
        """Wait for the end of the agents; end ssh if they do not end."""
        deadline = time.monotonic() + _END_SECONDS
        for program in self._programs:
            assert program.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                program.stdin.close()
        for program in self._programs:
            try:
                program.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                program.kill()
                program.wait()


def common_address(hosts: Iterable[str]) -> str:
    """Return the address of this host that all of these hosts can reach.

    Parameters
    ----------
    hosts : iterable of str
        Names or addresses, also of this host.

    Raises
    ------
    MappingUnavailable
        If it is not known.

    Examples
    --------
    >>> common_address(["localhost", "127.0.0.1"])
    '127.0.0.1'
    """
    others = [host for host in hosts if not Host(host, 1).is_here]
    for host in others:
        with contextlib.suppress(OSError):  # perhaps a name that only ssh knows
            return own_address(host)
    if not others:
        return _LOOPBACK
    try:
        return socket.gethostbyname(socket.gethostname())
    except OSError as error:
        raise MappingUnavailable(
            f"this host does not know its own address: give it by --address ({error})"
        ) from error
