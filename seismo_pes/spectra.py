"""Windows of a channel and their spectra."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from obspy import Stream

from dispel4py.core import GenericPE
from dispel4py.errors import DataError
from seismo_pes.merge import Segment, merge_segments
from seismo_pes.report import Skipped
from seismo_pes.signal.detrend import detrend
from seismo_pes.signal.spectra import energy, energy_of_spectrum, rfft_windows
from seismo_pes.signal.whiten import whiten
from seismo_pes.signal.window import WindowGrid, cut
from seismo_pes.spectra_settings import SpectraSettings
from seismo_pes.waveforms import Waveforms

__all__ = ["Spectra", "SpectraSettings", "WindowSpectra", "window_spectra"]


@dataclass(frozen=True, eq=False)
class Spectra:
    """Spectra of the usable windows of one channel in one stretch of time.

    Attributes
    ----------
    channel : int
        Index into the run's channel table.
    stretch : int
        Which stretch of time.
    windows : numpy.ndarray
        Shape (n,), int64: which windows of the grid, ascending.
    data : numpy.ndarray
        Shape (n * rows, n_bins), complex64 or complex128, window after window: the
        bins of `SpectraSettings.bins`, ``rows`` being its ``rows_per_window``.
    factors : numpy.ndarray, optional
        Shape (n_bands, n), real: what each window is multiplied by in each band,
        besides the weights of the band; 0 where it has no energy there, so that it
        must not enter. None with one band or none: all is applied in ``data``.
    """

    channel: int
    stretch: int
    windows: np.ndarray
    data: np.ndarray
    factors: np.ndarray | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> Spectra:
        return self  # nobody writes into it


def window_spectra(
    segments: list[Segment],
    windows: range,
    settings: SpectraSettings,
    flat: tuple[tuple[int, int], ...] = (),
) -> tuple[np.ndarray, np.ndarray]:
    """Cut windows out of segments and transform them.

    A window is used if one segment covers it wholly, it has energy, and the data as
    recorded were not flat all through it.

    Parameters
    ----------
    segments : list of Segment
        Of one channel, at the rate of the settings.
    windows : range
        The windows of the grid to look at.
    settings : SpectraSettings
    flat : tuple of (int, int)
        Where the recorded data were flat, in nanoseconds.

    Returns
    -------
    used : numpy.ndarray
        Shape (n,), int64: the windows used, ascending.
    spectra : numpy.ndarray
        Shape (n, n_bins).
    """
    complex_dtype = np.result_type(settings.dtype, np.complex64)
    n_bins = settings.bins.stop - settings.bins.start
    used, spectra = [], []
    for segment in segments:
        near = _windows_of(segment, windows, settings)
        if not len(near):
            continue
        piece = cut(
            segment.data, segment.first_sample, settings.grid, settings.rate_hz, near
        )
        keep = piece.covered & ~_flat_windows(near, settings.grid, flat)
        if not keep.any():
            continue
        rows = slice(None) if keep.all() else keep
        data, alive = _detrended(piece.data[rows], piece.n_samples[rows], settings)
        found, alive = _transformed(data, alive, settings)
        used.append(np.asarray(near, np.int64)[keep][alive])
        spectra.append(found)
    if not used:
        return np.empty(0, np.int64), np.empty((0, n_bins), complex_dtype)
    return np.concatenate(used), np.concatenate(spectra)


def _windows_of(segment: Segment, windows: range, settings: SpectraSettings) -> range:
    """Return the windows that can lie in a segment, one more at each end."""
    step = settings.grid.step_ns * settings.rate_hz / 1e9
    first = int(segment.first_sample // step)
    last = int(segment.end_sample // step) + 1
    return range(max(windows.start, first), max(first, min(windows.stop, last)))


def _flat_windows(
    windows: range, grid: WindowGrid, flat: tuple[tuple[int, int], ...]
) -> np.ndarray:
    start = grid.start_ns(np.asarray(windows, np.int64))
    inside = np.zeros(len(windows), bool)
    for begin, end in flat:
        inside |= (start >= begin) & (start + grid.length_ns <= end)
    return inside


def _detrended(
    data: np.ndarray, n_samples: np.ndarray, settings: SpectraSettings
) -> tuple[np.ndarray, np.ndarray]:
    """Detrend each window over its own samples; say which have energy."""
    data = data.astype(np.float64, copy=False)
    largest = _largest(data)
    for n in np.unique(n_samples):
        rows = n_samples == n
        if rows.all() and n == data.shape[-1]:
            data = detrend(data, settings.window_detrend)
        else:
            data[rows, :n] = detrend(data[rows, :n], settings.window_detrend)
    rounding = np.finfo(np.float64).eps * largest * 8
    with np.errstate(invalid="ignore"):
        alive = np.sqrt(energy(data) / data.shape[-1]) > rounding
    return data, alive


def _largest(data: np.ndarray) -> np.ndarray:
    """Return the largest absolute value of each row, without a copy of the rows."""
    return np.maximum(data.max(axis=-1), -data.min(axis=-1))


def _transformed(
    data: np.ndarray, alive: np.ndarray, settings: SpectraSettings
) -> tuple[np.ndarray, np.ndarray]:
    """Return the spectra of the windows that are alive, whitened and scaled."""
    bins = settings.bins
    data = data if alive.all() else data[alive]
    # a common scale keeps squares of float32 within range; it cancels or is put back
    scale = _largest(data)[:, None]
    scale[scale == 0] = 1.0
    scaled = np.empty(data.shape, settings.dtype)
    np.divide(data, scale, out=scaled, casting="same_kind")
    spectra = rfft_windows(scaled, settings.n_fft, bins)
    if settings.whiten_hz is not None:
        spectra = whiten(spectra, settings.band(0)[1])
        scale = np.ones_like(scale)
    power = energy_of_spectrum(spectra, settings.n_fft, bins)
    has_energy = power > 0
    if not has_energy.all():
        spectra, power, scale = (
            spectra[has_energy],
            power[has_energy],
            scale[has_energy],
        )
        alive = alive.copy()
        alive[np.flatnonzero(alive)[~has_energy]] = False
    factor = 1 / np.sqrt(power)[:, None] if settings.unit_energy else scale
    return spectra * factor.astype(settings.dtype), alive


class WindowSpectra(GenericPE):
    """Cut the windows of one channel and span, and transform them.

    Ports
    -----
    input : Waveforms
        Traces of one channel.
    output : Spectra
        One for each input, also if no window is usable.
    skipped : Skipped
        Traces at another sampling rate.

    Parameters
    ----------
    settings : SpectraSettings
        How windows become spectra.
    channels : mapping of str to int
        Channel id to its index in the run's channel table.
    """

    def __init__(self, settings: SpectraSettings, channels: Mapping[str, int]) -> None:
        super().__init__()
        self.settings, self.channels = settings, dict(channels)
        self._add_input("input")
        self._add_output("output")
        self._add_output("skipped")

    def process(self, inputs: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Transform one span."""
        item: Waveforms = inputs["input"]
        settings = self.settings
        segments, skipped = merge_segments(
            _finite(item.stream), settings.sample_origin_ns, settings.rate_hz
        )
        yield from ({"skipped": one} for one in skipped)
        span = item.span
        windows = settings.grid.windows_between(span.start_ns, span.end_ns)
        used, data = window_spectra(segments, windows, settings, item.flat)
        if segments and not len(used):
            yield {"skipped": _no_window(span.channel_id, item, segments)}
        if span.channel_id not in self.channels:
            raise DataError(f"{span.channel_id} is not in the table of channels")
        number = self.channels[span.channel_id]
        yield {"output": Spectra(number, span.stretch, used, data)}


def _finite(stream: Stream) -> Stream:
    return Stream([trace for trace in stream if trace.stats.npts])


def _no_window(channel_id: str, item: Waveforms, segments: list[Segment]) -> Skipped:
    longest = max(len(s.data) / s.rate_hz for s in segments)
    reason = f"no window is usable (longest piece without a gap: {longest:g} s)"
    return Skipped("windows", channel_id, reason)
