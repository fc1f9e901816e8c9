"""Live data on their way to the windows: pieces of channels, and their statistics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from obspy import Trace

__all__ = ["ChannelHealth", "LivePiece", "Percentiles"]


@dataclass(frozen=True, eq=False)
class LivePiece:
    """New samples of a live channel, or only its state at a time.

    The pieces of a channel are in order: each trace begins at the end of the one before
    it, or after a gap, and never before.

    Attributes
    ----------
    channel_id : str
        ``NET.STA.LOC.CHA``.
    clock_ns : int
        Time of the clock of the source, nanoseconds since 1970: the time of day, or in
        a replay the time that is replayed. It never decreases.
    watermark_ns : int or None
        No samples before this time follow: the end of the contiguous data, nanoseconds
        since 1970. None before the first data.
    is_idle : bool
        Whether no packet has arrived for a long time: a window does not wait for the
        channel. The channel is live again at its next packet.
    trace : obspy.Trace or None
        The samples of one packet; None if there are no new samples.
    arrived_ns : int or None
        Time of the clock of the source at which the packet of the trace arrived;
        without a trace, the newest packet, which may wait for missing samples. None
        before the first one.
    arrived_s : float or None
        The time of the packet of the trace on the monotonic clock of this computer, to
        measure delays: seconds.

    Examples
    --------
    >>> piece = LivePiece("XX.AAA..HHZ", clock_ns=10, watermark_ns=5)
    >>> piece.trace is None, piece.is_idle
    (True, False)
    """

    channel_id: str
    clock_ns: int
    watermark_ns: int | None
    is_idle: bool = False
    trace: Trace | None = None
    arrived_ns: int | None = None
    arrived_s: float | None = None


class Percentiles(NamedTuple):
    """Median, 95th and 99th percentile."""

    p50: float
    p95: float
    p99: float


@dataclass(frozen=True)
class ChannelHealth:
    """How a live channel was since the last report.

    Attributes
    ----------
    channel_id : str
        ``NET.STA.LOC.CHA``.
    clock_ns : int
        Time of the clock of the source, nanoseconds since 1970.
    data_latency_s : Percentiles or None
        Time from the end of the data of a record to its arrival, seconds. None: no
        record has arrived.
    feed_latency_s : Percentiles or None
        Time since the last record arrived, seconds.
    rms, offset : float or None
        Mean of the samples, and root mean square about it; counts. None: no samples.
    n_records : int
        Records that have arrived.
    n_used : int
        Records, or parts of them, that continued the data.
    n_doubled, n_different, n_late, n_early, n_future : int
        Records, or parts of them, whose samples were there before; whose time had other
        samples; that came after their gap was given up; from before the start; from
        the future.
    n_gaps : int
        Gaps that were given up.
    gap_s : float
        Their length, seconds.
    """

    channel_id: str
    clock_ns: int
    data_latency_s: Percentiles | None
    feed_latency_s: Percentiles | None
    rms: float | None
    offset: float | None
    n_records: int = 0
    n_used: int = 0
    n_doubled: int = 0
    n_different: int = 0
    n_late: int = 0
    n_early: int = 0
    n_future: int = 0
    n_gaps: int = 0
    gap_s: float = 0.0
