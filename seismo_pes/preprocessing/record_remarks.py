"""Remarks on records whose correlations may mislead: flat parts, and jumps of level."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from obspy import Trace

from dispel4py.core import GenericPE
from seismo_pes.items.skipped import Skipped
from seismo_pes.items.times import NS
from seismo_pes.items.waveforms import Waveforms
from seismo_pes.signal.gaps import flat_runs
from seismo_pes.signal.spikes import level_jumps

__all__ = ["RemarkRecords"]

FLAT = (
    "flat parts of a quarter of a window or longer (gaps filled with a constant?): "
    "windows with such parts correlate without a signal; --drop-flat-s removes them"
)
JUMP = (
    "the level jumps by more than the amplitude of the record: such a step dominates "
    "its window; --reject-mad leaves such windows out"
)
FLAT_PART = 0.25  # of a window: the shortest flat part with a remark
LEAST_SAMPLES = 100  # coarsely digitised records have shorter runs of equal samples


class RemarkRecords(GenericPE):
    """Report flat parts and jumps of level; the traces are not changed.

    Ports
    -----
    input, output : Waveforms
    skipped : Skipped
        A remark with the time of each flat part and each jump.

    Parameters
    ----------
    window_s : float
        Length of the windows that will be correlated, seconds.
    """

    def __init__(self, window_s: float) -> None:
        super().__init__()
        self.window_s = window_s
        self._add_input("input", tuple_type=Waveforms)
        self._add_output("output", tuple_type=Waveforms)
        self._add_output("skipped", tuple_type=Skipped)

    def process(self, inputs: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Report on the traces of one span, without its margins."""
        item: Waveforms = inputs["input"]
        span = item.spans[0]
        for trace in item.stream:
            for reason, start_ns, end_ns in self._remarks(trace):
                if start_ns < span.end_ns and end_ns > span.start_ns:
                    remark = Skipped("quality", trace.id, reason, 1, start_ns, end_ns)
                    yield {"skipped": remark.within(span.start_ns, span.end_ns)}
        yield {"output": item}

    def _remarks(self, trace: Trace) -> Iterator[tuple[str, int, int]]:
        """Yield the reason, start and end of each remark."""
        rate_hz, first_ns = trace.stats.sampling_rate, trace.stats.starttime.ns
        shortest = max(LEAST_SAMPLES, int(FLAT_PART * self.window_s * rate_hz))
        for start, stop in flat_runs(trace.data, shortest).tolist():
            # windows within a flat record are not used, and listed
            if stop - start < len(trace.data):
                times = (first_ns + round(k * NS / rate_hz) for k in (start, stop))
                yield FLAT, *times
        for place in level_jumps(trace.data).tolist():
            at_ns = first_ns + round(place * NS / rate_hz)
            yield JUMP, at_ns, at_ns + round(NS / rate_hz)
