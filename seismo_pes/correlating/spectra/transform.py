"""From windows to spectra: transform, whitening, bands, scale."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy import fft

from seismo_pes.correlating.settings import Band, SpectraSettings
from seismo_pes.signal.coherency import phase_records
from seismo_pes.signal.normalize import running_mean
from seismo_pes.signal.spectra import rfft_windows

__all__ = ["Chunk", "transform"]

_POWER_BYTES = 1 << 19  # bytes of float64 powers per step: they stay in cache


@dataclass(frozen=True, eq=False)
class Chunk:
    """Some windows of the channels of an instrument: their samples, then their spectra.

    Attributes
    ----------
    rows : numpy.ndarray
        Shape (n,): indices of the windows in the span.
    n_samples : numpy.ndarray
        Shape (n,): samples of each window.
    data : numpy.ndarray
        Before the transform shape (n_channels, n, n_fft), of the settings' dtype:
        detrended samples, divided by the scale, then zeros. After it shape
        (n_channels, n, n_bins).
    scale : numpy.ndarray
        Shape (n,), float64: factors that restore the units, never 0.
    energies : numpy.ndarray
        Shape (n, n_bands): mean over the channels; no bands until they are known.
    offset : numpy.ndarray
        Shape (n_channels, n): true time of the first sample minus the time of the
        window's first sample on the grid, in samples.
    records : numpy.ndarray, optional
        The samples, if only their phases are used.
    """

    rows: np.ndarray
    n_samples: np.ndarray
    data: np.ndarray
    scale: np.ndarray
    energies: np.ndarray
    offset: np.ndarray
    records: np.ndarray | None = None

    def subset(self, keep: np.ndarray) -> Chunk:
        """Return a subset of the windows."""
        return Chunk(
            self.rows[keep],
            self.n_samples[keep],
            self.data[:, keep],
            self.scale[keep],
            self.energies[keep],
            self.offset[:, keep],
            None if self.records is None else self.records[:, keep],
        )


def transform(
    chunks: Iterable[Chunk],
    n_channels: int,
    n_windows: int,
    settings: SpectraSettings,
    content_hz: Band | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Transform windows according to the settings.

    Parameters
    ----------
    chunks : iterable of Chunk
        The windows, of one channel or of the components of an instrument.
    n_channels, n_windows : int
        Numbers of channels and of windows.
    settings : SpectraSettings
    content_hz : (float, float), optional
        Lowest and highest frequency that the records of all channels have. Spectra are
        zero outside, and bands that do not lie within get no energy. None: all.

    Returns
    -------
    kept : numpy.ndarray
        Shape (n_windows,), bool: the windows that have energy.
    spectra : numpy.ndarray
        Shape (n_channels, n * rows_per_window, n_bins).
    factors : numpy.ndarray or None
        Shape (n_bands, n) if there are several bands.
    """
    bins, rows = settings.bins, settings.rows_per_window
    shape = (n_channels, n_windows * rows, bins.stop - bins.start)
    data = np.empty(shape, np.result_type(settings.dtype, np.complex64))
    factors = np.empty((max(1, settings.n_bands), n_windows), settings.dtype)
    kept = np.zeros(n_windows, bool)
    n = 0
    absent = settings.bands_outside(content_hz)
    raw = (_raw(chunk, settings, content_hz) for chunk in chunks)
    for flat in _whitened(raw, settings):
        flat.energies[:, absent] = 0
        has_energy = np.asarray((flat.energies > 0).any(axis=-1))
        if not has_energy.all():
            flat = flat.subset(has_energy)
        _shift_to_grid(flat, settings)
        kept[flat.rows] = True
        stop = n + len(flat.rows)
        factors[:, n:stop] = _factors(flat.energies, settings).T
        _finish(flat, factors[:, n:stop], settings, data[:, n * rows : stop * rows])
        n = stop
    if n < n_windows:  # do not hold memory for windows that are left out
        data, factors = data[:, : n * rows].copy(), factors[:, :n].copy()
    return kept, data, factors if settings.n_bands > 1 else None


