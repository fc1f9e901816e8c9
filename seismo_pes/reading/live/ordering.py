"""The records of a channel put in order: late, missing, doubled and wrong ones.

The rules, for each channel:

- A record that begins at the end of the contiguous data, to half a sample, extends
  them. The end of the contiguous data is the watermark of the channel.
- A record beyond the end is held. When no record has extended the data for `hold_ns`,
  the missing samples are given up, and the data continue at the held record.
- A record of which the same samples are there already is dropped. If samples of the
  same time differ, the first ones stay. Both are counted.
- Samples of a gap that was given up are late: they are listed, and not used.
- A record that ends in the future is refused.
"""

from __future__ import annotations

import heapq
from collections import Counter, OrderedDict, deque
from dataclasses import dataclass

from seismo_pes.items.intervals import Interval
from seismo_pes.items.skipped import Skipped
from seismo_pes.items.times import NS, nanoseconds
from seismo_pes.reading.live.record import Record

__all__ = ["LATE", "ChannelOrder", "Rules"]

#: Reason of samples that arrived after the wait for them had ended.
LATE = "late: the data had continued without these samples"
FUTURE = "refused: its time is in the future"
DIFFERENT = "dropped: other samples of the same time had arrived before"
STAGE = "live"

# A record may end this long after the time of the clock: clocks differ by seconds.
FUTURE_NS = 60 * NS
# Most records that wait beyond a gap, of one channel: 5 h of records of 20 s.
MOST_HELD = 1000
# Records that are remembered to find doubled ones: those of a day, of 20 s each.
MOST_KNOWN = 4320
# Records whose samples are remembered, to compare those that overlap with them.
MOST_RECENT = 32
# Before all data; live data that begin with any record have this time as a gap.
BEGINNING_NS = -(2**63)
# Gaps that are remembered to find late samples.
MOST_GAPS = 1000


@dataclass(frozen=True)
class Rules:
    """The times of the rules.

    Attributes
    ----------
    hold_s : float
        How long records beyond a gap wait for the missing ones, seconds.
    idle_s : float
        A channel without a record for this time is idle, seconds.
    """

    hold_s: float = 150.0
    idle_s: float = 300.0


