"""Live data: the pieces of channels, gathered into periods."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

from obspy import Trace

from dispel4py.core import GenericPE
from dispel4py.errors import ParameterError
from seismo_pes.gathering.closing import Closing
from seismo_pes.gathering.components import LATE
from seismo_pes.items.intervals import Interval
from seismo_pes.items.skipped import Skipped
from seismo_pes.items.times import NS, nanoseconds
from seismo_pes.items.waveforms import ChannelSpan, Waveforms, cut

__all__ = ["GatherPeriods"]

Key = tuple[str, int]  # channel, period


class GatherPeriods(GenericPE):
    """Gather the pieces of each channel, in any order, into periods.

    Ports
    -----
    input : obspy.Trace
        A piece, such as a packet of a live server; all pieces of a channel go to one
        instance.
    output : Waveforms
        One channel over one period, when its pieces cover the period or the longest
        wait is over. Incomplete periods are emitted at the end of the data. The pieces
        are not merged.
    skipped : Skipped
        Pieces that arrive after their period was emitted.

    Parameters
    ----------
    length_s : float
        Length of a period in seconds: a day by default.
    overlap_s : float
        Time after the end of a period that also belongs to it, because its last window
        ends there: the length of the windows minus their step, seconds.
    origin_ns : int
        Periods are counted from here, nanoseconds since 1970; earlier samples belong to
        no period.
    max_wait_s : float, optional
        A period with gaps is emitted when a channel has data this long after its end;
        seconds of data time. By default it waits to the end of the data.

    Raises
    ------
    ParameterError
        If the period is not positive or the overlap negative.
    """

    derives = "matching"

    def __init__(
        self,
        length_s: float = 86_400.0,
        overlap_s: float = 0.0,
        origin_ns: int = 0,
        max_wait_s: float | None = None,
    ) -> None:
        super().__init__()
        if not (length_s > 0 and overlap_s >= 0):
            raise ParameterError(
                f"length_s must be positive, not {length_s}, and overlap_s at least 0, "
                f"not {overlap_s}"
            )
        self.length_ns, self.overlap_ns = nanoseconds(length_s), nanoseconds(overlap_s)
        self.origin_ns, self.max_wait_s = origin_ns, max_wait_s
        self._closing = Closing[Key](nanoseconds(max_wait_s))
        self._pieces: dict[Key, list[Trace]] = {}
        self._add_input("input", grouping=_instance, tuple_type=Trace)
        self._add_output("output", tuple_type=Waveforms)
        self._add_output("skipped", tuple_type=Skipped)

    def derivation_key(self, port: str, item: Any) -> list[str] | None:
        """Return channel and period of a sent item; of a piece, those it reaches into.

        Parameters
        ----------
        port : str
            Input or output.
        item : object
            The item.
        """
        if isinstance(item, Waveforms):
            span = item.spans[0]
            return [f"{span.channel_id} in {span.period}"]
        if isinstance(item, Trace) and item.stats.npts:
            return [f"{item.id} in {period}" for period in self._periods_of(item)]
        return None

    def process(self, inputs: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Take one piece; emit the periods that are complete with it."""
        trace: Trace = inputs["input"]
        if trace.stats.npts:
            yield from self._take(trace)
        for key in self._closing.ready():
            yield {"output": self._gathered(key)}

    def postprocess(self) -> None:
        """Emit the incomplete periods at the end of the data."""
        for key in self._closing.close_all():
            self.write("output", self._gathered(key))

    def _take(self, trace: Trace) -> Iterator[dict[str, Any]]:
        start_ns, end_ns = _extent(trace)
        # pieces less than half a sample apart count as continuous
        half_ns = round(NS / trace.stats.sampling_rate / 2)
        for period in self._periods_of(trace):
            key = trace.id, period
            begin_ns, stop_ns = self._limits(period)
            # `cut` takes samples up to half an interval before the period; a sample
            # that rounding moved to slightly before the end belongs to the next period
            if begin_ns > end_ns - half_ns or start_ns >= stop_ns - half_ns // 500:
                continue
            if self._closing.open(key, begin_ns, stop_ns, [trace.id]):
                self._pieces.setdefault(key, []).append(trace)
            else:
                yield {"skipped": Skipped("gather", trace.id, LATE)}
        self._closing.add(trace.id, start_ns - half_ns, end_ns + half_ns)

    def _periods_of(self, trace: Trace) -> range:
        """Return the periods that a piece may reach into."""
        start_ns, end_ns = _extent(trace)
        first = (start_ns - self.origin_ns - self.overlap_ns) // self.length_ns
        last = (end_ns - 1 - self.origin_ns) // self.length_ns
        return range(max(0, first), last + 1)

    def _limits(self, period: int) -> tuple[int, int]:
        start_ns = self.origin_ns + period * self.length_ns
        return start_ns, start_ns + self.length_ns + self.overlap_ns

    def _gathered(self, key: Key) -> Waveforms:
        channel_id, period = key
        start_ns, end_ns = self._limits(period)
        pieces = (cut(trace, start_ns, end_ns) for trace in self._pieces.pop(key))
        span = ChannelSpan(channel_id, start_ns, end_ns, (), period)
        return Waveforms.of(span, [piece for piece in pieces if piece is not None])


def _extent(trace: Trace) -> Interval:
    """Return the first sample, and the end of the last sample, in nanoseconds."""
    start_ns = trace.stats.starttime.ns
    length_ns = round(trace.stats.npts * NS / trace.stats.sampling_rate)
    return start_ns, start_ns + length_ns


def _instance(trace: Trace, n: int) -> int:
    """Send all pieces of a channel to one instance."""
    return zlib.crc32(trace.id.encode()) % n
