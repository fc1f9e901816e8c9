"""A Storm in one Python program, with its protocol for components, for quick tests.

It starts the components of topologies as processes, gives tuples to them by the rules
of Storm, tells spouts which of their tuples are complete, and starts a process again
that has ended. One thread does all this, so that processes can be forked.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import random
import selectors
import signal
import sys
import tempfile
import threading
import time
import zipfile
from collections import deque
from collections.abc import Iterator
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from types import SimpleNamespace
from typing import Any


class Root:
    """A tuple of a spout, and all tuples that were sent because of it."""

    def __init__(self, spout: Task, number: str) -> None:
        self.spout, self.number, self.n_open = spout, number, 0


class Task:
    """A component process, and what is to be written to it."""

    def __init__(self, topology: Topology, task: int, component: str) -> None:
        self.topology, self.task, self.component = topology, task, component
        self.is_spout = topology.components[component]["is_spout"]
        self.pid = 0
        self.respawn_at = 0.0
        #: Messages after which each life of this process loses its pipe.
        self.lives: deque[int] = deque()

    def start(self) -> None:
        to_read, to_write = os.pipe(), os.pipe()
        self.pid = os.fork()
        if not self.pid:
            self._become_component(to_read[0], to_write[1])
        os.close(to_read[0])
        os.close(to_write[1])
        self.writer, self.reader = to_read[1], to_write[0]
        for descriptor in (self.writer, self.reader):
            os.set_blocking(descriptor, False)
        self.input = b""
        self.output: deque[bytes] = deque()
        self.tuples: dict[str, list[Root]] = {}
        self.acks: deque[str] = deque()
        self.is_ready = self.has_emitted = self.is_asked = False
        self.ask_at = 0.0
        self.alive_at = time.monotonic()
        self.n_answers = 0
        self.n_left = self.lives.popleft() if self.lives else -1
        self.lost_at = 0.0
        tasks = {str(t.task): t.component for t in self.topology.tasks}
        context = {"task->component": tasks, "taskid": self.task}
        setup = {"conf": self.topology.conf, "context": context}
        self.write(setup | {"pidDir": str(self.topology.folder)})

    def _become_component(self, reader: int, writer: int) -> None:
        try:
            os.setsid()
            os.dup2(reader, 0)
            os.dup2(writer, 1)
            os.closerange(3, 1024)
            os.environ.update(self.topology.conf["topology.environment"])
            os.chdir(self.topology.folder / "resources")
            from dispel4py.mappings.storm.start import main

            main()
            os._exit(0)
        finally:
            os._exit(1)

    @property
    def is_running(self) -> bool:
        return bool(self.pid and not self.lost_at)

    def write(self, message: Any) -> None:
        self.output.append(json.dumps(message).encode() + b"\nend\n")

    def step_output(self) -> None:
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            while self.output:
                n = os.write(self.writer, self.output[0])
                rest = self.output.popleft()[n:]
                if rest:
                    self.output.appendleft(rest)

    def step_input(self) -> bool:
        """Handle what the process has written; return False if it has ended."""
        with contextlib.suppress(BlockingIOError):
            text = os.read(self.reader, 1 << 20)
            if not text:
                return False
            *messages, self.input = (self.input + text).split(b"\nend\n")
            for message in messages:
                if self.n_left:
                    self.handle(json.loads(message))
                    self.n_left -= 1
        return True

    def lose(self, now: float) -> None:
        """Read no more, and later write no more, until the process ends by itself.

        So it loses its pipe as if its worker of Storm was killed: at its next message.
        """
        if not self.lost_at:
            os.close(self.reader)
            self.lost_at, self.output = now, deque()
        elif self.writer and now > self.lost_at + 0.1:
            os.close(self.writer)
            self.writer = 0
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if pid:
            self.topology.ends.append(os.waitstatus_to_exitcode(status))
            self.pid, self.respawn_at = 0, now
            if self.writer:
                os.close(self.writer)

    def handle(self, message: dict[str, Any]) -> None:
        if "pid" in message:
            self.is_ready = True
        elif message["command"] == "emit":
            self.emit(message)
        elif message["command"] == "ack":
            for root in self.tuples.pop(message["id"]):
                self.topology.close(root)
        elif message["command"] == "sync" and not self.is_spout:
            self.n_answers += 1
        elif message["command"] == "sync":
            self.is_asked = False
            self.ask_at = 0.0 if self.has_emitted else time.monotonic() + 0.001
            self.has_emitted = False
        elif message["command"] == "error":
            self.topology.errors.append(f"{self.component}: {message['msg']}")

    def emit(self, message: dict[str, Any]) -> None:
        roots = [r for a in message.get("anchors", ()) for r in self.tuples[a]]
        if self.is_spout:
            roots = [Root(self, message["id"])]
            self.has_emitted = True
        receivers = self.topology.receivers(
            self.component, message["stream"], message["tuple"]
        )
        for receiver in receivers:
            if receiver.is_running and not self.topology.loses():
                receiver.receive(self, message, roots)
            else:  # Storm loses tuples for processes that do not run
                for root in roots:
                    root.n_open += 1

    def receive(self, sender: Task, message: dict[str, Any], roots: list[Root]) -> None:
        name = str(random.getrandbits(63))
        self.tuples[name] = roots
        for root in roots:
            root.n_open += 1
        self.write(
            {
                "id": name,
                "comp": sender.component,
                "stream": message["stream"],
                "task": sender.task,
                "tuple": message["tuple"],
            }
        )

    def ask(self, now: float) -> None:
        """Send a spout its next request; ask a bolt whether it is alive."""
        if not self.is_spout and self.is_ready and now > self.alive_at + 0.2:
            self.alive_at = now
            self.write({"id": "", "stream": "__heartbeat", "task": -1, "tuple": []})
        if not self.is_spout or not self.is_ready or self.is_asked:
            return
        if self.acks:
            self.write({"command": "ack", "id": self.acks.popleft()})
        elif now >= self.ask_at:
            self.write({"command": "next", "id": ""})
        else:
            return
        self.is_asked = True

    def end(self, number: int = signal.SIGKILL) -> None:
        if self.pid:
            if not self.lost_at:
                os.close(self.reader)
            if self.writer:
                os.close(self.writer)
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)
            os.waitpid(self.pid, 0)
            self.pid = 0


class Topology:
    """A running topology."""

    def __init__(
        self,
        to_lose: int,
        lives: dict[str, tuple[int, ...]],
        conf: dict[str, Any],
        package: bytes,
        components: Any,
    ) -> None:
        self.to_lose, self._n_sent = to_lose, 0
        self.ends: list[int] = []  # of processes that have lost their pipes
        self.conf, self.components = conf, components
        self.folder = Path(tempfile.mkdtemp(prefix="fake-storm-"))
        with zipfile.ZipFile(io.BytesIO(package)) as file:
            file.extractall(self.folder)
        self.errors: list[str] = []
        names = [n for n, c in components.items() for _ in range(c["n_tasks"])]
        random.shuffle(names)  # task numbers of a component need not be consecutive
        self.tasks: list[Task] = []
        for k, name in enumerate(names):
            task = Task(self, k + 3, name)
            for part, numbers in lives.items():
                if part in name:
                    task.lives.extend(numbers)
            self.tasks.append(task)
        self.by_name = {
            name: [t for t in self.tasks if t.component == name] for name in components
        }
        self.routes: dict[tuple[str, str], list[tuple[str, Any]]] = {}
        for name, component in components.items():
            for source, stream, fields in component["inputs"]:
                self.routes.setdefault((source, stream), []).append((name, fields))
        for task in self.tasks:
            task.start()

    def receivers(self, source: str, stream: str, values: list[Any]) -> list[Task]:
        found = []
        for name, fields in self.routes[source, stream]:
            tasks = self.by_name[name]
            # the hash of a list with one number in Java
            found += tasks if fields is None else [tasks[(31 + values[0]) % len(tasks)]]
        return found

    def loses(self) -> bool:
        """Return whether the next tuple is lost, as by a broken connection."""
        self._n_sent += 1
        is_lost = self.to_lose > 0 and self._n_sent % 2 == 0
        self.to_lose -= is_lost
        return is_lost

    def close(self, root: Root) -> None:
        root.n_open -= 1
        if not root.n_open and root.spout.is_running:
            root.spout.acks.append(root.number)

    def end(self) -> None:
        for task in self.tasks:
            if task.pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(task.pid, signal.SIGTERM)
        for task in self.tasks:
            task.end()


class FakeStorm:
    """The program: it follows the requests of one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._topologies: dict[str, Topology] = {}
        self._to_lose = 0
        self._lives: dict[str, tuple[int, ...]] = {}
        self._ends: list[int] = []
        self._selector = selectors.DefaultSelector()
        self._selector.register(connection, selectors.EVENT_READ)
        #: Pipe to its process, the number of this, and what the selector waits for.
        self._watched: dict[int, tuple[Task, int, int]] = {}

    def run(self) -> None:
        while True:
            if self._connection.poll(0.0):
                try:
                    request, *arguments = self._connection.recv()
                except EOFError:
                    break
                answer = getattr(self, request)(*arguments)
                self._connection.send(answer)
            self._step()
        for name in list(self._topologies):
            self.kill(name)

    def _step(self) -> None:
        tasks = [t for topology in self._topologies.values() for t in topology.tasks]
        now = time.monotonic()
        for task in tasks:
            if task.pid and (task.lost_at or not task.n_left):
                task.lose(now)
            elif task.pid:
                task.ask(now)
            elif now >= task.respawn_at:
                task.start()
        self._watch(tasks)
        for key, mask in self._selector.select(0.005 if tasks else 1.0):
            task = key.data
            if task is None or not task.is_running:
                continue
            if mask & selectors.EVENT_WRITE:
                task.step_output()
            elif not task.step_input():
                self._restart(task)

    def _watch(self, tasks: list[Task]) -> None:
        """Let the selector wait for the pipes of the running processes."""
        wanted = {}
        for task in tasks:
            if task.is_running:
                wanted[task.reader] = task, task.pid, selectors.EVENT_READ
                if task.output:
                    wanted[task.writer] = task, task.pid, selectors.EVENT_WRITE
        for pipe, entry in list(self._watched.items()):
            if wanted.get(pipe) != entry:
                self._selector.unregister(pipe)
                del self._watched[pipe]
        for pipe in wanted.keys() - self._watched.keys():
            task, _, event = self._watched[pipe] = wanted[pipe]
            self._selector.register(pipe, event, task)

    def _restart(self, task: Task) -> None:
        task.end()
        task.respawn_at = time.monotonic() + 0.2

    # -- requests ---------------------------------------------------------------

    def submit(self, name: str, *arguments: Any) -> None:
        self._topologies[name] = Topology(self._to_lose, self._lives, *arguments)
        self._lives = {}

    def kill(self, name: str) -> bool:
        topology = self._topologies.pop(name, None)
        if topology is not None:
            topology.end()
            self._to_lose = topology.to_lose
            self._ends = topology.ends
        return topology is not None

    def names(self) -> list[str]:
        return list(self._topologies)

    def errors(self, name: str) -> list[str]:
        return self._topologies[name].errors

    def lose(self, n: int) -> int:
        """Lose some tuples of the next topology; return the number not yet lost."""
        before, self._to_lose = self._to_lose, n
        return before

    def lose_pipes(self, lives: dict[str, tuple[int, ...]]) -> None:
        """Let components of the next topology lose their pipes.

        The numbers for a part of the name of a component are the messages after which
        its first process loses them, the second one, and so on.
        """
        self._lives = lives

    def ends_without_pipes(self) -> list[int]:
        """Return the exit statuses of the processes that have lost their pipes."""
        return self._ends

    def n_answers(self) -> int:
        """Return how often bolts have answered that they are alive."""
        tasks = [t for topology in self._topologies.values() for t in topology.tasks]
        return sum(task.n_answers for task in tasks)

    def end_worker(self, parts: tuple[str, ...]) -> int:
        """Kill the processes of components whose names have one of these parts."""
        killed = [
            task
            for topology in self._topologies.values()
            for task in topology.tasks
            if task.pid and any(part in task.component for part in parts)
        ]
        for task in killed:
            os.kill(task.pid, signal.SIGKILL)
        for task in killed:
            self._restart(task)
        return len(killed)


