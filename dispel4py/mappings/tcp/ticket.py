"""What the processes of one host need to know, to find the run that they belong to."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import Any

#: The file with the job, in the folder of the run.
JOB_FILE = "job"


@dataclass(frozen=True)
class Ticket:
    """The place of some processes in a run.

    Attributes
    ----------
    address : str
    port : int
        Where the process that called `run` accepts connections.
    key : str
        The secret of the run, in hexadecimal digits.
    root, member : int
        Number of this process, and of the agent that gets the ticket.
    processes : tuple of int
        The processes of the plan that the agent starts.
    n_here : int
        Number of processes on the host, also of other agents: they share its cores.
    silence_s : float
        Longest silence of another host, in seconds.
    variables : dict
        Variables of the environment of the processes.
    folder : str
        The folder of the run on the host; "" before the agent has made it.
    """

    address: str
    port: int
    key: str
    root: int
    member: int
    processes: tuple[int, ...]
    n_here: int
    silence_s: float
    variables: dict[str, str]
    folder: str = ""

    def to_line(self) -> bytes:
        """Return the ticket as a line of JSON."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Ticket:
        """Return the ticket in a line of `to_line`."""
        values: dict[str, Any] = json.loads(line)
        values["processes"] = tuple(values["processes"])
        return cls(**values)


def package_folder() -> str:
    """Return the folder in which this package is found by new processes."""
    import dispel4py

    return os.path.dirname(os.path.dirname(os.path.abspath(dispel4py.__file__)))
