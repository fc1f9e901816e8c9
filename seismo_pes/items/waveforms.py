"""Waveforms on their way to the spectra: spans of channels and their traces.

The functions copy, cut and align the traces of obspy, which all rooms need.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from obspy import Stream, Trace, UTCDateTime
from obspy.core import AttribDict, Stats

from dispel4py.errors import DataError
from seismo_pes.items.intervals import Interval
from seismo_pes.items.losses import Loss, samples_lost
from seismo_pes.items.times import NS
from seismo_pes.signal.rates import exact_rate

__all__ = [
    "JITTER",
    "RECORDS",
    "AnyRecord",
    "ChannelSpan",
    "ChannelTraces",
    "Waveforms",
    "aligned",
    "cut",
    "extent",
    "samples",
    "with_data",
    "with_header",
]

# in samples: a sample less than this before a limit counts as on the limit
JITTER = Fraction(1, 1000)


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
        days. They are read only for the margins, or if samples are
        missing at that end.
    one_channel : bool
        Whether the names of the files show that they hold no other channel.
    margin_ns : int
        Time before the start and after the end that is read, too. Preprocessing needs
        these samples to compute those of the interval, and removes them at its end.
    recorded_hz : float, optional
        True sampling rate, if it may differ from the rate in the headers.
    measured_hz : tuple of (str, float)
        Files whose rate in the header is contradicted by the starts of the following
        files, and their true rates.
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
    margin_ns: int = 0
    recorded_hz: float | None = None
    measured_hz: tuple[tuple[str, float], ...] = ()

    @property
    def read_limits(self) -> Interval:
        """Start and end of the interval with its margins, nanoseconds since 1970."""
        return self.start_ns - self.margin_ns, self.end_ns + self.margin_ns


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
        Intervals in which the recorded data do not change over a long time (a dead
        channel, a gap filled with zeros); windows inside are not used. Start and end in
        nanoseconds since 1970.
    recorded_hz : float, optional
        Lowest sampling rate of the recorded traces. The record has no frequencies above
        half of it, whatever the rate of the traces is now. None: unknown.
    rejected : tuple of (int, int)
        Intervals of the windows that a rule rejects; they are not used.
    losses : tuple of Loss
        Where elements have removed samples, and why.
    """

    span: ChannelSpan
    traces: tuple[Trace, ...] = ()
    flat: tuple[Interval, ...] = ()
    recorded_hz: float | None = None
    rejected: tuple[Interval, ...] = ()
    losses: tuple[Loss, ...] = ()

    @property
    def unused(self) -> tuple[Interval, ...]:
        """The intervals whose windows are not used, flat or rejected."""
        return (*self.flat, *self.rejected)


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

    def with_stream(self, stream: Iterable[Trace], cause: str = "") -> Waveforms:
        """Return the same spans with other traces.

        Each trace goes to the channel of its id. A trace of another id stays with the
        first channel, and so do all traces of a single channel.

        Parameters
        ----------
        stream : iterable of obspy.Trace
            The traces.
        cause : str
            If it is given, the samples that the new traces do not have any more are
            added to the losses of their channels with this cause.
        """
        traces: dict[str, list[Trace]] = {span.channel_id: [] for span in self.spans}
        first = self.channels[0].span.channel_id
        renamed = []
        for trace in stream:
            name = trace.id if len(traces) > 1 and trace.id in traces else first
            traces[name].append(trace)
            if name != trace.id:
                renamed.append(trace)
        channels = []
        for channel in self.channels:
            own = traces[channel.span.channel_id]
            losses = channel.losses
            if cause:
                # the traces of turned components have new names and common times
                left = own or renamed
                losses = (*losses, *samples_lost(channel.traces, left, cause))
            channels.append(replace(channel, traces=tuple(own), losses=losses))
        return Waveforms(tuple(channels))


class AnyRecord(Waveforms, Stream, Trace):
    """The type of an output port whose items have the type of the input.

    No object has this type. As a subclass of all three types, it fits each port that
    takes one of them; ports that take other types refuse it.
    """


# input types of an element on records
RECORDS = Trace | Stream | Waveforms


def samples(trace: Trace) -> np.ndarray:
    """Return the samples of a trace without gaps.

    Raises
    ------
    DataError
        If samples are masked: a filter would use the values behind the mask as data.

    Examples
    --------
    >>> samples(Trace(np.arange(3)))
    array([0, 1, 2])
    """
    if np.ma.is_masked(trace.data):
        raise DataError(f"{trace.id}: has gaps (masked samples); split or merge it")
    return np.asarray(trace.data)


def with_data(trace: Trace, data: np.ndarray, **changes: Any) -> Trace:
    """Return a trace with the same header except ``changes``, and other samples.

    Examples
    --------
    >>> trace = with_data(Trace(np.arange(3)), np.ones(2), sampling_rate=5.0)
    >>> trace.stats.npts, trace.stats.delta
    (2, 0.2)
    """
    return with_header(trace.stats, data, **changes)


