"""The work that a worker takes from the server, and its outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dispel4py.failure import Failure, describe
from dispel4py.mappings.redis.contents import Output
from dispel4py.message import Unreadable
from dispel4py.stop import Stop


@dataclass(frozen=True)
class Task:
    """Work that a worker has taken.

    Attributes
    ----------
    stream : str
    finishes : bool
        Whether the instance is to finish; then there are no parcels.
    version : str
        Number of the commits of the instance.
    n_starts : int
        Workers that the instance has had; 0 if it is shared.
    state : bytes
        State of the instance, if the worker does not have it.
    n_sent : int
        Items that an earlier worker sent in this work, before it died.
    n_deaths : int
        Workers that died in this work.
    parcels : list of bytes
    """

    stream: str
    finishes: bool
    version: str
    n_starts: int
    state: bytes
    n_sent: int
    n_deaths: int
    parcels: list[bytes]


@dataclass(frozen=True)
class Commit:
    """The outcome of a task.

    Attributes
    ----------
    kind : str
        ``shared`` for a stream without state, ``owned``, or ``finish``.
    n_untouched : int
        Parcels of the task, the last ones, on which the work has not begun.
    rest : sequence of bytes
        Parcels with the items before these, on which the work has not begun.
    outputs : sequence of Output
    counts : mapping
        Additions to the counts.
    state : bytes
        New state of the instance.
    pinned : str
        Why the state cannot be saved; "" if it can.
    n_sent : int
        Items among those sent earlier that the work has not yet reached again.
    due_s : float or None
        Time (`time.time`) of the next call of a source.
    """

    kind: str
    n_untouched: int
    rest: Sequence[bytes]
    outputs: Sequence[Output]
    counts: Mapping[str, int]
    state: bytes = b""
    pinned: str = ""
    n_sent: int = 0
    due_s: float | None = None


class Dismissed(Stop):
    """Ends the current work, whose outcome nobody needs: the run is over, or others
    have taken the work over.

    Parameters
    ----------
    outcome : str
        The answer of the server.
    """

    def __init__(self, outcome: str) -> None:
        super().__init__(Failure("", 0, 0, "worker", None, "", outcome))
        self.outcome = outcome


class Deadly(Unreadable):
    """Stands for an item that has killed workers.

    Parameters
    ----------
    item : object
    n_deaths : int
        Number of these workers.
    """

    def __init__(self, item: Any, n_deaths: int) -> None:
        cause = f"{n_deaths} workers died while they worked on it"
        super().__init__(RuntimeError(cause), 0)
        self.item = item

    def __repr__(self) -> str:
        return describe(self.item)
