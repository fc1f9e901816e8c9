"""Measuring relative velocity changes (dv/v) at each frequency, by wavelets.

The correlation has a row for each time window, shape (n_windows, n_lags).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from seismo_pes.element import item_element
from seismo_pes.items.correlation import Correlation
from seismo_pes.measuring.velocity_change import VelocityChanges, reference_trace
from seismo_pes.measuring.velocity_search import have_equal_phases
from seismo_pes.signal.wavelet import (
    wavelet_delays,
    wavelet_stretch,
    wavelet_velocity_change,
)

__all__ = ["WaveletDelays", "WaveletStretch", "wavelet", "wavelet_stretch_windows"]


def wavelet(
    correlation: Correlation,
    frequency_hz: Sequence[float],
    low_s: float,
    high_s: float,
    n_cycles: float = 6.0,
    smooth_frequencies: int = 3,
    least_coherence: float = 0.5,
    max_dvv: float = 0.02,
    reference: Correlation | None = None,
) -> VelocityChanges:
    """Measure velocity change at each frequency by wavelet cross-spectra (WCS).

    A change has no value where stretching (WTS) finds none or another one.

    Parameters
    ----------
    frequency_hz : sequence of float
        Frequencies in Hz, rising.
    low_s, high_s : float
        Range of absolute lag, seconds.
    n_cycles : float
        Angular frequency of the Morlet wavelet times the width of its envelope,
        radians.
    smooth_frequencies : int
        Number of frequencies to smooth over, odd.
    least_coherence : float
        Lags with less coherence than this are not used.
    max_dvv : float
        Largest relative change of the search; a larger one has no value.
    reference : Correlation
        Its stack is the reference; by default the mean of the windows.

    Raises
    ------
    DataError
        If the correlation is a single stack, or the reference has other lags.
    ParameterError
        If a parameter is not valid.
    """
    c, trace = correlation, reference_trace(correlation, reference)
    lag = c.lags_s
    use = (np.abs(lag) >= low_s) & (np.abs(lag) <= high_s)
    best = wavelet_stretch(
        trace, c.data, lag, frequency_hz, low_s, high_s, max_dvv, n_cycles
    )
    changes, coherence = [], []
    for row in c.data:
        delays = wavelet_delays(
            trace, row, c.rate_hz, frequency_hz, n_cycles, smooth_frequencies
        )
        changes += wavelet_velocity_change(
            delays, lag, low_s, high_s, least_coherence, max_dvv
        )
        coherence.append(delays.coherence[:, use].mean(axis=1))
    shape = best.dvv.shape
    dvv = np.reshape([change.dvv for change in changes], shape)
    error = np.reshape([change.error for change in changes], shape)
    at_edge = np.reshape([change.at_edge for change in changes], shape)
    agrees = have_equal_phases(dvv, best.dvv, np.asarray(frequency_hz), lag[use])
    is_lost = at_edge | (np.isfinite(dvv) & ~agrees)
    dvv, error = (np.where(is_lost, np.nan, x) for x in (dvv, error))
    return VelocityChanges.of(c, "wcs", dvv, error, coherence, is_lost, frequency_hz)


def wavelet_stretch_windows(
    correlation: Correlation,
    frequency_hz: Sequence[float],
    low_s: float,
    high_s: float,
    max_dvv: float = 0.02,
    n_cycles: float = 6.0,
    reference: Correlation | None = None,
) -> VelocityChanges:
    """Measure velocity change at each frequency by stretching wavelets (WTS).

    Parameters
    ----------
    frequency_hz : sequence of float
        Frequencies in Hz, rising.
    low_s, high_s : float
        Range of absolute lag, seconds.
    max_dvv : float
        Largest relative change of the search.
    n_cycles : float
        Angular frequency of the Morlet wavelet times the width of its envelope,
        radians.
    reference : Correlation
        Its stack is the reference; by default the mean of the windows.

    Raises
    ------
    DataError
        If the correlation is a single stack, or the reference has other lags.
    ParameterError
        If a parameter is not valid.
    """
    c, trace = correlation, reference_trace(correlation, reference)
    result = wavelet_stretch(
        trace, c.data, c.lags_s, frequency_hz, low_s, high_s, max_dvv, n_cycles
    )
    return VelocityChanges.of(
        c,
        "wts",
        result.dvv,
        result.error,
        result.coefficient,
        result.at_edge,
        frequency_hz,
    )


_PORTS = "Correlation", "VelocityChanges"

WaveletDelays = item_element(wavelet, "WaveletDelays", *_PORTS)
WaveletStretch = item_element(wavelet_stretch_windows, "WaveletStretch", *_PORTS)
