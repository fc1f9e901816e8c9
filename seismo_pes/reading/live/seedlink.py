"""Live channels of a SeedLink server, in order."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from dispel4py.errors import ParameterError
from seismo_pes.items.skipped import Skipped
from seismo_pes.reading.live.checkpoint import read_checkpoint
from seismo_pes.reading.live.clock import SteadyClock
from seismo_pes.reading.live.ordering import STAGE
from seismo_pes.reading.live.record import Record
from seismo_pes.reading.live.source import LiveSource
from seismo_pes.reading.seedlink.element import continue_from, note_and_decode
from seismo_pes.reading.seedlink.negotiation import selectors_by_station, server_at
from seismo_pes.reading.seedlink.receiver import Packet, Receiver
from seismo_pes.reading.seedlink.resume import Positions

__all__ = ["LiveSeedLink"]

POSITIONS = "seedlink.json"
# Seconds between two writings of the positions.
WRITE_S = 10.0
# Most packets of one call: then other elements of the process have their turn.
AT_ONCE = 200


class LiveSeedLink(LiveSource):
    """Receive the channels of a SeedLink server, in order and without end.

    The connection is kept, and made again after any error. With a folder for its state,
    a new run continues where the results on disk end, see `write_checkpoint`.

    Ports
    -----
    output : LivePiece
        New samples, in order for each channel; and for each channel its state, every
        ``tick_s``.
    skipped : Skipped
        Records that were late, damaged or refused, stations that the server refuses or
        does not have, and lost connections.
    health : ChannelHealth
        Latency, gaps and level of each channel, see `LiveSource`.

    Parameters
    ----------
    server : str
        ``seedlink://host[:port]``.
    channel_ids : sequence of str
        ``NET.STA.LOC.CHA``; the wildcard ``?`` is allowed in location and channel.
    state : str, optional
        Folder that keeps how far the data have come.
    start_ns, end_ns : int, optional
        Only data of this time, nanoseconds since 1970; by default from now on, without
        end. A checkpoint in ``state`` is stronger than ``start_ns``.
    silence_s : float
        Connect again if no packet of any channel has arrived for this time, seconds.
    protocol : int, optional
        Version of the protocol, 3 or 4; by default the newest that the server offers.
    hold_s, idle_s, tick_s : float
        See `LiveSource`.

    Raises
    ------
    ParameterError
        If ``silence_s`` is not positive.
    """

    def __init__(
        self,
        server: str,
        channel_ids: Sequence[str],
        state: str | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
        silence_s: float = 300.0,
        protocol: int | None = None,
        hold_s: float = 150.0,
        idle_s: float = 300.0,
        tick_s: float = 1.0,
    ) -> None:
        super().__init__(
            channel_ids, start_ns, end_ns, hold_s, idle_s, tick_s, state=state
        )
        if not silence_s > 0:
            raise ParameterError(f"silence_s must be positive, not {silence_s}")
        self.server = server_at(server, silence_s, protocol)
        self.selectors = selectors_by_station(channel_ids)
        self._receiver: Receiver | None = None

    def _begin(self) -> None:
        self._clock = SteadyClock()
        self._positions = Positions()
        if self.checkpoint_ns is not None:
            # what was received after the checkpoint is to come again
            self._positions = replace(Positions.read(self._path), newest_ns=None)
        last = self._positions.before(self.checkpoint_ns or 0)
        self._receiver = Receiver(
            self.server,
            self.selectors,
            self._since_ns,
            self.end_ns,
            replace(self._positions, last=last),
        )
        self._receiver.start()
        self._written_s = time.monotonic()
        super()._begin()

    @property
    def _path(self) -> Path:
        return Path(self.state or "") / POSITIONS

    def _since_ns(self, n_fruitless: int) -> int | None:
        """Return the time from which a connection is to continue."""
        return continue_from(self._positions, self.start_ns, n_fruitless)

    def _now_ns(self) -> int:
        return self._clock.now_ns()

    def _arrivals(self) -> Iterator[Record | Skipped]:
        assert self._receiver is not None
        was_over = self._receiver.is_over
        arrivals = self._receiver.arrivals(AT_ONCE)
        self._is_busy = len(arrivals) == AT_ONCE
        for arrival in arrivals:
            if not isinstance(arrival, Packet):
                yield Skipped(STAGE, arrival.what, arrival.reason)
                continue
            item = note_and_decode(arrival, self._positions)
            if isinstance(item, Skipped):
                yield item
            elif item is not None:
                arrived_ns = self._clock.time_of(arrival.arrived_s)
                yield Record(item, arrived_ns, arrival.arrived_s)
        self._is_over = not arrivals and (was_over or self._has_ended())
        if self.state is not None and time.monotonic() - self._written_s > WRITE_S:
            self._write_positions()

    def _wait_s(self) -> float:
        return 0.0 if self._is_busy else self.poll_s

    def _write_positions(self) -> None:
        """Write the positions; forget those before the checkpoint."""
        Path(self.state or "").mkdir(parents=True, exist_ok=True)
        needed_ns = read_checkpoint(self.state or "")
        if needed_ns is not None:
            self._positions.forget_before(needed_ns)
        self._positions.write(self._path)
        self._written_s = time.monotonic()

    def teardown(self) -> None:
        """Close the connection."""
        if self._receiver is not None:
            self._receiver.stop()
            if self.state is not None:
                self._write_positions()
