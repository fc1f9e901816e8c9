"""Waveforms on their way to the spectra: spans of channels and their traces."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from obspy import Stream, Trace

__all__ = ["RECORDS", "AnyRecord", "ChannelSpan", "ChannelTraces", "Waveforms"]

Interval = tuple[int, int]  # start and end, nanoseconds since 1970


@dataclass(frozen=True)
class ChannelSpan:
    """One unit of reading: a channel, an interval, and the files that may hold it.

    Attributes
    ----------
    channel_id : str
        ``NET.STA.LOC.CHA``.
    start_ns, end_ns : int
        Samples with start <= t < end, nanoseconds since 1970.
    files : tuple of str
        All files that may hold such samples, in the order of time.
    period : int
        Number of the period, see `Archive.spans`; in `xcorr-app` days since 1970.
    formats : tuple of str
        obspy's names of the files' formats, empty where unknown.
    n_before, n_after : int
        Numbers of files at the beginning and at the end that belong to neighbouring
        days. They are read only if samples are missing at that end.
    one_channel : bool
        Whether the names of the files show that they hold no other channel.
    """

    channel_id: str
    start_ns: int
    end_ns: int
    files: tuple[str, ...]
    period: int
    formats: tuple[str, ...] = ()
    n_before: int = 0
    n_after: int = 0
    one_channel: bool = False


@dataclass(frozen=True, eq=False)
class ChannelTraces:
    """The traces of one channel in one span of time; there may be none.

    Attributes
    ----------
    span : ChannelSpan
        The unit of reading that the traces come from.
    traces : tuple of obspy.Trace
        After `Merge` ascending in time, without gaps and overlaps, on the sample grid.
    flat : tuple of (int, int)
        Intervals whose windows are not used: the recorded data do not change over a
        long time (a dead channel, a gap filled with zeros), or a rule rejects them.
        Start and end in nanoseconds since 1970.
    recorded_hz : float, optional
        Lowest sampling rate of the recorded traces. The record has no frequencies above
        half of it, whatever the rate of the traces is now. None: unknown.
    """

    span: ChannelSpan
    traces: tuple[Trace, ...] = ()
    flat: tuple[Interval, ...] = ()
    recorded_hz: float | None = None


@dataclass(frozen=True, eq=False)
class Waveforms:
    """The traces of a channel, or of all components of an instrument, in one span.

    Attributes
    ----------
    channels : tuple of ChannelTraces
        One channel; several after `GatherComponents`, ordered by channel id.

    Examples
    --------
    >>> span = ChannelSpan("XX.AAA..HHZ", 0, 10**9, (), 0)
    >>> item = Waveforms.of(span, Stream([Trace()]))
    >>> len(item.channels), len(item.stream)
    (1, 1)
    """

    channels: tuple[ChannelTraces, ...]

    @classmethod
    def of(
        cls, span: ChannelSpan, traces: Iterable[Trace], flat: tuple[Interval, ...] = ()
    ) -> Waveforms:
        """Return the waveforms of one channel."""
        return cls((ChannelTraces(span, tuple(traces), flat),))

    @property
    def stream(self) -> Stream:
        """The traces of all channels, as a new stream of the same traces."""
        return Stream([trace for channel in self.channels for trace in channel.traces])

    @property
    def spans(self) -> tuple[ChannelSpan, ...]:
        """The span of each channel."""
        return tuple(channel.span for channel in self.channels)

    def with_stream(self, stream: Iterable[Trace]) -> Waveforms:
        """Return the same spans with other traces.

        Each trace goes to the channel of its id. A trace of another id stays with the
        first channel, and so do all traces of a single channel.
        """
        traces: dict[str, list[Trace]] = {span.channel_id: [] for span in self.spans}
        first = self.channels[0].span.channel_id
        for trace in stream:
            name = trace.id if len(traces) > 1 and trace.id in traces else first
            traces[name].append(trace)
        return Waveforms(
            tuple(
                replace(channel, traces=tuple(traces[channel.span.channel_id]))
                for channel in self.channels
            )
        )


class AnyRecord(Waveforms, Stream, Trace):
    """The type of an output port whose items have the type of the input.

    No object has this type. As a subclass of all three types, it fits each port that
    takes one of them; ports that take other types refuse it.
    """


# input types of an element on records
RECORDS = Trace | Stream | Waveforms
