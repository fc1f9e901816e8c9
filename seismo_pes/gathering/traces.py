"""Gathering of traces that arrive one by one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from obspy import Stream, Trace

from dispel4py.core import GenericPE
from seismo_pes.items.waveforms import RECORDS

__all__ = ["Gather"]


class Gather(GenericPE):
    """Put all traces into one stream, so that its channels can be correlated.

    Ports
    -----
    input : obspy.Stream, obspy.Trace or Waveforms
        Grouped ``global``: one instance receives all traces.
    output : obspy.Stream
        All traces that start on one UTC day; emitted at the end of the data.

    Parameters
    ----------
    by_day : bool
        One stream for each day; otherwise one stream of all traces.
    """

    derives = "matching"

    def __init__(self, by_day: bool = True) -> None:
        super().__init__()
        self.by_day = by_day
        self._days: dict[str, Stream] = {}
        self._add_input("input", grouping="global", tuple_type=RECORDS)
        self._add_output("output", tuple_type=Stream)

    def derivation_key(self, port: str, item: Any) -> list[str]:
        """Return the days on which traces of an item start.

        Parameters
        ----------
        port : str
            Input or output.
        item : object
            The item.
        """
        return sorted({self._day(trace) for trace in _traces(item)})

    def _day(self, trace: Trace) -> str:
        return str(trace.stats.starttime.date) if self.by_day else ""

    def process(self, inputs: dict[str, Any]) -> None:
        """Take one item."""
        for trace in _traces(inputs["input"]):
            self._days.setdefault(self._day(trace), Stream()).append(trace)

    def postprocess(self) -> None:
        """Emit the streams."""
        for day in sorted(self._days):
            traces = self._days[day].traces
            traces.sort(key=lambda t: (t.id, t.stats.starttime.ns))
            self.write("output", Stream(traces))
        self._days = {}


def _traces(item: Any) -> Iterable[Trace]:
    item = getattr(item, "stream", item)
    return [item] if isinstance(item, Trace) else item
