"""Velocity change by stretching the reference to fit the current correlation."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seismo_pes.signal._arrays import FloatArray, as_float, require_count
from seismo_pes.signal.delays import parabolic_peak
from seismo_pes.signal.errors import ParameterError

SIDES = ("both", "causal", "acausal")
# Largest probability that the best coefficient of a search is one of independent
# records: with a hundred pairs and a year of days, 36 changes by chance, and the means
# over pairs need coherence, too.
MOST_CHANCE = 1e-3


class Stretch(NamedTuple):
    """Best stretch of each current correlation, arrays of shape ``(...)``.

    Attributes
    ----------
    dvv
        Relative velocity change: ``current(t) = reference(t (1 + dvv))``. NaN where
        the current or the reference is silent, and where `at_edge` is true.
    coefficient
        Correlation coefficient at the best stretch.
    unstretched
        Correlation coefficient without stretch.
    error
        Standard error of dvv after Weaver et al. (2011); NaN if no band was given.
    at_edge
        True where no change within the search fits: the coefficient is largest at
        ``max_dvv`` or ``-max_dvv``, or no larger than that of independent records.
    """

    dvv: FloatArray
    coefficient: FloatArray
    unstretched: FloatArray
    error: FloatArray
    at_edge: NDArray[np.bool_]


def stretch(
    reference: ArrayLike,
    current: ArrayLike,
    lag_s: ArrayLike,
    low_s: float,
    high_s: float,
    max_dvv: float = 0.02,
    n_steps: int = 401,
    side: str = "both",
    band_hz: tuple[float, float] | None = None,
) -> Stretch:
    """Search the velocity change with the best correlation coefficient.

    The stretched references are computed once, by a cubic spline. One matrix product
    gives their correlation coefficients with all current records. A parabola through
    the largest coefficient and its neighbours refines the best stretch. The largest
    coefficient must be one that independent records reach in less than one of a
    thousand searches, else the change has no value.

    Parameters
    ----------
    reference
        Shape ``(n,)``.
    current
        Shape ``(..., n)``.
    lag_s
        Lags of the samples, shape ``(n,)``, rising.
    low_s, high_s
        Range of ``|lag|`` that is compared, 0 <= low < high.
    max_dvv
        Search from -max_dvv to max_dvv, 0 < max_dvv < 1. The reference must reach
        ``high_s (1 + max_dvv)``; it is zero beyond its end.
    n_steps
        Odd number of trials, at least 3.
    side
        ``"both"``, ``"causal"`` (positive lags) or ``"acausal"``.
    band_hz
        Corners of the correlation's band, for the error only.

    Returns
    -------
    `Stretch`.

    Raises
    ------
    ParameterError
        If shapes do not fit or a parameter is out of range.

    References
    ----------
    Lobkis and Weaver (2003), doi:10.1103/PhysRevLett.90.254302; error: Weaver et al.
    (2011), Geophys. J. Int. 185, 1384-1392; coefficients of independent records:
    Hotelling (1939), doi:10.2307/2371512.

    Examples
    --------
    >>> import numpy as np
    >>> lag = np.arange(-400, 401) / 10
    >>> wave = lambda t: np.sin(3 * t) * np.exp(-np.abs(t) / 20)
    >>> result = stretch(wave(lag), wave(1.003 * lag), lag, 5, 35)
    >>> bool(abs(result.dvv - 0.003) < 1e-5)
    True
    """
    from scipy.interpolate import CubicSpline

    r = as_float(reference, "reference").astype(np.float64)
    y = as_float(current, "current").astype(np.float64)
    t = np.asarray(lag_s, dtype=np.float64)
    n_steps = require_count(n_steps, "n_steps", 3)
    _check(r, y, t, low_s, high_s, max_dvv, n_steps, side)
    chosen = _select_lags(t, low_s, high_s, side)
    trials = np.linspace(-max_dvv, max_dvv, n_steps)
    at = t[chosen] * (1 + trials[:, None])
    stretched = CubicSpline(t, r)(at)
    stretched[(at < t[0]) | (at > t[-1])] = 0.0
    rows = y[..., chosen].reshape(-1, int(chosen.sum()))
    directions = _unit(stretched)
    c = _unit(rows) @ directions.T
    place, coefficient, at_edge = parabolic_peak(c)
    at_edge |= _chance(coefficient, directions, n_independent(r[chosen])) > MOST_CHANCE
    dvv = -max_dvv + place * (trials[1] - trials[0])
    silent = ~(np.abs(c).max(axis=1) > 0)
    at_edge &= ~silent
    dvv[silent | at_edge] = np.nan
    error = _weaver_error(coefficient, band_hz, low_s, high_s)
    error[at_edge] = np.nan
    shape = y.shape[:-1]
    parts = (dvv, np.minimum(coefficient, 1.0), c[:, n_steps // 2], error, at_edge)
    return Stretch(*(part.reshape(shape) for part in parts))


def n_independent(x: ArrayLike) -> float:
    """Return the number of independent samples of a record: bandwidth times duration.

    Twice the equivalent bandwidth of its spectrum times the equivalent duration of its
    envelope, at least 3.

    Parameters
    ----------
    x
        Shape ``(n,)``, not silent.

    Examples
    --------
    >>> x = np.random.default_rng(1).standard_normal(2000)
    >>> round(n_independent(x) / 2000, 1)
    1.0
    >>> round(n_independent(np.convolve(x, np.ones(10), "same")) / 2000, 1)
    0.1
    """
    x = as_float(x).astype(np.float64)
    power = np.abs(np.fft.rfft(x)) ** 2
    square = x**2
    if not power.any():
        return 3.0
    # The mean of squares over the square of the mean is 2 for the power of noise, and 3
    # for its squared samples.
    bins = 2 * power.sum() ** 2 / (power**2).sum()
    duration = min(3 * square.sum() ** 2 / (square**2).sum() / len(x), 1.0)
    return float(max(2 * bins * duration, 3.0))


def _chance(
    coefficient: FloatArray, directions: FloatArray, n_free: float
) -> FloatArray:
    """Return the probability of a larger best coefficient with independent records.

    The directions of the stretched references are a curve on the unit sphere. A record
    has a coefficient above c with one of them if it lies in a tube about this curve;
    Hotelling gives the volume of the tube from the length of the curve.

    Parameters
    ----------
    coefficient
        Best coefficients, shape ``(n_rows,)``.
    directions
        Stretched references of unit norm, in the order of the stretch.
    n_free
        Number of independent samples.
    """
    from scipy.special import betainc

    length = float(np.linalg.norm(np.diff(directions, axis=0), axis=1).sum())
    rest = 1 - np.clip(coefficient, 0.0, 1.0) ** 2
    along = length / (2 * np.pi) * rest ** ((n_free - 2) / 2)
    return np.asarray(along + betainc((n_free - 1) / 2, 0.5, rest) / 2)


def _unit(x: FloatArray) -> FloatArray:
    norm = np.linalg.norm(x, axis=1, keepdims=True)
    return x / np.where(norm == 0, np.inf, norm)


def _select_lags(t: FloatArray, low_s: float, high_s: float, side: str) -> FloatArray:
    slack = 1e-9 * high_s
    chosen = (np.abs(t) >= low_s - slack) & (np.abs(t) <= high_s + slack)
    if side == "causal":
        chosen &= t > 0
    elif side == "acausal":
        chosen &= t < 0
    if chosen.sum() < 4:
        raise ParameterError(f"low_s {low_s:g} to high_s {high_s:g}: fewer than 4 lags")
    return chosen


def _weaver_error(
    coefficient: FloatArray,
    band_hz: tuple[float, float] | None,
    low_s: float,
    high_s: float,
) -> FloatArray:
    if band_hz is None:
        return np.full(coefficient.shape, np.nan)
    low, high = band_hz
    x = np.clip(coefficient, 1e-6, 1.0)
    omega = np.pi * (low + high)
    duration = 1 / (high - low)
    factor = 6 * np.sqrt(np.pi / 2) * duration / (omega**2 * (high_s**3 - low_s**3))
    return np.asarray(np.sqrt(1 - x**2) / (2 * x) * np.sqrt(factor))


def _check(
    r: FloatArray,
    y: FloatArray,
    t: FloatArray,
    low_s: float,
    high_s: float,
    max_dvv: float,
    n_steps: int,
    side: str,
) -> None:
    if r.ndim != 1 or t.shape != r.shape or y.shape[-1:] != r.shape:
        raise ParameterError(
            f"reference {r.shape}, lags {t.shape} and current {y.shape} do not fit"
        )
    if len(t) < 4 or not (np.diff(t) > 0).all():
        raise ParameterError("lag_s must rise and have at least 4 lags")
    if not np.isfinite(r).all() or not np.isfinite(y).all():
        raise ParameterError("reference and current must be finite")
    if not 0 <= low_s < high_s:
        raise ParameterError(f"needs 0 <= low_s < high_s, not {low_s:g}, {high_s:g}")
    if not 0 < max_dvv < 1:
        raise ParameterError(f"max_dvv must be between 0 and 1, not {max_dvv}")
    if n_steps % 2 == 0:
        raise ParameterError(f"n_steps must be odd, not {n_steps}")
    if side not in SIDES:
        raise ParameterError(f"side must be one of {', '.join(SIDES)}, not {side!r}")
