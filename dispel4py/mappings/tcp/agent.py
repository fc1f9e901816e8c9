"""The agent of a host: it starts the workers of a run there, and watches them.

An agent belongs to one run. It gets a `Ticket`, connects to the process that called
`run`, and gets the job. It reports how its workers end, and sends heartbeats. If this
connection is lost, it ends its workers. At the end it removes the files of the run on
its host.

Under ``ssh`` the agent is a program, which reads the ticket from its standard input;
for other engines it is a function that they call.
"""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from dispel4py.mappings.folders import remove_folder, run_folder
from dispel4py.mappings.leftovers import Descendants
from dispel4py.mappings.process import adopt_orphans
from dispel4py.mappings.recorder import (
    RECORD_BYTES,
    content_of_record,
    record_path,
    seconds_in_call,
)
from dispel4py.mappings.stopped import StoppedWorkers
from dispel4py.mappings.tcp.hello import introduce
from dispel4py.mappings.tcp.post import TCPPost
from dispel4py.mappings.tcp.ticket import JOB_FILE, Ticket, package_folder
from dispel4py.mappings.threads import thread_variables
from dispel4py.mappings.watcher import kernel_kills
from dispel4py.mappings.wire import BEAT, EXITED, HERE, JOB, pack, unpack
from dispel4py.terminal import Terminated, unwind_at_sigterm

#: Seconds between two looks at the workers.
_LOOK_SECONDS = 0.1
#: An agent sends heartbeats this number of times as often as necessary.
_N_BEATS = 4
#: Longest time between two heartbeats, in seconds.
_LONGEST_INTERVAL = 5.0
#: Seconds that workers have to end after SIGTERM, before they are killed.
_TERMINATE_SECONDS = 5.0


class Lost(Exception):
    """The connection to the process that called `run` is lost."""


def tend(ticket: Ticket) -> None:
    """Start some workers of a run, and watch them until all of them have ended.

    Parameters
    ----------
    ticket : Ticket
        The place of these workers in the run.
    """
    key = bytes.fromhex(ticket.key)
    connection = introduce(ticket.address, ticket.port, key, ticket.member)
    post = TCPPost(ticket.member, ticket.silence_s)
    post.add(ticket.root, connection)
    folder = run_folder(len(ticket.processes) * RECORD_BYTES)
    has_finished = False
    try:
        agent = _Agent(replace(ticket, folder=str(folder)), post)
        try:
            with contextlib.suppress(Lost):
                agent.run()
                has_finished = True
        finally:
            agent.close()
    finally:
        remove_folder(folder)
        post.close(in_order=has_finished)


