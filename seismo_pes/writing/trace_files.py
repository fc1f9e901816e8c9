"""Elements that write items to files: SAC, miniSEED, npz and ASDF.

They take traces, streams, `Waveforms` and correlations, and send the paths of the files
that they wrote. A file gets its name when it is complete.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from obspy import Stream, Trace, UTCDateTime

from dispel4py.core import GenericPE
from dispel4py.errors import DataError, ParameterError
from seismo_pes.full_disk import DiskFull, report_full_disk
from seismo_pes.items.codes import file_name_of
from seismo_pes.items.correlation import Correlation
from seismo_pes.items.skipped import Skipped
from seismo_pes.items.waveforms import RECORDS, Waveforms, with_data
from seismo_pes.whole_file import whole_file
from seismo_pes.writing.asdf import AsdfWriter

__all__ = [
    "WriteAsdf",
    "WriteMiniseed",
    "WriteNpz",
    "WriteSac",
    "as_stream",
    "file_name",
]

# Attributes of a station pair, and their names in the header of SAC.
GEOMETRY = {"distance_km": "dist", "azimuth_deg": "az", "back_azimuth_deg": "baz"}
ITEMS = RECORDS | Correlation
# Types of samples that miniSEED cannot store, and the types that are written instead.
MSEED_TYPES = {"i2": "i4", "u2": "i4", "u4": "f8", "i8": "f8", "f2": "f4"}


def as_stream(item: Any) -> Stream:
    """Return an item as traces without gaps; a correlation gives a trace for each row.

    The trace of a correlation has the codes of the second channel, and lag 0 is at
    1970-01-01. Its ``stats.xcorr`` has both channel ids, the time span, the number of
    windows, and distance and azimuths if they are known.

    Parameters
    ----------
    item : obspy.Trace, obspy.Stream, Waveforms or a correlation
        A correlation is any object with ``first``, ``second``, ``data`` and ``lags_s``.

    Returns
    -------
    obspy.Stream
        The item is not changed; the traces may share its samples.

    Raises
    ------
    ParameterError
        If the item is none of these.

    Examples
    --------
    >>> as_stream(Trace(np.arange(3)))[0].data
    array([0, 1, 2])
    """
    if isinstance(item, Waveforms):
        item = item.stream
    if isinstance(item, Trace | Stream):
        traces = [item] if isinstance(item, Trace) else item
        # new headers, because split adds a line to the processing history
        return Stream([with_data(trace, trace.data) for trace in traces]).split()
    if all(hasattr(item, name) for name in ("first", "second", "data", "lags_s")):
        return Stream(list(_correlation_traces(item)))
    raise ParameterError(
        f"{type(item).__name__}: not a trace, a stream, Waveforms or a correlation"
    )


def _correlation_traces(item: Any) -> Iterator[Trace]:
    network, station, location, channel = item.second.split(".")
    lags_s = np.asarray(item.lags_s)
    rate_hz = (len(lags_s) - 1) / (lags_s[-1] - lags_s[0]) if len(lags_s) > 1 else 1.0
    rows = np.atleast_2d(item.data)
    columns = {
        name: np.broadcast_to(getattr(item, name, 0), len(rows))
        for name in ("start_ns", "end_ns", "n_windows")
    }
    for index, row in enumerate(rows):
        header = {
            "network": network,
            "station": station,
            "location": location,
            "channel": channel,
            "sampling_rate": rate_hz,
            "starttime": UTCDateTime(float(lags_s[0])),
        }
        trace = Trace(np.ascontiguousarray(row), header)
        trace.stats.xcorr = {"first": item.first, "second": item.second} | {
            name: int(values[index]) for name, values in columns.items()
        }
        for name in GEOMETRY:
            value = float(getattr(item, name, np.nan))
            if np.isfinite(value):
                trace.stats.xcorr[name] = value
        yield trace


def file_name(trace: Trace) -> str:
    """Return the name of a trace's file: channel and start, or both channels of a pair.

    >>> file_name(Trace(np.zeros(1), {"station": "A", "starttime": UTCDateTime(0)}))
    '.A...19700101T000000'
    """
    pair = trace.stats.get("xcorr")
    if not pair:
        return file_name_of(f"{trace.id}.{_time_text(trace.stats.starttime)}")
    name = file_name_of(f"{pair['first']}_{pair['second']}")
    if not pair.get("start_ns"):
        return name
    return f"{name}.{_time_text(UTCDateTime(ns=pair['start_ns']))}"


def _time_text(time: UTCDateTime) -> str:
    text = time.strftime("%Y%m%dT%H%M%S")
    return text + (f"_{time.microsecond:06d}" if time.microsecond else "")


class _Write(GenericPE):
    """The base of the elements that write: ports, folder, and reports of failures."""

    grouping: str | None = None

    def __init__(self, folder: str | Path) -> None:
        super().__init__()
        self._add_input("input", grouping=self.grouping, tuple_type=ITEMS)
        self._add_output("written", tuple_type=str)
        self._add_output("skipped", tuple_type=Skipped)
        self.folder = str(folder)

    def describe_item(self, port: str, item: Any) -> dict[str, Any]:
        """Return the terms of an item; a path is a file that was written.

        Parameters
        ----------
        port : str
            The output.
        item : object
            The item.
        """
        if port != "written":
            return super().describe_item(port, item)
        return {"location": item, "format": Path(item).suffix.removeprefix(".")}

    def process(self, inputs: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Write one item."""
        stream = as_stream(inputs["input"])
        for name, traces in self._files(stream).items():
            try:
                with report_full_disk(self.folder):
                    path = self._write_file(name, traces)
            except DiskFull:
                raise
            except (DataError, ValueError) as error:
                yield {"skipped": Skipped("write", traces[0].id, str(error))}
                continue
            if path is not None:
                yield {"written": str(path)}

    def _files(self, stream: Stream) -> dict[str, Stream]:
        """Return the traces of each file by its name; by default a file has one."""
        return {file_name(trace): Stream([trace]) for trace in stream}

    def _write_file(self, name: str, traces: Stream) -> Path | None:
        raise NotImplementedError

    def _place(self, name: str) -> Path:
        """Return the path of a file, whose folder is made."""
        folder = Path(self.folder)
        folder.mkdir(parents=True, exist_ok=True)
        return folder / name


