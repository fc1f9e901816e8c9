"""Where a new connection continues, so that no packet is lost that the server has.

A packet has a sequence number. Numbers are safe only as long as the server has not been
restarted: a server that was killed uses them again for other data. Some servers count
the packets of all stations together, others those of each station. A server to which a
number means nothing says nothing, and sends what comes next. So a connection continues
by number only where the server confirms that it has the number; else by time, a little
earlier than the last data. Packets that arrive twice are recognised by their samples.
"""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from dispel4py.errors import DataError
from seismo_pes.application.files import read_checked, write_checked
from seismo_pes.items.times import NS

__all__ = [
    "ALL_STATIONS",
    "Last",
    "Positions",
    "Request",
    "ServerState",
    "choose_request",
]

logger = logging.getLogger(__name__)

FORMAT, VERSION = "seedlink positions", 1
#: Stands for all stations, at servers that count their packets together.
ALL_STATIONS = "*"
# Least data time between two marks of a station: a mark for each packet would need
# megabytes, and 60 s of data are sent again in milliseconds.
MARK_NS = 60 * NS
# Most marks of a station; the oldest are thinned out.
MOST_MARKS = 2000
# Version 3 sends the last 24 bits of a number.
MODULUS_V3 = 1 << 24


@dataclass(frozen=True)
class ServerState:
    """What a server says about itself when a connection begins.

    Attributes
    ----------
    software : str
        Name and version; "" if unknown.
    started : str
        When the server was started; "" if unknown.
    protocol : int
        Version of the protocol, 3 or 4.
    ranges : mapping of str to (int, int)
        First and last sequence number by station, ``NET_STA``; empty if the server does
        not tell them.
    """

    software: str = ""
    started: str = ""
    protocol: int = 3
    ranges: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def counts_together(self) -> bool:
        """Whether the packets of all stations are counted together."""
        return "ringserver" in self.software.lower()

    @property
    def counts_by_station(self) -> bool:
        """Whether the packets of each station are counted by themselves."""
        return "seiscomp" in self.software.lower()

    def key(self, station: str) -> str:
        """Return the name under which the numbers of a station are kept."""
        return ALL_STATIONS if self.counts_together else station

    def has(self, key: str, sequence: int) -> bool:
        """Return whether the server says that it has a packet of this number."""
        if key == ALL_STATIONS:
            ranges = list(self.ranges.values())
        else:
            ranges = [self.ranges[key]] if key in self.ranges else []
        if not ranges:
            return False
        first, last = min(r[0] for r in ranges), max(r[1] for r in ranges)
        if self.protocol == 3:
            if first // MODULUS_V3 != last // MODULUS_V3:  # the numbers begin again
                return False
            first, last = first % MODULUS_V3, last % MODULUS_V3
        return first <= sequence <= last


class Last(NamedTuple):
    """The last packet received: its number, and the time of its first sample.

    The time is 0 if it is not known.
    """

    sequence: int
    start_ns: int


@dataclass(frozen=True)
class Request:
    """What is asked of a server: packets after numbers, from a time, or from now on.

    Attributes
    ----------
    last : mapping of str to Last, optional
        The last packets received, by station or for `ALL_STATIONS`.
    with_times : bool
        The server compares the times of these packets.
    since_ns : int, optional
        Without numbers: the packets from this time on, nanoseconds since 1970.
    """

    last: Mapping[str, Last] | None = None
    with_times: bool = False
    since_ns: int | None = None


def choose_request(
    state: ServerState,
    stations: Iterable[str],
    started: str,
    last: Mapping[str, Last],
    since_ns: int | None,
) -> Request:
    """Choose how a connection continues.

    Parameters
    ----------
    state : ServerState
        Of the server now.
    stations : iterable of str
        ``NET_STA``.
    started : str
        When the server was started that gave the numbers.
    last : mapping of str to Last
        The last packets received, by the keys of `ServerState.key`.
    since_ns : int, optional
        The time from which data are needed where the numbers do not serve.

    Examples
    --------
    >>> state = ServerState("ringserver/4.5", "2024", 4, {"XX_AAA": (10, 90)})
    >>> last = {"*": Last(50, 0)}
    >>> choose_request(state, ["XX_AAA"], "2024", last, 7).last
    {'*': Last(sequence=50, start_ns=0)}
    >>> choose_request(state, ["XX_AAA"], "2023", last, 7).since_ns
    7
    """
    keys = {state.key(station) for station in stations}
    if not keys or not keys <= last.keys():
        return Request(since_ns=since_ns)
    own = {key: last[key] for key in keys}
    if not state.started and not state.ranges:
        # version 3 compares the time, and goes by time if it is another one
        if state.protocol == 3 and all(packet.start_ns for packet in own.values()):
            return Request(own, with_times=True)
        return Request(since_ns=since_ns)
    if (
        (state.counts_together or state.counts_by_station)
        and state.started
        and state.started == started
        and all(state.has(key, packet.sequence) for key, packet in own.items())
    ):
        return Request(own)
    return Request(since_ns=since_ns)


