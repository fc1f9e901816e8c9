"""Reading the observed and the synthetic record of a station."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from obspy import Stream, Trace

from dispel4py.errors import DataError
from seismo_pes.element import ItemElement
from seismo_pes.items.comparison import RejectedTrace, StationFiles, StationRecords
from seismo_pes.items.skipped import Skipped
from seismo_pes.preprocessing.gap_filling import join_traces
from seismo_pes.reading.formats.waveform_files import find_defect, read_file
from seismo_pes.reading.synthetics import absolute, motion_of_file, read_synthetics
from seismo_pes.regular_file import ReadFailed

__all__ = ["ReadPair", "StationReader", "read_pair"]

Rejections = list[RejectedTrace]
Reader = Callable[..., Stream]
# Kinds of instruments in the order of preference: high rate and high gain first.
BANDS = "HBCELSM"
INSTRUMENTS = "HLNX"
MOTION = "motion"  # header of synthetics
# Bytes of samples of files with several stations that stay in memory.
MOST_KEPT = 256 << 20


class StationReader:
    """A reader of files whose stations are read one after the other.

    The content of the last files with several stations stays in memory, so that such a
    file is not read again for each station.

    Parameters
    ----------
    reader : callable
        Takes a path and ``headonly``; returns a stream.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._kept: dict[str, tuple[dict[str, Stream], int]] = {}

    def __call__(self, path: str, station: str, headonly: bool = False) -> Stream:
        """Return the traces of a station in a file."""
        if path in self._kept:
            return self._kept[path][0].get(station, Stream())
        stream = self._reader(path, headonly=headonly)
        stations: dict[str, Stream] = {}
        for trace in stream:
            code = f"{trace.stats.network}.{trace.stats.station}"
            stations.setdefault(code, Stream()).append(trace)
        if len(stations) > 1 and not headonly:
            self._keep(path, stations, sum(trace.data.nbytes for trace in stream))
        return stations.get(station, Stream())

    def _keep(self, path: str, stations: dict[str, Stream], n_bytes: int) -> None:
        """Keep the content of a file in place of the oldest ones."""
        total = n_bytes + sum(size for _, size in self._kept.values())
        while total > MOST_KEPT and self._kept:
            oldest = next(iter(self._kept))
            total -= self._kept.pop(oldest)[1]
        if total <= MOST_KEPT:
            self._kept[path] = stations, n_bytes


def read_pair(
    files: StationFiles,
    synthetic_motion: str = "",
    observed_reader: StationReader | None = None,
    synthetic_reader: StationReader | None = None,
) -> StationRecords:
    """Read the traces of a station.

    Parameters
    ----------
    files : StationFiles
        The files; traces of other stations in them are left out.
    synthetic_motion : str
        Motion of synthetics whose names state none: ``displacement``, ``velocity``,
        ``acceleration``.
    observed_reader, synthetic_reader : StationReader, optional
        Readers that have the content of earlier files.

    Returns
    -------
    StationRecords
        One trace for each component and side. Gaps, files that cannot be read, and
        further instruments are among `rejected`; overlaps that differ, wrong rates and
        jumps of the time stamps among `remarks`.
    """
    rejected: Rejections = []
    remarks: list[Skipped] = []
    read = observed_reader or StationReader(read_file)
    observed = _read(files.observed, files.station, read, "observed", rejected)
    read = synthetic_reader or StationReader(read_synthetics)
    synthetic = Stream()
    for path in files.synthetic:
        part = _read([path], files.station, read, "synthetic", rejected)
        for trace in absolute(part, files.event.time_ns):
            trace.stats[MOTION] = motion_of_file(path) or synthetic_motion
            synthetic.append(trace)
    first_ns = min((t.stats.starttime.ns for t in synthetic), default=None)
    last_ns = max((t.stats.endtime.ns for t in synthetic), default=0)
    if first_ns is not None:
        observed = _whole(observed, first_ns, last_ns, rejected, remarks)
    observed = _one_instrument(observed, rejected)
    return StationRecords(
        files.event,
        files.station,
        observed,
        _one_trace_each(synthetic, rejected),
        tuple(rejected),
        tuple(remarks),
    )


