"""Time stamps of the records of miniSEED files, read without decoding the samples.

A miniSEED file is a chain of records, each with its own start time. Readers join
records whose times agree within half a sample interval, and keep only the first start
time. If the sampling rate in the header is slightly wrong, the times of later samples
are wrong, too. This module reads all time stamps for `signal.rates.measure_timing`.
"""

from __future__ import annotations

import struct
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from obspy import Stream, Trace, UTCDateTime

from seismo_pes.items.traces import with_header
from seismo_pes.signal.rates import TimedRun, exact_rate, measure_timing

__all__ = ["RecordTimes", "read_record_times", "with_true_rates"]

#: Days from 1970-01-01 to the first of January of each year from 1900 to 2100.
_YEARS = np.arange(1900, 2101).astype(str).astype("datetime64[D]").astype(np.int64)
_DAY_NS = 86_400 * 10**9
_MIN_RECORD_BYTES = 64  # the header and blockette 1000
_CORRECTION_APPLIED = 0x02  # activity flag, bit 1
# Blockettes of a record that are followed; a longer chain comes from damaged data.
_MAX_BLOCKETTES = 8
# The fixed header of miniSEED 2.
_HEADER = [
    ("sequence", "S6"),
    ("quality", "S1"),
    ("reserved", "S1"),
    ("station", "S5"),
    ("location", "S2"),
    ("channel", "S3"),
    ("network", "S2"),
    ("year", "u2"),
    ("day", "u2"),
    ("hour", "u1"),
    ("minute", "u1"),
    ("second", "u1"),
    ("unused", "u1"),
    ("fraction", "u2"),
    ("n_samples", "u2"),
    ("rate_factor", "i2"),
    ("rate_multiplier", "i2"),
    ("activity", "u1"),
    ("io_flags", "u1"),
    ("quality_flags", "u1"),
    ("n_blockettes", "u1"),
    ("correction", "i4"),
    ("data_offset", "u2"),
    ("first_blockette", "u2"),
]


_MAGIC_3 = b"MS\x03"  # how a record of miniSEED 3 begins
# Its fixed header: nanosecond, year, day, hour, minute, second, number of samples,
# lengths of the source identifier, of the extra headers and of the data.
_HEADER_3 = struct.Struct("<3sxI2H3B9xI5xBHI")

Order = Literal["<", ">"]


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
    length = _record_length(content)
    if not length or len(content) < length:
        return []
    n_records = len(content) // length
    raw = np.frombuffer(content, np.uint8, n_records * length)
    raw = raw.reshape(n_records, length)
    order = _byte_order(content)
    header = _headers(raw, order)
    if not (np.isin(header["quality"], [b"D", b"R", b"Q", b"M"]).all()):
        return []
    year = header["year"].astype(np.int64) - 1900
    if not ((year >= 0) & (year < len(_YEARS))).all():
        return []
    start_ns = _start_ns(header, year) + _microseconds(raw, header, order) * 1000
    return _by_channel(header, start_ns)


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
        days = int(_YEARS[year - 1900]) + day - 1
        seconds = hour * 3600 + minute * 60 + second
        start_ns = days * _DAY_NS + seconds * 10**9 + nanosecond
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


def _headers(raw: NDArray[np.uint8], order: Order) -> NDArray[np.void]:
    dtype = np.dtype(_HEADER).newbyteorder(order)
    return np.ascontiguousarray(raw[:, : dtype.itemsize]).view(dtype)[:, 0]


def _byte_order(content: bytes) -> Order:
    """Return the byte order in which the year of the first record is possible."""
    (year,) = struct.unpack_from(">H", content, 20)
    return ">" if 1900 <= year <= 2100 else "<"


