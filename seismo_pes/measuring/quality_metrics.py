"""Metrics of data quality: amplitudes and power spectral densities of windows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from obspy import Stream, Trace

from dispel4py.core import GenericPE
from dispel4py.errors import ParameterError
from seismo_pes.items.times import NS
from seismo_pes.items.waveforms import RECORDS, AnyRecord, Waveforms
from seismo_pes.preprocessing.segments import Segment, merge_segments
from seismo_pes.signal import psd as _psd
from seismo_pes.signal.window import WindowGrid, cut

__all__ = ["MeasureQuality", "WindowQuality", "measure_quality", "psd_percentiles"]


@dataclass(frozen=True, eq=False)
class WindowQuality:
    """Quality metrics of the windows of one channel segment without gaps.

    Attributes
    ----------
    channel_id : str
        ``NET.STA.LOC.CHA``.
    start_ns : numpy.ndarray
        Starts of the windows, shape (n_windows,), int64, nanoseconds since 1970.
    window_s : float
        Length of the windows, seconds.
    rate_hz : float
        Sampling rate.
    rms, peak : numpy.ndarray
        Root mean square, and largest absolute deviation from the mean, in the unit of
        the data; shape (n_windows,).
    frequency_hz : numpy.ndarray
        Shape (n_bins,), without zero.
    psd_db : numpy.ndarray
        Power spectral density in dB relative to 1 (unit of the data)**2 / Hz, shape
        (n_windows, n_bins).
    """

    channel_id: str
    start_ns: np.ndarray
    window_s: float
    rate_hz: float
    rms: np.ndarray
    peak: np.ndarray
    frequency_hz: np.ndarray
    psd_db: np.ndarray


def measure_quality(
    stream: Trace | Iterable[Trace],
    window_s: float,
    step_s: float | None = None,
    segment_s: float | None = None,
    origin_ns: int = 0,
) -> list[WindowQuality]:
    """Measure the quality metrics of all windows without gaps.

    Parameters
    ----------
    stream : obspy.Trace or Stream
        The data, which are not changed; they are merged by the rules of `merge`.
    window_s : float
        Length of the windows, seconds.
    step_s : float, optional
        Time from the start of a window to the next start, seconds; by default the
        length of a window.
    segment_s : float, optional
        Length of the segments of Welch's method, seconds; by default a quarter of a
        window.
    origin_ns : int
        Windows start at ``origin_ns`` plus multiples of the step, nanoseconds since
        1970.

    Returns
    -------
    list of WindowQuality
        One for each segment without gaps that is at least as long as a window.

    Raises
    ------
    ParameterError
        If a length is not positive, a segment is longer than a window, or a window has
        too few samples.
    """
    step_s = window_s if step_s is None else step_s
    segment_s = window_s / 4 if segment_s is None else segment_s
    if not 0 < segment_s <= window_s:
        raise ParameterError(
            f"segment_s must be positive and at most window_s, not {segment_s}"
        )
    grid = WindowGrid(origin_ns, round(window_s * NS), round(step_s * NS))
    traces = [stream] if isinstance(stream, Trace) else stream
    segments, _ = merge_segments(traces, origin_ns)
    metrics = (_measure_segment(segment, grid, segment_s) for segment in segments)
    return [quality for quality in metrics if quality is not None]


def _measure_segment(
    segment: Segment, grid: WindowGrid, segment_s: float
) -> WindowQuality | None:
    """Return the metrics of a segment, None if it is shorter than a window."""
    rate_hz, first, n = segment.rate_hz, segment.first_sample, len(segment.data)
    start_ns, end_ns = (
        grid.origin_ns + round(i * NS / rate_hz) for i in (first, first + n)
    )
    numbers = _window_numbers(grid, start_ns, end_ns)
    windows = cut(segment.data, first, grid, rate_hz, numbers)
    data = windows.data[windows.covered]
    if not len(data):
        return None
    data = data[:, : int(windows.n_samples.min())]
    window_s = grid.length_ns / NS
    n_segment = max(2, round(segment_s * rate_hz))
    if n_segment > data.shape[-1]:
        raise ParameterError(
            f"{segment.channel_id}: a window of {window_s:g} s has too few samples at "
            f"{rate_hz:g} Hz"
        )
    spectrum = _psd.welch_psd(data, rate_hz, n_segment)
    deviation = np.abs(data - data.mean(axis=-1, keepdims=True))
    return WindowQuality(
        segment.channel_id,
        grid.start_ns(np.asarray(numbers)[windows.covered]),
        window_s,
        rate_hz,
        _psd.window_rms(data, data.shape[-1])[:, 0],
        deviation.max(axis=-1),
        spectrum.frequency_hz[1:],
        _psd.decibel(spectrum.density[:, 1:]),
    )


def _window_numbers(grid: WindowGrid, start_ns: int, end_ns: int) -> range:
    """Return the numbers of the windows between two times; 0 starts at the origin."""
    first = (start_ns - grid.origin_ns) // grid.step_ns
    last = (end_ns - grid.origin_ns) // grid.step_ns
    return range(first, last + 1)


def psd_percentiles(
    metrics: Iterable[WindowQuality], ranks: ArrayLike = (10, 50, 90)
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return percentiles of the spectra of all windows, for each channel.

    Parameters
    ----------
    metrics : iterable of WindowQuality
        From `measure_quality`. If the frequencies of a channel change, its spectra with
        other frequencies than its first ones are left out.
    ranks : array_like
        Percentages, shape (n_ranks,).

    Returns
    -------
    dict of channel id to (frequency_hz, psd_db)
        Shapes (n_bins,) and (n_ranks, n_bins).
    """
    by_channel: dict[str, list[WindowQuality]] = {}
    for quality in metrics:
        group = by_channel.setdefault(quality.channel_id, [])
        if not group or np.array_equal(group[0].frequency_hz, quality.frequency_hz):
            group.append(quality)
    return {
        channel_id: (
            group[0].frequency_hz,
            _psd.percentiles(np.concatenate([x.psd_db for x in group]), ranks),
        )
        for channel_id, group in by_channel.items()
    }


class MeasureQuality(GenericPE):
    """Measure amplitudes and spectra of the windows of waveforms that pass through.

    Ports
    -----
    input : obspy.Stream, obspy.Trace or Waveforms
        The data, which are not changed.
    output : the same type
        The item itself.
    measures : WindowQuality
        Metrics of one segment without gaps.

    Parameters
    ----------
    window_s : float
        Length of the windows, seconds.
    step_s : float, optional
        Time from the start of a window to the next start, seconds; by default the
        length of a window.
    segment_s : float, optional
        Length of the segments of Welch's method, seconds; by default a quarter of a
        window.
    origin_ns : int
        Windows start at this time plus multiples of the step, nanoseconds since 1970.
    """

    def __init__(
        self,
        window_s: float,
        step_s: float | None = None,
        segment_s: float | None = None,
        origin_ns: int = 0,
    ) -> None:
        super().__init__()
        self.parameters = (window_s, step_s, segment_s, origin_ns)
        self._add_input("input", tuple_type=RECORDS)
        self._add_output("output", tuple_type=AnyRecord)
        self._add_output("measures", tuple_type=WindowQuality)

    def process(self, inputs: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Send the metrics of one item, and then the item."""
        item = inputs["input"]
        stream: Stream = item.stream if isinstance(item, Waveforms) else item
        for quality in measure_quality(stream, *self.parameters):
            yield {"measures": quality}
        yield {"output": item}