def _read(
    paths: Iterable[str],
    station: str,
    reader: StationReader,
    side: str,
    rejected: Rejections,
) -> Stream:
    stream = Stream()
    for path in paths:
        try:
            part = reader(path, station)
        except ReadFailed:  # later it may be readable: the station is not finished
            raise
        except DataError as error:
            reason = f"{side} file: {error}"
            named = _named_traces(path, station, reader) or [None]
            rejected += [_rejected(trace, "read", reason) for trace in named]
            continue
        for trace in part:
            if defect := find_defect(trace):
                rejected.append(_rejected(trace, "read", f"{side}: {defect}"))
            elif not np.isfinite(np.ma.getdata(trace.data)).all():
                reason = f"{side}: samples that are not finite numbers"
                rejected.append(_rejected(trace, "read", reason))
            elif len(trace) > 1:
                stream.append(trace)
    return stream


def _named_traces(path: str, station: str, reader: StationReader) -> list[Trace | None]:
    """Return a trace for each channel of a file whose samples cannot be read."""
    try:
        headers = reader(path, station, headonly=True)
    except ReadFailed:
        raise
    except DataError:
        return []
    return list({trace.id: trace for trace in headers}.values())


def _rejected(trace: Trace | None, stage: str, reason: str) -> RejectedTrace:
    if trace is None:
        return RejectedTrace("", "", stage, reason)
    stats = trace.stats
    return RejectedTrace(stats.location, stats.channel[-1:], stage, reason)


def _whole(
    stream: Stream,
    first_ns: int,
    last_ns: int,
    rejected: Rejections,
    remarks: list[Skipped],
) -> Stream:
    """Return one trace for each channel: the one at the time of the synthetics."""
    whole = Stream()
    for channel_id in sorted({trace.id for trace in stream}):
        traces = Stream([t for t in stream if t.id == channel_id])
        joined, reports = join_traces(traces)
        if len({trace.stats.sampling_rate for trace in joined}) > 1:
            reason = "observed: several sampling rates in one channel"
            rejected.append(_rejected(traces[0], "merge", reason))
            continue
        timely = [
            t
            for t in joined
            if t.stats.starttime.ns <= last_ns and t.stats.endtime.ns >= first_ns
        ]
        if len(timely) > 1:
            reason = "observed: a gap within the time of the synthetic"
            rejected.append(_rejected(traces[0], "merge", reason))
        elif not timely:
            reason = "observed and synthetic: no common time"
            rejected.append(_rejected(traces[0], "common axis", reason))
        else:
            whole.append(timely[0])
            remarks += reports
    return whole


def _one_instrument(stream: Stream, rejected: Rejections) -> Stream:
    """Keep the instrument with the most components, then by bands and location."""
    instruments: dict[str, list[Trace]] = {}
    for trace in stream:
        instruments.setdefault(trace.id[:-1], []).append(trace)
    if not instruments:
        return stream
    best = min(instruments, key=lambda name: (-len(instruments[name]), _rank(name)))
    for name, traces in instruments.items():
        if name != best:
            reason = f"another instrument of the station is used: {best}"
            rejected += [_rejected(trace, "select", reason) for trace in traces]
    return Stream(instruments[best])


def _rank(instrument: str) -> tuple[int, int, str]:
    code = instrument.rpartition(".")[2]
    band, kind = BANDS.find(code[:1]), INSTRUMENTS.find(code[1:2])
    return (band if band >= 0 else 99, kind if kind >= 0 else 99, instrument)


def _one_trace_each(stream: Stream, rejected: Rejections) -> Stream:
    traces: dict[str, Trace] = {}
    for trace in stream:
        component = trace.stats.channel[-1:]
        if component in traces:
            reason = f"synthetic: another record of the component, {trace.id}"
            rejected.append(_rejected(trace, "select", reason))
        else:
            traces[component] = trace
    return Stream(list(traces.values()))


class ReadPair(ItemElement):
    """Read the observed and the synthetic record of a station.

    Parameters
    ----------
    synthetic_motion : str
        See `read_pair`.

    Ports
    -----
    input : StationFiles
    output : StationRecords
    """

    takes = StationFiles
    gives = StationRecords

    def __init__(self, synthetic_motion: str = "") -> None:
        super().__init__()
        self.synthetic_motion = synthetic_motion

    def _preprocess(self) -> None:
        self._readers = StationReader(read_file), StationReader(read_synthetics)

    def transform(self, item: StationFiles) -> StationRecords:
        """Read one station."""
        return read_pair(item, self.synthetic_motion, *self._readers)