class ChannelOrder:
    """The records of one channel, put in order.

    Parameters
    ----------
    channel_id : str
        ``NET.STA.LOC.CHA``.
    rules : Rules
    clock_ns : int
        Time of the clock now; the channel is idle if no record arrives for a long time.
    start_ns : int, optional
        Earlier samples are not wanted. None: the first record begins the data.

    Attributes
    ----------
    watermark_ns : int or None
        End of the contiguous data.
    arrived_ns : int or None
        When the last record arrived, also one that waits; None before the first.
    heard_ns : int
        The same; at first, the time of the beginning.
    counts : collections.Counter
        Records by what became of them: ``used``, ``doubled``, ``different``, ``late``,
        ``future``, ``early``; ``gaps`` and ``gap_ns``.
    """

    def __init__(
        self,
        channel_id: str,
        rules: Rules,
        clock_ns: int,
        start_ns: int | None = None,
    ) -> None:
        self.channel_id, self.start_ns = channel_id, start_ns
        self.watermark_ns: int | None = start_ns
        self.arrived_ns: int | None = None
        self.counts: Counter[str] = Counter()
        self._hold_ns = nanoseconds(rules.hold_s)
        self._idle_ns = nanoseconds(rules.idle_s)
        self._held: list[tuple[int, int, Record]] = []  # a heap, by start
        self._n_held = 0
        self._extended_ns = self.heard_ns = clock_ns
        self._known: OrderedDict[tuple[int, int, int], None] = OrderedDict()
        self._recent: deque[Record] = deque(maxlen=MOST_RECENT)
        self._gaps: list[Interval] = []

    def is_idle(self, clock_ns: int) -> bool:
        """Return whether no record has arrived for a long time."""
        return clock_ns - self.heard_ns >= self._idle_ns

    def has_reached(self, time_ns: int) -> bool:
        """Return whether the data reach a time, to one sample.

        Parameters
        ----------
        time_ns : int
        """
        if self.watermark_ns is None or not self._recent:
            return False
        return self.watermark_ns + 2 * self._recent[-1].half_ns > time_ns

    def gaps_after(self, time_ns: int) -> list[Interval]:
        """Return the gaps that were given up and begin after a time, in order.

        Parameters
        ----------
        time_ns : int
        """
        return [gap for gap in self._gaps if gap[0] > time_ns]

    def take(self, record: Record) -> tuple[list[Record], list[Skipped]]:
        """Take a record; return the records that continue the data, and what is left.

        Parameters
        ----------
        record : Record
        """
        if record.end_ns > record.arrived_ns + FUTURE_NS:
            return [], [self._skip("future", FUTURE, record)]
        self.arrived_ns = self.heard_ns = max(self.heard_ns, record.arrived_ns)
        key = record.start_ns, len(record.trace.data), record.checksum()
        if key in self._known:
            self._known.move_to_end(key)
            self.counts["doubled"] += 1
            return [], []
        self._known[key] = None
        if len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)
        used, skipped = self._place(record)
        if used:
            self._drain(used, skipped)
        while len(self._held) > MOST_HELD:
            self._pass_gap(used, skipped)
        return used, skipped

    def advance(self, clock_ns: int) -> tuple[list[Record], list[Skipped]]:
        """Give up gaps for which the wait is over; return as `take` does.

        Parameters
        ----------
        clock_ns : int
            Time of the clock now.
        """
        used: list[Record] = []
        skipped: list[Skipped] = []
        while self._held:
            first_ns = min(record.arrived_ns for _, _, record in self._held)
            if clock_ns - max(self._extended_ns, first_ns) < self._hold_ns:
                break
            self._pass_gap(used, skipped)
        return used, skipped

    def finish(self) -> tuple[list[Record], list[Skipped]]:
        """Give up all gaps, at the end of the data; return as `take` does."""
        used: list[Record] = []
        skipped: list[Skipped] = []
        while self._held:
            self._pass_gap(used, skipped)
        return used, skipped

    def _place(self, record: Record) -> tuple[list[Record], list[Skipped]]:
        """Use, hold or drop a record; return the used part and what is left."""
        if self.watermark_ns is None:
            self.watermark_ns = record.start_ns
            self._gaps.append((BEGINNING_NS, record.start_ns))
        skipped: list[Skipped] = []
        n_past = record.index_at(self.watermark_ns)
        if n_past:
            past = record.part(0, n_past)
            skipped += self._look_at_past(past)
            if n_past == len(record.trace.data):
                return [], skipped
            record = record.part(n_past, len(record.trace.data))
        if not self._continues(record, self.watermark_ns):
            self._n_held += 1
            heapq.heappush(self._held, (record.start_ns, self._n_held, record))
            return [], skipped
        self._use(record)
        return [record], skipped

    def _continues(self, record: Record, watermark_ns: int) -> bool:
        """Return whether no sample is missing between the watermark and a record."""
        least_ns = record.half_ns if self._recent else 2 * record.half_ns
        return record.start_ns - watermark_ns < least_ns

    def _use(self, record: Record) -> None:
        self.watermark_ns = record.end_ns
        self._extended_ns = max(self._extended_ns, record.arrived_ns)
        self._recent.append(record)
        self.counts["used"] += 1

    def _drain(self, used: list[Record], skipped: list[Skipped]) -> None:
        """Use the held records up to the next gap."""
        while self._held and self.watermark_ns is not None:
            _, _, first = self._held[0]
            if not self._continues(first, self.watermark_ns):
                break
            heapq.heappop(self._held)
            more, left = self._place(first)
            used += more
            skipped += left

    def _pass_gap(self, used: list[Record], skipped: list[Skipped]) -> None:
        """Give up the samples before the first held record, and continue there."""
        start_ns = self._held[0][0]
        if self.watermark_ns is not None:
            self._gaps.append((self.watermark_ns, start_ns))
            if len(self._gaps) > MOST_GAPS:  # the first two become one
                self._gaps[:2] = [(self._gaps[0][0], self._gaps[1][1])]
            self.counts["gaps"] += 1
            self.counts["gap_ns"] += start_ns - self.watermark_ns
        self.watermark_ns = start_ns
        self._drain(used, skipped)

    def _look_at_past(self, past: Record) -> list[Skipped]:
        """Count samples before the watermark; list those that are late."""
        if self.start_ns is not None and past.end_ns <= self.start_ns + past.half_ns:
            self.counts["early"] += 1
            return []
        late = self._late_parts(past)
        if late:
            return [self._skip("late", LATE, part) for part in late]
        if any(_overlap(past, r) and past.differs(r) for r in self._recent):
            return [self._skip("different", DIFFERENT, past)]
        self.counts["doubled"] += 1
        return []

    def _late_parts(self, past: Record) -> list[Record]:
        """Return the parts of a record in gaps that were given up."""
        parts = []
        for start_ns, end_ns in self._gaps:
            first, stop = past.index_at(start_ns), past.index_at(end_ns)
            if first < stop:
                parts.append(past.part(first, stop))
        return parts

    def _skip(self, kind: str, reason: str, record: Record) -> Skipped:
        self.counts[kind] += 1
        n, start_ns = len(record.trace.data), record.start_ns
        return Skipped(STAGE, self.channel_id, reason, n, start_ns, record.end_ns)


def _overlap(first: Record, second: Record) -> bool:
    """Return whether two records have a sample at the same time, to half a sample."""
    half_ns = first.half_ns
    return (
        first.start_ns + half_ns < second.end_ns
        and second.start_ns + half_ns < first.end_ns
    )
