"""Velocity change from correlations over time: functions, and the PEs made of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from dispel4py.errors import DataError
from seismo_pes.element import item_element
from seismo_pes.items.correlation import Correlation
from seismo_pes.signal.delays import (
    Delays,
    VelocityChange,
    n_alike,
    velocity_change,
    windowed_delays,
)
from seismo_pes.signal.mwcs import mwcs_delays
from seismo_pes.signal.stack import linear
from seismo_pes.signal.stretching import stretch
from seismo_pes.signal.warping import warping_delays
from seismo_pes.signal.wavelet import (
    wavelet_delays,
    wavelet_stretch,
    wavelet_velocity_change,
)

__all__ = [
    "CrossCorrelateWindows",
    "Mwcs",
    "Stretch",
    "VelocityChanges",
    "Warp",
    "WaveletDelays",
    "WaveletStretch",
    "cross_correlate_windows",
    "mwcs",
    "stretch_windows",
    "warp",
    "wavelet",
    "wavelet_stretch_windows",
]


@dataclass(frozen=True, eq=False)
class VelocityChanges:
    """Relative velocity changes of one pair over time.

    Parameters
    ----------
    first, second : str
        Channel ids.
    method : str
        ``stretching``, ``mwcs``, ``wcc``, ``dtw``, ``wcs`` or ``wts``.
    start_ns, end_ns : numpy.ndarray
        Shape (n_windows,), int64: times of the current correlations.
    dvv, error : numpy.ndarray
        Shape (n_windows,), or (n_windows, n_frequencies) with ``frequency_hz``:
        relative change against the reference, and its standard error. Positive is
        faster: waves come earlier.
    likeness : numpy.ndarray
        Same shape, 0 to 1: correlation coefficient or mean coherence; NaN where the
        method has none.
    frequency_hz : numpy.ndarray, optional
        Shape (n_frequencies,).
    """

    first: str
    second: str
    method: str
    start_ns: np.ndarray
    end_ns: np.ndarray
    dvv: np.ndarray
    error: np.ndarray
    likeness: np.ndarray
    frequency_hz: np.ndarray | None = None

    @property
    def id(self) -> str:
        """``FIRST_SECOND``."""
        return f"{self.first}_{self.second}"


def _reference(c: Correlation, reference: Correlation | None) -> np.ndarray:
    if c.data.ndim != 2:
        raise DataError(
            f"{c.id}: one stack is no series; keep windows or moving stacks"
        )
    if reference is None:
        return linear(c.data)
    same = reference.data.shape[-1] == c.data.shape[-1]
    if not same or reference.first_lag != c.first_lag:
        raise DataError(f"{c.id}: the reference has other lags")
    return linear(reference.rows)


def _made(
    c: Correlation,
    method: str,
    dvv: ArrayLike,
    error: ArrayLike,
    likeness: ArrayLike,
    frequency_hz: ArrayLike | None = None,
) -> VelocityChanges:
    return VelocityChanges(
        c.first,
        c.second,
        method,
        c.start_ns,
        c.end_ns,
        np.asarray(dvv, np.float64),
        np.asarray(error, np.float64),
        np.asarray(likeness, np.float64),
        None if frequency_hz is None else np.asarray(frequency_hz, np.float64),
    )


def _fitted(
    c: Correlation,
    method: str,
    delays: Callable[[np.ndarray], Delays],
    low_s: float,
    high_s: float,
    overlap: float,
) -> VelocityChanges:
    """Fit lines to the delays of each row, of windows that share so much."""
    alike = max(overlap, 1.0)
    found = [_fit(delays(row), low_s, high_s, alike) for row in c.data]
    changes = [change for change, _ in found]
    return _made(
        c,
        method,
        [change.dvv for change in changes],
        [change.error for change in changes],
        [likeness for _, likeness in found],
    )


def _fit(
    found: Delays, low_s: float, high_s: float, n_dependent: float
) -> tuple[VelocityChange, float]:
    use = (np.abs(found.lag_s) >= low_s) & (np.abs(found.lag_s) <= high_s)
    change = velocity_change(
        found.lag_s[use],
        found.delay_s[use],
        found.error_s[use],
        n_dependent=n_dependent,
    )
    likeness = float(found.coherence[use].mean()) if use.any() else np.nan
    return change, likeness


def stretch_windows(
    correlation: Correlation,
    low_s: float,
    high_s: float,
    max_dvv: float = 0.02,
    n_steps: int = 401,
    side: str = "both",
    band_hz: tuple[float, float] | None = None,
    reference: Correlation | None = None,
) -> VelocityChanges:
    """Measure velocity change by stretching the reference.

    Parameters
    ----------
    low_s, high_s : float
        Range of absolute lag in seconds.
    max_dvv : float
        Largest relative change searched.
    n_steps : int
        Odd number of trials.
    side : str
        ``both``, ``causal`` or ``acausal``.
    band_hz : (float, float)
        Band of the correlation in Hz, for the error only.
    reference : Correlation
        The mean of the windows by default.
    """
    one = _reference(correlation, reference)
    found = stretch(
        one,
        correlation.data,
        correlation.lags_s,
        low_s,
        high_s,
        max_dvv,
        n_steps,
        side,
        band_hz,
    )
    return _made(correlation, "stretching", found.dvv, found.error, found.coefficient)


def mwcs(
    correlation: Correlation,
    low_hz: float,
    high_hz: float,
    low_s: float,
    high_s: float,
    window_s: float,
    step_s: float,
    smooth_bins: int = 5,
    reference: Correlation | None = None,
) -> VelocityChanges:
    """Measure velocity change by moving-window cross-spectra (MWCS).

    Parameters
    ----------
    low_hz, high_hz : float
        Band of the phases in Hz.
    low_s, high_s : float
        Range of absolute lag in seconds whose delays are fitted by a line.
    window_s, step_s : float
        Windows of lag in seconds, and from one to the next.
    smooth_bins : int
        Half width of the smoothing over frequency, in bins.
    reference : Correlation
        The mean of the windows by default.
    """
    c, one = correlation, _reference(correlation, reference)
    first_s = c.first_lag / c.rate_hz

    def delays(row: np.ndarray) -> Delays:
        return mwcs_delays(
            one,
            row,
            c.rate_hz,
            low_hz,
            high_hz,
            window_s,
            step_s,
            first_s,
            smooth_bins,
        )

    return _fitted(c, "mwcs", delays, low_s, high_s, window_s / step_s)


def cross_correlate_windows(
    correlation: Correlation,
    low_s: float,
    high_s: float,
    window_s: float,
    step_s: float,
    max_delay_s: float,
    reference: Correlation | None = None,
) -> VelocityChanges:
    """Measure velocity change by the cross-correlation of windows of lag (WCC).

    Parameters
    ----------
    low_s, high_s : float
        Range of absolute lag in seconds whose delays are fitted by a line.
    window_s, step_s : float
        Windows of lag in seconds, and from one to the next.
    max_delay_s : float
        Largest delay searched, in seconds.
    reference : Correlation
        The mean of the windows by default.
    """
    c, one = correlation, _reference(correlation, reference)
    first_s = c.first_lag / c.rate_hz

    def delays(row: np.ndarray) -> Delays:
        return windowed_delays(
            one, row, c.rate_hz, window_s, step_s, max_delay_s, first_s
        )

    return _fitted(c, "wcc", delays, low_s, high_s, window_s / step_s)


def warp(
    correlation: Correlation,
    low_s: float,
    high_s: float,
    max_delay_s: float,
    max_strain: float = 0.1,
    oversample: int = 4,
    reference: Correlation | None = None,
) -> VelocityChanges:
    """Measure velocity change by dynamic time warping (DTW).

    Parameters
    ----------
    low_s, high_s : float
        Range of absolute lag in seconds whose delays are fitted by a line.
    max_delay_s : float
        Largest delay in seconds.
    max_strain : float
        Largest slope of delay over lag.
    oversample : int
        Steps of delay in a sample.
    reference : Correlation
        The mean of the windows by default.
    """
    c, one = correlation, _reference(correlation, reference)
    lag = c.lags_s
    use = (np.abs(lag) >= low_s) & (np.abs(lag) <= high_s)
    # delays of like amplitudes only
    size = np.linalg.norm(c.data, axis=1, keepdims=True)
    like = c.data * (np.linalg.norm(one) / np.where(size > 0, size, 1.0))
    found = warping_delays(one, like, c.rate_hz, max_delay_s, max_strain, oversample)
    changes = []
    for delay in found:
        fitted = velocity_change(lag[use], delay[use])
        off = delay + fitted.dvv * lag
        alike = [n_alike(off[use & side]) for side in (lag < 0, lag >= 0)]
        changes.append(velocity_change(lag[use], delay[use], n_dependent=max(alike)))
    dvv, error = [x.dvv for x in changes], [x.error for x in changes]
    return _made(c, "dtw", dvv, error, [np.nan] * len(changes))


def wavelet(
    correlation: Correlation,
    frequency_hz: Sequence[float],
    low_s: float,
    high_s: float,
    n_cycles: float = 6.0,
    smooth_frequencies: int = 3,
    least_coherence: float = 0.5,
    reference: Correlation | None = None,
) -> VelocityChanges:
    """Measure velocity change at each frequency by wavelet cross-spectra (WCS).

    Parameters
    ----------
    frequency_hz : sequence of float
        Frequencies in Hz, rising.
    low_s, high_s : float
        Range of absolute lag in seconds.
    n_cycles : float
        Of the Morlet wavelet: radians under its envelope.
    smooth_frequencies : int
        Odd number of frequencies to smooth over.
    least_coherence : float
        Lags below it do not enter.
    reference : Correlation
        The mean of the windows by default.
    """
    c, one = correlation, _reference(correlation, reference)
    lag = c.lags_s
    use = (np.abs(lag) >= low_s) & (np.abs(lag) <= high_s)
    rows, likeness = [], []
    for row in c.data:
        found = wavelet_delays(
            one, row, c.rate_hz, frequency_hz, n_cycles, smooth_frequencies
        )
        rows.append(wavelet_velocity_change(found, lag, low_s, high_s, least_coherence))
        likeness.append(found.coherence[:, use].mean(axis=1))
    dvv = [[change.dvv for change in row] for row in rows]
    error = [[change.error for change in row] for row in rows]
    return _made(c, "wcs", dvv, error, likeness, frequency_hz)


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
        Range of absolute lag in seconds.
    max_dvv : float
        Largest relative change searched.
    n_cycles : float
        Of the Morlet wavelet: radians under its envelope.
    reference : Correlation
        The mean of the windows by default.
    """
    c, one = correlation, _reference(correlation, reference)
    found = wavelet_stretch(
        one, c.data, c.lags_s, frequency_hz, low_s, high_s, max_dvv, n_cycles
    )
    dvv, error, likeness = found.dvv, found.error, found.coefficient
    return _made(c, "wts", dvv, error, likeness, frequency_hz)


_PORTS = "Correlation", "VelocityChanges"

Stretch = item_element(stretch_windows, "Stretch", *_PORTS)
Mwcs = item_element(mwcs, "Mwcs", *_PORTS)
CrossCorrelateWindows = item_element(
    cross_correlate_windows, "CrossCorrelateWindows", *_PORTS
)
Warp = item_element(warp, "Warp", *_PORTS)
WaveletDelays = item_element(wavelet, "WaveletDelays", *_PORTS)
WaveletStretch = item_element(wavelet_stretch_windows, "WaveletStretch", *_PORTS)
