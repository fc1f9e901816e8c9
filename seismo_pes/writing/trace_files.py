"""Elements that write what passes to files: SAC, miniSEED, npz and ASDF.

All of them take traces, streams, `Waveforms` and correlations, and hand on the paths of
what they wrote. A file appears under its name when it is whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from obspy import Stream, Trace, UTCDateTime

from dispel4py.core import GenericPE
from dispel4py.errors import DataError, ParameterError
from seismo_pes.full_disk import report_full_disk
from seismo_pes.items.correlation import Correlation
from seismo_pes.items.skipped import Skipped
from seismo_pes.items.traces import with_data
from seismo_pes.items.waveforms import RECORDS, Waveforms
from seismo_pes.writing.asdf import AsdfWriter

__all__ = [
    "WriteAsdf",
    "WriteMiniseed",
    "WriteNpz",
    "WriteSac",
    "as_stream",
    "file_name",
]

# What is known of a pair, and its name in the header of SAC.
GEOMETRY = {"distance_km": "dist", "azimuth_deg": "az", "back_azimuth_deg": "baz"}
ITEMS = RECORDS | Correlation
MSEED_KINDS = {"i2": "i4", "u2": "i4", "u4": "f8", "i8": "f8", "f2": "f4"}


def as_stream(item: Any) -> Stream:
    """Return the traces of an item without gaps: of correlations, one for each row.

    The trace of a correlation has the name of the second channel; lag 0 is 1970-01-01,
    and ``stats.xcorr`` has what else is known.

    Parameters
    ----------
    item : obspy.Trace, obspy.Stream, Waveforms or a correlation
        A correlation has ``first``, ``second``, ``data`` and ``lags_s``.

    Raises
    ------
    ParameterError
        If it is none of these.

    Examples
    --------
    >>> as_stream(Trace(np.arange(3)))[0].data
    array([0, 1, 2])
    """
    if isinstance(item, Waveforms):
        item = item.stream
    if isinstance(item, Trace | Stream):
        traces = [item] if isinstance(item, Trace) else item
        # split notes in the header that it was there: not in that of the input
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
    known = {
        name: np.broadcast_to(getattr(item, name, default), len(rows))
        for name, default in (("start_ns", 0), ("end_ns", 0), ("n_windows", 0))
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
            name: int(values[index]) for name, values in known.items()
        }
        for name in GEOMETRY:
            value = float(getattr(item, name, np.nan))
            if np.isfinite(value):
                trace.stats.xcorr[name] = value
        yield trace


def file_name(trace: Trace) -> str:
    """Return a name for the file of a trace: channel and start, or both channels.

    >>> file_name(Trace(np.zeros(1), {"station": "A", "starttime": UTCDateTime(0)}))
    '.A...19700101T000000'
    """
    known = trace.stats.get("xcorr")
    time = trace.stats.starttime
    if known:
        name = f"{known['first']}_{known['second']}"
        if not known.get("start_ns"):
            return name
        return f"{name}.{_stamp(UTCDateTime(ns=known['start_ns']))}"
    return f"{trace.id}.{_stamp(time)}"


def _stamp(time: UTCDateTime) -> str:
    text = time.strftime("%Y%m%dT%H%M%S")
    return text + (f"_{time.microsecond:06d}" if time.microsecond else "")


class _Write(GenericPE):
    """What the elements that write have in common: ports, the folder, errors."""

    grouping: str | None = None

    def __init__(self, folder: str | Path) -> None:
        super().__init__()
        self._add_input("input", grouping=self.grouping, tuple_type=ITEMS)
        self._add_output("written", tuple_type=str)
        self._add_output("skipped", tuple_type=Skipped)
        self.folder = str(folder)

    def process(self, inputs: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Write one item."""
        stream = as_stream(inputs["input"])
        for name, traces in self._files(stream).items():
            try:
                with report_full_disk(self.folder):
                    path = self._write_file(name, traces)
            except (DataError, ValueError) as error:
                yield {"skipped": Skipped("write", traces[0].id, str(error))}
                continue
            if path is not None:
                yield {"written": str(path)}

    def _files(self, stream: Stream) -> dict[str, Stream]:
        """Return which traces go into which file: here each into one of its own."""
        return {file_name(trace): Stream([trace]) for trace in stream}

    def _write_file(self, name: str, traces: Stream) -> Path | None:
        raise NotImplementedError

    def _place(self, name: str) -> tuple[Path, Path]:
        """Return where to write, and where to move it to once it is whole."""
        folder = Path(self.folder)
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f".{name}.tmp", folder / name


class WriteSac(_Write):
    """Write SAC files, one for each trace without gaps.

    Of a correlation, ``b`` is the first lag, ``kevnm`` the first channel, ``user0`` the
    number of windows, and ``dist``, ``az``, ``baz`` are there where they are known.

    Ports
    -----
    input : obspy.Trace, obspy.Stream, Waveforms or Correlation
        What is written.
    written : str
        The path of each file.
    skipped : Skipped
        What SAC cannot hold.

    Parameters
    ----------
    folder : str or pathlib.Path
        Where to; made if it is not there.
    """

    def _write_file(self, name: str, traces: Stream) -> Path:
        draft, path = self._place(f"{name}.sac")
        known = traces[0].stats.get("xcorr")
        if known is None:
            traces[0].write(str(draft), format="SAC")
        else:
            _sac_of(traces[0], known).write(str(draft))
        return draft.rename(path)


