"""Frequency-time analysis: group and phase velocity of a surface wave."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft

from seismo_pes.signal._arrays import ComplexArray, FloatArray, as_float, require_rate
from seismo_pes.signal.delays import parabolic_peak
from seismo_pes.signal.errors import ParameterError


class Dispersion(NamedTuple):
    """Picks of each filter, from the longest to the shortest period; NaN if no pick.

    Attributes
    ----------
    period_s
        Centre period of the filter.
    instantaneous_period_s
        Period of the wave at the pick, to which the velocities belong.
    group_km_s
        Distance over the time of the envelope's largest value.
    phase_km_s
        Phase velocity, NaN without a reference.
    amplitude
        Envelope at the pick.
    snr
        `amplitude` over the root mean square of the filtered record after the
        slowest velocity; NaN if the record ends there.
    at_edge
        True where the envelope is largest at the slowest or fastest velocity. There is
        no pick, because the wave may be slower or faster.
    """

    period_s: FloatArray
    instantaneous_period_s: FloatArray
    group_km_s: FloatArray
    phase_km_s: FloatArray
    amplitude: FloatArray
    snr: FloatArray
    at_edge: NDArray[np.bool_]


def ftan(
    x: ArrayLike,
    rate_hz: float,
    distance_km: float,
    period_s: ArrayLike,
    velocity_km_s: tuple[float, float] = (1.0, 5.0),
    reference_km_s: float | ArrayLike | None = None,
    alpha: float | None = None,
    phase_shift_rad: float = np.pi / 4,
) -> Dispersion:
    """Measure dispersion on one side of a correlation, or on any record of a wave.

    The record is filtered by Gaussians ``exp(-alpha (f / f0 - 1)**2)``. The largest
    envelope between the arrival times of two velocities gives the group velocity,
    and the derivative of the phase at that time gives its period. The phase gives the
    phase velocity except for whole cycles. The reference decides the number of cycles
    at the longest period, and the group velocities extend the wavenumber to shorter
    periods. The dispersion of the wave within a filter shifts its phase; the change of
    arrival time with frequency gives the correction.

    Parameters
    ----------
    x
        Record from lag (or time) zero, shape ``(n,)``.
    rate_hz
        Sampling rate.
    distance_km
        Distance of the stations, > 0.
    period_s
        Centre periods, all above two samples.
    velocity_km_s
        Slowest and fastest group velocity.
    reference_km_s
        Approximate phase velocity: one number for the longest period, or a number for
        each period (then each period takes the nearest solution). None: no phase
        velocity.
    alpha
        Width of the filters; by default 20 sqrt(distance / 1000 km), at least 5.
    phase_shift_rad
        Phase s of the wave ``cos(w t - k x + s)``: pi/4 for a correlation of noise from
        all directions, -pi/4 for its negative derivative, 0 for a plane wave.

    Returns
    -------
    `Dispersion`, each array of shape ``(n_periods,)``.

    Raises
    ------
    ParameterError
        If a parameter is out of range or the record ends before the slowest wave.

    References
    ----------
    Dziewonski, Bloch and Landisman (1969), Bull. Seism. Soc. Am. 59, 427-444; Bensen
    et al. (2007), doi:10.1111/j.1365-246X.2007.03374.x; Lin et al. (2008),
    doi:10.1111/j.1365-246X.2008.03720.x.

    Examples
    --------
    >>> import numpy as np
    >>> t = np.arange(2000) / 10
    >>> x = np.cos(2 * np.pi * (t - 100) / 5) * np.exp(-(((t - 100) / 8) ** 2))
    >>> picks = ftan(x, 10.0, 300.0, [5.0], (1.6, 5.0))
    >>> round(float(picks.group_km_s[0]), 2)
    3.0
    """
    x = as_float(x).astype(np.float64)
    rate_hz = require_rate(rate_hz)
    periods = np.atleast_1d(np.asarray(period_s, dtype=np.float64))
    order = np.argsort(-periods, kind="stable")
    periods = periods[order]
    _check(x, rate_hz, distance_km, periods, velocity_km_s)
    if alpha is None:
        alpha = max(5.0, 20 * np.sqrt(distance_km / 1000))
    if not alpha > 0:
        raise ParameterError(f"alpha must be positive, not {alpha}")
    signal = gaussian_filters(x, rate_hz, 1 / periods, alpha)
    first = int(np.ceil(distance_km / velocity_km_s[1] * rate_hz))
    last = int(np.floor(distance_km / velocity_km_s[0] * rate_hz))
    picks, at_edge = _picks(signal, first, last, rate_hz)
    time, amplitude, phase, omega = picks
    noise = np.abs(signal[:, last + 1 :])
    rms = np.sqrt((noise**2).mean(axis=1) / 2) if noise.shape[1] > 1 else np.nan
    wavenumber = np.full(len(periods), np.nan)
    if reference_km_s is not None:
        phase = phase + 0.5 * np.arctan(_spread(time, omega) * omega**2 / (2 * alpha))
        turning = omega * time + phase_shift_rad - phase
        reference = _reference(reference_km_s, order)
        wavenumber = _whole_cycles(turning, omega, time, distance_km, reference)
    with np.errstate(invalid="ignore", divide="ignore"):
        return Dispersion(
            periods,
            2 * np.pi / omega,
            distance_km / time,
            np.where(wavenumber > 0, omega / wavenumber, np.nan),
            amplitude,
            amplitude / rms,
            at_edge,
        )


def _check(
    x: FloatArray,
    rate_hz: float,
    distance_km: float,
    periods: FloatArray,
    velocity_km_s: tuple[float, float],
) -> None:
    if x.ndim != 1 or not np.isfinite(x).all():
        raise ParameterError("x must be one record of finite samples")
    if not (np.isfinite(distance_km) and distance_km > 0):
        raise ParameterError(f"distance_km must be positive, not {distance_km}")
    if periods.ndim != 1 or periods.size == 0 or not (periods > 2 / rate_hz).all():
        raise ParameterError(f"period_s must all be above {2 / rate_hz:g} s")
    slow, fast = velocity_km_s
    if not 0 < slow < fast:
        raise ParameterError(f"velocity_km_s needs 0 < slow < fast, not {slow}, {fast}")
    if distance_km / slow * rate_hz > len(x) - 2:
        raise ParameterError(
            f"the record of {len(x) / rate_hz:g} s ends before a wave of {slow:g} km/s "
            f"arrives at {distance_km:g} km: raise velocity_km_s or the longest lag"
        )
    if distance_km * (1 / slow - 1 / fast) * rate_hz < 3:
        raise ParameterError("fewer than 4 samples between the arrival times")


def gaussian_filters(
    x: FloatArray, rate_hz: float, centre_hz: FloatArray, alpha: float
) -> ComplexArray:
    """Analytic filtered records, shape (n_filters, n)."""
    n = len(x)
    n_fft = fft.next_fast_len(2 * n)
    spectrum = fft.rfft(x, n_fft)
    f = np.arange(len(spectrum)) * (rate_hz / n_fft)
    full = np.zeros((len(centre_hz), n_fft), dtype=np.complex128)
    weights = np.exp(-alpha * (f / centre_hz[:, None] - 1) ** 2)
    full[:, : len(f)] = 2 * spectrum * weights
    return np.asarray(fft.ifft(full, axis=1, overwrite_x=True)[:, :n])


def _picks(
    signal: ComplexArray, first: int, last: int, rate_hz: float
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Time, envelope, phase and angular frequency at the largest envelope.

    Returns
    -------
    picks
        Shape ``(4, n_filters)``; NaN where there is no pick.
    at_edge
        Where the envelope is largest at an end of the range, which is not an arrival.
    """
    envelope = np.abs(signal[:, first : last + 1])
    at, amplitude, at_edge = parabolic_peak(envelope)
    at_edge &= amplitude > 0
    inside = ~at_edge & (amplitude > 0)
    nearest = first + np.rint(at).astype(np.int64)
    nearest = np.clip(nearest, 1, signal.shape[1] - 2)
    rows = np.arange(len(signal))
    before, here, after = (signal[rows, nearest + k] for k in (-1, 0, 1))
    omega = np.angle(after * np.conj(before)) * rate_hz / 2
    phase = np.angle(here) + omega * (first + at - nearest) / rate_hz
    inside &= omega > 0
    values = np.array([(first + at) / rate_hz, amplitude, phase, omega])
    return np.where(inside, values, np.nan), at_edge


