"""Time stamps of the records of miniSEED files, read without decoding the samples.

A miniSEED file is a chain of records, each with its own start time. Readers join
records whose times agree within half a sample interval, and keep only the first start
time. If the sampling rate in the header is slightly wrong, the times of later samples
are wrong, too. This module reads all time stamps for `signal.rates.measure_timing`.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from obspy import Stream, Trace, UTCDateTime

from seismo_pes.items.times import DAY_NS
from seismo_pes.items.waveforms import with_header
from seismo_pes.reading.formats.mseed2 import YEARS, Records, records_in
from seismo_pes.signal.rates import TimedRun, exact_rate, measure_timing

__all__ = ["RecordTimes", "read_record_times", "times_of", "with_true_rates"]

#: Least number of records that show the scatter of their time stamps.
LEAST_RECORDS = 6
_MAGIC_3 = b"MS\x03"  # how a record of miniSEED 3 begins
# Its fixed header: nanosecond, year, day, hour, minute, second, number of samples,
# lengths of the source identifier, of the extra headers and of the data.
_HEADER_3 = struct.Struct("<3sxI2H3B9xI5xBHI")


class RecordTimes(NamedTuple):
    """Records of one channel, in the order of the file.

    Attributes
    ----------
    channel_id
        ``NET.STA.LOC.CHA``.
    start_ns
        Time of the first sample of each record, nanoseconds since 1970, shape ``(n,)``.
    n_samples
        Samples of each record, shape ``(n,)``.
    """

    channel_id: str
    start_ns: NDArray[np.int64]
    n_samples: NDArray[np.int64]


def read_record_times(content: bytes) -> list[RecordTimes]:
    """Read the time stamps of all records of a miniSEED file, version 2 or 3.

    Parameters
    ----------
    content
        The whole file. All records of version 2 must have the same length.

    Returns
    -------
    list of RecordTimes
        One for each channel, without records that have no samples; empty if the content
        is not miniSEED.

    References
    ----------
    SEED Reference Manual, version 2.4, chapter 8: fixed section of data header;
    miniSEED 3 specification, FDSN (2023).
    """
    if content.startswith(_MAGIC_3):
        return _read_version_3(content)
    records = records_in(content)
    return [] if records is None else times_of(records)


def times_of(records: Records) -> list[RecordTimes]:
    """Return the time stamps of records of miniSEED 2, as `read_record_times` does.

    Parameters
    ----------
    records
        All records of a file, or some of them.
    """
    if not records.are_valid:
        return []
    channel_ids, numbers = records.channels
    n_samples = records.headers["n_samples"].astype(np.int64)
    channels = []
    for k, channel_id in enumerate(channel_ids):
        rows = np.flatnonzero((numbers == k) & (n_samples > 0))
        if len(rows):
            times = RecordTimes(channel_id, records.start_ns[rows], n_samples[rows])
            channels.append(times)
    return channels


def _read_version_3(content: bytes) -> list[RecordTimes]:
    """Read the headers of a miniSEED 3 file, one after the other."""
    starts: dict[str, list[tuple[int, int]]] = {}
    offset = 0
    while offset + _HEADER_3.size <= len(content):
        magic, nanosecond, *clock, n_samples, n_id, n_extra, n_data = (
            _HEADER_3.unpack_from(content, offset)
        )
        if magic != _MAGIC_3 or not 1900 <= clock[0] <= 2100:
            break
        year, day, hour, minute, second = clock
        days = int(YEARS[year - 1900]) + day - 1
        seconds = hour * 3600 + minute * 60 + second
        start_ns = days * DAY_NS + seconds * 10**9 + nanosecond
        source = content[offset + _HEADER_3.size : offset + _HEADER_3.size + n_id]
        if n_samples:
            name = _channel_id(source.decode("ascii", "replace"))
            starts.setdefault(name, []).append((start_ns, n_samples))
        offset += _HEADER_3.size + n_id + n_extra + n_data
    return [
        RecordTimes(name, *np.array(rows, np.int64).T) for name, rows in starts.items()
    ]


def _channel_id(source_id: str) -> str:
    """Return ``NET.STA.LOC.CHA`` of an FDSN source identifier.

    >>> _channel_id("FDSN:XX_AB__H_H_Z")
    'XX.AB..HHZ'
    """
    network, station, location, *channel = source_id.partition(":")[2].split("_")
    return f"{network}.{station}.{location}.{''.join(channel)}"


# -- true sampling rates -------------------------------------------------------------


def with_true_rates(stream: Stream, channels: list[RecordTimes]) -> Stream:
    """Return traces whose starts and sampling rates agree with their records.

    Parameters
    ----------
    stream
        Traces that a reader has joined from records; they are not changed.
    channels
        Time stamps of the records of the same file.

    Returns
    -------
    obspy.Stream
        The same traces if the time stamps agree with the headers. Otherwise, traces
        with the measured sampling rate, and the rate of the header as
        ``stats.header_rate_hz``. They are split where the rate changes, and where time
        stamps jump by a part of a sample. Of a trace of six records or more, parts that
        agree with the header have the scatter of their time stamps as
        ``stats.stamp_jitter``, samples. If the time stamps contradict the header by
        more than `signal.rates.MAX_PPM`, they are split at each record.
    """
    stamps: dict[str, list[NDArray[np.int64]]] = {}
    for channel in channels:
        pairs = np.stack([channel.start_ns, channel.n_samples])
        stamps.setdefault(channel.channel_id, []).append(pairs)
    times = {
        channel_id: _ascending(np.concatenate(parts, axis=1))
        for channel_id, parts in stamps.items()
    }
    traces = []
    for trace in stream:
        runs, edges = _timing_of(trace, times.get(trace.id))
        if len(runs) == 1 and not runs[0].drift:
            traces.append(trace)
        else:
            traces += [_part(trace, run, edges) for run in runs]
    return Stream(traces)


def _ascending(records: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return starts and numbers of samples in the order of time, each record once."""
    if (np.diff(records[0]) > 0).all():  # most files; sorting takes long
        return records
    return np.unique(records, axis=1)


