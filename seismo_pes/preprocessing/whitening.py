"""Spectral whitening of traces: functions and their processing elements."""

from __future__ import annotations

import numpy as np
from obspy import Stream, Trace
from scipy import fft

from dispel4py.errors import DataError
from seismo_pes.element import element
from seismo_pes.items.waveforms import aligned, samples, with_data
from seismo_pes.signal.detrend import demean
from seismo_pes.signal.normalize import running_mean
from seismo_pes.signal.whiten import band_weights
from seismo_pes.signal.whiten import whiten as whiten_spectrum

__all__ = ["Whiten", "WhitenPsd", "whiten", "whiten_psd"]


def whiten(
    stream: Stream,
    low_hz: float,
    high_hz: float,
    smooth_hz: float = 0.0,
    taper_octaves: float = 1 / 3,
    across_components: bool = False,
) -> Stream:
    """Flatten the amplitude spectrum inside a band; other frequencies become zero.

    The trace is padded to twice its length, to avoid wrap-around.

    Parameters
    ----------
    stream : obspy.Stream
        Components of one instrument.
    low_hz, high_hz : float
        Band in Hz, up to Nyquist.
    smooth_hz : float
        Half width in Hz of the running mean of the amplitude, which is the divisor;
        with 0 the divisor is the amplitude itself ("brutal" whitening).
    taper_octaves : float
        Width of the Hann edges of the band in octaves.
    across_components : bool
        Divide all components of an instrument by the mean of their amplitudes, which
        preserves their ratios; only times at which all components have data are kept.
    """
    whitened = Stream()
    groups = aligned(stream) if across_components else _single(stream)
    for traces, data in groups:
        spectrum, weights, n_fft = _spectrum(
            data, traces[0], low_hz, high_hz, taper_octaves
        )
        n_smooth = round(smooth_hz * n_fft / traces[0].stats.sampling_rate)
        flat = whiten_spectrum(spectrum, weights, n_smooth, across_components)
        whitened.extend(_to_traces(traces, flat, n_fft))
    return whitened


def whiten_psd(
    trace: Trace,
    low_hz: float,
    high_hz: float,
    window_s: float,
    taper_octaves: float = 1 / 3,
) -> Trace:
    """Divide by the root of the power spectrum, averaged over windows (Welch).

    It removes the average spectrum of the noise. The phases, and the differences
    between windows, do not change.

    Parameters
    ----------
    low_hz, high_hz : float
        Band in Hz, up to Nyquist.
    window_s : float
        Length in seconds of the windows, Hann, half overlapping.
    taper_octaves : float
        Width of the Hann edges of the band in octaves.

    Raises
    ------
    DataError
        If the trace is shorter than a window.
    """
    data = samples(trace)
    rate_hz = trace.stats.sampling_rate
    size = round(window_s * rate_hz)
    if not 4 <= size <= len(data):
        raise DataError(
            f"{trace.id}: {len(data)} samples, but the windows of {window_s:g} s need "
            f"{size}"
        )
    spectrum, weights, n_fft = _spectrum(
        data[None], trace, low_hz, high_hz, taper_octaves
    )
    windows = np.lib.stride_tricks.sliding_window_view(data, size)[:: size // 2]
    hann = np.sin(np.pi * (np.arange(size) + 0.5) / size) ** 2
    power = np.square(np.abs(fft.rfft(demean(windows) * hann))).mean(axis=0)
    fine = np.arange(spectrum.shape[-1]) * (size / n_fft)
    # interpolated to the fine bins, then smoothed to remove the corners
    root = np.sqrt(np.interp(fine, np.arange(len(power)), power))
    root = running_mean(root, round(n_fft / size / 2))
    divisor = np.where(root > 0, root, np.inf).astype(spectrum.real.dtype)
    (whitened,) = _to_traces([trace], spectrum * (weights / divisor), n_fft)
    return whitened


def _single(stream: Stream) -> list[tuple[Stream, np.ndarray]]:
    return [(Stream([trace]), samples(trace)[None]) for trace in stream]


def _spectrum(
    data: np.ndarray, trace: Trace, low_hz: float, high_hz: float, octaves: float
) -> tuple[np.ndarray, np.ndarray, int]:
    if data.dtype != np.float32:
        data = data.astype(np.float64)
    n_fft = fft.next_fast_len(max(2, 2 * data.shape[-1]), real=True)
    rate_hz = trace.stats.sampling_rate
    weights, _ = band_weights(n_fft, rate_hz, low_hz, high_hz, octaves, data.dtype)
    return fft.rfft(data, n_fft, axis=-1), weights, n_fft


def _to_traces(traces: list[Trace], spectrum: np.ndarray, n_fft: int) -> list[Trace]:
    rows = fft.irfft(spectrum, n_fft, axis=-1)
    return [
        with_data(trace, row[: trace.stats.npts].copy())
        for trace, row in zip(traces, rows, strict=True)
    ]


Whiten = element(whiten, "Whiten", per="station")
WhitenPsd = element(whiten_psd, "WhitenPsd")