class FakeNimbus:
    """In place of `dispel4py.mappings.storm.nimbus.Nimbus`."""

    host, port, address = "127.0.0.1", 0, "127.0.0.1:0"

    def __init__(self, connection: Connection) -> None:
        self._connection, self._lock = connection, threading.Lock()

    def _ask(self, *request: Any) -> Any:
        with self._lock:
            self._connection.send(request)
            return self._connection.recv()

    def own_host(self) -> str:
        return self.host

    def submit(
        self, name: str, package: bytes, conf: dict[str, Any], topology: Any
    ) -> None:
        components = {}
        for kind in (topology.spouts, topology.bolts):
            for component, spec in kind.items():
                common = spec.common
                components[component] = {
                    "is_spout": kind is topology.spouts,
                    "n_tasks": common.parallelism_hint,
                    "inputs": [
                        (stream.componentId, stream.streamId, grouping.fields)
                        for stream, grouping in common.inputs.items()
                    ],
                }
        self._ask("submit", name, conf, package, components)

    def kill(self, name: str) -> bool:
        return bool(self._ask("kill", name))

    def topologies(self) -> list[Any]:
        names = self._ask("names")
        return [SimpleNamespace(name=n, id=n, status="ACTIVE") for n in names]

    def supervisors(self) -> list[Any]:
        return [SimpleNamespace(num_workers=4, num_used_workers=0)]

    def errors(self, name: str) -> list[str]:
        return list(self._ask("errors", name))

    def lose(self, n: int) -> int:
        return int(self._ask("lose", n))

    def lose_pipes(self, lives: dict[str, tuple[int, ...]]) -> None:
        self._ask("lose_pipes", lives)

    def ends_without_pipes(self) -> list[int]:
        return list(self._ask("ends_without_pipes"))

    def n_answers(self) -> int:
        return int(self._ask("n_answers"))

    def end_worker(self, *parts: str) -> int:
        return int(self._ask("end_worker", parts))


@contextlib.contextmanager
def fake_storm(
    folder: Path,
    environment: dict[str, str],
    imported: tuple[str, ...],
) -> Iterator[FakeNimbus]:
    """Start the program, and end it with all its topologies.

    It imports the modules of the elements once, and not in each process.
    """
    import subprocess

    with Listener(str(folder / "s")) as listener:
        command = [sys.executable, __file__, str(folder / "s"), *imported]
        program = subprocess.Popen(command, env=environment, start_new_session=True)
        try:
            connection = listener.accept()
            with connection:
                yield FakeNimbus(connection)
            program.wait(30)
        finally:
            program.kill()
            program.wait()


if __name__ == "__main__":
    for module in ("dispel4py.mappings.storm.start", *sys.argv[2:]):
        importlib.import_module(module)
    FakeStorm(Client(sys.argv[1])).run()