def _raw(
    chunk: Chunk, settings: SpectraSettings, content_hz: Band | None = None
) -> Chunk:
    """Transform the windows; all bins, zero outside the content."""
    spectra = rfft_windows(chunk.data, settings.n_fft)
    divided = settings.has_band or settings.kind == "coherency"
    if content_hz is not None and divided:
        low, high = (f * settings.n_fft / settings.rate_hz for f in content_hz)
        spectra[..., : math.ceil(low)] = 0
        if high < spectra.shape[-1]:
            spectra[..., math.ceil(high) :] = 0
    on_grid = not chunk.offset.any()
    untouched = settings.kind == "pcc2" and not settings.has_band and on_grid
    records = chunk.data[..., : settings.n_samples] if untouched else None
    return replace(chunk, data=spectra, records=records)


# -- whitening ----------------------------------------------------------------------


def _whitened(raw: Iterable[Chunk], settings: SpectraSettings) -> Iterator[Chunk]:
    """Whiten, apply the weights of a single band, and measure energies."""
    if settings.whiten == "psd":
        yield from _whiten_jointly(raw, settings)
        return
    for chunk in raw:
        divisor = _amplitude(chunk.data, settings)
        scale = chunk.scale if divisor is None else np.ones(len(chunk.rows))
        inside = chunk.data[..., settings.band_bins]
        yield _flat(replace(chunk, data=inside, scale=scale), divisor, settings)


def _whiten_jointly(raw: Iterable[Chunk], settings: SpectraSettings) -> Iterator[Chunk]:
    """Divide by the root of the smoothed power, mean over all windows."""
    n_smooth = settings.whiten_smooth_bins
    wide, inside = _wide_bins(settings, n_smooth)
    total = np.zeros(wide.stop - wide.start)
    waiting = []
    for chunk in raw:
        part = chunk.data[..., wide]
        total += np.einsum("n,nf->f", np.square(chunk.scale), _power(part))
        waiting.append(replace(chunk, data=part[..., inside].copy()))
    n = sum(len(chunk.rows) for chunk in waiting)
    divisor = np.sqrt(running_mean(total / max(n, 1), n_smooth))[None, inside]
    top = divisor.max() or 1.0
    divisor = (divisor / top).astype(settings.dtype)
    while waiting:
        chunk = waiting.pop(0)
        scaled = replace(chunk, scale=chunk.scale / top)
        yield _flat(scaled, divisor.copy(), settings)


def _amplitude(spectra: np.ndarray, settings: SpectraSettings) -> np.ndarray | None:
    """Return the divisor of each window over the bins of the bands; None: no division.

    For several components it is their root mean square, which a rotation does not
    change.
    """
    coherency = settings.kind == "coherency"
    if settings.whiten == "none" and not coherency:
        return None
    n_smooth = settings.smooth_bins if coherency else settings.whiten_smooth_bins
    if settings.whiten == "band":
        n_smooth = 0
    wide, inside = _wide_bins(settings, n_smooth)
    part = spectra[..., wide]
    if len(part) == 1:
        amplitude = np.abs(part[0])
    else:
        amplitude = np.sqrt(_power(part)).astype(settings.dtype)
    if n_smooth:
        amplitude = running_mean(amplitude, n_smooth)[:, inside]
    return amplitude.astype(settings.dtype, copy=False)


