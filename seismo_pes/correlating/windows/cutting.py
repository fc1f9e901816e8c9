"""Windows cut out of the segments of a channel, or of all channels of an instrument."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from seismo_pes.correlating.settings import SpectraSettings
from seismo_pes.preprocessing.segments import Segment
from seismo_pes.preprocessing.window_places import window_places
from seismo_pes.signal.detrend import detrend
from seismo_pes.signal.spectra import energy
from seismo_pes.signal.window import WindowGrid

__all__ = ["Chunk", "CutPlan", "cut_plan"]

_CHUNK_BYTES = 2 << 20  # windows processed in one step: they stay in cache
_MOST_BYTES = 16 << 20  # upper bound for long windows
_ROWS = 4  # windows that a transform processes in the time of one

Flat = Sequence[tuple[int, int]]


@dataclass(frozen=True, eq=False)
class Chunk:
    """Some windows of the channels of an instrument, ready for the transform.

    Attributes
    ----------
    rows : slice
        Range of the windows of the plan.
    data : numpy.ndarray
        Shape (n_channels, n, n_fft), of the settings' dtype: detrended, divided by the
        scale, then zeros.
    scale : numpy.ndarray
        Shape (n,), float64: the largest absolute value in any channel, never 0.
    n_samples : numpy.ndarray
        Shape (n,): samples of each window.
    alive : numpy.ndarray
        Shape (n,), bool: which windows have energy in all channels.
    offset : numpy.ndarray
        Shape (n_channels, n): true time of the first sample minus the time of the
        window's first sample on the grid, in samples.
    """

    rows: slice
    data: np.ndarray
    scale: np.ndarray
    n_samples: np.ndarray
    alive: np.ndarray
    offset: np.ndarray


@dataclass(frozen=True, eq=False)
class CutPlan:
    """Where the windows lie that all channels cover.

    Attributes
    ----------
    channels : sequence of sequence of Segment
        The segments of each channel, ascending in time.
    windows : numpy.ndarray
        Shape (n,), int64: windows of the grid, ascending.
    n_samples : numpy.ndarray
        Shape (n,): samples of each window.
    segment : numpy.ndarray
        Shape (n_channels, n): index of the segment that covers each window.
    first : numpy.ndarray
        Shape (n_channels, n): its first sample in the segment.
    offset : numpy.ndarray
        Shape (n_channels, n): true time of the first sample minus the time of the
        window's first sample on the grid, in samples.
    """

    channels: Sequence[Sequence[Segment]]
    windows: np.ndarray
    n_samples: np.ndarray
    segment: np.ndarray
    first: np.ndarray
    offset: np.ndarray

    def chunks(self, settings: SpectraSettings) -> Iterator[Chunk]:
        """Cut and detrend the windows, a few at a time, so that memory is bounded."""
        row_bytes = np.dtype(settings.dtype).itemsize * settings.n_fft
        row_bytes *= len(self.channels)
        step = max(_CHUNK_BYTES // row_bytes, min(_ROWS, _MOST_BYTES // row_bytes), 1)
        step -= step % _ROWS if step > _ROWS else 0
        for i in range(0, len(self.windows), step):
            yield self._chunk(slice(i, min(i + step, len(self.windows))), settings)

    def _chunk(self, rows: slice, settings: SpectraSettings) -> Chunk:
        n_max, n_samples = settings.n_samples, self.n_samples[rows]
        channels = [
            _detrended(self._cut(c, rows, n_max), n_samples, settings)
            for c in range(len(self.channels))
        ]
        # the scale keeps squares within the range of float32; the transform restores it
        scale = np.max([largest for _, largest, _ in channels], axis=0)
        scale = np.maximum(scale, np.finfo(np.float64).tiny)
        shape = (len(channels), len(n_samples), settings.n_fft)
        data = np.empty(shape, settings.dtype)
        data[..., n_max:] = 0
        for (windows, _, _), padded in zip(channels, data, strict=True):
            scaled = np.multiply(windows, 1 / scale[:, None], out=windows)
            padded[:, :n_max] = scaled
        alive = np.logical_and.reduce([alive for _, _, alive in channels])
        return Chunk(rows, data, scale, n_samples, alive, self.offset[:, rows])

    def _cut(self, channel: int, rows: slice, n_max: int) -> np.ndarray:
        """Return windows of one channel, shape (n, n_max); a view where possible."""
        segments, segment = self.channels[channel], self.segment[channel, rows]
        first, n_samples = self.first[channel, rows], self.n_samples[rows]
        if (segment == segment[0]).all() and (n_samples == n_max).all():
            steps = np.diff(first)
            if len(steps) == 0 or (steps == steps[0]).all():
                return _evenly(segments[segment[0]], first, n_max)
        data = np.empty((len(first), n_max))
        for row, (k, begin, n) in enumerate(
            zip(segment.tolist(), first.tolist(), n_samples.tolist(), strict=True)
        ):
            data[row, :n] = segments[k].data[begin : begin + n]
            data[row, n:] = 0
        return data


def _evenly(segment: Segment, first: np.ndarray, n: int) -> np.ndarray:
    """Return windows at equal distances in one segment, without copying float64."""
    step = int(first[1] - first[0]) if len(first) > 1 else 1
    samples = segment.data[int(first[0]) :]
    stride = samples.strides[0]
    view = np.lib.stride_tricks.as_strided(
        samples, (len(first), n), (step * stride, stride), writeable=False
    )
    return view.astype(np.float64, copy=False)


def cut_plan(
    channels: Sequence[Sequence[Segment]],
    windows: range,
    settings: SpectraSettings,
    flats: Sequence[Flat],
) -> CutPlan:
    """Find the windows that one segment of each channel covers wholly.

    Parameters
    ----------
    channels : sequence of sequence of Segment
        Segments at the rate of the settings; segments of a channel do not overlap.
    windows : range
        The windows of the grid to consider.
    settings : SpectraSettings
    flats : sequence of sequence of (int, int)
        For each channel, where the recorded data were flat, in nanoseconds; a window
        wholly inside is left out.
    """
    index = np.arange(windows.start, windows.stop, dtype=np.int64)
    first = settings.grid.first_sample(index, settings.rate_hz)
    stop = settings.grid.stop_sample(index, settings.rate_hz)
    places = [window_places(segments, first, stop) for segments in channels]
    keep = np.logical_and.reduce([channel.covered for channel in places])
    for flat in flats:
        keep &= ~_inside(index, settings.grid, flat)
    return CutPlan(
        channels,
        index[keep],
        (stop - first)[keep],
        np.array([channel.segment[keep] for channel in places]),
        np.array([channel.first[keep] for channel in places]),
        np.array([channel.offset[keep] for channel in places]),
    )


def _inside(index: np.ndarray, grid: WindowGrid, flat: Flat) -> np.ndarray:
    start = grid.start_ns(index)
    inside = np.zeros(len(index), bool)
    for begin, end in flat:
        inside |= (start >= begin) & (start + grid.length_ns <= end)
    return inside


def _detrended(
    windows: np.ndarray, n_samples: np.ndarray, settings: SpectraSettings
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Detrend each window over its own samples.

    Returns the windows, their largest absolute values, and which have energy.
    """
    if (n_samples == windows.shape[-1]).all():
        data = detrend(windows, settings.window_detrend)
    else:
        data = windows.copy()
        for n in np.unique(n_samples):
            rows = n_samples == n
            data[rows, :n] = detrend(windows[rows, :n], settings.window_detrend)
    peak = _largest(data)
    # the removed trend is a line, so its ends and the peak bound the input
    last = np.arange(len(data)), n_samples - 1
    ends = windows[:, 0] - data[:, 0], windows[last] - data[last]
    rounding = np.finfo(np.float64).eps * (peak + np.abs(ends).max(axis=0)) * 8
    alive = peak > rounding * np.sqrt(data.shape[-1])
    if not alive.all():
        alive = np.sqrt(energy(data) / data.shape[-1]) > rounding
    return data, peak, alive


def _largest(data: np.ndarray) -> np.ndarray:
    """Return the largest absolute value of each row, without a copy of the rows."""
    return np.asarray(np.maximum(data.max(axis=-1), -data.min(axis=-1)))
