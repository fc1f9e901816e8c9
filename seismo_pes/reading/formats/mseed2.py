"""Records of miniSEED 2: their headers, read without decoding the samples.

A file is a sequence of records, mostly of one length. Each has a header with the codes
of the channel and the time of its first sample.

References
----------
SEED Reference Manual, version 2.4, chapter 8: fixed section of data header.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from seismo_pes.items.times import DAY_NS
from seismo_pes.regular_file import open_regular

__all__ = [
    "YEARS",
    "Records",
    "channel_id_of",
    "overfull_record",
    "read_first_and_last",
    "read_records",
    "record_length",
    "records_in",
    "sound_records",
]

#: Days from 1970-01-01 to the first of January of each year from 1900 to 2100.
YEARS = np.arange(1900, 2101).astype(str).astype("datetime64[D]").astype(np.int64)
_MIN_RECORD_BYTES = 64  # the header and blockette 1000
_CORRECTION_APPLIED = 0x02  # activity flag, bit 1
# Bytes at the start of a file that contain blockette 1000.
_LONGEST_HEADER = 4096
# Largest number of blockettes of a record that are read; more are a sign of damage.
_MAX_BLOCKETTES = 8
# Bytes that are read at a time of a long file; the longest record has a quarter.
_PIECE_BYTES = 4 << 20
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


CODES = ["network", "station", "location", "channel"]
_HEADER_BYTES = 48
_QUALITIES = (b"D", b"R", b"Q", b"M")
# Encodings, by the code in blockette 1000: bytes of a unit, and the most samples in it:
# 16 and 32 bit integers, floats, doubles, Steim 1 and 2 (frames of 64 bytes).
_ROOM = {1: (2, 1), 3: (4, 1), 4: (4, 1), 5: (8, 1), 10: (64, 60), 11: (64, 105)}

Order = Literal["<", ">"]


@dataclass(frozen=True)
class Records:
    """Records of miniSEED 2 of one length, and their headers, which are read once.

    Attributes
    ----------
    raw : numpy.ndarray
        The bytes of each record, shape ``(n, length)``.
    headers : numpy.ndarray
        Structured, shape ``(n,)``.
    order : str
        The byte order of the headers, ``">"`` or ``"<"``.
    """

    raw: NDArray[np.uint8]
    headers: NDArray[np.void]
    order: Order

    def __len__(self) -> int:
        return len(self.headers)

    @cached_property
    def are_valid(self) -> bool:
        """Whether all headers have a known quality and year."""
        return bool(_are_valid(self.headers, _year(self.headers)).all())

    @cached_property
    def start_ns(self) -> NDArray[np.int64]:
        """Times of the first samples, nanoseconds since 1970; for valid headers."""
        microseconds = _microseconds(self.raw, self.headers, self.order)
        return _start_ns(self.headers, _year(self.headers)) + microseconds * 1000

    @cached_property
    def channels(self) -> tuple[list[str], NDArray[np.int64]]:
        """The channel ids, and for each record the index of its id."""
        codes = self.headers[CODES]
        if (codes == codes[0]).all():  # most files; sorting takes long
            return [channel_id_of(codes[0])], np.zeros(len(codes), np.int64)
        names, numbers = np.unique(codes, return_inverse=True)
        return [channel_id_of(name) for name in names.tolist()], numbers

    def are_sound(self) -> bool:
        """Return whether the records can be decoded without reading beyond a record.

        True if all records have a known encoding and room for their samples.
        Contradictory headers, as in damaged files, make decoders crash.
        """
        n_records, length = self.raw.shape
        place = _places(self.raw, self.headers, self.order, 1000)
        if not (np.isin(self.headers["quality"], _QUALITIES).all() and place.all()):
            return False
        rows = np.arange(n_records)
        encoding = self.raw[rows, place + 4]
        offset = self.headers["data_offset"].astype(np.int64)
        n_bytes = length - offset
        n_most = np.zeros(n_records, np.int64)
        for code, (n_unit, n_samples) in _ROOM.items():
            own = encoding == code
            n_most[own] = n_bytes[own] // n_unit * n_samples
        fits = self.headers["n_samples"] <= n_most
        fits &= (offset >= _HEADER_BYTES) | (self.headers["n_samples"] == 0)
        exponent = self.raw[rows, place + 6]
        return bool((fits & (exponent == length.bit_length() - 1)).all())

    def of_channel(self, channel_id: str) -> Records:
        """Return the records of one channel.

        Readers search for channels by a pattern of codes, which does not match codes
        with leading blanks or bytes that are not ASCII.

        Parameters
        ----------
        channel_id
            ``NET.STA.LOC.CHA``.
        """
        channel_ids, numbers = self.channels
        own = np.array([name == channel_id for name in channel_ids])
        return self if own.all() else self._chosen(own[numbers])

    def begin_within(self, start_ns: int | None, end_ns: int | None) -> bool:
        """Return whether all records begin within a time.

        Parameters
        ----------
        start_ns, end_ns
            The time, nanoseconds since 1970; None is no limit.
        """
        if not self.are_valid:
            return False
        is_late = start_ns is None or (self.start_ns >= start_ns).all()
        return bool(is_late and (end_ns is None or (self.start_ns < end_ns).all()))

    def overlapping(self, start_ns: int, end_ns: int) -> Records | None:
        """Return the records that overlap a time; None if a sampling rate is zero.

        Parameters
        ----------
        start_ns, end_ns
            The time, nanoseconds since 1970.
        """
        factor, multiplier = (
            self.headers[name].astype(np.float64)
            for name in ("rate_factor", "rate_multiplier")
        )
        if not (factor.all() and multiplier.all()):
            return None
        # negative values of the header are divisors
        rate_hz = np.where(factor > 0, factor, -1 / factor)
        rate_hz *= np.where(multiplier > 0, multiplier, -1 / multiplier)
        # one sample more, because the rate in the header is rounded
        lengths_ns = (self.headers["n_samples"] + 1) * 1e9 / rate_hz
        starts_ns = _start_ns(self.headers, _year(self.headers))
        return self._chosen((starts_ns < end_ns) & (starts_ns + lengths_ns > start_ns))

    def _chosen(self, chosen: NDArray[np.bool_]) -> Records:
        return Records(self.raw[chosen], self.headers[chosen], self.order)


def records_in(content: bytes) -> Records | None:
    """Return the records of a miniSEED 2 file; None if the content is another one.

    Parameters
    ----------
    content
        The whole file. All records must have the same length. Bytes after the last
        whole record are left out.
    """
    length = record_length(content)
    if not length or len(content) < length:
        return None
    return _whole_records(content, length, _byte_order(content))


def sound_records(content: bytes) -> Records | None:
    """Return the records of a miniSEED 2 file if they can be decoded safely, else None.

    Parameters
    ----------
    content
        The whole file: records of the same length, and nothing else.
    """
    records = records_in(content)
    if records is None or records.raw.size != len(content) or not records.are_sound():
        return None
    return records


def _year(headers: NDArray[np.void]) -> NDArray[np.int64]:
    """Return the years in the headers, since 1900."""
    return headers["year"].astype(np.int64) - 1900


def _are_valid(header: NDArray[np.void], year: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which headers have a known quality and year."""
    valid = np.isin(header["quality"], _QUALITIES)
    return np.asarray(valid & (year >= 0) & (year < len(YEARS)))