def _sac_of(trace: Trace, known: dict[str, Any]) -> Any:
    """Return the SACTrace of a correlation: lags in ``b``, the first as the event."""
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
        "kevnm": known["first"],
        "user0": known["n_windows"],
        "lcalda": False,  # SAC would compute dist on a sphere of its own
    }
    header |= {"khole": stats.location} if stats.location else {}
    header |= {GEOMETRY[name]: known[name] for name in GEOMETRY if name in known}
    return SACTrace(data=trace.data.astype(np.float32), **header)


class WriteMiniseed(_Write):
    """Write miniSEED files, one for each channel of an item, with all its segments.

    Ports
    -----
    input : obspy.Trace, obspy.Stream, Waveforms or Correlation
        What is written.
    written : str
        The path of each file.
    skipped : Skipped
        What miniSEED cannot hold.

    Parameters
    ----------
    folder : str or pathlib.Path
        Where to; made if it is not there.
    """

    def _files(self, stream: Stream) -> dict[str, Stream]:
        if any("xcorr" in trace.stats for trace in stream):
            return super()._files(stream)
        files: dict[str, Stream] = {}
        first: dict[str, str] = {}
        for trace in sorted(stream, key=lambda one: one.stats.starttime.ns):
            name = first.setdefault(trace.id, file_name(trace))
            files.setdefault(name, Stream()).append(trace)
        return files

    def _write_file(self, name: str, traces: Stream) -> Path:
        draft, path = self._place(f"{name}.mseed")
        Stream([_for_mseed(trace) for trace in traces]).write(
            str(draft), format="MSEED"
        )
        return draft.rename(path)


def _for_mseed(trace: Trace) -> Trace:
    """Return a trace of a type that miniSEED has, and with no encoding from before."""
    kind = MSEED_KINDS.get(trace.data.dtype.str[1:])
    header = {key: trace.stats[key] for key in ("network", "station", "location")}
    for key in ("channel", "sampling_rate", "starttime"):
        header[key] = trace.stats[key]
    data = trace.data if kind is None else _exactly(trace, kind)
    return Trace(np.ascontiguousarray(data), header)


def _exactly(trace: Trace, kind: str) -> np.ndarray:
    data = trace.data.astype(kind)
    if not np.array_equal(data.astype(trace.data.dtype), trace.data):
        raise DataError(f"values do not fit into the types of miniSEED ({kind})")
    return data


class WriteNpz(_Write):
    """Write all that comes to one npz file, one array for each trace.

    An array has the name of channel and start; of it there are also ``NAME.start_ns``
    and ``NAME.rate_hz``. Correlations have the names of both channels.

    Ports
    -----
    input : obspy.Trace, obspy.Stream, Waveforms or Correlation
        All items come to one instance.
    written : str
        The path, at the end.
    skipped : Skipped
        Names that came twice.

    Parameters
    ----------
    path : str or pathlib.Path
        The file.
    """

    grouping = "global"

    def __init__(self, path: str | Path) -> None:
        super().__init__(Path(path).parent)
        self.path = str(path)
        self._archive: Any = None

    def _write_file(self, name: str, traces: Stream) -> None:
        import zipfile

        if self._archive is None:
            draft, _ = self._place(Path(self.path).name)
            self._archive = zipfile.ZipFile(draft, "w", zipfile.ZIP_STORED)
        if f"{name}.npy" in self._archive.NameToInfo:
            raise DataError(f"{name} came before")
        stats = traces[0].stats
        for key, value in (
            (name, traces[0].data),
            (f"{name}.start_ns", np.int64(stats.starttime.ns)),
            (f"{name}.rate_hz", np.float64(stats.sampling_rate)),
        ):
            with self._archive.open(f"{key}.npy", "w", force_zip64=True) as file:
                array = np.asanyarray(value)
                np.lib.format.write_array(file, array, allow_pickle=False)

    def _postprocess(self) -> None:
        archive, self._archive = self._archive, None
        if archive is not None:
            with report_full_disk(self.folder):
                archive.close()
                draft, path = self._place(Path(self.path).name)
                self.write("written", str(draft.rename(path)))


class WriteAsdf(_Write):
    """Write all that comes to one ASDF file: waveforms, correlations as auxiliary data.

    Ports
    -----
    input : obspy.Trace, obspy.Stream, Waveforms or Correlation
        All items come to one instance.
    written : str
        The path, at the end.
    skipped : Skipped
        What ASDF cannot hold.

    Parameters
    ----------
    path : str or pathlib.Path
        The file.
    tag : str
        What the waveforms are, e.g. ``raw_recording``.
    """

    grouping = "global"

    def __init__(self, path: str | Path, tag: str = "raw_recording") -> None:
        super().__init__(Path(path).parent)
        self.path, self.tag = str(path), tag
        self._asdf: AsdfWriter | None = None

    def _write_file(self, name: str, traces: Stream) -> None:
        (trace,) = traces
        if self._asdf is None:
            self._asdf = AsdfWriter(self._place(Path(self.path).name)[0])
        known = trace.stats.get("xcorr")
        if known is None:
            self._asdf.add_waveform(trace, self.tag)
            return
        parameters = {
            "dt": float(trace.stats.delta),
            "first_lag_s": float(trace.stats.starttime),
            **known,
        }
        path = f"{known['first']}/{name.removeprefix(known['first'] + '_')}"
        self._asdf.add_auxiliary(trace.data, "CrossCorrelations", path, parameters)

    def _postprocess(self) -> None:
        writer, self._asdf = self._asdf, None
        if writer is not None:
            with report_full_disk(self.folder):
                writer.close()
                draft, path = self._place(Path(self.path).name)
                self.write("written", str(draft.rename(path)))
