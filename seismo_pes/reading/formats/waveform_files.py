"""Reading waveform files of any format, on disk or at a URL, also compressed ones."""

from __future__ import annotations

import bz2
import gzip
import io
import logging
import math
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from obspy import Stream, Trace

from dispel4py.errors import DataError, ParameterError
from seismo_pes.items.codes import defective_code
from seismo_pes.library_warnings import record_warnings
from seismo_pes.reading.fetching import remote
from seismo_pes.reading.formats.mseed2 import read_records
from seismo_pes.reading.formats.plugins import (
    read_at_once,
    read_mseed,
)
from seismo_pes.reading.formats.reading_process import read_in_process
from seismo_pes.regular_file import (
    ReadFailed,
    copied_to_memory,
    is_copied,
    is_failed_read,
    open_regular,
    read_through,
)

__all__ = ["find_defect", "read_content", "read_file"]

logger = logging.getLogger(__name__)

# The largest absolute value of a sample, in its unit. Larger values come from a wrong
# byte order, and their squares come near the limit of single precision, 3e38.
MAX_SAMPLE = 1e18
COMPRESSED = frozenset({".gz", ".bz2", ".zip", ".tar", ".tgz"})
UNPACKERS: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open}
MAX_UNPACKED = 4 << 30  # bytes of an unpacked file; more comes from a hostile one
PIECE_BYTES = 1 << 20


def read_file(
    path: str | Path,
    file_format: str = "",
    *,
    headonly: bool = False,
    start_ns: int | None = None,
    end_ns: int | None = None,
    channel_id: str | None = None,
    few: bool = False,
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
    few : bool
        The time is short and the file is long: of a miniSEED 2 file on a disk only the
        records of the time are loaded, and the sampling rate is measured over these.

    Returns
    -------
    obspy.Stream
        Each trace's format is in ``trace.stats._format``.

    Raises
    ------
    DataError
        If the file cannot be read, with the reason in one line; `ReadFailed` if the
        operating system could not read it.
    """
    path = str(path)
    selection: dict[str, Any] = {"start_ns": start_ns, "end_ns": end_ns}
    selection["channel_id"] = channel_id
    with record_warnings() as caught:
        try:
            stream = _read_few(path, selection) if few else None
            if stream is None:
                stream = _read(path, file_format, headonly, selection)
        except DataError:
            raise
        except ParameterError as error:  # a package is not installed
            raise DataError(f"{path}: {error}") from error
        except Exception as error:  # obspy's readers raise anything
            kind = ReadFailed if is_failed_read(error) else DataError
            raise kind(f"{path}: {_one_line(error)}") from error
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
    kind = ReadFailed if is_failed_read(error) else DataError
    return kind(f"{name}: {message}")


def find_defect(trace: Trace) -> str:
    """Return the reason why a trace cannot be a seismogram, "" if it can be one."""
    if defect := defective_code(trace.id):
        return f"left out: {defect}"
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
    """Read a file; one that is read from the disk itself twice, if this fails."""
    try:
        return _read_once(path, file_format, headonly, selection)
    except Exception as error:
        if is_failed_read(error) or remote.is_remote(path) or is_copied(path):
            raise
        logger.debug("%s: %s; it is read again", path, error)
    # Readers take an error of the disk for another format, or for damage. If it has
    # passed, the file can be read now; else it is reported here.
    read_through(path)
    return _read_once(path, file_format, headonly, selection)


def _read_once(
    path: str, file_format: str, headonly: bool, selection: dict[str, Any]
) -> Stream:
    if remote.is_remote(path):
        content = remote.fetch(path)
        if not content:  # a data centre without data for this time
            return Stream()
        suffix = Path(path).suffix.lower()
        suffix = suffix if suffix in COMPRESSED else ""
        source = io.BytesIO(content)
        return _read_source(source, suffix, path, file_format, headonly, selection)
    if Path(path).suffix.lower() not in COMPRESSED:
        return _read_local(path, file_format, headonly, selection)
    stream = Stream()
    for member in _uncompress(path):
        stream += _read_source(member, "", path, file_format, headonly, selection)
    return stream


def _read_few(path: str, selection: dict[str, Any]) -> Stream | None:
    """Read the records of a time from miniSEED 2; None if the file is another one."""
    if remote.is_remote(path) or Path(path).suffix.lower() in COMPRESSED:
        return None
    records = read_records(path, selection["start_ns"], selection["end_ns"])
    if records is None:
        return None
    return read_mseed(records, selection) if records.are_sound() else None


def _read_local(
    path: str, file_format: str, headonly: bool, selection: dict[str, Any]
) -> Stream:
    """Read a file that is not compressed."""
    try:
        stream = read_at_once(path, file_format, headonly, selection)
    except (DataError, ParameterError, OSError):
        raise
    except Exception as error:  # noqa: BLE001 - obspy's readers raise anything
        logger.debug("%s: %s; other formats are tried", path, error)
        stream = None
    if stream is not None:
        return stream
    return read_in_process(path, file_format, headonly, selection)


def _read_source(
    source: IO[bytes],
    suffix: str,
    path: str,
    file_format: str,
    headonly: bool,
    selection: dict[str, Any],
) -> Stream:
    """Read the content of a source by way of a temporary file."""
    with tempfile.NamedTemporaryFile(suffix=suffix) as file:
        n_bytes = 0
        while piece := source.read(PIECE_BYTES):
            n_bytes += file.write(piece)
            if n_bytes > MAX_UNPACKED:
                raise DataError(
                    f"{path}: has more than {MAX_UNPACKED >> 30} GiB when unpacked; "
                    "unpack it and divide it"
                )
        file.flush()
        try:
            return _read(file.name, file_format, headonly, selection)
        except Exception as error:  # obspy's readers raise anything
            raise _rename_file(error, file.name, path) from error


def _uncompress(path: str) -> Iterator[Any]:
    """Yield the content of a compressed file, or of each file in an archive."""
    suffix = Path(path).suffix.lower()
    with copied_to_memory(path) as copy, open_regular(copy) as file:
        if suffix == ".zip":
            with zipfile.ZipFile(file) as archive:
                for name in archive.namelist():
                    with archive.open(name) as member:
                        yield member
        elif suffix in (".tar", ".tgz") or Path(path).stem.lower().endswith(".tar"):
            with tarfile.open(fileobj=file, mode="r|*") as archive:
                for entry in archive:
                    content = archive.extractfile(entry)
                    if content is not None and entry.size:
                        yield content
        else:
            with UNPACKERS[suffix](file, "rb") as unpacked:
                yield unpacked


def _one_line(error: object) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, OSError) and error.strerror:
        text = error.strerror
    if isinstance(error, Warning):
        return text[:200]
    return f"{type(error).__name__}: {text}"[:200] if text else type(error).__name__
