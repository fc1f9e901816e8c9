"""Read miniSEED 3, which obspy does not know, by libmseed (package ``pymseed``)."""

from __future__ import annotations

import os
import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from obspy import Stream, Trace, UTCDateTime

from dispel4py.errors import DataError
from seismo_pes.extras import optional

__all__ = ["MAGIC", "read_mseed3"]

MAGIC = b"MS\x03"
# of the fixed header: lengths of the source identifier, extra headers, and data
HEADER = struct.Struct("<33xBHI")


def read_mseed3(
    path: str | Path,
    *,
    headonly: bool = False,
    start_ns: int | None = None,
    end_ns: int | None = None,
    channel_id: str | None = None,
) -> Stream:
    """Read a miniSEED 3 file (libmseed reads miniSEED 2 too).

    Parameters
    ----------
    path : str or Path
        The file.
    headonly : bool
        Headers only, traces without samples.
    start_ns, end_ns : int, optional
        Only records that overlap this time are decoded. Nothing is cut.
    channel_id : str, optional
        Only this channel, ``NET.STA.LOC.CHA``.

    Returns
    -------
    obspy.Stream
        One trace for each run of records without a gap; start times to the nanosecond,
        ``stats.mseed3`` holds the source identifier and the publication version. The
        checksum of each record has been verified. A last record that is cut off is a
        warning.

    Raises
    ------
    ParameterError
        If ``pymseed`` is not installed.
    DataError
        If a record is broken, with libmseed's reason, or the first one is not whole.
    """
    pymseed = optional("pymseed")
    selection: dict[str, Any] = {}
    if start_ns is not None:
        selection["starttime"] = pymseed.nstime2timestr(int(start_ns))
    if end_ns is not None:
        selection["endtime"] = pymseed.nstime2timestr(int(end_ns))
    if channel_id is not None:
        selection["sourceid"] = _source_id(pymseed, channel_id)
    traces = pymseed.MS3TraceList()
    try:
        traces.add_file(
            str(path), unpack_data=not headonly, validate_crc=True, **selection
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
    if not _ends_with_a_record(path):
        if not stream and not selection:
            raise DataError(f"{path}: miniSEED 3: cut off in its first record")
        warnings.warn("miniSEED 3: the last record is cut off", stacklevel=2)
    return stream


def _ends_with_a_record(path: str | Path) -> bool:
    """Say whether the file ends where a record ends; libmseed does not tell."""
    position, size = 0, os.path.getsize(path)
    with open(path, "rb") as file:
        while position < size:
            file.seek(position)
            header = file.read(HEADER.size)
            if len(header) < HEADER.size or not header.startswith(MAGIC):
                return False
            position += HEADER.size + sum(HEADER.unpack(header))
    return position == size


def _source_id(pymseed: Any, channel_id: str) -> str:
    """Return the pattern of source identifiers that a channel can have."""
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
        trace.data = np.array(segment.np_datasamples)  # a copy: the list owns them
    return trace


def _header(pymseed: Any, source: Any, segment: Any) -> dict[str, Any]:
    try:
        codes = pymseed.sourceid2nslc(source.sourceid)
    except ValueError as error:
        raise DataError(f"{source.sourceid} is no FDSN source identifier") from error
    network, station, location, channel = codes
    header = {"network": network, "station": station, "location": location}
    header |= {"channel": channel, "starttime": UTCDateTime(ns=segment.starttime)}
    # text and events have no rate; obspy wants a number
    header["sampling_rate"] = max(float(segment.samprate), 0.0)
    header["mseed3"] = {
        "source_id": source.sourceid,
        "publication_version": source.pubversion,
    }
    return header
