"""Live data by SeedLink: a stream of traces, one for each packet.

The client is obspy's; it reconnects by itself after a network failure.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from obspy import Trace, UTCDateTime
from obspy.clients.seedlink.client.seedlinkconnection import SeedLinkConnection
from obspy.clients.seedlink.seedlinkexception import SeedLinkException
from obspy.clients.seedlink.slpacket import SLPacket

from dispel4py.base import ProducerPE
from dispel4py.errors import DataError, ParameterError
from seismo_pes.reading.formats.waveform_files import find_defect

__all__ = ["ReadSeedLink", "receive_packets"]

logger = logging.getLogger(__name__)

ADDRESS = re.compile(r"(?:seedlink://)?(?P<host>[\w.-]+)(?::(?P<port>\d+))?/?")
PORT = 18000  # the port of SeedLink servers where the address gives none
RECONNECT_S = 10  # seconds between attempts to reconnect, which spares the server


def receive_packets(
    server: str,
    channel_ids: Sequence[str],
    start_ns: int | None = None,
    end_ns: int | None = None,
    idle_s: float = 600.0,
    state_file: str | Path | None = None,
) -> Iterator[Trace]:
    """Yield the packets of channels as they arrive.

    Parameters
    ----------
    server : str
        ``seedlink://host[:port]`` or ``host[:port]``; the port is 18000 if not given.
    channel_ids : sequence of str
        ``NET.STA.LOC.CHA``; the wildcard ``?`` is allowed in location and channel.
    start_ns, end_ns : int, optional
        Request the data of this time, nanoseconds since 1970, as far as the server
        still has them. By default the stream starts now and has no end.
    idle_s : float
        Stop when no packet has arrived for this time, seconds.
    state_file : str or Path, optional
        File that keeps the number of the last packet of each station. With it, the
        next call continues after that packet.

    Yields
    ------
    obspy.Trace
        One for each packet with samples, in the order of arrival.

    Raises
    ------
    ParameterError
        If the server cannot be reached, or an address, a channel id or ``idle_s`` is
        not valid.
    DataError
        If the server reports an error.
    """
    connection = _new_connection(server, channel_ids, idle_s)
    if start_ns is not None:
        connection.begin_time = UTCDateTime(ns=int(start_ns))
    if end_ns is not None:
        connection.end_time = UTCDateTime(ns=int(end_ns))
    if state_file is not None:
        if Path(state_file).exists():
            connection.set_state_file(str(state_file))
        connection.statefile = str(state_file)
    try:
        while (packet := _next_packet(server, connection)) is not None:
            if packet.get_type() in (packet.TYPE_SLINF, packet.TYPE_SLINFT):
                continue
            trace = packet.get_trace()
            if not trace.stats.npts:
                continue
            if defect := find_defect(trace):
                logger.debug("%s: %s", trace.id, defect)
            else:
                yield trace
    finally:
        connection.close()


class ReadSeedLink(ProducerPE):
    """Receive live packets by SeedLink: `receive_packets` as a source.

    Ports
    -----
    output : obspy.Trace
        The samples of one packet.

    Parameters
    ----------
    server : str
        ``seedlink://host[:port]``.
    channel_ids : sequence of str
        ``NET.STA.LOC.CHA``; the wildcard ``?`` is allowed in location and channel.
    start_ns, end_ns : int, optional
        Request the data of this time, nanoseconds since 1970; by default the stream
        starts now and has no end.
    idle_s : float
        Stop when no packet has arrived for this time, seconds.
    state_file : str, optional
        File that keeps the number of the last packet of each station, so that the next
        run continues after it.
    """

    def __init__(
        self,
        server: str,
        channel_ids: Sequence[str],
        start_ns: int | None = None,
        end_ns: int | None = None,
        idle_s: float = 600.0,
        state_file: str | None = None,
    ) -> None:
        super().__init__()
        self._add_output(self.OUTPUT_NAME, tuple_type=Trace)
        self.server, self.channel_ids = server, tuple(channel_ids)
        self.parameters: dict[str, Any] = {
            "start_ns": start_ns,
            "end_ns": end_ns,
            "idle_s": idle_s,
            "state_file": state_file,
        }

    def process(self, inputs: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield packets until the stream ends."""
        for trace in receive_packets(self.server, self.channel_ids, **self.parameters):
            yield {self.OUTPUT_NAME: trace}


def _next_packet(server: str, connection: Any) -> Any:
    """Return the next packet, None at the end of the stream."""
    try:
        packet = connection.collect()
    except SeedLinkException as error:
        raise ParameterError(f"seedlink {server}: {error.value}") from error
    if packet == SLPacket.SLERROR:
        raise DataError(f"seedlink {server}: the server refuses the request for data")
    return None if packet is None or packet == SLPacket.SLTERMINATE else packet


def _new_connection(server: str, channel_ids: Sequence[str], idle_s: float) -> Any:
    match = ADDRESS.fullmatch(server)
    if match is None:
        raise ParameterError(f"{server}: not seedlink://host[:port]")
    if not (idle_s > 0 and channel_ids):
        raise ParameterError(
            f"seedlink {server}: idle_s must be positive ({idle_s}), and at least one "
            f"channel is needed ({len(channel_ids)} given)"
        )
    connection = SeedLinkConnection(timeout=idle_s)
    connection.set_sl_address(f"{match['host']}:{match['port'] or PORT}")
    # obspy checks for idle_s only after a read of the socket has ended
    connection.netto = min(idle_s, connection.netto)
    connection.netdly = RECONNECT_S
    for (network, station), selectors in _selectors_by_station(channel_ids).items():
        connection.add_stream(network, station, " ".join(selectors), -1, None)
    return connection


def _selectors_by_station(
    channel_ids: Sequence[str],
) -> dict[tuple[str, str], list[str]]:
    stations: dict[tuple[str, str], list[str]] = {}
    for channel_id in channel_ids:
        codes = channel_id.split(".")
        if len(codes) != 4 or not all(
            re.fullmatch(r"[A-Z0-9?]{0,5}", c) for c in codes
        ):
            raise ParameterError(f"{channel_id!r} is not NET.STA.LOC.CHA")
        network, station, location, channel = codes
        # "--" is the empty location: two blanks would separate selectors
        selector = f"{location or '--'}{channel}.D"
        stations.setdefault((network, station), []).append(selector)
    return stations
