"""A run over TCP, in the process that called `dispel4py.run.run`."""

from __future__ import annotations

import logging
import platform
import secrets
import socket
import sys
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from dispel4py.errors import MappingUnavailable, RunError
from dispel4py.failure import Failure
from dispel4py.mappings.base import SourceInputs
from dispel4py.mappings.feeding import close_feeds
from dispel4py.mappings.folders import remove_folder, run_folder
from dispel4py.mappings.graph_copy import pack as pack_job
from dispel4py.mappings.leftovers import flush_files
from dispel4py.mappings.options import Options
from dispel4py.mappings.parent import Parent
from dispel4py.mappings.process import allow_open_files, seed_of_hashes
from dispel4py.mappings.recorder import cause_of_death, failure_of_record
from dispel4py.mappings.segments import Arena
from dispel4py.mappings.tcp.directory import LINK, Entry, write_token
from dispel4py.mappings.tcp.hello import Reception
from dispel4py.mappings.tcp.post import TCPPost
from dispel4py.mappings.tcp.ticket import Ticket
from dispel4py.mappings.wire import (
    BEAT,
    DIRECTORY,
    EXITED,
    FAILED,
    HERE,
    JOB,
    PLACE,
    pack,
)
from dispel4py.message import Frame
from dispel4py.observe import Observers
from dispel4py.plan import Plan
from dispel4py.result import RunResult
from dispel4py.terminal import end_after_clean_up, standard_streams

_log = logging.getLogger(__name__)

#: Longest silence of a host, in seconds, unless the user gives it.
SILENCE_SECONDS = 60.0
#: Seconds within which all workers must have started.
START_SECONDS = 120.0
#: Shortest time, in seconds, that a host has for its first answer, however short the
#: silence is that the user allows: ssh, Python and its modules have to start.
FIRST_ANSWER_SECONDS = 20.0
#: Seconds between two looks at the starting hosts.
_LOOK_SECONDS = 0.02
#: Longest time, in seconds, that the loss of a connection waits for a better cause: the
#: death of its process, which the agent of its host reports; a busy host needs seconds.
#: The death of a process waits as long for the end of its connection.
_GRACE_SECONDS = 10.0
#: Seconds after which the parent reports that a host has not ended after its work.
_PATIENCE_SECONDS = 3.0
#: The host of an agent that has not told its name.
_SOME_HOST = "a host of the cluster"


class Part(NamedTuple):
    """The processes that one agent starts.

    The host is "" if the engine chooses it; then the agent says its name.
    """

    host: str
    processes: tuple[int, ...]


class Starter(Protocol):
    """Starts the agents of a run.

    Attributes
    ----------
    name : str
        Name of the mapping.
    needs : str
        What a host needs to start, for messages; the address and port follow.
    address : str
        Address of this host, as the other hosts reach it.
    parts : list of Part
        The host of each agent, and its processes.
    """

    name: str
    needs: str
    address: str
    parts: list[Part]

    def start(self, tickets: Sequence[Ticket]) -> None:
        """Start an agent for each ticket, without waiting for it."""

    def check(self, awaited: Collection[int]) -> None:
        """Raise `MappingUnavailable` if one of these agents cannot start any more."""

    def close(self) -> None:
        """Wait for the end of the agents: they end when their connection is closed."""


def run_over_tcp(
    plan: Plan,
    inputs: SourceInputs,
    observers: Observers,
    options: Options,
    starter: Starter,
    silence_s: float,
) -> RunResult:
    """Run a plan on several hosts.

    Parameters
    ----------
    plan : Plan
    inputs : dict
        Instance (by index) to its inputs.
    observers : Observers
    options : Options
    starter : Starter
        Starts the agents on the hosts.
    silence_s : float
        The run ends if nothing comes from a host for so many seconds.

    Raises
    ------
    MappingUnavailable
        If a host cannot be used.
    RunError
        If the run failed.
    """
    with standard_streams(), end_after_clean_up():
        began = time.perf_counter()
        allow_open_files(plan.n_processes)
        folder = run_folder()
        try:
            flush_files(plan.pes)
            job = (plan, inputs, options, observers.at_worker())
            content = pack_job(job, starter.name)
            crew = _Crew(folder, job, observers, content, starter, silence_s)
            return crew.run(began)
        finally:
            close_feeds(inputs)  # before SIGTERM ends the program
            remove_folder(folder)


