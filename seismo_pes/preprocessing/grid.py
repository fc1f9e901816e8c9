"""Elements that keep traces and spans on the table and the grid of a run."""

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
from seismo_pes.items.traces import samples, with_data
from seismo_pes.items.waveforms import Waveforms
from seismo_pes.signal.rates import exact_rate

__all__ = ["NameSpans", "TrimToGrid"]


class NameSpans(GenericPE):
    """Give spans the names that their traces have got.

    Ports
    -----
    input, output : Waveforms
        The traces stay as they are.

    Parameters
    ----------
    names : mapping of str to str
        Channel ids: old to new.
    """

    def __init__(self, names: Mapping[str, str]) -> None:
        super().__init__()
        self.names = dict(names)
        self._add_input("input", tuple_type=Waveforms)
        self._add_output("output", tuple_type=Waveforms)

    def process(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Rename the spans of one item."""
        item: Waveforms = inputs["input"]
        changes: dict[str, Any] = {"span": self._named(item.span)}
        if spans := item.spans:
            changes["spans"] = tuple(map(self._named, spans))
            # turned components are all made of the one that was flat
            changes["flats"] = (item.flat,) * len(spans)
        return {"output": replace(item, **changes)}

    def _named(self, span: Any) -> Any:
        return replace(
            span, channel_id=self.names.get(span.channel_id, span.channel_id)
        )


class TrimToGrid(Element):
    """Let traces begin at a sample of the grid of another, lower rate.

    So that what keeps the first sample in its place keeps stations simultaneous.

    Parameters
    ----------
    rate_hz : float, optional
        The other rate, Hz.
    origin_ns : int
        Time of sample 0 of both grids, nanoseconds since 1970.
    both_ends : bool
        Leave a whole number of samples at both rates.
    factor : int
        The other rate is so many times lower, where no rate is given.
    """

    def __init__(
        self,
        rate_hz: float | None,
        origin_ns: int,
        both_ends: bool = False,
        factor: int = 1,
    ) -> None:
        super().__init__()
        self.rate_hz, self.origin_ns = rate_hz, origin_ns
        self.both_ends, self.factor = both_ends, factor

    def transform(self, part: Trace) -> Trace:
        """Trim one trace."""
        old = exact_rate(part.stats.sampling_rate)
        new = old / self.factor if self.rate_hz is None else exact_rate(self.rate_hz)
        if new > old:
            return part
        period = (old / new).numerator  # old samples after which both grids meet
        since = part.stats.starttime.ns - self.origin_ns
        sample = round(Fraction(since, NS) * old)
        first = -sample % period
        data = samples(part)[first:]
        if self.both_ends:
            data = data[: len(data) // period * period]
        if not len(data):
            raise DataError(f"{part.stats.npts} samples are too few to resample")
        start = UTCDateTime(ns=part.stats.starttime.ns + round(first * NS / old))
        return with_data(part, data, starttime=start)
