"""The sampling rates of channels, measured from the time stamps of their files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from obspy import Stream

from seismo_pes.items.times import DAY_NS, NS
from seismo_pes.reading.archives.scan import FileEntry
from seismo_pes.reading.fetching import remote
from seismo_pes.reading.formats.record_times import RecordTimes, read_record_times
from seismo_pes.reading.formats.waveform_files import COMPRESSED
from seismo_pes.regular_file import open_regular, read_error
from seismo_pes.signal.rates import LEAST_DRIFT, exact_rate, measure_timing

__all__ = ["ChannelRates", "rates_of_files", "record_times"]

RECORDS = ("MSEED", "MSEED3")  # formats whose records have time stamps
# Largest difference from the header that is measured, in millionths. A run splits
# records at a tenth of this, and `scan` should show the cause.
MAX_PPM = 10_000.0
# A run measures the rate of shorter files itself: it reads several of them at once.
LONG_FILE_NS = DAY_NS // 6
WHOLE = 1e-3  # samples: if whole samples are missing, it is a gap, not another rate


@dataclass
class ChannelRates:
    """The rates of one channel in its headers, and by its time stamps.

    Records of miniSEED are measured file by file. If they agree with their headers, the
    starts of the files, and those of other formats, are measured together.

    Attributes
    ----------
    headers : dict of float to int
        Number of samples at each rate.
    starts : list of (int, int, float)
        Start, nanoseconds since 1970, samples and rate of each trace.
    runs : list of (float, int)
        Measured rates that differ from the header, and their numbers of samples.
    """

    headers: dict[float, int] = field(default_factory=dict)
    starts: list[tuple[int, int, float]] = field(default_factory=list)
    runs: list[tuple[float, int]] = field(default_factory=list)

    def add(self, traces: Stream, records: RecordTimes | None) -> None:
        """Add the headers of a file.

        Parameters
        ----------
        traces : obspy.Stream
            The traces of the channel, with their headers only.
        records : RecordTimes, optional
            The time stamps of its records.
        """
        for trace in traces:
            stats = trace.stats
            rate_hz = float(stats.sampling_rate)
            if rate_hz > 0 and stats.npts:
                self.headers[rate_hz] = self.headers.get(rate_hz, 0) + stats.npts
                self.starts.append((stats.starttime.ns, stats.npts, rate_hz))
        if records is not None and len(self.headers) == 1:
            self._measure(records.start_ns, records.n_samples, next(iter(self.headers)))

    @property
    def header_hz(self) -> float | None:
        """The rate of most samples by the headers, None without samples."""
        if not self.headers:
            return None
        most = max(self.headers, key=lambda rate_hz: (self.headers[rate_hz], rate_hz))
        return float(exact_rate(most))

    def measured_hz(self) -> float | None:
        """Return the mean of the measured rates that contradict the header.

        Returns
        -------
        float or None
            None if the time stamps agree with the headers.
        """
        if not self.runs:
            for rate_hz in self.headers:
                own = [start[:2] for start in self.starts if start[2] == rate_hz]
                start_ns, n_samples = np.array(own, np.int64).T
                self._measure(start_ns, n_samples, rate_hz)
        if not self.runs:
            return None
        n_samples = sum(n for _, n in self.runs)
        return n_samples / sum(n / rate_hz for rate_hz, n in self.runs)

    def _measure(
        self, start_ns: np.ndarray, n_samples: np.ndarray, rate_hz: float
    ) -> None:
        order = np.argsort(start_ns, kind="stable")
        starts, counts = start_ns[order], n_samples[order]
        missed = np.diff(starts) * (rate_hz / NS) - counts[:-1]
        is_whole = np.abs(missed - np.rint(missed)) < WHOLE
        for run in measure_timing(starts, counts, rate_hz, MAX_PPM):
            if is_whole[run.first : max(run.stop - 1, run.first + 1)].all():
                continue
            n = int(counts[run.first : run.stop].sum())
            if run.drift:
                self.runs.append((run.rate_hz, n))
            elif run.beyond_ppm:
                self.runs.append((rate_hz * (1 + run.beyond_ppm * 1e-6), n))


def record_times(path: str, stream: Stream) -> dict[str, RecordTimes]:
    """Return the time stamps of the records of a file, by channel; may be empty.

    Parameters
    ----------
    path : str
        The file.
    stream : obspy.Stream
        Its headers.

    Raises
    ------
    ReadFailed
        If the operating system cannot read the file.
    """
    formats = {trace.stats.get("_format") for trace in stream}
    packed = Path(path).suffix.lower() in COMPRESSED or remote.is_remote(path)
    if packed or not formats or not formats <= set(RECORDS):
        return {}
    try:
        with open_regular(path) as file:
            channels = read_record_times(file.read())
    except OSError as error:
        raise read_error(path, error) from error
    return {channel.channel_id: channel for channel in channels}


def rates_of_files(entries: Iterable[FileEntry]) -> dict[str, float]:
    """Measure the rates of the files of a channel from their starts.

    A run reads a day at a time, which has too few starts if the files are long.

    Parameters
    ----------
    entries : iterable of FileEntry
        The files of one channel, in any order.

    Returns
    -------
    dict of str to float
        The true rate of each file of four hours or more, by path, if the header's rate
        drifts in it. Steps of whole samples between files are taken as gaps.
    """
    measured: dict[str, float] = {}
    by_header: dict[float, list[FileEntry]] = {}
    for entry in sorted(entries, key=lambda entry: entry.start_ns):
        if entry.end_ns - entry.start_ns >= LONG_FILE_NS and entry.rate_hz > 0:
            by_header.setdefault(float(exact_rate(entry.rate_hz)), []).append(entry)
    for rate_hz, group in by_header.items():
        starts = np.array([entry.start_ns for entry in group], np.int64)
        lengths_ns = np.array([entry.end_ns - entry.start_ns for entry in group])
        counts = np.rint(lengths_ns * (rate_hz / NS)).astype(np.int64)
        missed = np.diff(starts) * (rate_hz / NS) - counts[:-1]
        is_whole = np.abs(missed - np.rint(missed)) < WHOLE
        for run in measure_timing(starts, counts, rate_hz):
            files = slice(run.first, run.stop)
            share = counts[files].max() / counts[files].sum()
            if abs(run.drift) * share <= LEAST_DRIFT:
                continue
            if not is_whole[run.first : run.stop - 1].all():
                measured |= {entry.path: run.rate_hz for entry in group[files]}
    return measured