def with_header(header: Stats, data: np.ndarray, **changes: Any) -> Trace:
    """Return a trace with a copy of a header except ``changes``.

    Examples
    --------
    >>> with_header(Trace().stats, np.ones(2), station="AAA").id
    '.AAA..'
    """
    trace = Trace()
    trace.stats = _copied(header)
    trace.data = data
    for name, value in changes.items():
        setattr(trace.stats, name, value)
    return trace


# types of header values that cannot be changed in place: a copy may share them
_CONSTANT = (str, int, float, bool, UTCDateTime, type(None))


def _copied(stats: AttribDict) -> AttribDict:
    """Copy a header in a third of the time that ``stats.copy()`` takes."""
    header = copy.copy(stats)
    for name, value in stats.items():
        if isinstance(value, AttribDict):
            header[name] = _copied(value)
        elif not isinstance(value, _CONSTANT):
            header[name] = copy.deepcopy(value)
    return header


def aligned(stream: Iterable[Trace]) -> list[tuple[Stream, np.ndarray]]:
    """Cut the channels of a stream to the times at which all of them have samples.

    Parameters
    ----------
    stream : obspy.Stream
        Traces of some channels, with gaps or without; samples less than half a sample
        apart count as simultaneous.

    Returns
    -------
    list of (obspy.Stream, numpy.ndarray)
        For each span without a gap one trace of each channel, ordered by id, and
        their samples, shape (n_channels, n).

    Raises
    ------
    DataError
        If the sampling rates differ, or traces of a channel overlap.

    Examples
    --------
    >>> header = {"station": "AAA", "channel": "HHE"}
    >>> east, north = Trace(np.arange(5.0), header), Trace(np.arange(3.0), header)
    >>> north.stats.channel = "HHN"
    >>> ((cut, data),) = aligned(Stream([north, east]))
    >>> [trace.id for trace in cut], data.shape
    (['.AAA..HHE', '.AAA..HHN'], (2, 3))
    """
    traces = sorted(stream, key=lambda trace: (trace.id, trace.stats.starttime.ns))
    if not traces:
        return []
    rates = {float(trace.stats.sampling_rate) for trace in traces}
    if len(rates) > 1:
        listing = " and ".join(f"{rate:g}" for rate in sorted(rates))
        raise DataError(
            f"{traces[0].id[:-1]}?: sampled at {listing} Hz; resample first"
        )
    origin_ns, rate_hz = traces[0].stats.starttime.ns, rates.pop()
    channels: dict[str, list[tuple[int, Trace]]] = {}
    for trace in traces:
        first = round((trace.stats.starttime.ns - origin_ns) * 1e-9 * rate_hz)
        pieces = channels.setdefault(trace.id, [])
        if pieces and first < pieces[-1][0] + pieces[-1][1].stats.npts:
            raise DataError(f"{trace.id}: its traces overlap; merge them first")
        pieces.append((first, trace))
    groups = [[piece] for piece in next(iter(channels.values()))]
    for pieces in list(channels.values())[1:]:
        groups = [
            [*group, piece]
            for group in groups
            for piece in pieces
            if _common([*group, piece])
        ]
    return [_cut(group, rate_hz) for group in groups if _common(group)]


def _common(group: list[tuple[int, Trace]]) -> range:
    return range(
        max(first for first, _ in group),
        min(first + trace.stats.npts for first, trace in group),
    )


def _cut(group: list[tuple[int, Trace]], rate_hz: float) -> tuple[Stream, np.ndarray]:
    span = _common(group)
    rows, cut = [], Stream()
    for first, trace in group:
        row = samples(trace)[span.start - first : span.stop - first]
        start_ns = trace.stats.starttime.ns + round(
            (span.start - first) / rate_hz * 1e9
        )
        cut.append(with_data(trace, row, starttime=UTCDateTime(ns=start_ns)))
        rows.append(row)
    return cut, np.stack(rows)


def cut(trace: Trace, start_ns: int, end_ns: int) -> Trace | None:
    """Return the samples with start <= t < end, or None if there are none.

    A sample less than half a sample interval before the start is kept, too. The input
    is not changed; the result may share its memory.
    """
    position, n_span = extent(trace, start_ns, end_ns)
    low = max(0, math.ceil(-position - Fraction(1, 2)))
    high = min(trace.stats.npts, math.ceil(n_span - position - JITTER))
    if low >= high:
        return None
    if low == 0 and high == trace.stats.npts:
        return trace
    part = Trace(header=trace.stats.copy())
    part.stats.starttime = trace.stats.starttime + low * trace.stats.delta
    data = trace.data[low:high]
    # a view would keep the whole file in memory
    part.data = data if 2 * (high - low) > trace.stats.npts else data.copy()
    return part


def extent(trace: Trace, start_ns: int, end_ns: int) -> tuple[Fraction, Fraction]:
    """Return the first sample's offset from the start, and the span's length.

    Both in sample intervals of the trace; the offset is negative if the trace begins
    before the start.
    """
    rate = exact_rate(trace.stats.sampling_rate)
    position = Fraction(trace.stats.starttime.ns - start_ns, NS) * rate
    return position, Fraction(end_ns - start_ns, NS) * rate
