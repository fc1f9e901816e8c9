"""The connection to a SeedLink server, kept by a thread of its own.

The thread reads the socket at once, whatever the other elements do, because servers
drop slow clients. Packets wait in a queue of bounded length. After any error the thread
connects again, at first soon and then less often, and continues as `resume` decides.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import random
import threading
import time
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dispel4py.errors import DataError, ParameterError
from seismo_pes.extras import optional
from seismo_pes.items.times import NS
from seismo_pes.reading.seedlink.negotiation import (
    Server,
    first_line,
    kind_of,
    open_stream,
)
from seismo_pes.reading.seedlink.resume import (
    Last,
    Positions,
    Request,
    ServerState,
    choose_request,
)

__all__ = ["Packet", "Receiver", "Report"]

logger = logging.getLogger(__name__)

# Seconds to the first attempt to connect again; doubled after each failure.
FIRST_WAIT_S = 0.5
# Longest time between two attempts, seconds: data centres block an address that
# connects often.
LONGEST_WAIT_S = 60.0
# Packets that wait for the elements: 25 MB of records of 512 bytes.
MOST_WAITING = 50_000
# Packets that are remembered to find doubled ones: those of an hour of 50 stations.
MOST_KNOWN = 20_000
# Where connections by time end again and again at the same packet, this much more data
# is passed over each time.
PASSED_NS = 20 * NS
# How long the thread waits for room in the queue before it looks for the end.
ROOM_S = 0.2


@dataclass(frozen=True)
class Packet:
    """One packet.

    Attributes
    ----------
    station : str
        ``NET_STA``.
    key : str
        Station, or `ALL_STATIONS`, to which the number belongs.
    sequence : int or None
        Its number.
    started : str
        When the server was started that gave the number.
    record : bytes
        A record of miniSEED.
    arrived_s : float
        When it was read from the socket, on the monotonic clock, seconds.
    """

    station: str
    key: str
    sequence: int | None
    started: str
    record: bytes
    arrived_s: float


@dataclass(frozen=True)
class Report:
    """Something that the user should know about a server or a station."""

    what: str
    reason: str


class Receiver:
    """Receives packets in a thread.

    Parameters
    ----------
    server : Server
    selectors : mapping of str to sequence of str
        For each station, ``NET_STA``, the selectors of its channels.
    since_ns : callable
        Takes the number of connections in a row that brought nothing new; returns the
        time from which data are needed, nanoseconds since 1970, or None for the data
        from now on.
    end_ns : int, optional
        The server is asked for data up to this time.
    positions : Positions, optional
        Where an earlier run ended.
    is_endless : bool
        Continue also after the end or an error that the server reports.

    Attributes
    ----------
    counts : dict of str to int
        ``connections`` that were made, ``failures`` of them, ``packets``, and packets
        that arrived ``doubled``.
    last_packet_s : float
        When the last packet arrived, on the monotonic clock; at first, of the start.
    """

    def __init__(
        self,
        server: Server,
        selectors: Mapping[str, Sequence[str]],
        since_ns: Callable[[int], int | None],
        end_ns: int | None = None,
        positions: Positions | None = None,
        is_endless: bool = True,
    ) -> None:
        optional("seedlink_client")
        self.server, self.selectors = server, dict(selectors)
        self.since_ns, self.end_ns = since_ns, end_ns
        self.counts = {"connections": 0, "failures": 0, "packets": 0, "doubled": 0}
        self.last_packet_s = time.monotonic()
        self.is_endless = is_endless
        self._is_continued = bool(positions and positions.last)
        self.is_over = False  # the server has sent all data that were asked for
        positions = positions or Positions()
        self._started, self._last = positions.started, dict(positions.last)
        self._queue: queue.Queue[Packet | Report | BaseException]
        self._queue = queue.Queue(MOST_WAITING)
        self._known: OrderedDict[int, None] = OrderedDict()
        self._refused: set[str] = set()
        self._received: dict[str, int] = {}  # numbers up to which none is needed
        self._n_stuck = 0  # connections in a row that ended at the same packet
        self._n_fruitless = 0  # grows with connections without a new packet
        self._has_new = False
        self._wait_s = FIRST_WAIT_S
        self._stopping = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._thread = threading.Thread(
            target=self._run, name=f"seedlink {server.name}", daemon=True
        )

    # ---------------------------------------------------------- for the elements

    def start(self) -> None:
        """Start to receive."""
        self._thread.start()

    def arrivals(self, most: int) -> list[Packet | Report]:
        """Return what has arrived.

        Parameters
        ----------
        most : int
            Largest number of packets.

        Raises
        ------
        BaseException
            The error that has ended the thread.
        """
        arrivals: list[Packet | Report] = []
        with contextlib.suppress(queue.Empty):
            while len(arrivals) < most:
                item = self._queue.get_nowait()
                if isinstance(item, BaseException):
                    raise item
                arrivals.append(item)
        return arrivals

    @property
    def is_empty(self) -> bool:
        """Whether no packet waits."""
        return self._queue.empty()

    def stop(self) -> None:
        """Close the connection and end the thread."""
        self._stopping.set()
        if self._loop is not None and self._task is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended already
                self._loop.call_soon_threadsafe(self._task.cancel)
        if self._thread.is_alive():
            self._thread.join(5.0)

    # ---------------------------------------------------------------- the thread

    def _run(self) -> None:
        try:
            asyncio.run(self._receive())
        except asyncio.CancelledError:
            pass
        except BaseException as error:  # noqa: BLE001 - raised again by `arrivals`
            self._put(error)
        finally:
            self.is_over = True

    async def _receive(self) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        errors = optional("seedlink_client")
        while not self._stopping.is_set():
            try:
                if await self._receive_once():
                    return
                reason = "the server has ended the connection"
            except (errors.SeedLinkError, OSError) as error:
                reason = first_line(error)
                self._note_failure(error)
            self.counts["failures"] += 1
            logger.warning("%s: %s; connecting again", self.server.name, reason)
            self._put(Report(self.server.name, f"connection lost: {reason}"))
            # different clients do not come back at the same moment
            await asyncio.sleep(self._wait_s * random.uniform(0.8, 1.2))
            self._wait_s = min(2 * self._wait_s, LONGEST_WAIT_S)

    def _note_failure(self, error: BaseException) -> None:
        """Raise what another attempt cannot mend."""
        kind, reason = kind_of(error), first_line(error)
        if not self.is_endless and kind == "server":
            raise DataError(
                f"seedlink {self.server.name}: the server refuses the request for "
                f"data: {reason}"
            ) from error
        if not self.counts["connections"] and not self._is_continued:
            raise ParameterError(
                f"seedlink {self.server.name}: cannot connect: {reason}"
            ) from error
        if kind == "bytes":
            self._n_stuck += 1

    async def _receive_once(self) -> bool:
        """Receive from one connection; return whether all data have come."""
        stations = {k: v for k, v in self.selectors.items() if k not in self._refused}
        with self._warnings_reported():
            client, state, refused = await open_stream(
                self.server, stations, self._request, self.end_ns
            )
        try:
            self.counts["connections"] += 1
            for station, reason in refused.items():
                self._refused.add(station)
                self._put(Report(station, f"refused by the server: {reason}"))
            self._report_unknown(state)
            return await self._collect(client, state)
        finally:
            await client.close()

    @contextlib.contextmanager
    def _warnings_reported(self) -> Iterator[None]:
        """Report what the client only logs, such as a station that is refused."""
        handler = _Reports(self._put, self.server.name, threading.get_ident())
        client_log = logging.getLogger("seedlink_client")
        client_log.addHandler(handler)
        try:
            yield
        finally:
            client_log.removeHandler(handler)

    def _request(self, state: ServerState) -> Request:
        since_ns = self.since_ns(self._n_fruitless)
        self._has_new, self._n_fruitless = False, self._n_fruitless + 1
        request = choose_request(
            state, self.selectors, self._started, self._last, since_ns
        )
        self._started = state.started
        self._received = {}
        if request.last is None:
            self._last = {}
            if self._n_stuck > 2 and since_ns is not None:
                request = Request(since_ns=since_ns + (self._n_stuck - 2) * PASSED_NS)
            return request
        if not request.with_times:
            self._received = {key: p.sequence for key, p in request.last.items()}
        if self.end_ns is not None:  # a request with an end has no numbers
            return Request(since_ns=since_ns)
        shifted = {
            key: last._replace(sequence=self._after(key, last, state, request))
            for key, last in request.last.items()
        }
        return replace(request, last=shifted)

    def _after(self, key: str, last: Last, state: ServerState, request: Request) -> int:
        """Return the number after which packets are asked for.

        The last packet comes once more, to be sure. Where connections end again and
        again at the packet that follows, that packet is passed over.
        """
        if self._n_stuck > 1:
            return last.sequence + self._n_stuck - 1
        is_sure = request.with_times or not state.has(key, last.sequence - 1)
        return last.sequence - (0 if is_sure or self._n_stuck else 1)

    async def _collect(self, client: Any, state: ServerState) -> bool:
        packets = client.collect(reconnect=False)
        try:
            while True:
                try:
                    # the client waits without end for the rest of a packet
                    packet = await asyncio.wait_for(
                        anext(packets), self.server.silence_s
                    )
                except StopAsyncIteration:
                    return not self.is_endless or self.end_ns is not None
                now_s = time.monotonic()
                self.last_packet_s = now_s
                self._take(packet, state, now_s)
        finally:
            await packets.aclose()

    def _take(self, packet: Any, state: ServerState, now_s: float) -> None:
        """Put a packet into the queue, if it did not arrive before."""
        key, sequence = state.key(packet.station_id), packet.seqnum
        if sequence is not None:
            # only version 3 compares times; its client has parsed the record already
            start_ns = packet.record().starttime if state.protocol == 3 else 0
            self._last[key] = Last(sequence, start_ns)
        checksum = zlib.crc32(packet.payload)
        was_received = sequence is not None and sequence <= self._received.get(key, -1)
        if was_received or checksum in self._known:
            self.counts["doubled"] += 1
            return
        self._n_stuck = 0
        if not self._has_new:
            self._has_new, self._wait_s = True, FIRST_WAIT_S
            self._n_fruitless = max(0, self._n_fruitless - 2)
        self._known[checksum] = None
        if len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)
        self.counts["packets"] += 1
        station = packet.station_id
        self._put(Packet(station, key, sequence, state.started, packet.payload, now_s))

    def _report_unknown(self, state: ServerState) -> None:
        if self.counts["connections"] > 1:
            return
        for station in self.selectors:
            if state.ranges and station not in state.ranges:
                self._put(Report(station, "the server has no data of this station yet"))

    def _put(self, item: Packet | Report | BaseException) -> None:
        while not self._stopping.is_set():
            with contextlib.suppress(queue.Full):
                self._queue.put(item, timeout=ROOM_S)
                return


class _Reports(logging.Handler):
    """Makes reports of the warnings that the client logs in one thread."""

    def __init__(self, put: Callable[[Report], None], name: str, thread: int) -> None:
        super().__init__(logging.WARNING)
        self._report, self._server, self._thread = put, name, thread

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self._report(Report(self._server, record.getMessage()))
