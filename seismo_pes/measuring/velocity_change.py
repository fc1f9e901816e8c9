"""Measuring relative velocity changes (dv/v) from the correlations of a pair over time.

Each method compares the current correlations with a reference. All of them give
`VelocityChanges`; positive dv/v means that waves arrive earlier than in the reference.
The correlation has a row for each time window, shape (n_windows, n_lags).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from dispel4py.errors import DataError
from seismo_pes.element import item_element
from seismo_pes.items.correlation import Correlation
from seismo_pes.measuring.velocity_search import Search, align
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

__all__ = [
    "CrossCorrelateWindows",
    "Mwcs",
    "Stretch",
    "VelocityChanges",
    "Warp",
    "cross_correlate_windows",
    "mwcs",
    "stretch_windows",
    "warp",
]

# Largest parts of the delays of a fit that may lie at the edge of their search. Windows
# of lag are measured one by one; a warping path that reaches the edge stays there.
MOST_WINDOWS_AT_EDGE = 0.5
MOST_LAGS_AT_EDGE = 0.1


@dataclass(frozen=True, eq=False)
class VelocityChanges:
    """Relative velocity changes of one station pair over time.

    Parameters
    ----------
    first, second : str
        Channel ids.
    method : str
        ``stretching``, ``mwcs``, ``wcc``, ``dtw``, ``wcs`` or ``wts``.
    start_ns, end_ns : numpy.ndarray
        Shape (n_windows,), int64: time spans of the current correlations, nanoseconds
        since 1970.
    dvv, error : numpy.ndarray
        Shape (n_windows,), or (n_windows, n_frequencies) with ``frequency_hz``:
        relative velocity change against the reference, and its standard error.
        Positive means faster: waves arrive earlier.
    coherence : numpy.ndarray
        Same shape, 0 to 1: the correlation coefficient with the reference that is
        stretched by the change (``stretching``, ``dtw``, ``wts``), or the mean
        coherence.
    at_edge : numpy.ndarray
        Same shape, bool: no change within the search fits. The best one lies at its
        edge, or fits no better than by chance. ``dvv`` and ``error`` are NaN there.
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
    coherence: np.ndarray
    at_edge: np.ndarray
    frequency_hz: np.ndarray | None = None

    @classmethod
    def of(
        cls,
        c: Correlation,
        method: str,
        dvv: ArrayLike,
        error: ArrayLike,
        coherence: ArrayLike,
        at_edge: ArrayLike,
        frequency_hz: ArrayLike | None = None,
    ) -> VelocityChanges:
        """Return the velocity changes of the rows of a correlation."""
        return cls(
            c.first,
            c.second,
            method,
            c.start_ns,
            c.end_ns,
            np.asarray(dvv, np.float64),
            np.asarray(error, np.float64),
            np.asarray(coherence, np.float64),
            np.asarray(at_edge, bool),
            None if frequency_hz is None else np.asarray(frequency_hz, np.float64),
        )

    @property
    def id(self) -> str:
        """``FIRST_SECOND``."""
        return f"{self.first}_{self.second}"


def reference_trace(c: Correlation, reference: Correlation | None) -> np.ndarray:
    """Return the stack of the reference, or of the correlation's own rows.

    Raises
    ------
    DataError
        If the correlation is a single stack, or the reference has other lags.
    """
    if c.data.ndim != 2:
        raise DataError(
            f"{c.id}: a single stack is not a time series; keep windows or moving "
            "stacks"
        )
    if reference is None:
        return linear(c.data)
    n_lags_agree = reference.data.shape[-1] == c.data.shape[-1]
    if not n_lags_agree or reference.first_lag != c.first_lag:
        raise DataError(f"{c.id}: the reference has other lags")
    return linear(reference.rows)


def _fit_rows(
    c: Correlation,
    trace: np.ndarray,
    method: str,
    measure_delays: Callable[[np.ndarray], Delays],
    search: Search,
    window_s: float,
    step_s: float,
) -> VelocityChanges:
    """Measure the delays of each row and fit a line to them.

    Neighbouring windows of lag depend on each other: as many as overlap (length over
    step) count as one in the standard error.
    """
    aligned = align(c, trace, search)
    n_dependent = max(window_s / step_s, 1.0)
    rests, coherence = [], []
    for row, last_s in zip(aligned.rows, aligned.last_s, strict=True):
        delays = measure_delays(row)
        use = search.contains(delays.lag_s)
        has_data = np.abs(delays.lag_s) + window_s / 2 <= last_s
        use &= has_data if (use & has_data).any() else True
        rests.append(_fit(delays, use, n_dependent))
        coherence.append(float(delays.coherence[use].mean()) if use.any() else np.nan)
    return _tabulate(c, method, aligned.totals(rests)[0], coherence)


def _tabulate(
    c: Correlation,
    method: str,
    changes: Sequence[VelocityChange],
    coherence: Sequence[float],
) -> VelocityChanges:
    return VelocityChanges.of(
        c,
        method,
        [change.dvv for change in changes],
        [change.error for change in changes],
        coherence,
        [change.at_edge for change in changes],
    )