def _timing_of(
    trace: Trace, records: NDArray[np.int64] | None
) -> tuple[list[TimedRun], NDArray[np.int64]]:
    """Return the timed runs of a trace, and the first sample of each record.

    The records are given by start times and numbers of samples, ascending.
    """
    n, rate_hz = trace.stats.npts, trace.stats.sampling_rate
    start_ns = trace.stats.starttime.ns
    unchanged = [TimedRun(0, 1, start_ns, rate_hz, 0.0)], np.array([0, n])
    if records is None or not n or not rate_hz > 0:
        return unchanged
    starts, counts = records
    # half a sample interval earlier, because readers round times
    first = int(np.searchsorted(starts, start_ns - 500_000_000 // max(rate_hz, 1.0)))
    edges = np.concatenate(([0], np.cumsum(counts[first:])))
    last = int(np.searchsorted(edges, n))
    is_near = first < len(starts) and abs(starts[first] - start_ns) * rate_hz < 5e8
    if not is_near or last == len(edges) or edges[last] != n:
        return unchanged  # the trace does not consist of these records
    own = slice(first, first + last)
    runs = measure_timing(starts[own], counts[own], rate_hz)
    return runs, edges[: last + 1]


def _part(trace: Trace, run: TimedRun, edges: NDArray[np.int64]) -> Trace:
    data = trace.data[edges[run.first] : edges[run.stop]]
    part = with_header(trace.stats, data, starttime=UTCDateTime(ns=run.start_ns))
    if run.drift:
        part.stats.header_rate_hz = float(exact_rate(trace.stats.sampling_rate))
        part.stats.sampling_rate = run.rate_hz
    elif len(edges) > LEAST_RECORDS and not run.beyond_ppm:
        part.stats.stamp_jitter = run.jitter
    return part
