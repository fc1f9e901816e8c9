"""The program of a component: Storm starts it for each instance."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import time
from pathlib import Path
from typing import Any, NoReturn

from dispel4py.clock import EngineThread
from dispel4py.errors import Dispel4pyError
from dispel4py.failure import Failure, root_cause
from dispel4py.grouping import share_hashes
from dispel4py.mappings.job import load_job
from dispel4py.mappings.leftovers import clear_up
from dispel4py.mappings.process import enter_folder, raise_allocator_thresholds
from dispel4py.mappings.storm.bolt import BoltComponent
from dispel4py.mappings.storm.component import Component, Post, StormJob
from dispel4py.mappings.storm.control import Control
from dispel4py.mappings.storm.files import FrameFolder
from dispel4py.mappings.storm.line import Line, Setup
from dispel4py.mappings.storm.link import (
    ENDED,
    FAILED,
    REPEAT,
    DriverLink,
    Inbox,
    Printed,
)
from dispel4py.mappings.storm.source import SourceComponent
from dispel4py.mappings.storm.topology import (
    CONTROL,
    DRIVER,
    JOB,
    KEY,
    NAME,
    instance_of,
)

#: Tuples that wait in this process; further tuples wait at Storm.
_ROOM = 16
#: Seconds after which this process ends although Storm has not closed its pipe.
_LINGER_S = 60.0


def main() -> None:
    """Run the component that Storm has started, until Storm ends it."""
    reader, writer = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)  # what PEs print must not come between the messages
    os.close(nothing)
    line = Line(reader, writer)
    with contextlib.suppress(OSError):
        setup = line.open()
        if setup is not None:
            try:
                Program(line, setup).run()
            except Exception as error:
                line.error(root_cause(error))
                raise


class Program:
    """A component with its connections.

    Parameters
    ----------
    line : Line
    setup : Setup
    """

    def __init__(self, line: Line, setup: Setup) -> None:
        self._line, self._setup = line, setup
        self._inbox = Inbox(_ROOM)
        self._component: Component | Control | None = None
        self._folder: FrameFolder | None = None
        self._has_ended = False
        line.on_closed = self.leave
        host, _, port = setup.conf[DRIVER].rpartition(":")
        key = bytes.fromhex(setup.conf[KEY])
        job: StormJob = load_job(Path(JOB).read_bytes())
        self._spec = None
        if setup.component != CONTROL:
            self._spec = instance_of(job.plan, setup.component, setup.number)
        who = CONTROL if self._spec is None else self._spec.index
        hello = (who, os.getpid(), socket.gethostname())
        try:
            self._link = DriverLink(
                (host, int(port)), key, hello, self._order, self._lost
            )
        except ConnectionError as error:
            # nobody listens: the driver ended before this process began. Another error
            # may come from a driver that is only slow
            if error.errno == errno.ECONNREFUSED:
                self._end_topology()
            raise
        self._job, self._key = job, key

    def run(self) -> None:
        """Run the component, and wait until Storm closes the pipe."""
        signal.signal(signal.SIGTERM, lambda *_: self.leave())
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise_allocator_thresholds()
        share_hashes(os.environ.get("PYTHONHASHSEED", "random") != "random")
        enter_folder(self._job.folder)
        self._folder = FrameFolder(self._link.host, self._key)
        post = Post(self._line, self._link, self._inbox, self._folder, self._key)
        start = self._inbox.take()
        printed = Printed(self._link.print) if self._spec is not None else None
        report = None
        try:
            component = self._make(post)
            listening = EngineThread(target=self._listen, name="storm", daemon=True)
            self._component = component
            listening.start()
            report = component.run(*start[1:])
        except Exception as error:  # noqa: BLE001 - reported to the driver
            where = self._spec
            process = -1 if where is None else where.process
            cause = root_cause(error)
            failure = Failure("", 0, process, "worker", None, "", cause)
            self._link.tell(FAILED, failure)
        self._has_ended = True
        clear_up(self._job.plan.pes)
        if printed is not None:
            printed.close()
        # the driver ends this process when it knows that
        self._link.tell(ENDED, report)
        time.sleep(_LINGER_S)

    def _make(self, post: Post) -> Component | Control:
        if self._spec is None:
            return Control(post)
        kind = BoltComponent if self._spec.depth else SourceComponent
        return kind(self._job, self._spec, post)

    def _listen(self) -> None:
        assert self._component is not None
        self._component.listen()
        self.leave()

    def _order(self, order: tuple[Any, ...]) -> None:
        if order[0] == REPEAT:
            if isinstance(self._component, SourceComponent | Control):
                self._component.repeat()
        else:
            self._inbox.put_order(order)

    def _lost(self) -> None:
        """End, as the driver has ended; end the topology, too, if it was killed."""
        if not self._has_ended:
            self._end_topology()
            self.leave()

    def _end_topology(self) -> None:
        """End the topology: otherwise Storm would start its processes for ever."""
        from dispel4py.mappings.storm.nimbus import Nimbus

        conf = self._setup.conf
        with contextlib.suppress(Dispel4pyError, OSError):
            for host in conf.get("nimbus.seeds", []):
                Nimbus(host, int(conf["nimbus.thrift.port"])).kill(conf[NAME])

    def leave(self) -> NoReturn:
        """End this process at once; other threads may be in the middle of a call."""
        if self._folder is not None:
            self._folder.close()
        os._exit(0)