def _record_length(content: bytes) -> int:
    """Return the record length from blockette 1000 of the first record, else 0."""
    if len(content) < _MIN_RECORD_BYTES:
        return 0
    order = _byte_order(content)
    (offset,) = struct.unpack_from(f"{order}H", content, 46)
    for _ in range(_MAX_BLOCKETTES):
        if not 48 <= offset <= len(content) - 8:
            return 0
        kind, next_offset = struct.unpack_from(f"{order}HH", content, offset)
        if kind == 1000:
            exponent = content[offset + 6]
            return 1 << exponent if 6 <= exponent <= 20 else 0
        offset = next_offset
    return 0


def _start_ns(header: NDArray[np.void], year: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the start times in the headers, with their time corrections."""
    day = _YEARS[year] + header["day"].astype(np.int64) - 1
    seconds = header["hour"].astype(np.int64) * 3600
    seconds += header["minute"].astype(np.int64) * 60 + header["second"]
    tenths_of_ms = header["fraction"].astype(np.int64)
    pending = (header["activity"] & _CORRECTION_APPLIED) == 0
    tenths_of_ms += np.where(pending, header["correction"].astype(np.int64), 0)
    return np.asarray(day * _DAY_NS + seconds * 10**9 + tenths_of_ms * 100_000)


def _microseconds(
    raw: NDArray[np.uint8], header: NDArray[np.void], order: Order
) -> NDArray[np.int64]:
    """Return the microseconds in blockette 1001 of each record, 0 if it has none."""
    n_records, length = raw.shape
    rows = np.arange(n_records)
    microseconds = np.zeros(n_records, np.int64)
    place = header["first_blockette"].astype(np.int64)
    high, low = (0, 1) if order == ">" else (1, 0)
    for _ in range(_MAX_BLOCKETTES):
        valid = (place >= 48) & (place <= length - 8)
        if not valid.any():
            break
        at = np.where(valid, place, 48)
        kind = raw[rows, at + high].astype(np.int64) * 256 + raw[rows, at + low]
        following = raw[rows, at + 2 + high].astype(np.int64) * 256
        following += raw[rows, at + 2 + low]
        has_time = valid & (kind == 1001)
        offsets = raw[rows, at + 5].view(np.int8)
        microseconds[has_time] = offsets[has_time]
        place = np.where(valid, following, 0)
    return microseconds


def _by_channel(
    header: NDArray[np.void], start_ns: NDArray[np.int64]
) -> list[RecordTimes]:
    codes = header[["network", "station", "location", "channel"]]
    names, numbers = np.unique(codes, return_inverse=True)
    channels = []
    for k, name in enumerate(names):
        rows = np.flatnonzero((numbers == k) & (header["n_samples"] > 0))
        if len(rows):
            parts = (bytes(part).decode("ascii", "replace").strip() for part in name)
            n_samples = header["n_samples"][rows].astype(np.int64)
            channels.append(RecordTimes(".".join(parts), start_ns[rows], n_samples))
    return channels


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
        ``stats.header_rate_hz``. They are split where the rate changes. If the time
        stamps contradict the header by more than `signal.rates.MAX_PPM`, they are
        split at each record.
    """
    times = {channel.channel_id: channel for channel in channels}
    traces = []
    for trace in stream:
        runs, edges = _timing_of(trace, times.get(trace.id))
        if len(runs) == 1 and not runs[0].drift:
            traces.append(trace)
        else:
            traces += [_part(trace, run, edges) for run in runs]
    return Stream(traces)


def _timing_of(
    trace: Trace, records: RecordTimes | None
) -> tuple[list[TimedRun], NDArray[np.int64]]:
    """Return the timed runs of a trace, and the first sample of each record."""
    n, rate_hz = trace.stats.npts, trace.stats.sampling_rate
    start_ns = trace.stats.starttime.ns
    unchanged = [TimedRun(0, 1, start_ns, rate_hz, 0.0)], np.array([0, n])
    if records is None or not n or not rate_hz > 0:
        return unchanged
    pairs = np.unique(np.stack([records.start_ns, records.n_samples]), axis=1)
    starts, counts = pairs
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
    return part
