"""Live data by SeedLink: a stream of traces, one for each packet.

The client is obspy's; it comes back by itself after a network failure.
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
from seismo_pes.reading.formats.waveform_files import unusable

__all__ = ["ReadSeedLink", "packets"]

logger = logging.getLogger(__name__)

ADDRESS = re.compile(r"(?:seedlink://)?(?P<host>[\w.-]+)(?::(?P<port>\d+))?/?")
PORT = 18000
RECONNECT_S = 10


def packets(
    server: str,
    channel_ids: Sequence[str],
    start_ns: int | None = None,
    end_ns: int | None = None,
    idle_s: float = 600.0,
    state_file: str | Path | None = None,
) -> Iterator[Trace]:
    """Receive the packets of channels as they come.

    Parameters
    ----------
    server : str
        ``seedlink://host[:port]`` or ``host[:port]``; the port is 18000 if not given.
    channel_ids : sequence of str
        ``NET.STA.LOC.CHA``; the wildcard ``?`` is allowed in location and channel.
    start_ns, end_ns : int, optional
        Ask for this time, as far as the server has it; by default what comes from now
        on, without an end.
    idle_s : float
        End when nothing has come for so long.
    state_file : str or Path, optional
        Where the place in each station's stream is kept, so that a run that is started
        again goes on after the last packet.

    Yields
    ------
    obspy.Trace
        One for each packet with samples, in the order of arrival.

    Raises
    ------
    ParameterError
        If there is no such server or a channel makes no sense.
    DataError
        If the server reports an error.
    """
    connection = _connection(server, channel_ids, idle_s)
    if start_ns is not None:
        connection.begin_time = UTCDateTime(ns=int(start_ns))
    if end_ns is not None:
        connection.end_time = UTCDateTime(ns=int(end_ns))
    if state_file is not None:
        if Path(state_file).exists():
            connection.set_state_file(str(state_file))
        connection.statefile = str(state_file)
    try:
        while (packet := _next(server, connection)) is not None:
            if packet.get_type() not in (packet.TYPE_SLINF, packet.TYPE_SLINFT):
                trace = packet.get_trace()
                if trace.stats.npts and not (problem := unusable(trace)):
                    yield trace
                elif trace.stats.npts:
                    logger.debug("%s: %s", trace.id, problem)
    finally:
        connection.close()


class ReadSeedLink(ProducerPE):
    """Receive packets: `packets` as a source.

    Ports
    -----
    output : obspy.Trace
        One for each packet.

    Parameters
    ----------
    server : str
        ``seedlink://host[:port]``.
    channel_ids : sequence of str
        ``NET.STA.LOC.CHA``; the wildcard ``?`` is allowed in location and channel.
    start_ns, end_ns : int, optional
        Ask for this time, nanoseconds since 1970; by default from now on.
    idle_s : float
        End when nothing has come for so long, seconds.
    state_file : str, optional
        Where the place in the stream is kept for another run.
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
        for trace in packets(self.server, self.channel_ids, **self.parameters):
            yield {self.OUTPUT_NAME: trace}


def _next(server: str, connection: Any) -> Any:
    """Return the next packet, None at the end."""
    try:
        packet = connection.collect()
    except SeedLinkException as error:
        raise ParameterError(f"seedlink {server}: {error.value}") from error
    if packet == SLPacket.SLERROR:
        raise DataError(f"seedlink {server}: the server refuses the request")
    return None if packet is None or packet == SLPacket.SLTERMINATE else packet


def _connection(server: str, channel_ids: Sequence[str], idle_s: float) -> Any:
    match = ADDRESS.fullmatch(server)
    if match is None:
        raise ParameterError(f"{server}: not seedlink://host[:port]")
    if not (idle_s > 0 and channel_ids):
        raise ParameterError("idle_s must be positive, and there must be a channel")
    connection = SeedLinkConnection(timeout=idle_s)
    connection.set_sl_address(f"{match['host']}:{match['port'] or PORT}")
    # a read that waits longer would not notice that nothing comes
    connection.netto = min(idle_s, connection.netto)
    connection.netdly = RECONNECT_S
    for (network, station), selectors in _by_station(channel_ids).items():
        connection.add_stream(network, station, " ".join(selectors), -1, None)
    return connection


def _by_station(channel_ids: Sequence[str]) -> dict[tuple[str, str], list[str]]:
    stations: dict[tuple[str, str], list[str]] = {}
    for channel_id in channel_ids:
        codes = channel_id.split(".")
        if len(codes) != 4 or not all(
            re.fullmatch(r"[A-Z0-9?]{0,5}", c) for c in codes
        ):
            raise ParameterError(f"{channel_id!r} is not NET.STA.LOC.CHA")
        network, station, location, channel = codes
        # two blanks are the empty location, but blanks part selectors: dashes
        selector = f"{location or '--'}{channel}.D"
        stations.setdefault((network, station), []).append(selector)
    return stations
