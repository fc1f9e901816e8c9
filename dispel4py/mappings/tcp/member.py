"""The program of one worker of a run over TCP.

`dispel4py.mappings.tcp.agent` starts it, and writes the ticket to its standard input.
It connects to the process that called `run`, learns from it where the other workers
are, and connects to them. Then it works as every worker.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from dispel4py.errors import Dispel4pyError
from dispel4py.failure import Failure, root_cause
from dispel4py.mappings.graph_copy import unpack as unpack_job
from dispel4py.mappings.segments import Arena
from dispel4py.mappings.tcp.directory import LINK, Entry, write_token
from dispel4py.mappings.tcp.hello import Reception, Refused, introduce
from dispel4py.mappings.tcp.post import TCPPost
from dispel4py.mappings.tcp.ticket import JOB_FILE, Ticket
from dispel4py.mappings.wire import DIRECTORY, FAILED, PLACE, pack, unpack
from dispel4py.mappings.worker_process import begin_worker, work_in_process
from dispel4py.message import Frame
from dispel4py.stop import Stop

#: Seconds within which the workers connect to each other, when all have started.
_LINK_SECONDS = 60.0
#: Seconds to wait for the last worker to start; the first process ends the run before.
_START_SECONDS = 3600.0


class MemberPost(TCPPost):
    """The post of a worker: if it loses a connection, the run ends.

    Parameters
    ----------
    process : int
    silence_s : float
    arena : Arena
        As for `TCPPost`.
    """

    def __init__(self, process: int, silence_s: float, arena: Arena) -> None:
        super().__init__(process, silence_s, arena)
        #: The hosts of the other processes, for messages.
        self.hosts: dict[int, str] = {}

    def receive(self, timeout_s: float) -> Frame | None:
        """Return the next frame, or None if none comes within the time.

        Raises
        ------
        Stop
            If the connection to another process is lost.
        """
        frame = super().receive(timeout_s)
        if frame is None and self.lost:
            other, cause = next(iter(self.lost.items()))
            name = f"process {other} on {self.hosts.get(other, 'the first host')}"
            raise self.stop(f"{name}: {cause}")
        return frame

    def stop(self, cause: str) -> Stop:
        """Return an exception that ends the run, as a connection is lost."""
        return Stop(Failure("", 0, self.process, LINK, None, "", cause))


class Member:
    """A worker that looks for the other workers of its run.

    Parameters
    ----------
    ticket : Ticket
        From the agent.
    process : int
        The process of the plan.
    """

    def __init__(self, ticket: Ticket, process: int) -> None:
        self._ticket, self._process = ticket, process
        self._folder = Path(ticket.folder)
        self._key = bytes.fromhex(ticket.key)
        arena = Arena(self._folder, process)
        self._post = MemberPost(process, ticket.silence_s, arena)
        self._root = ticket.root

    def run(self) -> None:
        """Find the other workers, and do the work."""
        ticket, post = self._ticket, self._post
        connection = introduce(ticket.address, ticket.port, self._key, self._process)
        address = connection.getsockname()[0]
        post.add(self._root, connection)
        reception = Reception(address, self._key)
        try:
            token = write_token(self._folder, self._process)
            place = Entry("", address, reception.port, *token)
            post.send(self._root, pack(PLACE, self._process, tuple(place)))
            self._link(self._directory(), reception)
        except Stop as stop:
            post.send(self._root, pack(FAILED, self._process, stop.failure))
            post.deliver(ticket.silence_s)
            post.close()
            return
        finally:
            reception.close()
        work_in_process(self._folder, self._process, post, self._root, self._job)

    def _directory(self) -> dict[int, Entry]:
        """Wait until all workers have started; return where they are."""
        frame = self._post.receive(_START_SECONDS)
        if frame is None:
            raise self._post.stop("the other processes have not started")
        kind, entries = unpack(frame.head)
        assert kind == DIRECTORY, kind
        return {process: Entry(*entry) for process, entry in entries.items()}

    def _link(self, entries: dict[int, Entry], reception: Reception) -> None:
        """Connect to the workers with lower numbers, and await the others."""
        post = self._post
        post.hosts = {process: entry.host for process, entry in entries.items()}
        if entries[self._root].shares_memory():
            post.share_memory_with(self._root)
        awaited = {k for k in entries if k not in (self._process, self._root)}
        for other in sorted(k for k in awaited if k < self._process):
            entry = entries[other]
            try:
                connection = introduce(*entry[1:3], self._key, self._process)
            except (OSError, Refused) as error:
                raise post.stop(
                    f"no connection to process {other} on {entry.host} "
                    f"({entry.address}:{entry.port}): {root_cause(error)}"
                ) from error
            self._add(other, entry, connection)
            awaited.discard(other)
        deadline = time.monotonic() + _LINK_SECONDS
        while awaited:
            arrived = reception.next(deadline - time.monotonic())
            if arrived is None:
                others = ", ".join(map(str, sorted(awaited)))
                raise post.stop(f"no connection from process {others}")
            other, connection = arrived
            self._add(other, entries[other], connection)
            awaited.discard(other)

    def _add(self, other: int, entry: Entry, connection: Any) -> None:
        self._post.add(other, connection)
        if entry.shares_memory():
            self._post.share_memory_with(other)

    def _job(self) -> Any:
        return unpack_job((self._folder / JOB_FILE).read_bytes())


def main(words: list[str]) -> int:
    """Be a worker; the only word is the number of the process."""
    line = sys.stdin.buffer.readline()
    if not line:  # the agent has ended
        return 0
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, sys.stdin.fileno())
    os.close(nothing)
    begin_worker()
    agent = os.getppid()
    try:
        Member(Ticket.from_line(line), int(words[0])).run()
    except (OSError, Dispel4pyError) as error:
        if os.getppid() == agent:  # otherwise the run is over
            sys.stderr.write(f"worker {words[0]}: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
