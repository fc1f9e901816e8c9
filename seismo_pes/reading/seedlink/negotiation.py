"""The beginning of a connection: what a server has, and what it is asked for."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from dispel4py.errors import ParameterError
from seismo_pes.extras import optional
from seismo_pes.items.times import NS
from seismo_pes.reading.seedlink.resume import Request, ServerState

__all__ = [
    "Server",
    "first_line",
    "kind_of",
    "new_client",
    "open_stream",
    "selectors_by_station",
    "server_at",
    "state_of",
]

ADDRESS = re.compile(
    r"(?:seedlink://)?(?P<host>[\w.-]+|\[[0-9a-fA-F:]+\])(?::(?P<port>\d{1,5}))?/?"
)
PORT = 18000  # the port of SeedLink servers where the address gives none
# A server answers a command within this time, seconds; data centres take up to 10 s.
ANSWER_S = 30.0
# A server of an old kind may not answer at all to the question for its stations.
OLD_SERVER_S = 2.0
# A connection that has begun is tested this often while nothing arrives, seconds.
KEEPALIVE_S = 30.0
# How the messages of the client begin: its errors have no kinds.
OF_NETWORK = ("connection", "recv failed", "send failed", "not connected", "could not")
OF_BYTES = ("unexpected data", "payload", "invalid", "unrecognized", "declared", "v")


@dataclass(frozen=True)
class Server:
    """A server, and how to speak to it.

    Attributes
    ----------
    host : str
    port : int
    silence_s : float
        Connect again if no packet has arrived for this time, seconds: a connection may
        be dead without an error.
    protocol : int or None
        Version 3 or 4 of the protocol; None: the newest that the server offers.
    """

    host: str
    port: int
    silence_s: float = 300.0
    protocol: int | None = None

    @property
    def name(self) -> str:
        """``host:port``."""
        return f"{self.host}:{self.port}"


def server_at(address: str, silence_s: float, protocol: int | None = None) -> Server:
    """Return the server at an address.

    Parameters
    ----------
    address : str
        ``seedlink://host[:port]`` or ``host[:port]``.
    silence_s : float
        See `Server`.
    protocol : int, optional
        See `Server`.

    Raises
    ------
    ParameterError
        If the address is not valid, or there is no such version of the protocol.
    """
    match = ADDRESS.fullmatch(address)
    if match is None or int(match["port"] or PORT) > 65535:
        raise ParameterError(f"{address}: not seedlink://host[:port]")
    if protocol not in (None, 3, 4):
        raise ParameterError(f"seedlink {address}: protocol 3 or 4, not {protocol}")
    host = match["host"].strip("[]")
    return Server(host, int(match["port"] or PORT), silence_s, protocol)


def selectors_by_station(channel_ids: Iterable[str]) -> dict[str, list[str]]:
    """Return the selectors of each station, ``NET_STA``.

    Parameters
    ----------
    channel_ids : iterable of str
        ``NET.STA.LOC.CHA``; the wildcard ``?`` is allowed in location and channel.

    Raises
    ------
    ParameterError
        If an id is not valid.

    Examples
    --------
    >>> selectors_by_station(["XX.AAA..LHZ", "XX.AAA.00.LHZ"])
    {'XX_AAA': ['--LHZ.D', '00LHZ.D']}

    In version 4 the empty location has no letters, so ``??`` alone does not match it:

    >>> selectors_by_station(["XX.AAA.??.LHZ"])
    {'XX_AAA': ['--LHZ.D', '??LHZ.D']}
    """
    stations: dict[str, list[str]] = {}
    for channel_id in channel_ids:
        codes = channel_id.split(".")
        if len(codes) != 4 or not all(
            re.fullmatch(r"[A-Z0-9]{1,8}", code) for code in codes[:2]
        ):
            raise ParameterError(f"{channel_id!r} is not NET.STA.LOC.CHA")
        network, station, location, channel = codes
        if not re.fullmatch(r"([A-Z0-9?]{2})?\.[A-Z0-9?]{3}", f"{location}.{channel}"):
            raise ParameterError(
                f"{channel_id!r}: a location has two letters or none, a channel three"
            )
        # "--" is the empty location: two blanks would separate selectors
        locations = ["--", "??"] if location == "??" else [location or "--"]
        own = stations.setdefault(f"{network}_{station}", [])
        own += [f"{code}{channel}.D" for code in locations]
    return stations


async def state_of(client: Any) -> ServerState:
    """Ask a server for its state; a server may refuse to tell it.

    Parameters
    ----------
    client : seedlink_client.AsyncSeedLink
        Connected.
    """
    errors = optional("seedlink_client")
    protocol = int(client.protocol.value)
    software = str(client.server_id or "")
    try:
        wait_s = ANSWER_S if client.server_capabilities else OLD_SERVER_S
        told = await asyncio.wait_for(client.info_dict("STATIONS"), wait_s)
    except (errors.SeedLinkError, ValueError, OSError):
        return ServerState(software, "", protocol)
    if protocol == 4:
        started, ranges = told.get("server_start", ""), _ranges_v4(told)
    else:
        told = told.get("seedlink", {})
        started, ranges = told.get("started", ""), _ranges_v3(told, software)
    return ServerState(software, str(started), protocol, ranges)


def _ranges_v4(told: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    ranges = {}
    for station in told.get("station", ()):
        first, last = station.get("start_seq"), station.get("end_seq")
        if first is not None and last is not None:
            ranges[str(station.get("id"))] = int(first), int(last)
    return ranges


def _ranges_v3(told: Mapping[str, Any], software: str) -> dict[str, tuple[int, int]]:
    base = 10 if "ringserver" in software.lower() else 16
    ranges = {}
    for station in told.get("station", ()):
        try:
            limits = int(station["begin_seq"], base), int(station["end_seq"], base)
        except (KeyError, ValueError):
            continue
        ranges[f"{station.get('network')}_{station.get('name')}"] = limits
    return ranges


async def open_stream(
    server: Server,
    selectors: Mapping[str, Sequence[str]],
    choose: Callable[[ServerState], Request],
    end_ns: int | None,
) -> tuple[Any, ServerState, dict[str, str]]:
    """Connect, and ask for packets.

    Parameters
    ----------
    server : Server
    selectors : mapping of str to sequence of str
        By station.
    choose : callable
        Returns what is asked of a server in its state.
    end_ns : int, optional
        Up to this time.

    Returns
    -------
    client : seedlink_client.AsyncSeedLink
        It is ready to collect.
    state : ServerState
    refused : dict of str to str
        Stations that the server refuses, and its reasons.

    Raises
    ------
    SeedLinkError
        If the connection fails, or no station is accepted.
    """
    errors = optional("seedlink_client")
    client = new_client(server)
    try:
        await client.connect()
        state = await state_of(client)
        if not state.ranges:  # after a refused question the connection is uncertain
            await client.close()
            await client.connect()
        request = choose(state)
        try:
            await _ask(client, selectors, request, end_ns, state)
        except errors.SeedLinkError as error:
            if kind_of(error) != "server" or len(selectors) < 2:
                raise
            await client.close()
        else:
            return client, state, {}
        # version 4 refuses all for one station: find it, by asking for each by itself
        refused = await _refused(server, selectors, request, end_ns, state)
        accepted = {k: v for k, v in selectors.items() if k not in refused}
        client = new_client(server)
        await client.connect()
        await _ask(client, accepted, request, end_ns, state)
    except BaseException:
        await client.close()
        raise
    return client, state, refused


async def _refused(
    server: Server,
    selectors: Mapping[str, Sequence[str]],
    request: Request,
    end_ns: int | None,
    state: ServerState,
) -> dict[str, str]:
    """Return the stations that a server refuses, and its reasons."""
    errors = optional("seedlink_client")
    refused: dict[str, str] = {}
    for station, own in selectors.items():
        client = new_client(server)
        try:
            await client.connect()
            await _ask(client, {station: own}, request, end_ns, state)
        except errors.SeedLinkError as error:
            if kind_of(error) != "server":
                raise
            refused[station] = first_line(error)
        finally:
            await client.close()
    return refused


async def _ask(
    client: Any,
    selectors: Mapping[str, Sequence[str]],
    request: Request,
    end_ns: int | None,
    state: ServerState,
) -> None:
    for station, own in selectors.items():
        sequence = at = None
        if request.last is not None:
            sequence, start_ns = request.last[state.key(station)]
            at = _datetime(start_ns).isoformat() if request.with_times else None
        client.add_stream(station, list(own), seqnum=sequence, timestamp=at)
    if request.since_ns is not None or end_ns is not None:
        end = None if end_ns is None else _datetime(end_ns)
        since_ns = time.time_ns() if request.since_ns is None else request.since_ns
        client.set_timewindow(_datetime(since_ns), end)
    await client.negotiate()


def new_client(server: Server) -> Any:
    """Return a client that is not connected.

    Parameters
    ----------
    server : Server
    """
    seedlink_client = optional("seedlink_client")
    protocol = server.protocol
    return seedlink_client.AsyncSeedLink(
        server.host,
        server.port,
        timeout=ANSWER_S,
        protocol=None if protocol is None else seedlink_client.Protocol(str(protocol)),
        keepalive=KEEPALIVE_S,
        idle_timeout=max(server.silence_s, 1.0),
        clientname="dispel4py-seismo",
    )


def _datetime(time_ns: int) -> datetime:
    return datetime.fromtimestamp(time_ns / NS, UTC)


def first_line(error: BaseException) -> str:
    """Return the message of an error on one line, or its kind.

    Parameters
    ----------
    error : BaseException
    """
    return " ".join(str(error).split())[:200] or type(error).__name__


def kind_of(error: BaseException) -> str:
    """Return what an error of the client tells of.

    Parameters
    ----------
    error : BaseException

    Returns
    -------
    str
        ``"network"``; ``"bytes"``: what arrived is no packet; or ``"server"``: an error
        that the server reports.
    """
    words = str(error).lower()
    if isinstance(error, TimeoutError | OSError) or words.startswith(OF_NETWORK):
        return "network"
    return "bytes" if words.startswith(OF_BYTES) else "server"