class _Crew(Parent):
    """The agents and workers of one run, seen from the process that called `run`."""

    def __init__(
        self,
        folder: Path,
        job: Any,
        observers: Observers,
        content: bytes,
        starter: Starter,
        silence_s: float,
    ) -> None:
        plan, inputs, options, _ = job
        self._plan, self._options, self._starter = plan, options, starter
        self._silence_s, self._content = silence_s, content
        self._root = plan.n_processes
        self._key = secrets.token_bytes(32)
        self._post = TCPPost(self._root, silence_s, Arena(folder, self._root))
        self._token = write_token(folder, self._root)
        self._hosts = {k: p.host for p in starter.parts for k in p.processes}
        #: Agents by their number in the post.
        self._parts = dict(enumerate(starter.parts, self._root + 1))
        self._heard: dict[int, float] = {}
        self._judged_at = time.monotonic()
        self._places: dict[int, Entry] = {}
        self._exits: dict[int, tuple[Any, ...]] = {}
        #: Failures that wait for a better cause, and until when.
        self._suspicions: dict[int, tuple[float, Failure]] = {}
        #: Workers that have reported the loss of a connection, and then end.
        self._reported: set[int] = set()
        self._has_finished = False
        super().__init__(plan, inputs, observers, options, self._post)

    # -- the start ---------------------------------------------------------------

    def start(self) -> None:
        """Start the agents, and tell each worker where the others are.

        Raises
        ------
        MappingUnavailable
            If a host cannot be used.
        RunError
            If a worker cannot start.
        """
        reception = Reception(self._starter.address, self._key)
        try:
            self._starter.start(self._tickets(reception.port))
            self._await_members(reception)
        finally:
            reception.close()
        here = Entry(platform.node(), "", 0, *self._token)
        entries = {self._root: here, **self._places}
        text = pack(DIRECTORY, {k: tuple(entry) for k, entry in entries.items()})
        for process in self._places:
            self._post.send(process, text)

    def _tickets(self, port: int) -> list[Ticket]:
        hosts = list(self._hosts.values())
        return [
            Ticket(
                address=self._starter.address,
                port=port,
                key=self._key.hex(),
                root=self._root,
                member=member,
                processes=part.processes,
                n_here=hosts.count(part.host),
                silence_s=self._silence_s,
                variables=seed_of_hashes(),
            )
            for member, part in self._parts.items()
        ]

    def _await_members(self, reception: Reception) -> None:
        began = time.monotonic()
        start_s = max(START_SECONDS, self._silence_s)
        answer_s = max(FIRST_ANSWER_SECONDS, self._silence_s)
        self._heard = dict.fromkeys(self._parts, began)
        awaited = {*self._parts, *range(self._root)}
        while len(self._places) < self._root:
            arrived = reception.next(_LOOK_SECONDS)
            if arrived is not None:
                self._admit(*arrived, awaited)
            self.attend(0.0)
            absent = awaited.intersection(self._parts)
            self._starter.check({k - self._root - 1 for k in absent})
            now = time.monotonic()
            silent = [k for k in sorted(absent) if now - self._heard[k] > answer_s]
            if silent:
                hosts = [self._parts[k].host for k in silent]
                raise self._absence(hosts, answer_s, reception)
            if now - began > start_s:
                late = sorted(set(range(self._root)) - self._places.keys())
                hosts = [self._hosts[k] for k in late]
                raise self._absence(hosts, start_s, reception)

    def _admit(self, member: int, connection: socket.socket, awaited: set[int]) -> None:
        """Add the connection of an awaited agent or worker, and close any other."""
        if member not in awaited:
            connection.close()
            return
        awaited.discard(member)
        self._post.add(member, connection)
        if member in self._parts:
            self._heard[member] = time.monotonic()

    def _absence(
        self, hosts: Sequence[str], seconds: float, reception: Reception
    ) -> MappingUnavailable:
        """Return the error about hosts that have sent nothing for some seconds."""
        names = ", ".join(dict.fromkeys(host or _SOME_HOST for host in hosts))
        return MappingUnavailable(
            f"nothing has come from {names} within {seconds:g} s: "
            f"{self._starter.needs} {reception.address}, port {reception.port} "
            "(--address)"
        )

    # -- messages ----------------------------------------------------------------

    def handle(self, frame: Frame, message: tuple[Any, ...]) -> None:
        """Handle a frame of a worker or an agent."""
        kind, source = message[0], frame.source
        if source in self._parts:
            self._heard[source] = time.monotonic()
        if kind == HERE:
            self._welcome(source, *message[1:])
        elif kind == PLACE:
            host = self._hosts[source]
            self._places[source] = Entry(*message[2])._replace(host=host)
        elif kind == EXITED:
            self._exits[message[1]] = message[2:]
        elif kind == FAILED and message[2].phase == LINK:
            self._reported.add(source)
            self._suspect(_of_worker(source, message[2].cause))
        elif kind != BEAT:
            super().handle(frame, message)

    def _welcome(self, agent: int, python: tuple[int, ...], host: str) -> None:
        own = sys.version_info[:2]
        part = self._parts[agent]
        if not part.host:
            part = self._parts[agent] = part._replace(host=host)
            self._hosts.update(dict.fromkeys(part.processes, host))
        if tuple(python) != own:
            raise MappingUnavailable(
                f"{part.host} has Python {'.'.join(map(str, python))}, this process "
                f"{'.'.join(map(str, own))}: use the same on all hosts"
            )
        pes = {k: ", ".join(self._pes_of(k)) for k in part.processes}
        self._post.send(
            agent, pack(JOB, self._content, self._options.item_timeout_s, pes)
        )

    def _pes_of(self, process: int) -> list[str]:
        return [spec.pe_id for spec in self._plan.in_process(process)]

    def _suspect(self, failure: Failure) -> None:
        """Note a failure: a better cause may come, or the end of the work."""
        until = time.monotonic() + _GRACE_SECONDS
        self._suspicions.setdefault(failure.process, (until, failure))

    # -- failures ----------------------------------------------------------------

    def attend(self, timeout_s: float) -> None:
        """Receive frames for some time, and look for hosts and workers that are lost.

        Raises
        ------
        RunError
            If the run has failed.
        """
        self._post.wait(timeout_s)
        self.take_in()
        if self.collector.failure is None:
            self._judge_workers()
            self._judge_agents()
        if self.collector.failure is None:
            self._judge_suspicions()
        if self.collector.failure is not None:
            raise RunError([self.collector.failure])

    def _judge_workers(self) -> None:
        """Report a worker that has ended without a message."""
        for process, (code, by_kernel, hung, content) in self._exits.items():
            if process not in self.collector.still_running:
                continue
            cause = hung or cause_of_death(code, by_kernel)
            failure = failure_of_record(content, self._plan, process, cause)
            if self._post.is_linked(process):
                # its last frames come, or a child of it keeps the connection
                self._suspect(failure)
            elif process not in self._reported:
                self._fail(failure)
        for member, cause in self._post.lost.items():
            if member in self.collector.still_running and member not in self._exits:
                self._suspect(_of_worker(member, f"{self._hosts[member]}: {cause}"))

    def _judge_agents(self) -> None:
        """Report a host that is silent, or whose agent has ended."""
        now = time.monotonic()
        if now - self._judged_at > self._silence_s / 2:  # this process was stopped
            self._heard = dict.fromkeys(self._heard, now)
        self._judged_at = now
        for agent, since in self._heard.items():
            part = self._parts[agent]
            silence_s = now - since
            cause = self._post.lost.get(agent)
            is_linked = self._post.is_linked(agent)
            if is_linked and silence_s > self._silence_s:
                cause = f"nothing comes from it for {silence_s:.3g} s (--silence-s)"
            if cause is not None and not self._has_finished:
                host = part.host or _SOME_HOST
                text = f"{host} is stopped, or down, or cut off: {cause}"
                self._fail(_of_worker(part.processes[0], text))

    def _judge_suspicions(self) -> None:
        for until, failure in self._suspicions.values():
            is_silent = failure.process in self.collector.still_running
            if is_silent and time.monotonic() > until:
                self._fail(failure)

    def _fail(self, failure: Failure) -> None:
        if self.collector.failure is None:
            self.collector.take_report(failure.process, FAILED, failure)

    # -- the end -----------------------------------------------------------------

    def gather(self) -> None:
        """Receive frames until every worker is done, and every agent has ended.

        Raises
        ------
        RunError
            If a worker failed, died, or did not return from an item in time.
        """
        super().gather()
        self._has_finished = True
        warn_at = time.monotonic() + _PATIENCE_SECONDS
        while left := [k for k in self._parts if self._post.is_linked(k)]:
            self.attend(0.1)
            if time.monotonic() > warn_at:
                warn_at = float("inf")
                hosts = ", ".join(self._parts[k].host for k in left)
                _log.warning("waiting for threads of PEs on %s", hosts)

    def close(self) -> None:
        """End all agents and workers that still run."""
        self.outbox.close()
        self._post.close(in_order=self._has_finished)
        self._starter.close()


def _of_worker(process: int, cause: str) -> Failure:
    """Return the failure of a worker, if nothing is known about its PEs."""
    return Failure("", 0, process, "worker", None, "", cause)