@dataclass
class Positions:
    """The numbers of the packets received, and the times of their data.

    A mark says: all packets of a station up to this number end before this time. With
    marks a later run finds the number after which it needs the packets.

    Attributes
    ----------
    started : str
        When the server was started.
    marks : dict of str to list of (int, int)
        Ascending numbers and times (nanoseconds since 1970), by the keys of
        `ServerState.key`.
    last : dict of str to Last
        The last packets.
    newest_ns : int or None
        Latest end of data.

    Examples
    --------
    >>> positions = Positions("2024")
    >>> for sequence in (1, 2, 3):
    ...     start_ns = sequence * 100 * NS
    ...     positions.note("XX_AAA", sequence, start_ns, start_ns + 100 * NS)
    >>> positions.before(350 * NS), positions.newest_ns // NS
    ({'XX_AAA': Last(sequence=2, start_ns=0)}, 400)
    """

    started: str = ""
    marks: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    last: dict[str, Last] = field(default_factory=dict)
    newest_ns: int | None = None

    def begin(self, started: str) -> None:
        """Note when the server was started; numbers of an earlier start are void.

        Parameters
        ----------
        started : str
        """
        if started != self.started:
            self.started, self.marks, self.last = started, {}, {}

    def note(self, key: str, sequence: int, start_ns: int, end_ns: int) -> None:
        """Note a packet.

        Parameters
        ----------
        key : str
            From `ServerState.key`.
        sequence : int
        start_ns, end_ns : int
            Start and end of its data, nanoseconds since 1970.
        """
        self.newest_ns = max(end_ns, self.newest_ns or end_ns)
        marks = self.marks.setdefault(key, [])
        if not marks:
            marks.append((sequence, end_ns))
            self.last[key] = Last(sequence, start_ns)
            return
        last, latest_ns = marks[-1]
        if sequence <= last:  # sent again; numbers that began again mean nothing
            if last - sequence > MODULUS_V3 // 2:
                marks[:] = [(sequence, end_ns)]
                self.last[key] = Last(sequence, start_ns)
            return
        self.last[key] = Last(sequence, start_ns)
        latest_ns = max(latest_ns, end_ns)
        if len(marks) > 1 and latest_ns - marks[-2][1] < MARK_NS:
            marks[-1] = sequence, latest_ns
        else:
            marks.append((sequence, latest_ns))
        if len(marks) > MOST_MARKS:
            del marks[1 : MOST_MARKS // 2 : 2]

    def before(self, time_ns: int) -> dict[str, Last]:
        """Return the numbers up to which all packets end before a time.

        Parameters
        ----------
        time_ns : int
            Nanoseconds since 1970.
        """
        sequences = {}
        for key, marks in self.marks.items():
            n = bisect_right(marks, time_ns, key=lambda mark: mark[1])
            if n:
                sequences[key] = Last(marks[n - 1][0], 0)
        return sequences

    def forget_before(self, time_ns: int) -> None:
        """Forget the marks that no later start needs.

        Parameters
        ----------
        time_ns : int
            Nanoseconds since 1970.
        """
        for marks in self.marks.values():
            n = bisect_right(marks, time_ns, key=lambda mark: mark[1])
            del marks[: max(0, n - 1)]

    def write(self, path: Path) -> None:
        """Write the positions in one step.

        Parameters
        ----------
        path : Path
        """
        values: dict[str, Any] = {"format": FORMAT, "version": VERSION}
        values |= {"started": self.started, "marks": self.marks, "last": self.last}
        write_checked(path, values | {"newest_ns": self.newest_ns}, None)

    @classmethod
    def read(cls, path: Path) -> Positions:
        """Read positions; without a file, or with a damaged one, there are none.

        Parameters
        ----------
        path : Path
        """
        try:
            values = read_checked(path, FORMAT, VERSION)
        except FileNotFoundError:
            return cls()
        except DataError as error:
            logger.warning("%s; continuing by time", error)
            return cls()
        marks = {
            key: [(int(sequence), int(end_ns)) for sequence, end_ns in pairs]
            for key, pairs in values["marks"].items()
        }
        last = {key: Last(*pair) for key, pair in values["last"].items()}
        return cls(values["started"], marks, last, values["newest_ns"])
