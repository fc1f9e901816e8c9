"""How good are the data: amplitudes and spectra of windows, as a PE that listens."""

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
from seismo_pes.preprocessing.segments import merge_segments
from seismo_pes.signal import psd as _psd
from seismo_pes.signal.window import WindowGrid, cut

__all__ = ["MeasureQuality", "WindowQuality", "measure_quality", "psd_percentiles"]


@dataclass(frozen=True, eq=False)
class WindowQuality:
    """Measures of the windows of one gapless piece of a channel.

    Attributes
    ----------
    channel_id : str
        ``NET.STA.LOC.CHA``.
    start_ns : numpy.ndarray
        Starts of the windows, shape (n_windows,), int64.
    window_s, rate_hz : float
        Length of the windows, and sampling rate.
    rms, peak : numpy.ndarray
        Root mean square and largest distance from the mean, shape (n_windows,).
    frequency_hz : numpy.ndarray
        Shape (n_bins,), without zero.
    psd_db : numpy.ndarray
        Power spectral density in dB of (unit of the data)**2 / Hz, shape (n_windows,
        n_bins).
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
    """Measure the windows that are wholly covered by data.

    Parameters
    ----------
    stream : obspy.Trace or Stream
        Left as it is; merged by the rules of `merge`.
    window_s, step_s : float
        Length of the windows, and from one start to the next; by default they follow
        each other.
    segment_s : float, optional
        Length of the segments of Welch's method; by default a quarter of a window.
    origin_ns : int
        Windows start at ``origin_ns`` plus multiples of the step.

    Returns
    -------
    list of WindowQuality
        One for each gapless piece that covers a window.

    Raises
    ------
    ParameterError
        If a length is not positive, or the segment longer than the window.
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
    found = []
    for segment in segments:
        rate_hz = segment.rate_hz
        first_ns, n = segment.first_sample, len(segment.data)
        times = [origin_ns + round(i * NS / rate_hz) for i in (first_ns, first_ns + n)]
        candidates = _windows(grid, *times)
        pieces = cut(segment.data, segment.first_sample, grid, rate_hz, candidates)
        data = pieces.data[pieces.covered]
        if not len(data):
            continue
        data = data[:, : int(pieces.n_samples.min())]
        starts_ns = grid.start_ns(np.asarray(candidates)[pieces.covered])
        n_segment = max(2, round(segment_s * rate_hz))
        if n_segment > data.shape[-1]:
            raise ParameterError(
                f"a window of {window_s:g} s has too few samples at {rate_hz:g} Hz"
            )
        spectrum = _psd.welch_psd(data, rate_hz, n_segment)
        away = np.abs(data - data.mean(axis=-1, keepdims=True))
        found.append(
            WindowQuality(
                segment.channel_id,
                starts_ns,
                float(window_s),
                rate_hz,
                _psd.window_rms(data, data.shape[-1])[:, 0],
                away.max(axis=-1),
                spectrum.frequency_hz[1:],
                _psd.decibel(spectrum.density[:, 1:]),
            )
        )
    return found


def _windows(grid: WindowGrid, start_ns: int, end_ns: int) -> range:
    """Return the windows that may be covered; also before the origin."""
    first = (start_ns - grid.origin_ns) // grid.step_ns
    last = (end_ns - grid.origin_ns) // grid.step_ns
    return range(first, last + 1)


def psd_percentiles(
    measures: Iterable[WindowQuality], ranks: ArrayLike = (10, 50, 90)
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Percentiles of spectra over all windows of a channel.

    Returns
    -------
    dict of channel id to (frequency_hz, psd_db)
        Shapes (n_bins,) and (n_ranks, n_bins). Measures of a channel that have other
        frequencies than its first ones are left out.
    """
    by_channel: dict[str, list[WindowQuality]] = {}
    for one in measures:
        same = by_channel.setdefault(one.channel_id, [])
        if not same or np.array_equal(same[0].frequency_hz, one.frequency_hz):
            same.append(one)
    return {
        channel_id: (
            same[0].frequency_hz,
            _psd.percentiles(np.concatenate([one.psd_db for one in same]), ranks),
        )
        for channel_id, same in by_channel.items()
    }


class MeasureQuality(GenericPE):
    """Measure what passes through: `measure_quality` as a processing element.

    Ports
    -----
    input : obspy.Stream, obspy.Trace or Waveforms
        What comes in stays as it is.
    output : the same type
        The item itself.
    measures : WindowQuality
        One for each gapless piece.

    Parameters
    ----------
    window_s : float
        Length of the windows, seconds.
    step_s : float, optional
        From one start to the next, seconds; by default windows follow each other.
    segment_s : float, optional
        Length of the segments of Welch's method, seconds; by default a quarter of a
        window.
    origin_ns : int
        Windows start there plus multiples of the step, nanoseconds since 1970.
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
        """Measure one item."""
        item = inputs["input"]
        stream: Stream = item.stream if isinstance(item, Waveforms) else item
        for one in measure_quality(stream, *self.parameters):
            yield {"measures": one}
        yield {"output": item}
