"""Reading waveform files of any format, on disk or at a URL, also compressed ones."""

from __future__ import annotations

import bz2
import gzip
import logging
import math
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from functools import lru_cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np
from obspy import Stream, Trace, UTCDateTime
from obspy.core.util.base import ENTRY_POINTS

from dispel4py.errors import DataError, ParameterError
from seismo_pes.library_warnings import record_warnings
from seismo_pes.metadata.asdf import HDF5_MAGIC
from seismo_pes.reading.fetching import remote
from seismo_pes.reading.formats import asdf, mseed3
from seismo_pes.reading.formats.record_times import read_record_times, with_true_rates

__all__ = ["find_defect", "read_content", "read_file"]

logger = logging.getLogger(__name__)

# The largest absolute value of a sample, in its unit. Larger values come from a wrong
# byte order, and their squares come near the limit of single precision, 3e38.
MAX_SAMPLE = 1e18
# obspy loads a pickle to recognise it, which runs the code that the file contains.
REFUSED_FORMATS = frozenset({"PICKLE"})
# Formats that obspy cannot read.
OWN_READERS = {"MSEED3": mseed3.read_mseed3, "ASDF": asdf.read_asdf}
COMPRESSED = frozenset({".gz", ".bz2", ".zip", ".tar", ".tgz"})


def read_file(
    path: str | Path,
    file_format: str = "",
    *,
    headonly: bool = False,
    start_ns: int | None = None,
    end_ns: int | None = None,
    channel_id: str | None = None,
) -> Stream:
    """Read one file of miniSEED 3, ASDF or any format that obspy can read.

    Unlike `obspy.read`, this function takes the path literally (without wildcards),
    never loads a pickle, logs the warnings of the reader, and raises `DataError` only.

    Parameters
    ----------
    path : str or Path
        The file, which may be compressed (gz, bz2, zip, tar), or a URL
        (`fetching.remote`).
    file_format : str
        obspy's name of the format, e.g. ``"MSEED"``, or ``"MSEED3"`` or ``"ASDF"``; by
        default the format is recognised by the content.
    headonly : bool
        Headers only, traces without samples.
    start_ns, end_ns : int, optional
        Read less than the whole file, nanoseconds since 1970: of miniSEED the records
        that overlap this time, of ASDF its samples. Other formats are read whole. The
        traces are not cut to the time.
    channel_id : str, optional
        Return only this channel.

    Returns
    -------
    obspy.Stream
        Each trace's format is in ``trace.stats._format``.

    Raises
    ------
    DataError
        If the file cannot be read, with the reason in one line.
    """
    path = str(path)
    selection = {"start_ns": start_ns, "end_ns": end_ns, "channel_id": channel_id}
    with record_warnings() as caught:
        try:
            stream = _read(path, file_format, headonly, selection)
        except DataError:
            raise
        except ParameterError as error:  # a package is not installed
            raise DataError(f"{path}: {error}") from error
        except Exception as error:  # obspy's readers raise anything
            raise DataError(f"{path}: {_one_line(error)}") from error
    if caught:
        others = f" (and {len(caught) - 1} more warnings)" if caught[1:] else ""
        logger.warning("%s: %s%s", path, _one_line(caught[0].message), others)
    if channel_id is not None:
        stream.traces = [t for t in stream if t.id == channel_id]
    return stream


def read_content(
    content: bytes, *, headonly: bool = False, name: str = "content"
) -> Stream:
    """Read the content of a waveform file that is in memory; see `read_file`.

    Parameters
    ----------
    content : bytes
        The bytes of a file of any format.
    headonly : bool
        Headers only, traces without samples.
    name : str
        Name of the content, for messages.

    Raises
    ------
    DataError
        If it cannot be read; its message begins with ``name``.
    """
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        try:
            return read_file(file.name, headonly=headonly)
        except DataError as error:
            raise _rename_file(error, file.name, name) from error


def _rename_file(error: Exception, temporary: str, name: str) -> DataError:
    """Return an error with ``name`` in its message instead of a temporary file."""
    message = str(error) if isinstance(error, DataError) else _one_line(error)
    message = message.removeprefix(f"{temporary}: ").replace(temporary, name)
    return DataError(f"{name}: {message}")


def find_defect(trace: Trace) -> str:
    """Return the reason why a trace cannot be a seismogram, "" if it can be one."""
    rate_hz = trace.stats.sampling_rate
    if not (rate_hz > 0 and math.isfinite(rate_hz)):
        return f"left out: a sampling rate of {rate_hz} Hz"
    data = getattr(trace, "data", None)
    if data is not None and not (
        np.issubdtype(data.dtype, np.integer) or np.issubdtype(data.dtype, np.floating)
    ):
        return f"left out: its samples are not numbers ({data.dtype})"
    if data is not None and data.dtype.kind == "f" and len(data):
        largest = np.abs(data[np.isfinite(data)]).max(initial=0.0)
        if largest > MAX_SAMPLE:
            return f"left out: samples of up to {largest:.0e}; is its byte order right?"
    return ""


