"""The samples of a packet, from its miniSEED record."""

from __future__ import annotations

from typing import Any

import numpy as np
from obspy import Trace, UTCDateTime

from dispel4py.errors import DataError
from seismo_pes.extras import optional
from seismo_pes.reading.formats.mseed2 import overfull_record, record_length
from seismo_pes.reading.formats.mseed3 import HEADER, MAGIC
from seismo_pes.reading.formats.waveform_files import find_defect

__all__ = ["decode", "split_records", "times_of"]

# A record begins at a multiple of this length, bytes; shorter ones do not exist.
LEAST_BYTES = 64
# Bytes at the start of a record that tell its length.
LONGEST_HEADER = 256


def decode(record: bytes) -> Trace | None:
    """Return the samples of a record of miniSEED 2 or 3.

    Parameters
    ----------
    record : bytes
        One record.

    Returns
    -------
    obspy.Trace or None
        None if the record has no samples, such as a record of text.

    Raises
    ------
    DataError
        If the record is damaged.
    """
    pymseed = optional("pymseed")
    if not record.startswith(MAGIC) and overfull_record(record) is not None:
        raise DataError("a damaged record: more samples than it has room for")
    pymseed.clear_error_messages()
    try:
        parsed = pymseed.MS3Record.parse(record, unpack_data=True, validate_crc=True)
        codes = pymseed.sourceid2nslc(parsed.sourceid)
    except (pymseed.PymseedError, ValueError, BufferError) as error:
        raise DataError(f"a damaged record: {_first_line(error)}") from error
    if messages := [m for m in pymseed.get_error_messages() if "integrity" in m]:
        raise DataError(f"a damaged record: {messages[0]}")
    if not parsed.numsamples or parsed.sampletype == "t":
        return None
    network, station, location, channel = codes
    header = {"network": network, "station": station, "location": location}
    header |= {"channel": channel, "sampling_rate": max(0.0, float(parsed.samprate))}
    header["starttime"] = UTCDateTime(ns=parsed.starttime)
    # a copy: the memory of the samples belongs to the record
    trace = Trace(np.array(parsed.np_datasamples), header)
    if defect := find_defect(trace):
        raise DataError(defect)
    return trace


def split_records(content: bytes) -> tuple[list[bytes], int, int]:
    """Split a part of a file into its whole records.

    Parameters
    ----------
    content : bytes
        Records one after the other; the last one may be incomplete.

    Returns
    -------
    records : list of bytes
    n_used : int
        Bytes up to the end of the last whole record.
    n_damaged : int
        Bytes between them that belong to no record.

    Examples
    --------
    >>> split_records(b"")
    ([], 0, 0)
    """
    records: list[bytes] = []
    place = n_damaged = 0
    while place + LEAST_BYTES <= len(content):
        head = content[place : place + LONGEST_HEADER]
        if head.startswith(MAGIC):
            length = HEADER.size + sum(HEADER.unpack_from(head))
        else:
            length = record_length(head)
        if not length and len(head) < LONGEST_HEADER:
            break  # more may come
        if not length:
            place += LEAST_BYTES
            n_damaged += LEAST_BYTES
            continue
        if place + length > len(content):
            break
        records.append(content[place : place + length])
        place += length
    return records, place, n_damaged


def times_of(trace: Trace) -> tuple[int, int]:
    """Return the time of the first sample and the time after the last one.

    >>> times_of(Trace(np.zeros(3)))
    (0, 3000000000)
    """
    stats = trace.stats
    start_ns = int(stats.starttime.ns)
    return start_ns, start_ns + round(stats.npts * 1e9 / stats.sampling_rate)


def _first_line(error: Any) -> str:
    return " ".join(str(error).split())[:200]