def _fit(delays: Delays, use: np.ndarray, n_dependent: float) -> VelocityChange:
    """Return the velocity change that fits the delays of some windows."""
    change = velocity_change(
        delays.lag_s[use],
        delays.delay_s[use],
        delays.error_s[use],
        n_dependent=n_dependent,
    )
    if use.any() and delays.at_edge[use].mean() > MOST_WINDOWS_AT_EDGE:
        change = change._replace(at_edge=True)
    return change


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
        Range of absolute lag, seconds.
    max_dvv : float
        Largest relative change of the search.
    n_steps : int
        Number of trial values, odd.
    side : str
        ``both``, ``causal`` or ``acausal``.
    band_hz : (float, float)
        Frequency band of the correlation, Hz; it is used for the error only.
    reference : Correlation
        Its stack is the reference; by default the mean of the windows.

    Raises
    ------
    DataError
        If the correlation is a single stack, or the reference has other lags.
    ParameterError
        If a parameter is not valid.
    """
    result = stretch(
        reference_trace(correlation, reference),
        correlation.data,
        correlation.lags_s,
        low_s,
        high_s,
        max_dvv,
        n_steps,
        side,
        band_hz,
    )
    return VelocityChanges.of(
        correlation,
        "stretching",
        result.dvv,
        result.error,
        result.coefficient,
        result.at_edge,
    )


def mwcs(
    correlation: Correlation,
    low_hz: float,
    high_hz: float,
    low_s: float,
    high_s: float,
    window_s: float,
    step_s: float,
    smooth_bins: int = 5,
    max_dvv: float = 0.02,
    reference: Correlation | None = None,
) -> VelocityChanges:
    """Measure velocity change by moving-window cross-spectra (MWCS).

    Parameters
    ----------
    low_hz, high_hz : float
        Frequency band in which phases are measured, Hz.
    low_s, high_s : float
        Range of absolute lag whose delays are fitted by a line, seconds.
    window_s : float
        Length of the windows of lag, seconds.
    step_s : float
        Step from one window of lag to the next, seconds.
    smooth_bins : int
        Half width of the smoothing over frequency, in bins.
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
    first_s = c.first_lag / c.rate_hz

    def measure_delays(row: np.ndarray) -> Delays:
        return mwcs_delays(
            trace,
            row,
            c.rate_hz,
            low_hz,
            high_hz,
            window_s,
            step_s,
            first_s,
            smooth_bins,
        )

    search = Search(low_s, high_s, max_dvv)
    return _fit_rows(c, trace, "mwcs", measure_delays, search, window_s, step_s)


def cross_correlate_windows(
    correlation: Correlation,
    low_s: float,
    high_s: float,
    window_s: float,
    step_s: float,
    max_delay_s: float,
    max_dvv: float = 0.02,
    reference: Correlation | None = None,
) -> VelocityChanges:
    """Measure velocity change by the cross-correlation of windows of lag (WCC).

    Parameters
    ----------
    low_s, high_s : float
        Range of absolute lag whose delays are fitted by a line, seconds.
    window_s : float
        Length of the windows of lag, seconds.
    step_s : float
        Step from one window of lag to the next, seconds.
    max_delay_s : float
        Largest delay of the search, seconds.
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
    first_s = c.first_lag / c.rate_hz

    def measure_delays(row: np.ndarray) -> Delays:
        return windowed_delays(
            trace, row, c.rate_hz, window_s, step_s, max_delay_s, first_s
        )

    search = Search(low_s, high_s, max_dvv)
    return _fit_rows(c, trace, "wcc", measure_delays, search, window_s, step_s)


def warp(
    correlation: Correlation,
    low_s: float,
    high_s: float,
    max_delay_s: float,
    max_strain: float = 0.1,
    oversample: int = 4,
    max_dvv: float = 0.02,
    reference: Correlation | None = None,
) -> VelocityChanges:
    """Measure velocity change by dynamic time warping (DTW).

    Parameters
    ----------
    low_s, high_s : float
        Range of absolute lag whose delays are fitted by a line, seconds.
    max_delay_s : float
        Largest delay, seconds.
    max_strain : float
        Largest slope of delay over lag.
    oversample : int
        Number of steps of delay within a sample interval.
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
    lag, search = c.lags_s, Search(low_s, high_s, max_dvv)
    aligned = align(c, trace, search)
    # warping compares amplitudes: scale each row to the norm of the reference
    norm = np.linalg.norm(aligned.rows, axis=1, keepdims=True)
    rows = aligned.rows * (np.linalg.norm(trace) / np.where(norm > 0, norm, 1.0))
    delays = warping_delays(trace, rows, c.rate_hz, max_delay_s, max_strain, oversample)
    step_s = 1 / (c.rate_hz * oversample)
    last_step_s = round(max_delay_s / step_s) * step_s
    rests = []
    for delay, last_s in zip(delays, aligned.last_s, strict=True):
        use = search.contains(lag) & (np.abs(lag) <= last_s)
        first_fit = velocity_change(lag[use], delay[use])
        residual = delay + first_fit.dvv * lag
        # delays at neighbouring lags depend on each other, which the error must include
        n_dependent = max(n_alike(residual[use & s]) for s in (lag < 0, lag >= 0))
        rest = velocity_change(lag[use], delay[use], n_dependent=n_dependent)
        at_edge = np.abs(delay[use]) > last_step_s - step_s / 2
        is_lost = at_edge.mean() > MOST_LAGS_AT_EDGE
        rests.append(rest._replace(at_edge=bool(is_lost)))
    changes, coefficients = aligned.totals(rests)
    return _tabulate(c, "dtw", changes, np.clip(coefficients, 0, 1).tolist())


_PORTS = "Correlation", "VelocityChanges"

Stretch = item_element(stretch_windows, "Stretch", *_PORTS)
Mwcs = item_element(mwcs, "Mwcs", *_PORTS)
CrossCorrelateWindows = item_element(
    cross_correlate_windows, "CrossCorrelateWindows", *_PORTS
)
Warp = item_element(warp, "Warp", *_PORTS)
