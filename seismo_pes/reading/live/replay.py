"""The data of an archive, replayed as if they arrived now, at any speed."""

from __future__ import annotations

import math
import random
import time
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any

from obspy import Trace

from dispel4py.errors import ParameterError
from seismo_pes.items.intervals import Interval
from seismo_pes.items.skipped import FAILED_READ, Skipped
from seismo_pes.items.times import DAY_NS, NS, nanoseconds
from seismo_pes.items.waveforms import ChannelSpan, cut
from seismo_pes.metadata.stations import StationPattern, split_id
from seismo_pes.reading.archives.archive import Archive
from seismo_pes.reading.archives.opening import open_archive
from seismo_pes.reading.live.record import Record
from seismo_pes.reading.live.source import LiveSource
from seismo_pes.reading.spans import NO_DATA, read_span
from seismo_pes.regular_file import ReadFailed

__all__ = ["Replay"]

# The archive is read in pieces of this length, so that little of it is in memory.
READ_NS = 3600 * NS
# In a replay no states are sent when all channels have been idle for this time.
QUIET_NS = DAY_NS
# Most records of one call: then other elements of the process have their turn.
MOST_RECORDS = 200

Event = tuple[int, Record | Skipped]


class Replay(LiveSource):
    """Replay the data of an archive as live data, at any speed.

    The clock is that of the replayed time, and the same at every speed: a record
    arrives when its last sample has passed, or after a delay. So the results do not
    depend on the speed of the computer.

    Ports
    -----
    output : LivePiece
        New samples, in order for each channel; and for each channel its state, every
        ``tick_s`` of the replayed time.
    skipped : Skipped
        Records that were late, and files that could not be read.
    health : ChannelHealth
        Latency, gaps and level of each channel, see `LiveSource`.

    Parameters
    ----------
    archive : str
        The name of an archive, see `open_archive`.
    channel_ids : sequence of str
        ``NET.STA.LOC.CHA``; wildcards are allowed.
    speed : float
        Seconds of data in a second. ``inf``: as fast as possible.
    start_ns, end_ns : int, optional
        The time to replay, nanoseconds since 1970; by default all data.
    record_s : float
        Length of a record, seconds.
    delay_s : float
        Each record arrives later by a random time of up to ``delay_s`` seconds, so
        that records arrive out of order.
    seed : int
        Seed of the random times.
    hold_s, idle_s, tick_s : float
        See `LiveSource`; seconds of replayed time.
    state : str, optional
        Folder of the checkpoint, see `LiveSource`.

    Raises
    ------
    ParameterError
        If the archive has none of the channels, or a number is out of range.
    """

    def __init__(
        self,
        archive: str,
        channel_ids: Sequence[str],
        speed: float = 1.0,
        start_ns: int | None = None,
        end_ns: int | None = None,
        record_s: float = 20.0,
        delay_s: float = 0.0,
        seed: int = 0,
        hold_s: float = 150.0,
        idle_s: float = 300.0,
        tick_s: float = 60.0,
        state: str | None = None,
    ) -> None:
        super().__init__(
            channel_ids, start_ns, end_ns, hold_s, idle_s, tick_s, state=state
        )
        if not (speed > 0 and record_s > 0 and 0 <= delay_s < math.inf):
            raise ParameterError(
                f"speed and record_s must be positive, not {speed} and {record_s}, and "
                f"delay_s at least 0, not {delay_s}"
            )
        self.archive, self.speed = archive, speed
        self.record_s, self.delay_s, self.seed = record_s, delay_s, seed
        self._events: Iterator[Event] = iter(())
        self._next_event: Event | None = None
        self._clock_ns = 0
        self._began_s = 0.0

    def _begin(self) -> None:
        archive = open_archive(self.archive)
        patterns = [StationPattern(*split_id(name)) for name in self.channel_ids]
        found = archive.channels(patterns, self.start_ns, self.end_ns)
        for item in archive.skipped:
            if item.stage == FAILED_READ:  # it may have one of the channels
                raise ReadFailed(f"{item.what}: {item.reason}")
        if not found:
            raise ParameterError(
                f"{self.archive}: no data of {', '.join(self.channel_ids)}"
            )
        self.channel_ids = tuple(found)
        if self.start_ns is None:
            self.start_ns = min(channel.start_ns for channel in found.values())
        if self.end_ns is None:
            self.end_ns = max(channel.end_ns for channel in found.values())
        reading = _Reading(
            *(archive, self.channel_ids, self.start_ns, self.end_ns),
            *(self.record_s, self.delay_s, self.seed),
        )
        self._events = reading.events()
        self._next_event = next(self._events, None)
        self._clock_ns = self.start_ns
        self._began_s = time.monotonic()
        super()._begin()

    def _now_ns(self) -> int:
        return self._clock_ns

    def _due_ns(self) -> float:
        """Return the time up to which the replay has come by now."""
        assert self.start_ns is not None
        if math.isinf(self.speed):
            return math.inf
        elapsed_s = time.monotonic() - self._began_s
        return self.start_ns + elapsed_s * self.speed * NS

    def _arrivals(self) -> Iterator[Record | Skipped]:
        due_ns = self._due_ns()
        for _ in range(MOST_RECORDS):
            if self._next_event is None or self._next_event[0] > due_ns:
                break
            self._clock_ns = max(self._clock_ns, self._next_event[0])
            arrival = self._next_event[1]
            if isinstance(arrival, Record):
                arrival = replace(arrival, arrived_s=time.monotonic())
            yield arrival
            self._next_event = next(self._events, None)
        if self._next_event is None:
            self._is_over = True
        elif self._next_event[0] > due_ns:
            self._clock_ns = max(self._clock_ns, int(due_ns))

    def _tick(self, clock_ns: int) -> Iterator[dict[str, Any]]:
        """Send the states; none in a long gap of all channels, where none changes."""
        assert self._next_tick_ns is not None
        last_ns = self._next_tick_ns - QUIET_NS
        if all(order.is_idle(last_ns) for order in self._orders.values()):
            tick_ns = nanoseconds(self.tick_s)
            n_past = max(0, -((self._next_tick_ns - clock_ns) // tick_ns))
            self._next_tick_ns += n_past * tick_ns
        yield from super()._tick(clock_ns)

    def _wait_s(self) -> float:
        if self._next_event is None:
            return 0.0
        left_ns = self._next_event[0] - self._due_ns()
        return min(self.poll_s, max(0.0, left_ns / NS / self.speed))


@dataclass(frozen=True)
class _Reading:
    """What is read, and the form in which it arrives."""

    archive: Archive
    channel_ids: Sequence[str]
    start_ns: int
    end_ns: int
    record_s: float
    delay_s: float
    seed: int

    def events(self) -> Iterator[Event]:
        """Yield the records in the order of their arrival."""
        delays = random.Random(self.seed)
        waiting: list[Event] = []
        for start_ns, end_ns in _hours(self.start_ns, self.end_ns):
            for span in self.archive.spans(self.channel_ids, [(start_ns, end_ns)]):
                stream, skipped = read_span(span)
                for item in skipped:
                    if item.stage == FAILED_READ:  # its data may be added later
                        item = item.within(start_ns, end_ns)
                    if item.reason != NO_DATA:
                        waiting.append((start_ns, item))
                for trace in stream:
                    for record in self._records(trace, span):
                        delay_ns = nanoseconds(delays.uniform(0.0, self.delay_s))
                        at_ns = record.end_ns + delay_ns
                        waiting.append((at_ns, replace(record, arrived_ns=at_ns)))
            waiting.sort(key=itemgetter(0))
            # the records of the next hour end after this hour
            n = bisect_right(waiting, end_ns, key=itemgetter(0))
            yield from waiting[:n]
            del waiting[:n]
        yield from waiting

    def _records(self, trace: Trace, span: ChannelSpan) -> Iterator[Record]:
        part = cut(trace, span.start_ns, span.end_ns)
        if part is None:
            return
        whole = Record(part, 0, 0.0)
        n_all = len(part.data)
        n = max(1, round(self.record_s * whole.rate_hz))
        for first in range(0, n_all, n):
            yield whole.part(first, min(first + n, n_all))


def _hours(start_ns: int, end_ns: int) -> Iterator[Interval]:
    """Yield the pieces of time in which the archive is read."""
    while start_ns < end_ns:
        next_ns = min(end_ns, (start_ns // READ_NS + 1) * READ_NS)
        yield start_ns, next_ns
        start_ns = next_ns
