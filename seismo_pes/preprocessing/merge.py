"""The element that joins the traces of a channel, by the rules of `segments`."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from typing import Any

from obspy import Stream, Trace, UTCDateTime

from dispel4py.core import GenericPE
from seismo_pes.items.losses import samples_lost
from seismo_pes.items.skipped import Skipped
from seismo_pes.items.times import NS
from seismo_pes.items.waveforms import ChannelTraces, Waveforms
from seismo_pes.preprocessing.joining import SAME_TIME
from seismo_pes.preprocessing.segments import Segment, merge_segments, sort_by_rate
from seismo_pes.preprocessing.several_rates import merge_all_rates
from seismo_pes.signal.gaps import flat_runs
from seismo_pes.signal.rates import exact_rate

__all__ = ["Merge"]


class Merge(GenericPE):
    """Join traces into gapless pieces on one absolute sample grid.

    The elements that follow need merged traces.

    Ports
    -----
    input, output : Waveforms
        The output's traces start on the grid, or at their exact fraction of a sample
        (0 below a hundredth) from it.
    skipped : Skipped
        Overlaps in conflict, other sampling rates, rates that are not true.

    Parameters
    ----------
    origin_ns : int
        Time of sample 0 of the grid, nanoseconds since 1970.
    flat_s : float
        Shortest run of equal samples that `ChannelTraces.flat` lists, seconds.
    all_rates : bool
        Keep the traces of all sampling rates of a channel, for elements that resample
        them to one rate. By default only the rate with the most samples is kept.
    """

    def __init__(self, origin_ns: int, flat_s: float, all_rates: bool = False) -> None:
        super().__init__()
        self.all_rates = all_rates
        self.origin_ns, self.flat_s = origin_ns, flat_s
        self._add_input("input", tuple_type=Waveforms)
        self._add_output("output", tuple_type=Waveforms)
        self._add_output("skipped", tuple_type=Skipped)

    def process(self, inputs: dict[str, Any]) -> Any:
        """Merge one span."""
        item: Waveforms = inputs["input"]
        segments, skipped = self._segments(item.stream)
        span = item.spans[0]
        for report in skipped:
            yield {"skipped": report.within(span.start_ns, span.end_ns)}
        headers = {trace.id: trace.stats for trace in item.stream}
        merged = item.with_stream(
            self._trace(segment, headers[segment.channel_id]) for segment in segments
        )
        channels = zip(item.channels, merged.channels, strict=True)
        described = (self._described(channel, before) for before, channel in channels)
        yield {"output": Waveforms(tuple(described))}

    def _segments(self, stream: Stream) -> tuple[list[Segment], list[Skipped]]:
        if self.all_rates:
            return merge_all_rates(stream, self.origin_ns)
        return merge_segments(stream, self.origin_ns)

    def _described(
        self, channel: ChannelTraces, before: ChannelTraces
    ) -> ChannelTraces:
        """Add the flat intervals, the sampling rate of the record and the losses."""
        flat = [run for trace in channel.traces for run in self._flat(trace)]
        rates_hz = [float(trace.stats.sampling_rate) for trace in channel.traces]
        misfits = list(before.traces)
        for rate_hz in dict.fromkeys(rates_hz):
            misfits = sort_by_rate(misfits, rate_hz)[1]
        return replace(
            channel,
            flat=tuple(flat),
            recorded_hz=min(rates_hz, default=None),
            losses=(*channel.losses, *samples_lost(misfits, (), "rate")),
        )

    def _trace(self, segment: Segment, header: Any) -> Trace:
        trace = Trace(header=header.copy())
        trace.data = segment.data
        trace.stats.sampling_rate = segment.rate_hz
        trace.stats.pop("header_rate_hz", None)  # it has the nominal rate now
        start_ns = self._time(segment.rate_hz, segment.first_sample)
        start_ns += round(segment.offset_s * NS)
        trace.stats.starttime = UTCDateTime(ns=start_ns)
        return trace

    def _flat(self, trace: Trace) -> list[tuple[int, int]]:
        """Return the intervals of equal samples, nanoseconds since 1970.

        They begin and end at samples of the grid, as windows do.
        """
        rate_hz, start_ns = trace.stats.sampling_rate, trace.stats.starttime.ns
        shortest = max(2, int(self.flat_s * rate_hz))
        position = Fraction(start_ns - self.origin_ns, NS) * exact_rate(rate_hz)
        first, after = math.floor(position + SAME_TIME), math.ceil(position - SAME_TIME)
        return [
            (self._time(rate_hz, first + start), self._time(rate_hz, after + stop))
            for start, stop in flat_runs(trace.data, shortest).tolist()
        ]

    def _time(self, rate_hz: float, sample: int) -> int:
        return self.origin_ns + round(sample * NS / exact_rate(rate_hz))