def _read(
    path: str, file_format: str, headonly: bool, selection: dict[str, Any]
) -> Stream:
    if remote.is_remote(path):
        content = remote.fetch(path)
        if not content:  # a data centre without data for this time
            return Stream()
        suffix = Path(path).suffix.lower()
        suffix = suffix if suffix in COMPRESSED else ""
        return _read_bytes(content, suffix, path, file_format, headonly, selection)
    if Path(path).suffix.lower() not in COMPRESSED:
        return _read_plain(path, file_format, headonly, selection)
    stream = Stream()
    for content in _uncompress(path):
        stream += _read_bytes(content, "", path, file_format, headonly, selection)
    return stream


def _read_bytes(
    content: bytes,
    suffix: str,
    path: str,
    file_format: str,
    headonly: bool,
    selection: dict[str, Any],
) -> Stream:
    with tempfile.NamedTemporaryFile(suffix=suffix) as file:
        file.write(content)
        file.flush()
        try:
            return _read(file.name, file_format, headonly, selection)
        except Exception as error:  # obspy's readers raise anything
            raise _rename_file(error, file.name, path) from error


def _uncompress(path: str) -> Iterator[bytes]:
    """Yield the content of a compressed file, or of each file in an archive."""
    suffix = Path(path).suffix.lower()
    if suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            yield from (archive.read(name) for name in archive.namelist())
    elif suffix in (".tar", ".tgz") or Path(path).stem.lower().endswith(".tar"):
        with tarfile.open(path, "r|*") as archive:
            for member in archive:
                content = archive.extractfile(member)
                if content is not None and member.size:
                    yield content.read()
    else:
        data = Path(path).read_bytes()
        yield gzip.decompress(data) if suffix == ".gz" else bz2.decompress(data)


def _read_plain(
    path: str, file_format: str, headonly: bool, selection: dict[str, Any]
) -> Stream:
    with open(path, "rb") as file:
        magic = file.read(8)
    if not magic:
        raise DataError(f"{path}: the file is empty")
    if magic.startswith(mseed3.MAGIC):
        file_format = "MSEED3"
    elif magic == HDF5_MAGIC:
        file_format = "ASDF"
    if file_format:
        return _read_as(file_format, path, headonly, selection)
    first_error: Exception | None = None
    for name in ENTRY_POINTS["waveform"]:
        if name in REFUSED_FORMATS or not _is_format(name, path):
            continue
        try:
            return _read_as(name, path, headonly, selection)
        except Exception as error:  # noqa: BLE001 - another format may match, too
            first_error = first_error or error
    if first_error is not None:
        raise first_error
    raise DataError(f"{path}: not a waveform format that obspy can read")


@lru_cache
def _plugin(file_format: str, function: str) -> Any:
    group = f"obspy.plugin.waveform.{file_format}"
    (entry_point,) = entry_points(group=group, name=function)
    return entry_point.load()


def _is_format(file_format: str, path: str) -> bool:
    try:
        return bool(_plugin(file_format, "isFormat")(path))
    except Exception:  # noqa: BLE001 - a plugin may fail on files of other formats
        return False


def _read_as(
    file_format: str, path: str, headonly: bool, selection: dict[str, Any]
) -> Stream:
    if file_format in REFUSED_FORMATS:
        raise DataError(
            f"{path}: {file_format} files are not read, because they may run code"
        )
    if file_format in OWN_READERS:
        stream = OWN_READERS[file_format](path, headonly=headonly, **selection)
    else:
        kwargs = _for_obspy(**selection) if file_format == "MSEED" else {}
        stream = _plugin(file_format, "readFormat")(path, headonly=headonly, **kwargs)
    if file_format in ("MSEED", "MSEED3") and not headonly:
        content = Path(path).read_bytes()
        stream = with_true_rates(stream, read_record_times(content))
    for trace in stream:
        trace.stats._format = file_format
    return stream


def _for_obspy(
    start_ns: int | None, end_ns: int | None, channel_id: str | None
) -> dict[str, Any]:
    selection: dict[str, Any] = {}
    if start_ns is not None:
        selection["starttime"] = UTCDateTime(ns=int(start_ns))
    if end_ns is not None:
        selection["endtime"] = UTCDateTime(ns=int(end_ns))
    if channel_id is not None:
        selection["sourcename"] = channel_id
    return selection


def _one_line(error: object) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, OSError) and error.strerror:
        text = error.strerror
    if isinstance(error, Warning):
        return text[:200]
    return f"{type(error).__name__}: {text}"[:200] if text else type(error).__name__
