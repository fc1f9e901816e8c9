"""The two pipes between a component and Storm: one message of JSON after the other.

Storm starts each instance as a program. It writes tuples, acknowledgements and requests
for the next tuple to the standard input of the program, and reads its tuples and
acknowledgements from the standard output. After each message there is the line ``end``.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

_END = b"end\n"
#: The stream of the messages by which Storm asks whether a component is alive.
_HEARTBEAT = "__heartbeat"


@dataclass(frozen=True)
class Setup:
    """What Storm tells a component at its start.

    Attributes
    ----------
    conf : dict
        The configuration of the topology, and of the cluster.
    component : str
        The name of the component.
    number : int
        The place of this task among the tasks of the component.
    n_tasks : int
        The number of these tasks.
    """

    conf: dict[str, Any]
    component: str
    number: int
    n_tasks: int

    @classmethod
    def of(cls, message: dict[str, Any]) -> Setup:
        """Read the first message of Storm."""
        context = message["context"]
        components, task = context["task->component"], int(context["taskid"])
        name = components[str(task)]
        tasks = sorted(int(k) for k, other in components.items() if other == name)
        return cls(message["conf"], name, tasks.index(task), len(tasks))


class Line:
    """The messages from and to Storm; several threads may send.

    Parameters
    ----------
    reader, writer : binary files
        The pipes.

    Attributes
    ----------
    on_closed : callable or None
        Called if Storm no longer reads, as its worker was killed. It ends this process:
        Storm starts another one. An exception instead would reach the code of PEs, and
        would look like a failure of the run.
    """

    def __init__(self, reader: BinaryIO, writer: BinaryIO) -> None:
        self._reader, self._writer = reader, writer
        self._lock = threading.Lock()
        self.on_closed: Callable[[], NoReturn] | None = None

    def messages(self) -> Iterator[Any]:
        """Yield the messages of Storm until it closes the pipe."""
        lines: list[bytes] = []
        for line in self._reader:
            if line == _END:
                yield json.loads(b"".join(lines))
                lines = []
            else:
                lines.append(line)

    def send(self, message: dict[str, Any]) -> None:
        """Send a message.

        Raises
        ------
        OSError
            If Storm has closed the pipe, and there is no `on_closed`.
        """
        text = json.dumps(message, separators=(",", ":")).encode() + b"\n" + _END
        try:
            with self._lock:
                self._writer.write(text)
                self._writer.flush()
        except OSError:
            if self.on_closed is not None:
                self.on_closed()
            raise

    def open(self) -> Setup | None:
        """Exchange the first messages with Storm; None if it has closed the pipe."""
        first = next(self.messages(), None)
        if first is None:
            return None
        Path(first["pidDir"], str(os.getpid())).touch()
        self.send({"pid": os.getpid()})
        return Setup.of(first)

    def emit(
        self,
        stream: str,
        values: Sequence[Any],
        anchors: Sequence[str] = (),
        number: str | None = None,
    ) -> None:
        """Send a tuple.

        Parameters
        ----------
        stream : str
            The stream of the topology.
        values : sequence
            The fields of the tuple.
        anchors : sequence of str
            For a bolt: the received tuples that are complete only after this tuple.
        number : str, optional
            For a spout: the name under which Storm acknowledges the tuple.
        """
        message = {
            "command": "emit",
            "stream": stream,
            "tuple": values,
            "need_task_ids": False,
        }
        if anchors:
            message["anchors"] = list(anchors)
        if number is not None:
            message["id"] = number
        self.send(message)

    def ack(self, tuple_id: str) -> None:
        """Acknowledge a received tuple."""
        self.send({"command": "ack", "id": tuple_id})

    def sync(self) -> None:
        """Answer a request, or a question whether the component is alive."""
        self.send({"command": "sync"})

    def error(self, text: str) -> None:
        """Report an error, which Storm shows beside the component."""
        self.send({"command": "error", "msg": text})


def is_heartbeat(message: Any) -> bool:
    """Return whether a message asks whether the component is alive."""
    return bool(message.get("stream") == _HEARTBEAT)