def _spread(time: FloatArray, omega: FloatArray) -> FloatArray:
    """Derivative of arrival time with angular frequency; zero where unknown."""
    good = np.isfinite(time)
    slope = np.zeros(len(time))
    # Equal frequencies (one wave in two filters) have no derivative.
    distinct = good.sum() >= 2 and (np.abs(np.diff(omega[good])) > 1e-9).all()
    if distinct:
        slope[good] = np.gradient(time[good], omega[good])
    return slope


def _reference(reference_km_s: float | ArrayLike, order: FloatArray) -> FloatArray:
    reference = np.asarray(reference_km_s, dtype=np.float64)
    if reference.ndim and reference.shape != order.shape:
        raise ParameterError(
            f"reference_km_s of shape {reference.shape} does not fit {order.size} "
            "periods"
        )
    if not (reference > 0).all():
        raise ParameterError("reference_km_s must be positive")
    return reference[order] if reference.ndim else reference


def _whole_cycles(
    turning: FloatArray,
    omega: FloatArray,
    time: FloatArray,
    distance_km: float,
    reference: FloatArray,
) -> FloatArray:
    """Wavenumbers (turning + 2 pi N) / distance, with N from the reference."""
    out = np.full(len(omega), np.nan)
    known = None
    for i in np.flatnonzero(np.isfinite(turning)):
        if reference.ndim:
            guess = omega[i] / reference[i]
        elif known is None:
            guess = omega[i] / float(reference)
        else:
            # dk/dw is one over the group velocity, that is time over distance.
            mean_time = (time[known] + time[i]) / 2
            guess = out[known] + (omega[i] - omega[known]) * mean_time / distance_km
        cycles = np.rint((guess * distance_km - turning[i]) / (2 * np.pi))
        out[i] = (turning[i] + 2 * np.pi * cycles) / distance_km
        known = i
    return out
