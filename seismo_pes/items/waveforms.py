"""What the elements hand on before spectra: a span of a channel and its traces."""

from __future__ import annotations

from dataclasses import dataclass, replace

from obspy import Stream, Trace

__all__ = ["RECORDS", "AnyRecord", "ChannelSpan", "Waveforms"]


@dataclass(frozen=True)
class ChannelSpan:
    """One unit of reading: a channel, a time, and the files that may hold it.

    Attributes
    ----------
    channel_id : str
        ``NET.STA.LOC.CHA``.
    start_ns, end_ns : int
        Samples with start <= t < end are meant.
    files : tuple of str
        All files that may hold some, in the order of time.
    period : int
        Number of the period of time, as given to `Archive.spans`.
    formats : tuple of str
        obspy's names of the files' formats, empty where unknown.
    n_before, n_after : int
        So many of the first and last files belong to neighbouring days. They are read
        only if samples are missing at that end.
    one_channel : bool
        The files' names promise this channel and no other.
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
class Waveforms:
    """The traces of one channel in one span of time; there may be none.

    Attributes
    ----------
    span : ChannelSpan
        What was asked for.
    stream : obspy.Stream
        What there is.
    flat : tuple of (int, int)
        Where the data as recorded do not change over a long time: a dead channel, or
        a gap filled with zeros. Start and end in nanoseconds since 1970.
    spans : tuple of ChannelSpan
        Of the components of an instrument that were gathered: all of their spans.
    flats : tuple
        ``flat`` of each of ``spans``.
    """

    span: ChannelSpan
    stream: Stream
    flat: tuple[tuple[int, int], ...] = ()
    spans: tuple[ChannelSpan, ...] = ()
    flats: tuple[tuple[tuple[int, int], ...], ...] = ()

    def with_stream(self, stream: Stream) -> Waveforms:
        """Return the same span with other traces."""
        return replace(self, stream=stream)


class AnyRecord(Waveforms, Stream, Trace):
    """What leaves an element that gives what it gets: the type of its output port.

    There are no such objects. As a subclass of all three it fits each port that takes
    one of them, and is refused by those that take something else.
    """


# what an element on records takes
RECORDS = Trace | Stream | Waveforms