def _wide_bins(settings: SpectraSettings, n_smooth: int) -> tuple[slice, slice]:
    """Return the bins that smoothing needs, and the bins of the bands among them.

    With these bins the smoothing of a band does not depend on the other bands.
    """
    bins = settings.band_bins
    start = max(0, bins.start - n_smooth)
    stop = min(settings.n_fft // 2 + 1, bins.stop + n_smooth)
    return slice(start, stop), slice(bins.start - start, bins.stop - start)


def _flat(chunk: Chunk, divisor: np.ndarray | None, settings: SpectraSettings) -> Chunk:
    """Divide, apply the weights of a single band, and measure the energies.

    The divisor is overwritten.
    """
    weights = _single_weights(settings)
    if divisor is None:
        flat = chunk.data if weights is None else chunk.data * weights
        energies = _energies(flat, settings, weights is None)
        return replace(chunk, data=flat, energies=energies)
    quiet = _quiet(divisor, settings)
    any_quiet = bool(quiet.any())
    if any_quiet:
        divisor[quiet] = np.inf
    gain = np.divide(1 if weights is None else weights, divisor, dtype=divisor.dtype)
    flat = chunk.data * gain
    if settings.whiten != "band":
        energies = _energies(flat, settings, weights is None)
    elif any_quiet:
        energies = _energies_of_power((~quiet).astype(np.float64), settings, True)
    else:  # whitening gave every bin the amplitude 1
        whole = [counts.sum() for _, counts in _measures(settings, True)]
        energies = np.tile(whole, (len(chunk.rows), 1))
    return replace(chunk, data=flat, energies=energies)


def _quiet(divisor: np.ndarray, settings: SpectraSettings) -> np.ndarray:
    """Return the bins that hold only rounding noise, whose phase has no meaning.

    Their amplitude is below the rounding error of the largest amplitude of the band. A
    bin of several bands is quiet if it is quiet in each of them.
    """
    eps = np.finfo(divisor.dtype).eps
    if settings.n_bands < 2:
        return np.asarray(divisor <= eps * divisor.max(axis=-1, keepdims=True))
    quiet = np.ones(divisor.shape, bool)
    for where, _ in _bands_inside(settings):
        part = divisor[:, where]
        quiet[:, where] &= part <= eps * part.max(axis=-1, keepdims=True)
    return quiet


# -- energies and bands -------------------------------------------------------------


def _bands_inside(settings: SpectraSettings) -> list[tuple[slice, np.ndarray]]:
    """Return the bins of each band among the bins of all bands, and its weights."""
    first = settings.band_bins.start - settings.bins.start
    bands = [settings.band(k) for k in range(max(settings.has_band, settings.n_bands))]
    return [(slice(w.start - first, w.stop - first), x) for w, x in bands]


def _single_weights(settings: SpectraSettings) -> np.ndarray | None:
    """Return the weights of a single band; None if there is no band, or several."""
    single = settings.has_band and settings.n_bands < 2
    return settings.band(0)[1] if single else None


def _power(spectra: np.ndarray) -> np.ndarray:
    """Return the power, mean over the channels: float64, shape (n, n_bins)."""
    power = np.square(spectra.real, dtype=np.float64)
    power += np.square(spectra.imag, dtype=np.float64)
    return np.asarray(power[0] if len(power) == 1 else power.mean(axis=0))


def _energies(
    spectra: np.ndarray, settings: SpectraSettings, weighted: bool
) -> np.ndarray:
    """Return the energy of each window in each band, shape (n, bands).

    Mean over the channels. ``weighted`` applies the weights of the bands, which spectra
    of several bands do not include.
    """
    _, n, n_bins = spectra.shape
    step = max(1, _POWER_BYTES // (8 * n_bins))
    parts = [
        _energies_of_power(_power(spectra[:, i : i + step]), settings, weighted)
        for i in range(0, n, step)
    ]
    return np.concatenate(parts) if parts else np.empty((0, 1))


def _energies_of_power(
    power: np.ndarray, settings: SpectraSettings, weighted: bool
) -> np.ndarray:
    # without BLAS, whose last digit depends on its number of threads
    columns = [
        np.einsum("nf,f->n", power[:, where], counts)
        for where, counts in _measures(settings, weighted)
    ]
    return np.stack(columns, axis=-1)


@lru_cache(maxsize=16)
def _measures(
    settings: SpectraSettings, weighted: bool
) -> list[tuple[slice, np.ndarray]]:
    """Return the bins of each band, and their weights by Parseval's theorem."""
    n_fft, bins = settings.n_fft, settings.band_bins
    counts = np.full(n_fft // 2 + 1, 2.0)
    counts[0] = 1.0
    if n_fft % 2 == 0:
        counts[-1] = 1.0
    counts = counts[bins] / n_fft
    bands = _bands_inside(settings)
    if not (weighted and bands):
        return [(slice(None), counts)]
    return [
        (where, counts[where] * np.square(weights, dtype=np.float64))
        for where, weights in bands
    ]


def _factors(energies: np.ndarray, settings: SpectraSettings) -> np.ndarray:
    """Return the scale of each window in each band; 0 without energy."""
    has_energy = energies > 0
    if not settings.unit_energy:
        return has_energy.astype(np.float64)
    return np.where(has_energy, 1 / np.sqrt(np.where(has_energy, energies, 1.0)), 0.0)


# -- the end ------------------------------------------------------------------------


def _shift_to_grid(some: Chunk, settings: SpectraSettings) -> None:
    """Shift windows that lie between the samples of the grid onto it, by phase ramps.

    The spectra are changed in place.
    """
    for channel, offset in zip(some.data, some.offset, strict=True):
        for samples in np.unique(offset[offset != 0]).tolist():
            rows = offset == samples
            channel[slice(None) if rows.all() else rows] *= _ramp(settings, samples)


@lru_cache(maxsize=4)  # all windows of a channel mostly have one offset
def _ramp(settings: SpectraSettings, samples: float) -> np.ndarray:
    """Return the phase ramp of a shift by ``samples`` to later times."""
    bins = np.arange(settings.band_bins.start, settings.band_bins.stop)
    angle = (-2 * np.pi / settings.n_fft * samples) * bins
    ramp = np.empty(len(bins), np.result_type(settings.dtype, np.complex64))
    ramp.real, ramp.imag = np.cos(angle), np.sin(angle)
    ramp.flags.writeable = False
    return ramp


def _finish(
    chunk: Chunk,
    factors: np.ndarray,
    settings: SpectraSettings,
    out: np.ndarray,
) -> None:
    """Scale the spectra and put them into ``out``, (n_channels, n * rows, n_bins)."""
    if settings.kind == "pcc2":
        out[0] = _phase_spectra(chunk, settings)
        return
    if settings.unit_energy:
        size = factors[0] if settings.n_bands < 2 else None
    else:
        size = chunk.scale.astype(settings.dtype)
    first = settings.band_bins.start - settings.bins.start
    inside = slice(first, first + chunk.data.shape[-1])
    out[..., : inside.start] = 0
    out[..., inside.stop :] = 0
    if size is None:
        out[..., inside] = chunk.data
    else:
        parts = chunk.data.view(size.dtype)  # real and imaginary, each times the size
        np.multiply(parts, size[:, None], out=out[..., inside].view(size.dtype))


def _phase_spectra(chunk: Chunk, settings: SpectraSettings) -> np.ndarray:
    """Return the spectra of cosine and sine of the phases, window after window."""
    n_max, n_fft = settings.n_samples, settings.n_fft
    if chunk.records is not None:
        records = chunk.records[0]
    else:
        whole = np.zeros((len(chunk.rows), n_fft // 2 + 1), chunk.data.dtype)
        whole[:, settings.band_bins] = chunk.data[0]
        records = fft.irfft(whole, n_fft)[:, :n_max]
    phases = np.zeros((len(records), 2, n_max), settings.dtype)
    for n in np.unique(chunk.n_samples):
        rows = chunk.n_samples == n
        # scaled so that the sum of both is the mean over the samples
        phases[rows, :, :n] = phase_records(records[rows, :n]) * n**-0.5
    return rfft_windows(phases.reshape(-1, n_max), n_fft)
