"""Reading miniSEED 3 by libmseed (package ``pymseed``); obspy cannot read it."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from obspy import Stream, Trace, UTCDateTime

from dispel4py.errors import DataError
from seismo_pes.extras import optional
from seismo_pes.regular_file import open_regular

__all__ = ["MAGIC", "read_mseed3"]

MAGIC = b"MS\x03"  # how a record of version 3 begins
# The end of the fixed header of a record: the lengths in bytes of the source
# identifier, of the extra headers and of the data that follow.
HEADER = struct.Struct("<33xBHI")


def read_mseed3(
    path: str | Path,
    *,
    headonly: bool = False,
    start_ns: int | None = None,
    end_ns: int | None = None,
    channel_id: str | None = None,
) -> Stream:
    """Read a file of miniSEED 3 (or of miniSEED 2, which libmseed reads as well).

    Parameters
    ----------
    path : str or Path
        The file.
    headonly : bool
        Headers only, traces without samples.
    start_ns, end_ns : int, optional
        Only records that overlap this time are decoded, nanoseconds since 1970. They
        are returned whole.
    channel_id : str, optional
        Only this channel, ``NET.STA.LOC.CHA``.

    Returns
    -------
    obspy.Stream
        One trace for each sequence of records without a gap. Start times have
        nanoseconds; ``stats.mseed3`` has the source identifier and the publication
        version. The checksum of each record is verified. If the last record of the
        file is incomplete, it is left out with a warning.

    Raises
    ------
    ParameterError
        If ``pymseed`` is not installed.
    DataError
        If a record is damaged (the message has libmseed's reason), or if the first
        record is incomplete.
    OSError
        If the file cannot be opened or read.
    """
    pymseed = optional("pymseed")
    selection: dict[str, Any] = {}
    if start_ns is not None:
        selection["starttime"] = pymseed.nstime2timestr(int(start_ns))
    if end_ns is not None:
        selection["endtime"] = pymseed.nstime2timestr(int(end_ns))
    if channel_id is not None:
        selection["sourceid"] = _source_id(pymseed, channel_id)
    # not by its path: libmseed does not say that the operating system failed
    with open_regular(path) as file:
        content = file.read()
    traces = pymseed.MS3TraceList()
    try:
        traces.add_buffer(
            content, unpack_data=not headonly, validate_crc=True, **selection
        )
        stream = Stream(
            [
                _trace(pymseed, source, segment, headonly)
                for source in traces
                for segment in source
            ]
        )
    except (pymseed.PymseedError, ValueError) as error:
        reason = " ".join(str(error).replace(str(path), "").split())
        raise DataError(f"{path}: miniSEED 3: {reason}"[:300]) from error
    finally:
        traces.close()
    if not _ends_with_a_record(content):
        if not stream and not selection:
            raise DataError(f"{path}: miniSEED 3: the first record is incomplete")
        warnings.warn("miniSEED 3: the last record is incomplete", stacklevel=2)
    return stream


def _ends_with_a_record(content: bytes) -> bool:
    """Return whether the last record is complete, which libmseed does not check."""
    position, size = 0, len(content)
    while position < size:
        header = content[position : position + HEADER.size]
        if len(header) < HEADER.size or not header.startswith(MAGIC):
            return False
        position += HEADER.size + sum(HEADER.unpack(header))
    return position == size


def _source_id(pymseed: Any, channel_id: str) -> str:
    """Return the FDSN source identifier of a channel."""
    network, station, location, channel = channel_id.split(".", 3)
    codes = "_".join(channel) if "_" not in channel else channel
    return f"FDSN:{network}_{station}_{location}_{codes}"


def _trace(pymseed: Any, source: Any, segment: Any, headonly: bool) -> Trace:
    header = _header(pymseed, source, segment)
    if headonly:
        return Trace(header={**header, "npts": int(segment.samplecnt)})
    trace = Trace(header=header)
    if segment.samplecnt and segment.sampletype == "t":
        text = np.frombuffer(bytes(segment.datasamples), dtype="S1")
        trace.data = text.copy()
    elif segment.samplecnt:
        # a copy: the memory of the samples belongs to the trace list
        trace.data = np.array(segment.np_datasamples)
    return trace


def _header(pymseed: Any, source: Any, segment: Any) -> dict[str, Any]:
    try:
        codes = pymseed.sourceid2nslc(source.sourceid)
    except ValueError as error:
        raise DataError(
            f"{source.sourceid} is not an FDSN source identifier"
        ) from error
    network, station, location, channel = codes
    header = {"network": network, "station": station, "location": location}
    header |= {"channel": channel, "starttime": UTCDateTime(ns=segment.starttime)}
    # records of text and events have no sampling rate, but obspy needs a number
    header["sampling_rate"] = max(float(segment.samprate), 0.0)
    header["mseed3"] = {
        "source_id": source.sourceid,
        "publication_version": source.pubversion,
    }
    return header
