"""Join the traces of a channel: the PE over `segments`."""

from __future__ import annotations

from typing import Any

from obspy import Stream, Trace, UTCDateTime

from dispel4py.core import GenericPE
from seismo_pes.items.skipped import Skipped
from seismo_pes.items.times import NS
from seismo_pes.items.waveforms import Waveforms
from seismo_pes.preprocessing.segments import Segment, merge_segments
from seismo_pes.signal.gaps import flat_runs
from seismo_pes.signal.rates import exact_rate

__all__ = ["Merge"]


class Merge(GenericPE):
    """Join traces into gapless pieces on one absolute sample grid.

    Ports
    -----
    input, output : Waveforms
        The output's traces start on the grid (nearest sample).
    skipped : Skipped
        Overlaps in conflict, other sampling rates, starts between samples.

    Parameters
    ----------
    origin_ns : int
        Time of sample 0 of the grid, nanoseconds since 1970.
    flat_s : float
        Runs of equal samples at least so long are noted in `Waveforms.flat`.
    """

    def __init__(self, origin_ns: int, flat_s: float) -> None:
        super().__init__()
        self.origin_ns, self.flat_s = origin_ns, flat_s
        self._add_input("input", tuple_type=Waveforms)
        self._add_output("output", tuple_type=Waveforms)
        self._add_output("skipped", tuple_type=Skipped)

    def process(self, inputs: dict[str, Any]) -> Any:
        """Merge one span."""
        item: Waveforms = inputs["input"]
        segments, skipped = merge_segments(item.stream, self.origin_ns)
        yield from ({"skipped": one} for one in skipped)
        headers = {trace.id: trace.stats for trace in item.stream}
        stream = Stream()
        flat: list[tuple[int, int]] = []
        for segment in segments:
            stream.append(self._trace(segment, headers[segment.channel_id]))
            flat += self._flat(segment)
        yield {"output": Waveforms(item.span, stream, tuple(flat))}

    def _trace(self, segment: Segment, header: Any) -> Trace:
        trace = Trace(header=header.copy())
        trace.data = segment.data
        trace.stats.sampling_rate = segment.rate_hz
        trace.stats.starttime = UTCDateTime(ns=self._time(segment, 0))
        return trace

    def _time(self, segment: Segment, sample: int) -> int:
        rate = exact_rate(segment.rate_hz)
        return self.origin_ns + round((segment.first_sample + sample) * NS / rate)

    def _flat(self, segment: Segment) -> list[tuple[int, int]]:
        shortest = max(2, int(self.flat_s * segment.rate_hz))
        return [
            (self._time(segment, start), self._time(segment, stop))
            for start, stop in flat_runs(segment.data, shortest).tolist()
        ]