class WriteSac(_Write):
    """Write SAC files, one for each trace without gaps.

    In the header of a correlation, ``b`` is the first lag in seconds, ``kevnm`` the
    first channel, ``user0`` the number of windows; ``dist``, ``az`` and ``baz`` are set
    if they are known.

    Ports
    -----
    input : obspy.Trace, obspy.Stream, Waveforms or Correlation
        The item to write.
    written : str
        The path of each file.
    skipped : Skipped
        Traces that SAC cannot store.

    Parameters
    ----------
    folder : str or pathlib.Path
        Folder of the files, created if necessary.
    """

    def _write_file(self, name: str, traces: Stream) -> Path:
        path = self._place(f"{name}.sac")
        pair = traces[0].stats.get("xcorr")
        with whole_file(path, sync=False) as draft:
            if pair is None:
                traces[0].write(str(draft), format="SAC")
            else:
                _sac_trace(traces[0], pair).write(str(draft))
        return path


def _sac_trace(trace: Trace, pair: dict[str, Any]) -> Any:
    """Return the SACTrace of a correlation, whose first channel is the event."""
    from obspy.io.sac import SACTrace

    stats = trace.stats
    header = {
        "delta": stats.delta,
        "b": float(stats.starttime),
        "nzyear": 1970,
        "nzjday": 1,
        "nzhour": 0,
        "nzmin": 0,
        "nzsec": 0,
        "nzmsec": 0,
        "knetwk": stats.network,
        "kstnm": stats.station,
        "kcmpnm": stats.channel,
        "kevnm": pair["first"],
        "user0": pair["n_windows"],
        "lcalda": False,  # keeps dist, az and baz: SAC would compute them again
    }
    header |= {"khole": stats.location} if stats.location else {}
    header |= {GEOMETRY[name]: pair[name] for name in GEOMETRY if name in pair}
    return SACTrace(data=trace.data.astype(np.float32), **header)


class WriteMiniseed(_Write):
    """Write miniSEED files, one for each channel of an item with all its segments.

    Ports
    -----
    input : obspy.Trace, obspy.Stream, Waveforms or Correlation
        The item to write.
    written : str
        The path of each file.
    skipped : Skipped
        Traces that miniSEED cannot store.

    Parameters
    ----------
    folder : str or pathlib.Path
        Folder of the files, created if necessary.
    """

    def _files(self, stream: Stream) -> dict[str, Stream]:
        if any("xcorr" in trace.stats for trace in stream):
            return super()._files(stream)
        files: dict[str, Stream] = {}
        names: dict[str, str] = {}
        for trace in sorted(stream, key=lambda trace: trace.stats.starttime.ns):
            name = names.setdefault(trace.id, file_name(trace))
            files.setdefault(name, Stream()).append(trace)
        return files

    def _write_file(self, name: str, traces: Stream) -> Path:
        path = self._place(f"{name}.mseed")
        stored = Stream([_for_mseed(trace) for trace in traces])
        with whole_file(path, sync=False) as draft:
            stored.write(str(draft), format="MSEED")
        return path


