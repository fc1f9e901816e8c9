"""Delays between two correlations, window by window, and the velocity change.

Everywhere ``current(t) = reference(t - delay)``: a positive delay is a later arrival.
A homogeneous change of velocity delays the arrival at lag t by ``-t dv/v``.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft

from seismo_pes.signal._arrays import FloatArray, as_float, require_rate
from seismo_pes.signal.errors import ParameterError


class Delays(NamedTuple):
    """Delays at some lags; arrays of shape ``(n_windows,)``, float64.

    Attributes
    ----------
    lag_s
        Lag of the middle of each window.
    delay_s
        Delay of the current record against the reference; NaN if a window is silent or
        holds a NaN.
    error_s
        Standard error of the delay.
    coherence
        Coherence or correlation coefficient of the window, 0 to 1.
    at_edge
        True where the best delay is the largest or smallest of the search: the true
        delay may lie outside, so `delay_s` is NaN.
    """

    lag_s: FloatArray
    delay_s: FloatArray
    error_s: FloatArray
    coherence: FloatArray
    at_edge: NDArray[np.bool_]


class VelocityChange(NamedTuple):
    """Relative velocity change.

    Attributes
    ----------
    dvv
        Relative velocity change; NaN if it is not known.
    error
        Standard error of `dvv`.
    n_used
        Number of delays in the fit.
    at_edge
        True where the best change lies at the edge of the search or outside: then `dvv`
        is NaN.
    """

    dvv: float
    error: float
    n_used: int
    at_edge: bool = False


def velocity_change(
    lag_s: ArrayLike,
    delay_s: ArrayLike,
    error_s: ArrayLike | None = None,
    through_origin: bool = True,
    relative_errors: bool = False,
    n_dependent: float = 1.0,
) -> VelocityChange:
    """Fit delays by a line over lag; the velocity change is minus its slope.

    Least squares with weights ``1 / error**2``. The error of the slope follows from the
    scatter of the delays about the line, or from their errors if these explain the
    scatter. Delays or errors that are not finite, or errors that are not positive, are
    left out.

    Parameters
    ----------
    lag_s, delay_s, error_s
        Shape ``(n,)``; equal weights if there are no errors.
    through_origin
        False also fits an intercept, which is a clock error.
    relative_errors
        True if only the ratios of the errors are known.
    n_dependent
        Number of neighbours that carry the information of one measurement, 1 or more:
        overlapping windows, or samples of a smooth record.

    Returns
    -------
    `VelocityChange`; NaN if there are fewer delays than unknowns plus one.

    Raises
    ------
    ParameterError
        If the shapes differ.

    Examples
    --------
    >>> change = velocity_change([-20, -10, 10, 20], [-0.02, -0.01, 0.01, 0.02])
    >>> round(change.dvv, 9)
    -0.001
    """
    lag = np.asarray(lag_s, dtype=np.float64)
    delay = np.asarray(delay_s, dtype=np.float64)
    error = np.ones_like(lag) if error_s is None else np.asarray(error_s, np.float64)
    if not lag.shape == delay.shape == error.shape or lag.ndim != 1:
        raise ParameterError(
            f"lags {lag.shape}, delays {delay.shape} and errors {error.shape} must be "
            "of one length"
        )
    good = np.isfinite(lag) & np.isfinite(delay) & np.isfinite(error) & (error > 0)
    n_used = int(good.sum())
    n_unknown = 1 if through_origin else 2
    if n_used <= n_unknown:
        return VelocityChange(np.nan, np.nan, n_used)
    lag, delay, weight = lag[good], delay[good], 1 / error[good] ** 2
    if not through_origin:
        lag = lag - np.average(lag, weights=weight)
        delay = delay - np.average(delay, weights=weight)
    spread = (weight * lag**2).sum()
    if spread == 0:
        return VelocityChange(np.nan, np.nan, n_used)
    slope = (weight * lag * delay).sum() / spread
    n_free = max(n_used - n_unknown * n_dependent, 1)
    scatter = (weight * (delay - slope * lag) ** 2).sum() / n_free
    known = error_s is not None and not relative_errors
    factor = (max(1.0, scatter) if known else scatter) * n_dependent
    return VelocityChange(float(-slope), float(np.sqrt(factor / spread)), n_used)


def n_alike(x: ArrayLike) -> float:
    """Return the number of neighbours that carry the information of one sample.

    One plus twice the sum of the autocorrelation coefficients, up to the first that is
    not positive (Geyer 1992, doi:10.1214/ss/1177011137).

    Examples
    --------
    >>> x = np.random.default_rng(1).standard_normal(1000)
    >>> n_alike(x) < 2 < n_alike(np.convolve(x, np.ones(5))) < 8
    True
    """
    x = as_float(x)
    x = x - x.mean() if x.size else x
    power = fft.rfft(x, fft.next_fast_len(max(2 * len(x), 2)))
    covariance = fft.irfft(np.abs(power) ** 2)[: len(x)]
    if not len(x) or covariance[0] <= 0:
        return 1.0
    negative = np.flatnonzero(covariance <= 0)
    last = negative[0] if len(negative) else len(covariance)
    return float(1 + 2 * covariance[1:last].sum() / covariance[0])


def window_starts(
    n: int, rate_hz: float, window_s: float, step_s: float
) -> tuple[int, FloatArray]:
    """Samples in a window, and the first sample of each window of a record.

    Raises
    ------
    ParameterError
        If window or step is below a sample or the record shorter than a window.

    Examples
    --------
    >>> window_starts(10, 1.0, 4.0, 3.0)
    (4, array([0, 3, 6]))
    """
    rate_hz = require_rate(rate_hz)
    size, step = round(window_s * rate_hz), round(step_s * rate_hz)
    if size < 2 or step < 1:
        raise ParameterError(
            f"window_s {window_s:g} needs two samples and step_s {step_s:g} one"
        )
    if size > n:
        raise ParameterError(f"window_s {window_s:g} exceeds the record of {n} samples")
    return size, np.arange(0, n - size + 1, step)


def pair_of_records(
    reference: ArrayLike, current: ArrayLike
) -> tuple[FloatArray, FloatArray]:
    """Two records of one length, as float64.

    Raises
    ------
    ParameterError
        If the shapes of the records differ, or are not one-dimensional.

    Examples
    --------
    >>> pair_of_records([1], [2])
    (array([1.]), array([2.]))
    """
    first = as_float(reference, "reference").astype(np.float64)
    second = as_float(current, "current").astype(np.float64)
    if first.ndim != 1 or first.shape != second.shape:
        raise ParameterError(
            f"reference {first.shape} and current {second.shape} must be records of "
            "one length"
        )
    return first, second


def windowed_delays(
    reference: ArrayLike,
    current: ArrayLike,
    rate_hz: float,
    window_s: float,
    step_s: float,
    max_delay_s: float,
    first_lag_s: float = 0.0,
) -> Delays:
    """Delays from the peak of the cross-correlation of short windows.

    Windows are demeaned and tapered by a Hann window; the correlation is interpolated
    eight times finer by its spectrum and its peak by a parabola.

    Parameters
    ----------
    reference, current
        Shape ``(n,)``.
    rate_hz
        Sampling rate.
    window_s, step_s
        Length of the windows, and time from the start of a window to the next.
    max_delay_s
        Delays from -max_delay_s to max_delay_s are searched; below half the window.
    first_lag_s
        Lag of the first sample, e.g. -max_lag.

    Returns
    -------
    `Delays`; `coherence` is the correlation coefficient at the peak. The error is the
    error of a delay in noise with the band of the signal: sqrt(1/c**2 - 1) over the
    root mean square angular frequency and the root of twice bandwidth times duration.

    Raises
    ------
    ParameterError
        If the records differ or a parameter is out of range.

    References
    ----------
    Snieder et al. (2002), doi:10.1126/science.1070015 (method); Carter (1987),
    Proc. IEEE 75, 236-255 (error).

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(1).standard_normal(4000)
    >>> x = np.convolve(x, np.hanning(20), "same")
    >>> delays = windowed_delays(x[5:3005], x[:3000], 10.0, 30.0, 15.0, 2.0)
    >>> bool(np.abs(delays.delay_s - 0.5).max() < 0.02)
    True
    """
    before, after = pair_of_records(reference, current)
    size, starts = window_starts(len(before), rate_hz, window_s, step_s)
    if not 0 < max_delay_s < window_s / 2:
        raise ParameterError(
            f"max_delay_s must be above 0 and below half the window, {window_s / 2:g} "
            f"s, not {max_delay_s}"
        )
    index = starts[:, None] + np.arange(size)
    a, b = _windows(before[index]), _windows(after[index])
    n_fft = fft.next_fast_len(2 * size, real=True)
    sa, sb = fft.rfft(a, n_fft), fft.rfft(b, n_fft)
    fine = 8
    c = fft.irfft(np.conj(sa) * sb, fine * n_fft) * fine
    reach = max(1, int(max_delay_s * rate_hz * fine))
    c = np.concatenate([c[:, -reach:], c[:, : reach + 1]], axis=1)
    norm = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    c = c / np.where(norm == 0, np.inf, norm)[:, None]
    peak, coefficient, at_edge = parabolic_peak(c)
    at_edge &= norm > 0
    delay = (peak - reach) / (fine * rate_hz)
    delay[~(norm > 0) | at_edge] = np.nan  # also for NaN among the samples
    lag = first_lag_s + (starts + (size - 1) / 2) / rate_hz
    error = _delay_error(np.abs(sa), coefficient, rate_hz, window_s)
    return Delays(lag, delay, error, np.clip(coefficient, 0, 1), at_edge)


def parabolic_peak(
    c: FloatArray,
) -> tuple[FloatArray, FloatArray, NDArray[np.bool_]]:
    """Find the largest sample of each row, and refine it by a parabola.

    Parameters
    ----------
    c
        Shape ``(n_rows, n)``, at least three samples in a row.

    Returns
    -------
    place
        Index of the peak with its fraction, shape ``(n_rows,)``.
    value
        Value of the parabola there.
    at_edge
        True where the largest sample is the first or last, so that the true peak may
        lie outside.

    Examples
    --------
    >>> parabolic_peak(np.array([[0.0, 3.0, 3.0, 0.0]]))
    (array([1.5]), array([3.375]), array([False]))
    """
    top = np.argmax(c, axis=1)
    rows = np.arange(len(c))
    inner = np.clip(top, 1, c.shape[1] - 2)
    left, peak, right = (c[rows, inner + k] for k in (-1, 0, 1))
    bend = left - 2 * peak + right
    use = (top == inner) & (bend < 0)
    step = np.where(use, 0.5 * (left - right) / np.where(use, bend, 1.0), 0.0)
    value = np.where(use, peak - 0.25 * (left - right) * step, c[rows, top])
    return top + step, value, top != inner


def _windows(x: FloatArray) -> FloatArray:
    size = x.shape[-1]
    hann = np.sin(np.pi * (np.arange(size) + 0.5) / size) ** 2
    return (x - x.mean(axis=-1, keepdims=True)) * hann


def _delay_error(
    amplitude: FloatArray, coefficient: FloatArray, rate_hz: float, window_s: float
) -> FloatArray:
    power = amplitude**2
    total = power.sum(axis=-1)
    silent = total == 0
    total = np.where(silent, 1.0, total)
    omega = 2 * np.pi * np.linspace(0, rate_hz / 2, power.shape[-1])
    square = (power * omega**2).sum(axis=-1) / total
    bins = total**2 / np.where(silent, 1.0, (power**2).sum(axis=-1))
    # The speckle of a single periodogram halves its equivalent bandwidth, and a
    # Hann window leaves 0.514 = mean(w^2)^2 / mean(w^4) of the duration.
    band_hz = 2 * bins * rate_hz / 2 / power.shape[-1]
    n_free = np.maximum(1.0, 2 * band_hz * window_s * 0.514)
    c = np.clip(coefficient, 1e-6, 1.0)
    error = np.sqrt((1 / c**2 - 1) / (np.where(silent, 1.0, square) * n_free))
    return np.where(silent, np.nan, np.maximum(error, 1e-9))