def overfull_record(content: bytes) -> int | None:
    """Return the number of the first record without room for its samples, from 0.

    Unlike `sound_records`, this function takes records of different lengths, one after
    the other, up to the first bytes that are no record. None: all records have room.

    Parameters
    ----------
    content
        A file of miniSEED 2, perhaps a damaged one.
    """
    place = number = 0
    while length := record_length(content[place : place + _LONGEST_HEADER]):
        record = content[place : place + length]
        raw = np.frombuffer(record, np.uint8)[None]
        order = _byte_order(record)
        header = _headers(raw, order)
        at = int(_places(raw, header, order, 1000)[0])
        n_unit, n_samples = _ROOM.get(record[at + 4], (1, length))
        offset = int(header["data_offset"][0])
        n_most = max(0, length - offset) // n_unit * n_samples
        if header["n_samples"][0] > n_most:
            return number
        place, number = place + length, number + 1
    return None


def read_first_and_last(path: str) -> tuple[int, int] | None:
    """Read the start times of the first and the last record of a miniSEED 2 file.

    Parameters
    ----------
    path
        A file on a disk.

    Returns
    -------
    (int, int) or None
        Nanoseconds since 1970, without the microseconds of blockette 1001. None if the
        file is not miniSEED 2 with valid times.
    """
    with open_regular(path) as file:
        first = file.read(_LONGEST_HEADER)
        length = record_length(first)
        n_records = os.fstat(file.fileno()).st_size // length if length else 0
        if not n_records:
            return None
        file.seek((n_records - 1) * length)
        last = file.read(_MIN_RECORD_BYTES)
    raw = np.frombuffer(first[:_MIN_RECORD_BYTES] + last, np.uint8)
    header = _headers(raw.reshape(2, _MIN_RECORD_BYTES), _byte_order(first))
    year = header["year"].astype(np.int64) - 1900
    if not _are_valid(header, year).all():
        return None
    start_ns, end_ns = _start_ns(header, year).tolist()
    return start_ns, end_ns