def _for_mseed(trace: Trace) -> Trace:
    """Return a trace with samples that miniSEED can store.

    Its header has no encoding: that of the file it was read from may not fit.
    """
    dtype = MSEED_TYPES.get(trace.data.dtype.str[1:])
    keys = ("network", "station", "location", "channel", "sampling_rate", "starttime")
    header = {key: trace.stats[key] for key in keys}
    data = trace.data if dtype is None else _convert_exactly(trace.data, dtype)
    return Trace(np.ascontiguousarray(data), header)


def _convert_exactly(data: np.ndarray, dtype: str) -> np.ndarray:
    converted = data.astype(dtype)
    if not np.array_equal(converted.astype(data.dtype), data):
        raise DataError(f"values do not fit into the types of miniSEED ({dtype})")
    return converted


class _WriteOneFile(_Write):
    """The base of the elements that write all items to one file."""

    grouping = "global"

    def __init__(self, path: str | Path) -> None:
        super().__init__(Path(path).parent)
        self.path = str(path)
        self._file: Any = None

    def _preprocess(self) -> None:
        self._whole = contextlib.ExitStack()

    def _draft(self) -> Path:
        """Return the temporary path of the file, which is renamed at the end."""
        return self._whole.enter_context(whole_file(self._place(Path(self.path).name)))

    def _postprocess(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with report_full_disk(self.folder), self._whole:
                file.close()
            self.write("written", self.path)


class WriteNpz(_WriteOneFile):
    """Write all items to one npz file, with an array for each trace.

    The name of an array is channel and start, of a correlation both channels. Beside
    each array there are ``NAME.start_ns`` and ``NAME.rate_hz``.

    Ports
    -----
    input : obspy.Trace, obspy.Stream, Waveforms or Correlation
        The item to write; one instance receives all items.
    written : str
        The path of the file, at the end.
    skipped : Skipped
        Traces whose name is already in the file.

    Parameters
    ----------
    path : str or pathlib.Path
        The file.
    """

    def _write_file(self, name: str, traces: Stream) -> None:
        import zipfile

        if self._file is None:
            self._file = zipfile.ZipFile(self._draft(), "w", zipfile.ZIP_STORED)
        if f"{name}.npy" in self._file.NameToInfo:
            raise DataError(f"{name}: {self.path} already has an array of this name")
        stats = traces[0].stats
        for key, value in (
            (name, traces[0].data),
            (f"{name}.start_ns", np.int64(stats.starttime.ns)),
            (f"{name}.rate_hz", np.float64(stats.sampling_rate)),
        ):
            with self._file.open(f"{key}.npy", "w", force_zip64=True) as file:
                array = np.asanyarray(value)
                np.lib.format.write_array(file, array, allow_pickle=False)


class WriteAsdf(_WriteOneFile):
    """Write all items to one ASDF file; correlations are written as auxiliary data.

    Ports
    -----
    input : obspy.Trace, obspy.Stream, Waveforms or Correlation
        The item to write; one instance receives all items.
    written : str
        The path of the file, at the end.
    skipped : Skipped
        Traces that ASDF cannot store.

    Parameters
    ----------
    path : str or pathlib.Path
        The file.
    tag : str
        Name of this version of the waveforms, e.g. ``raw_recording``.
    """

    def __init__(self, path: str | Path, tag: str = "raw_recording") -> None:
        super().__init__(path)
        self.tag = tag

    def _write_file(self, name: str, traces: Stream) -> None:
        (trace,) = traces
        if self._file is None:
            self._file = AsdfWriter(self._draft())
        pair = trace.stats.get("xcorr")
        if pair is None:
            self._file.add_waveform(trace, self.tag)
            return
        parameters = {
            "dt": float(trace.stats.delta),
            "first_lag_s": float(trace.stats.starttime),
            **pair,
        }
        path = f"{pair['first']}/{name.removeprefix(pair['first'] + '_')}"
        self._file.add_auxiliary(trace.data, "CrossCorrelations", path, parameters)
