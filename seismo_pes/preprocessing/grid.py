"""Elements that fit traces and spans to the channel table and the sample grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

from obspy import Trace, UTCDateTime

from dispel4py.core import GenericPE
from dispel4py.errors import DataError
from seismo_pes.element import Element
from seismo_pes.items.times import NS
from seismo_pes.items.waveforms import (
    ChannelSpan,
    ChannelTraces,
    Waveforms,
    cut,
    samples,
    with_data,
)
from seismo_pes.signal.rates import exact_rate

__all__ = ["NameSpans", "TrimToGrid", "TrimToSpan"]


class NameSpans(GenericPE):
    """Give spans the new names of their traces after an orientation.

    Ports
    -----
    input, output : Waveforms
        The traces do not change, and belong to the channels with their ids. Flat
        intervals of one component apply to all components of the instrument, because
        each rotated component is computed from all of them.

    Parameters
    ----------
    names : mapping of str to str
        Old channel ids to new ones, ``{"XX.AAA..BH1": "XX.AAA..BHN"}``.
    """

    def __init__(self, names: Mapping[str, str]) -> None:
        super().__init__()
        self.names = dict(names)
        self._add_input("input", tuple_type=Waveforms)
        self._add_output("output", tuple_type=Waveforms)

    def process(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Rename the spans of one item."""
        item: Waveforms = inputs["input"]
        # each rotated component is computed from all components of the instrument
        flat = sorted({run for channel in item.channels for run in channel.flat})
        rejected = {run for channel in item.channels for run in channel.rejected}
        channels = tuple(
            replace(
                channel,
                span=self._named(channel.span),
                traces=(),
                flat=tuple(flat),
                rejected=tuple(sorted(rejected)),
            )
            for channel in item.channels
        )
        return {"output": Waveforms(channels).with_stream(item.stream)}

    def _named(self, span: ChannelSpan) -> ChannelSpan:
        name = self.names.get(span.channel_id, span.channel_id)
        return replace(span, channel_id=name)


class TrimToSpan(GenericPE):
    """Remove the margins of spans, which the elements before it needed.

    Ports
    -----
    input, output : Waveforms
        The output has the samples with start <= t < end of each span, and one more if
        it lies less than half a sample interval before the start. Flat intervals are
        cut to the span, too.
    """

    def __init__(self) -> None:
        super().__init__()
        self._add_input("input", tuple_type=Waveforms)
        self._add_output("output", tuple_type=Waveforms)

    def process(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Trim the traces of one item."""
        item: Waveforms = inputs["input"]
        return {"output": Waveforms(tuple(map(self._trimmed, item.channels)))}

    def _trimmed(self, channel: ChannelTraces) -> ChannelTraces:
        start_ns, end_ns = channel.span.start_ns, channel.span.end_ns
        parts = (cut(trace, start_ns, end_ns) for trace in channel.traces)
        limits = ((max(start_ns, low), min(end_ns, high)) for low, high in channel.flat)
        return replace(
            channel,
            traces=tuple(part for part in parts if part is not None),
            flat=tuple((low, high) for low, high in limits if low < high),
        )


class TrimToGrid(Element):
    """Cut traces so that they begin at a sample of the grid of a lower rate.

    Decimation and resampling by Fourier transform do not move the first sample. After
    this element all stations keep the same samples.

    Parameters
    ----------
    rate_hz : float, optional
        The lower rate, Hz. By default the rate of the trace divided by ``factor``.
    origin_ns : int
        Time of sample 0 of both grids, nanoseconds since 1970.
    both_ends : bool
        Trim the end as well, to a whole number of samples of the lower rate.
    factor : int
        Ratio of the rates, if ``rate_hz`` is not given.
    """

    cause = ""

    def __init__(
        self,
        rate_hz: float | None = None,
        origin_ns: int = 0,
        both_ends: bool = False,
        factor: int = 1,
    ) -> None:
        super().__init__()
        self.rate_hz, self.origin_ns = rate_hz, origin_ns
        self.both_ends, self.factor = both_ends, factor

    def transform(self, part: Trace) -> Trace:
        """Trim one trace.

        Raises
        ------
        DataError
            If the trace has too few samples to be resampled.
        """
        old = exact_rate(part.stats.sampling_rate)
        new = old / self.factor if self.rate_hz is None else exact_rate(self.rate_hz)
        if new > old:
            return part
        interval = (
            old / new
        ).numerator  # in old samples, after which both grids coincide
        since = part.stats.starttime.ns - self.origin_ns
        sample = round(Fraction(since, NS) * old)
        first = -sample % interval
        data = samples(part)[first:]
        if self.both_ends:
            data = data[: len(data) // interval * interval]
        if not len(data):
            raise DataError(f"{part.stats.npts} samples are too few to resample")
        start = UTCDateTime(ns=part.stats.starttime.ns + round(first * NS / old))
        return with_data(part, data, starttime=start)
