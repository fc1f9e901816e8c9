"""Live data by SeedLink: a stream of traces, one for each packet."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from obspy import Trace

from dispel4py.base import ProducerPE
from dispel4py.errors import DataError, ParameterError
from seismo_pes.items.skipped import Skipped
from seismo_pes.items.times import NS
from seismo_pes.reading.seedlink.decoding import decode, times_of
from seismo_pes.reading.seedlink.negotiation import selectors_by_station, server_at
from seismo_pes.reading.seedlink.receiver import Packet, Receiver, Report
from seismo_pes.reading.seedlink.resume import Positions

__all__ = ["ReadSeedLink", "continue_from", "note_and_decode", "receive_packets"]

logger = logging.getLogger(__name__)

# Where a connection continues by time, it begins this long before the newest data:
# other channels may be later by this time.
OVERLAP_NS = 600 * NS
# Seconds between two looks for packets.
LOOK_S = 0.05
# Seconds between two writings of the state file.
WRITE_S = 1.0
# Packets taken from the queue at a time.
AT_ONCE = 200


def receive_packets(
    server: str,
    channel_ids: Sequence[str],
    start_ns: int | None = None,
    end_ns: int | None = None,
    idle_s: float = 600.0,
    state_file: str | Path | None = None,
    protocol: int | None = None,
) -> Iterator[Trace]:
    """Yield the packets of channels as they arrive.

    After an error of the network, the connection is made again, and continues after the
    last packet. Damaged packets are left out with a warning.

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
        File that keeps the numbers of the last packets. With it, the next call
        continues after the last packet for which another one was asked.
    protocol : int, optional
        Version of the protocol, 3 or 4; by default the newest that the server offers.

    Yields
    ------
    obspy.Trace
        One for each packet with samples, in the order of arrival.

    Raises
    ------
    ParameterError
        If the server cannot be reached, an address, a channel id or ``idle_s`` is
        not valid, or the extra ``live`` is not installed.
    DataError
        If the server reports an error.
    """
    for item in _received(
        server, channel_ids, start_ns, end_ns, idle_s, state_file, protocol
    ):
        if isinstance(item, Skipped):
            logger.warning("%s: %s", item.what, item.reason)
        else:
            yield item


class ReadSeedLink(ProducerPE):
    """Receive live packets by SeedLink: `receive_packets` as a source.

    Ports
    -----
    output : obspy.Trace
        The samples of one packet, in the order of arrival.
    skipped : Skipped
        Damaged packets, stations that the server refuses or does not have, and lost
        connections.

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
        File that keeps the numbers of the last packets, so that the next run continues
        after them.
    protocol : int, optional
        Version of the protocol, 3 or 4; by default the newest that the server offers.
    """

    def __init__(
        self,
        server: str,
        channel_ids: Sequence[str],
        start_ns: int | None = None,
        end_ns: int | None = None,
        idle_s: float = 600.0,
        state_file: str | None = None,
        protocol: int | None = None,
    ) -> None:
        super().__init__()
        self._add_output(self.OUTPUT_NAME, tuple_type=Trace)
        self._add_output("skipped", tuple_type=Skipped)
        self.server, self.channel_ids = server, tuple(channel_ids)
        self.parameters: dict[str, Any] = {
            "start_ns": start_ns,
            "end_ns": end_ns,
            "idle_s": idle_s,
            "state_file": state_file,
            "protocol": protocol,
        }

    def process(self, inputs: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield packets until the stream ends."""
        for item in _received(self.server, self.channel_ids, **self.parameters):
            port = "skipped" if isinstance(item, Skipped) else self.OUTPUT_NAME
            yield {port: item}


def _received(
    server: str,
    channel_ids: Sequence[str],
    start_ns: int | None,
    end_ns: int | None,
    idle_s: float,
    state_file: str | Path | None,
    protocol: int | None,
) -> Iterator[Trace | Skipped]:
    if not (0 < idle_s < math.inf and channel_ids):
        raise ParameterError(
            f"seedlink {server}: idle_s must be positive ({idle_s}), and at least one "
            f"channel is needed ({len(channel_ids)} given)"
        )
    path = None if state_file is None else Path(state_file)
    positions = Positions() if path is None else Positions.read(path)
    receiver = Receiver(
        server_at(server, idle_s, protocol),
        selectors_by_station(channel_ids),
        lambda n: continue_from(positions, start_ns, n),
        end_ns,
        positions,
        is_endless=False,
    )
    written_s = time.monotonic()
    receiver.start()
    try:
        while arrivals := _next_arrivals(receiver, idle_s):
            for packet in arrivals:
                if not isinstance(packet, Packet):
                    yield Skipped("live", packet.what, packet.reason)
                    continue
                item = note_and_decode(packet, positions)
                if item is not None:
                    yield item
                if path is not None and time.monotonic() - written_s > WRITE_S:
                    positions.write(path)
                    written_s = time.monotonic()
    finally:
        receiver.stop()
        if path is not None:
            positions.write(path)


def _next_arrivals(receiver: Receiver, idle_s: float) -> list[Packet | Report]:
    """Wait for packets; return none at the end of the stream."""
    while True:
        was_over = receiver.is_over
        if arrivals := receiver.arrivals(AT_ONCE):
            return arrivals
        if was_over or time.monotonic() - receiver.last_packet_s > idle_s:
            return []
        time.sleep(LOOK_S)


def note_and_decode(packet: Packet, positions: Positions) -> Trace | Skipped | None:
    """Decode a packet, and note its number; None for a packet without samples.

    Parameters
    ----------
    packet : Packet
    positions : Positions
        They are changed.
    """
    try:
        trace = decode(packet.record)
    except DataError as error:
        return Skipped("live", packet.station, str(error))
    if trace is not None:
        start_ns, end_ns = times_of(trace)
        positions.begin(packet.started)
        if packet.sequence is not None and end_ns < time.time_ns() + OVERLAP_NS:
            positions.note(packet.key, packet.sequence, start_ns, end_ns)
    return trace


def continue_from(
    positions: Positions, start_ns: int | None, n_fruitless: int
) -> int | None:
    """Return the time from which data are needed, None for those from now on.

    Parameters
    ----------
    positions : Positions
    start_ns : int, optional
        No earlier data are wanted.
    n_fruitless : int
        Connections in a row that ended before anything new: then less is sent again.
    """
    if positions.newest_ns is None:
        return start_ns
    since_ns = positions.newest_ns - (OVERLAP_NS >> n_fruitless)
    return since_ns if start_ns is None else max(since_ns, start_ns)
