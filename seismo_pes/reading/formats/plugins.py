"""The readers of formats: of obspy's plugins, and our own.

Readers that decode in C can crash on damaged files, and others do not end. So most
formats are read in a process of their own, see `formats.reading_process`. obspy opens
a file once for each format that it may have, and takes an error of the disk for another
format: so it reads a copy in memory.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from importlib.metadata import entry_points
from typing import Any, BinaryIO

import numpy as np
from obspy import Stream, UTCDateTime
from obspy.core.util.base import ENTRY_POINTS

from dispel4py.errors import DataError
from seismo_pes.metadata.asdf import HDF5_MAGIC
from seismo_pes.reading.formats import asdf, mseed3
from seismo_pes.reading.formats.mseed2 import Records, overfull_record, sound_records
from seismo_pes.reading.formats.record_times import (
    read_record_times,
    times_of,
    with_true_rates,
)
from seismo_pes.regular_file import MAX_COPY_BYTES, copied_to_memory, open_regular

__all__ = ["read_as_any", "read_at_once", "read_mseed"]

# obspy loads a pickle to recognise it, which runs the code that the file contains.
REFUSED_FORMATS = frozenset({"PICKLE"})
# Formats whose files have the names of other files, with the samples.
FORMATS_OF_SEVERAL_FILES = frozenset({"CSS", "NNSA_KB_CORE", "Q"})
# Formats that obspy cannot read. An ASDF file may have records and synthetics.
OWN_READERS: dict[str, Callable[..., Stream]] = {
    "MSEED3": mseed3.read_mseed3,
    "ASDF": asdf.read_asdf,
    "ASDF synthetics": partial(asdf.read_asdf, synthetic=True),
}


def read_at_once(
    path: str, file_format: str, headonly: bool, selection: dict[str, Any]
) -> Stream | None:
    """Read a file of a format whose reader cannot crash; None if it is another one.

    These are miniSEED 2, whose records are checked before they are decoded, miniSEED 3,
    whose records have checksums, and SAC, which numpy reads.

    Parameters
    ----------
    path, file_format, headonly
        See `waveform_files.read_file`.
    selection
        Its ``start_ns``, ``end_ns`` and ``channel_id``.

    Raises
    ------
    DataError
        If the file is empty, or is not a regular file.
    """
    with open_regular(path) as file:
        magic = file.read(8)
        if not magic:
            raise DataError(f"{path}: the file is empty")
        name = file_format or _simple_format(file, magic)
        file.seek(0)
        if name == "MSEED":
            return _read_checked(file, headonly, selection)
        if name == "SAC":
            read = _plugin("SAC", "readFormat")
            return _labelled(read(file, headonly=headonly), "SAC")
    return _read_as(name, path, headonly, selection) if name == "MSEED3" else None


def _simple_format(file: BinaryIO, magic: bytes) -> str:
    """Return ``MSEED``, ``MSEED3`` or ``SAC``; "" for other formats."""
    if magic.startswith(mseed3.MAGIC):
        return "MSEED3"
    if magic == HDF5_MAGIC:
        return ""
    for name in ("MSEED", "SAC"):
        file.seek(0)
        if _is_format(name, file):
            return name
    return ""


def _read_checked(
    file: BinaryIO, headonly: bool, selection: dict[str, Any]
) -> Stream | None:
    """Read miniSEED 2; None if its records have to be read with care."""
    if not headonly:
        records = sound_records(file.read())
        return None if records is None else read_mseed(records, selection)
    if os.fstat(file.fileno()).st_size > MAX_COPY_BYTES:
        return None
    # not by its path, of which obspy makes a map in memory: an error of the disk at the
    # file would end this process
    content = np.frombuffer(file.read(), np.int8)
    read = _plugin("MSEED", "readFormat")
    return _labelled(read(content, headonly=True, **_for_obspy(**selection)), "MSEED")


def read_mseed(records: Records, selection: dict[str, Any]) -> Stream:
    """Decode records of miniSEED 2, with the sampling rates of their time stamps.

    Parameters
    ----------
    records
        Sound records (`mseed2.Records.are_sound`).
    selection
        ``start_ns``, ``end_ns`` and ``channel_id``.
    """
    if len(records) and (channel_id := selection["channel_id"]) is not None:
        records = records.of_channel(channel_id)
    if not len(records):
        return Stream()
    # without times obspy decodes faster
    is_whole = records.begin_within(selection["start_ns"], selection["end_ns"])
    times = {} if is_whole else _for_obspy(**selection)
    stream = _plugin("MSEED", "readFormat")(records.raw.ravel().view(np.int8), **times)
    return _labelled(with_true_rates(stream, times_of(records)), "MSEED")


def read_as_any(
    path: str, file_format: str, headonly: bool, selection: dict[str, Any]
) -> Stream:
    """Read a file of any format; its reader may crash or never end.

    Parameters
    ----------
    path, file_format, headonly
        See `waveform_files.read_file`.
    selection
        Its ``start_ns``, ``end_ns`` and ``channel_id``.

    Raises
    ------
    DataError
        If no reader recognises the file. Readers raise anything.
    """
    with open_regular(path) as file:
        magic = file.read(8)
    if magic.startswith(mseed3.MAGIC):
        return _read_as("MSEED3", path, headonly, selection)
    if magic == HDF5_MAGIC:
        name = file_format if file_format in OWN_READERS else "ASDF"
        return _read_as(name, path, headonly, selection)
    first_error: Exception | None = None
    with copied_to_memory(path) as copy:
        for name in [file_format] if file_format else _formats_of(copy):
            source = path if name in FORMATS_OF_SEVERAL_FILES else copy
            try:
                return _read_as(name, source, headonly, selection)
            except Exception as error:  # noqa: BLE001 - another format may match, too
                first_error = first_error or error
    if first_error is not None:
        raise first_error
    raise DataError(f"{path}: not a waveform format that obspy can read")


def _formats_of(path: str) -> Iterator[str]:
    """Yield the formats of obspy that a file may have."""
    for name in ENTRY_POINTS["waveform"]:
        if name not in REFUSED_FORMATS and _is_format(name, path):
            yield name


@lru_cache
def _plugin(file_format: str, function: str) -> Any:
    group = f"obspy.plugin.waveform.{file_format}"
    (entry_point,) = entry_points(group=group, name=function)
    return entry_point.load()


def _is_format(file_format: str, file: str | BinaryIO) -> bool:
    try:
        return bool(_plugin(file_format, "isFormat")(file))
    except Exception:  # noqa: BLE001 - a plugin may fail on files of other formats
        return False


def _read_as(
    file_format: str, path: str, headonly: bool, selection: dict[str, Any]
) -> Stream:
    if file_format in REFUSED_FORMATS:
        raise DataError(
            f"{path}: {file_format} files are not read, because they may run code"
        )
    content = b""
    if file_format in ("MSEED", "MSEED3") and not headonly:
        with open_regular(path) as file:
            content = file.read()
    if file_format == "MSEED" and (number := overfull_record(content)) is not None:
        raise DataError(
            f"{path}: record {number + 1} has no room for the samples of its header; "
            "the file is damaged"
        )
    if file_format in OWN_READERS:
        stream = OWN_READERS[file_format](path, headonly=headonly, **selection)
    else:
        kwargs = _for_obspy(**selection) if file_format == "MSEED" else {}
        stream = _plugin(file_format, "readFormat")(path, headonly=headonly, **kwargs)
    if content:
        stream = with_true_rates(stream, read_record_times(content))
    return _labelled(stream, file_format)


def _labelled(stream: Stream, file_format: str) -> Stream:
    for trace in stream:
        trace.stats._format = file_format
    return stream


def _for_obspy(
    start_ns: int | None, end_ns: int | None, channel_id: str | None
) -> dict[str, Any]:
    """Return obspy's options for a time; it does not find channels of all codes."""
    selection: dict[str, Any] = {}
    if start_ns is not None:
        selection["starttime"] = UTCDateTime(ns=int(start_ns))
    if end_ns is not None:
        selection["endtime"] = UTCDateTime(ns=int(end_ns))
    return selection