class _Agent:
    """The workers of one ticket.

    Parameters
    ----------
    ticket : Ticket
    post : TCPPost
        Connected to the process that called `run`.
    """

    def __init__(self, ticket: Ticket, post: TCPPost) -> None:
        self._ticket, self._post, self._root = ticket, post, ticket.root
        self._folder = Path(ticket.folder)
        self._workers: dict[int, subprocess.Popen[bytes]] = {}
        self._item_timeout_s: float | None = None
        self._pes: dict[int, str] = {}
        self._hung: dict[int, str] = {}
        self._descendants = Descendants()
        self._stopped = StoppedWorkers(ticket.silence_s)
        self._kernel_kills = kernel_kills()
        self._beat_at = 0.0

    def run(self) -> None:
        """Get the job, start the workers, and wait for their end.

        Raises
        ------
        Lost
            If the run is over before.
        """
        self._send(HERE, sys.version_info[:2], platform.node())
        job, self._item_timeout_s, self._pes = self._await_job()
        (self._folder / JOB_FILE).write_bytes(job)
        for process in self._ticket.processes:
            self._workers[process] = self._start(process)
        while self._workers:
            self._post.wait(_LOOK_SECONDS)
            for _ in self._messages(0.0):
                pass
            self._look()
            self._beat()
        self._post.deliver(_TERMINATE_SECONDS)

    def _await_job(self) -> tuple[Any, ...]:
        """Return the content of the message with the job, which may be large.

        Raises
        ------
        Lost
            If the run is over before.
        """
        while True:
            for kind, content in self._messages(_LOOK_SECONDS):
                if kind == JOB:
                    return content
            self._beat()

    def _send(self, kind: int, *content: Any) -> None:
        self._post.send(self._root, pack(kind, *content))

    def _messages(self, timeout_s: float) -> Iterator[tuple[int, tuple[Any, ...]]]:
        """Yield the messages that arrive within the time.

        Raises
        ------
        Lost
            If there will be no more messages.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            frame = self._post.receive(deadline - time.monotonic())
            if frame is not None:
                kind, *content = unpack(frame.head)
                yield kind, tuple(content)
            elif not self._post.is_linked(self._root):
                raise Lost
            elif time.monotonic() >= deadline:
                return

    def _start(self, process: int) -> subprocess.Popen[bytes]:
        program = [sys.executable, "-P", "-m", "dispel4py.mappings.tcp.member"]
        folders = [package_folder(), *sys.path]  # engines add modules of their users
        variables = thread_variables(self._ticket.n_here)
        variables["PYTHONPATH"] = os.pathsep.join(filter(None, folders))
        worker = subprocess.Popen(
            [*program, str(process)],
            stdin=subprocess.PIPE,
            env=os.environ | self._ticket.variables | variables,
        )
        assert worker.stdin is not None
        with contextlib.suppress(BrokenPipeError), worker.stdin as pipe:
            pipe.write(self._ticket.to_line())
        return worker

    def _look(self) -> None:
        """Report the workers that have ended, and end those that hang."""
        self._kill_hung_workers()
        for process, worker in list(self._workers.items()):
            code = worker.poll()
            if code is not None:
                del self._workers[process]
                by_kernel = kernel_kills() > self._kernel_kills
                content = content_of_record(record_path(self._folder, process))
                hung = self._hung.get(process, "")
                self._send(EXITED, process, code, by_kernel, hung, content)
        pids = {process: worker.pid for process, worker in self._workers.items()}
        self._descendants.search(pids.values())
        for process in self._stopped.check(pids, self._pes):
            self._hung[process] = self._stopped.cause(process)
            self._workers[process].kill()

    def _kill_hung_workers(self) -> None:
        """Kill a worker whose call does not return, although it was interrupted."""
        limit_s = self._item_timeout_s
        if limit_s is None:
            return
        for process, worker in self._workers.items():
            seconds = seconds_in_call(record_path(self._folder, process))
            if seconds > 2 * limit_s + 1 and process not in self._hung:
                cause = f"took more than {limit_s:g} s, also when interrupted: killed"
                self._hung[process] = cause
                worker.kill()

    def _beat(self) -> None:
        now = time.monotonic()
        if now >= self._beat_at:
            interval_s = self._ticket.silence_s / _N_BEATS
            self._beat_at = now + min(interval_s, _LONGEST_INTERVAL)
            self._send(BEAT)

    def close(self) -> None:
        """End the workers that still run: by SIGTERM, then by SIGKILL."""
        workers = self._workers.values()
        self._descendants.search([w.pid for w in workers], at_once=True)
        for worker in workers:
            worker.terminate()
        deadline = time.monotonic() + _TERMINATE_SECONDS
        for worker in workers:
            try:
                worker.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()
        self._descendants.kill()


def main() -> int:
    """Tend the workers of the ticket in standard input."""
    line = sys.stdin.buffer.readline()
    if line:
        adopt_orphans()
        # without a connection the run is over; SIGTERM ends the workers, too
        over = ConnectionError, TimeoutError, Terminated
        with contextlib.suppress(*over), unwind_at_sigterm():
            tend(Ticket.from_line(line))
        # what a killed worker has started just before
        left = Descendants()
        left.search([os.getpid()])
        left.kill()
    return 0


if __name__ == "__main__":
    sys.exit(main())
