"""One record of a channel as it arrived, and comparisons of records."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from obspy import Trace, UTCDateTime

from seismo_pes.items.times import NS
from seismo_pes.items.waveforms import with_header

__all__ = ["Record"]


@dataclass(frozen=True, eq=False)
class Record:
    """The samples of one packet.

    Attributes
    ----------
    trace : obspy.Trace
        The samples; at least one.
    arrived_ns : int
        Time of the clock of the source at which the packet arrived, nanoseconds since
        1970.
    arrived_s : float
        The same on the monotonic clock of this computer, seconds.
    """

    trace: Trace
    arrived_ns: int
    arrived_s: float

    @property
    def rate_hz(self) -> float:
        """The sampling rate."""
        return float(self.trace.stats.sampling_rate)

    @property
    def start_ns(self) -> int:
        """Time of the first sample, nanoseconds since 1970."""
        return int(self.trace.stats.starttime.ns)

    @property
    def end_ns(self) -> int:
        """Time of the sample that follows the last one."""
        return self.time_of(len(self.trace.data))

    @property
    def half_ns(self) -> int:
        """Half a sample interval."""
        return round(NS / self.rate_hz / 2)

    def time_of(self, k: int) -> int:
        """Return the time of a sample, counted from 0."""
        return self.start_ns + round(k * NS / self.rate_hz)

    def index_at(self, time_ns: int) -> int:
        """Return the first sample that lies at a time or later, to half a sample.

        The result is between 0 and the number of samples.
        """
        k = np.ceil((time_ns - self.start_ns) * self.rate_hz / NS - 0.5)
        return int(min(max(k, 0), len(self.trace.data)))

    def part(self, first: int, stop: int) -> Record:
        """Return the samples from ``first`` to before ``stop``."""
        data = self.trace.data[first:stop]
        start = UTCDateTime(ns=self.time_of(first))
        trace = with_header(self.trace.stats, data, starttime=start)
        return Record(trace, self.arrived_ns, self.arrived_s)

    def checksum(self) -> int:
        """Return a checksum of the samples."""
        data = self.trace.data
        return zlib.crc32(np.ascontiguousarray(data).tobytes(), data.dtype.num)

    def differs(self, other: Record) -> bool:
        """Return whether samples at the same times differ from those of a record."""
        if self.rate_hz != other.rate_hz:
            return True
        start_ns = max(self.start_ns, other.start_ns)
        first, first_other = self.index_at(start_ns), other.index_at(start_ns)
        n = min(len(self.trace.data) - first, len(other.trace.data) - first_other)
        own = self.trace.data[first : first + n]
        return not np.array_equal(own, other.trace.data[first_other : first_other + n])