def read_records(path: str, start_ns: int, end_ns: int) -> Records | None:
    """Read the records of a miniSEED 2 file that overlap a time, and no others.

    Parameters
    ----------
    path
        A file on a disk.
    start_ns, end_ns
        The time, nanoseconds since 1970.

    Returns
    -------
    Records or None
        In the order of the file. None if the file is not miniSEED 2 of one record
        length with valid times and sampling rates.
    """
    with open_regular(path) as file:
        first = file.read(_LONGEST_HEADER)
        length = record_length(first)
        if not length or os.fstat(file.fileno()).st_size < length:
            return None
        order = _byte_order(first)
        file.seek(0)
        # not a map in memory: an error of the disk at it would end this process
        chosen: list[Records] = []
        while len(piece := file.read(_PIECE_BYTES // length * length)) >= length:
            records = _whole_records(piece, length, order)
            if not records.are_valid:
                return None
            overlapping = records.overlapping(start_ns, end_ns)
            if overlapping is None:
                return None
            chosen.append(overlapping)
    if not chosen:
        return None
    raw = np.concatenate([records.raw for records in chosen])
    return Records(raw, _headers(raw, order), order)


def _whole_records(content: bytes, length: int, order: Order) -> Records:
    n_records = len(content) // length
    raw = np.frombuffer(content, np.uint8, n_records * length)
    raw = raw.reshape(n_records, length)
    return Records(raw, _headers(raw, order), order)


def _headers(raw: NDArray[np.uint8], order: Order) -> NDArray[np.void]:
    dtype = np.dtype(_HEADER).newbyteorder(order)
    return np.ascontiguousarray(raw[:, : dtype.itemsize]).view(dtype)[:, 0]


def _byte_order(content: bytes) -> Order:
    """Return the byte order in which the year of the first record is possible."""
    (year,) = struct.unpack_from(">H", content, 20)
    return ">" if 1900 <= year <= 2100 else "<"


def record_length(content: bytes) -> int:
    """Return the record length from blockette 1000 of the first record, else 0.

    Parameters
    ----------
    content
        The beginning of the record, at least up to blockette 1000.
    """
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
    day = YEARS[year] + header["day"].astype(np.int64) - 1
    seconds = header["hour"].astype(np.int64) * 3600
    seconds += header["minute"].astype(np.int64) * 60 + header["second"]
    tenths_of_ms = header["fraction"].astype(np.int64)
    pending = (header["activity"] & _CORRECTION_APPLIED) == 0
    tenths_of_ms += np.where(pending, header["correction"].astype(np.int64), 0)
    return np.asarray(day * DAY_NS + seconds * 10**9 + tenths_of_ms * 100_000)


def _microseconds(
    raw: NDArray[np.uint8], header: NDArray[np.void], order: Order
) -> NDArray[np.int64]:
    """Return the microseconds in blockette 1001 of each record, 0 if it has none."""
    place = _places(raw, header, order, 1001)
    offsets = raw[np.arange(len(raw)), place + 5].view(np.int8).astype(np.int64)
    return np.where(place > 0, offsets, 0)


def _places(
    raw: NDArray[np.uint8], header: NDArray[np.void], order: Order, wanted: int
) -> NDArray[np.int64]:
    """Return the place of the blockette of a kind in each record, 0 if it has none."""
    n_records, length = raw.shape
    rows = np.arange(n_records)
    places = np.zeros(n_records, np.int64)
    place = header["first_blockette"].astype(np.int64)
    high, low = (0, 1) if order == ">" else (1, 0)
    for _ in range(_MAX_BLOCKETTES):
        valid = (place >= _HEADER_BYTES) & (place <= length - 8)
        if not valid.any():
            break
        at = np.where(valid, place, _HEADER_BYTES)
        kind = raw[rows, at + high].astype(np.int64) * 256 + raw[rows, at + low]
        following = raw[rows, at + 2 + high].astype(np.int64) * 256
        following += raw[rows, at + 2 + low]
        places = np.where(valid & (kind == wanted), place, places)
        place = np.where(valid, following, 0)
    return places


def channel_id_of(codes: Iterable[bytes]) -> str:
    """Return the channel id as obspy reads it from the codes of a header.

    Bytes after a NUL, bytes that are not ASCII, and blanks at both ends do not count.

    Examples
    --------
    >>> channel_id_of([b"XX", b" AB", b"", b"HHZ"])
    'XX.AB..HHZ'
    """
    parts = (code.partition(b"\0")[0] for code in codes)
    return ".".join(part.decode("ascii", "ignore").strip() for part in parts)
