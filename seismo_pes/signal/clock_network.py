"""Clock errors of the stations of a network, from the shifts of the pairs.

The shift of the correlation of two stations is the clock error of the second minus that
of the first. So all pairs of n stations overdetermine n - 1 differences. A further
condition states which clocks are right.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seismo_pes.signal._arrays import FloatArray
from seismo_pes.signal.errors import ParameterError

__all__ = ["ClockOffsets", "agreeing_stations", "clock_offsets", "clock_series"]

Indices = NDArray[np.int64]

#: Residuals beyond this number of standard errors have no weight (Tukey's biweight,
#: which is 95 % efficient for normal errors).
BIWEIGHT = 4.685
N_REWEIGHTED = 30  # largest number of iterations of the robust fit; 8 are usual
STEADY = 1e-6  # change of weights at which the robust fit ends
ALIGNED_S = 1e-6  # change of the zeros at which the iterations end
N_ALIGNED = 40  # largest number of iterations between clocks and zeros of pairs


class ClockOffsets(NamedTuple):
    """Clock errors of stations, positive if the clock is ahead.

    Attributes
    ----------
    offset_s, error_s
        Clock error and its standard error, shape ``(n_stations,)`` or ``(n_times,
        n_stations)``; NaN for a station that is not connected with a right clock by
        pairs.
    n_pairs
        Number of pairs of the station that the fit uses, same shape.
    residual_s
        Shift of each pair minus the difference of its clocks, shape ``(n_pairs,)`` or
        ``(n_pairs, n_times)``; NaN where the shift is unknown.
    weight
        Weight of each pair in the robust fit, 0 to 1, same shape.
    """

    offset_s: FloatArray
    error_s: FloatArray
    n_pairs: Indices
    residual_s: FloatArray
    weight: FloatArray


def clock_offsets(
    first: ArrayLike,
    second: ArrayLike,
    shift_s: ArrayLike,
    error_s: ArrayLike,
    n_stations: int,
    right: ArrayLike | None = None,
) -> ClockOffsets:
    """Return the clock errors of stations at one time.

    Weighted least squares; pairs with a large residual have a smaller weight or none.
    The standard errors follow from those of the shifts, and are larger if the residuals
    are larger.

    Parameters
    ----------
    first, second
        Indices of the stations of each pair, shape ``(n_pairs,)``.
    shift_s, error_s
        Shift of each pair and its standard error; NaN for an unknown shift.
    n_stations
        Number of stations.
    right
        Indices of the stations whose clocks are right: the mean of their offsets is
        zero. By default all.

    Raises
    ------
    ParameterError
        If the shapes differ.

    Examples
    --------
    >>> first, second = [0, 0, 1], [1, 2, 2]
    >>> clocks = clock_offsets(first, second, [0.0, 0.5, 0.5], [0.1] * 3, 3, [0, 1])
    >>> np.abs(clocks.offset_s).round(9).tolist()
    [0.0, 0.0, 0.5]
    """
    i, j = np.asarray(first, np.int64), np.asarray(second, np.int64)
    shift, error = np.asarray(shift_s, float), np.asarray(error_s, float)
    if not i.shape == j.shape == shift.shape == error.shape or i.ndim != 1:
        raise ParameterError("first, second, shift_s and error_s need one shape")
    chosen = np.ones(n_stations, bool)
    if right is not None:
        chosen[:] = False
        chosen[np.asarray(right, np.int64)] = True
    known = np.isfinite(shift) & np.isfinite(error) & (error > 0) & (i != j)
    offset, spread = np.full((2, n_stations), np.nan)
    residual, weight = np.full(len(i), np.nan), np.zeros(len(i))
    for stations in _connected(i[known], j[known], n_stations):
        if not chosen[stations].any():
            continue
        mine = np.flatnonzero(known & np.isin(i, stations))
        place = np.full(n_stations, -1)
        place[stations] = np.arange(len(stations))
        ends = place[i[mine]], place[j[mine]]
        gauge = chosen[stations] / chosen[stations].sum()
        fit = _robust_fit(*ends, shift[mine], error[mine], gauge)
        offset[stations], spread[stations], residual[mine], weight[mine] = fit
    used = weight > 0
    n_pairs = np.bincount(np.r_[i[used], j[used]], minlength=n_stations)
    offset[n_pairs == 0] = spread[n_pairs == 0] = np.nan
    return ClockOffsets(offset, spread, n_pairs, residual, weight)


def _connected(i: Indices, j: Indices, n_stations: int) -> list[Indices]:
    """Return the groups of two or more stations that pairs connect."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(i)), (i, j)), shape=(n_stations, n_stations))
    n_groups, group = connected_components(graph, directed=False)
    groups = [np.flatnonzero(group == k) for k in range(n_groups)]
    return [stations for stations in groups if len(stations) > 1]


def _robust_fit(
    i: Indices,
    j: Indices,
    shift: FloatArray,
    error: FloatArray,
    gauge: FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return offsets, their errors, residuals and weights of connected stations.

    The fit begins with the weights for the smallest sum of absolute residuals, on which
    a few wrong cycles have little effect.
    """
    n = len(gauge)
    n_free = len(shift) - n + 1
    weight, scale = np.ones(len(shift)), 1.0
    for step in range(N_REWEIGHTED):
        precision = weight / error**2
        inverse = _constrained(i, j, precision, gauge)
        pull = precision * shift
        offset = inverse @ (np.bincount(j, pull, n) - np.bincount(i, pull, n))
        residual = shift - (offset[j] - offset[i])
        if n_free <= 0:
            break
        size = np.abs(residual) / error
        # the median of the residuals, of which the fit has removed a part
        typical = 1.4826 * np.median(size) * np.sqrt(len(size) / n_free)
        scale = max(1.0, float(typical))
        begins = step < N_REWEIGHTED // 2
        updated = 1 / np.maximum(size / scale, 1.0)
        if not begins:
            updated = np.clip(1 - (size / (BIWEIGHT * scale)) ** 2, 0, 1) ** 2
        change = float(np.abs(updated - weight).max())
        if change < STEADY and (not begins or step > 0):
            break
        weight = updated
    if n_free > 0:
        chi = float((weight * (residual / error) ** 2).sum())
        n_left = float(weight.sum()) - n + 1
        scale = max(1.0, np.sqrt(chi / n_left)) if n_left > 0.5 else scale
    spread = scale * np.sqrt(np.maximum(np.diag(inverse), 0))
    return offset, spread, residual, weight


def _constrained(
    i: Indices, j: Indices, precision: FloatArray, gauge: FloatArray
) -> FloatArray:
    """Return the covariance of offsets whose mean over the right clocks is zero."""
    n = len(gauge)
    between = np.bincount(i * n + j, precision, n * n).reshape(n, n)
    between += between.T
    size = precision.max() or 1.0
    normal = np.zeros((n + 1, n + 1))
    normal[:n, :n] = (np.diag(between.sum(axis=1)) - between) / size
    normal[:n, n] = normal[n, :n] = gauge
    try:
        inverse = np.linalg.inv(normal)
    except np.linalg.LinAlgError:  # weights of zero separate the stations
        inverse = np.linalg.pinv(normal)
    return np.asarray(inverse[:n, :n] / size)


def agreeing_stations(offset_s: ArrayLike) -> Indices:
    """Return the stations whose clocks agree best, more than half of all.

    At each time the median over the stations is subtracted; the stations with the
    smallest deviations over all times are chosen.

    Parameters
    ----------
    offset_s
        Shape ``(n_times, n_stations)``; NaN where unknown.

    Examples
    --------
    >>> agreeing_stations([[0.0, 5.0, 0.1, 0.2], [0.0, 6.0, 0.1, 0.2]]).tolist()
    [0, 2, 3]
    """
    offset = np.asarray(offset_s, float)
    present = np.flatnonzero(np.isfinite(offset).any(axis=0))
    if not len(present):
        return present
    inside = offset[np.isfinite(offset).any(axis=1)][:, present]
    middle = np.nanmedian(inside, axis=1, keepdims=True)
    away = np.sqrt(np.nanmean((inside - middle) ** 2, axis=0))
    n_right = len(present) // 2 + 1
    return np.sort(present[np.argsort(away, kind="stable")[:n_right]])


def clock_series(
    first: ArrayLike,
    second: ArrayLike,
    shift_s: ArrayLike,
    error_s: ArrayLike,
    n_stations: int,
    zero_s: ArrayLike | None = None,
    zero_error_s: ArrayLike | None = None,
    right: ArrayLike | None = None,
) -> ClockOffsets:
    """Return the clock errors of stations over time.

    The shifts of a pair are relative to a zero of the pair. It is known with an error,
    because noise does not come equally from all sides, or it is unknown. The zeros are
    fitted together with the clock errors, so that pairs may be missing at some times.

    Parameters
    ----------
    first, second
        Indices of the stations of each pair, shape ``(n_pairs,)``.
    shift_s, error_s
        Shifts and their standard errors, shape ``(n_pairs, n_times)``; NaN if unknown.
    n_stations
        Number of stations.
    zero_s, zero_error_s
        Shift of each pair to which `shift_s` is relative, and its standard error, shape
        ``(n_pairs,)``; NaN for a pair whose zero follows from the other pairs. By
        default no zero is known; then a constant of each station is arbitrary.
    right
        Indices of the stations whose clocks are right; by default `agreeing_stations`.

    Examples
    --------
    >>> drift = np.array([0.0, 0.1, 0.2])
    >>> shifts = [drift * 0, drift, drift]
    >>> series = clock_series([0, 0, 1], [1, 2, 2], shifts, np.full((3, 3), 0.01), 3)
    >>> np.abs(series.offset_s.T).round(6).tolist()
    [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.1, 0.2]]
    """
    shift, error = np.asarray(shift_s, float), np.asarray(error_s, float)
    i, j = np.asarray(first, np.int64), np.asarray(second, np.int64)
    zero = np.zeros(len(shift)) if zero_s is None else np.array(zero_s, float)
    zero_error = None if zero_error_s is None else np.asarray(zero_error_s, float)
    level_error = np.zeros(n_stations)
    if right is None:
        series = _over_time(i, j, shift + zero[:, None], error, n_stations)
        right = agreeing_stations(series.offset_s)
    measured = np.isfinite(zero)
    for _ in range(N_ALIGNED):
        series = _over_time(i, j, shift + zero[:, None], error, n_stations, right)
        difference = (series.offset_s[:, j] - series.offset_s[:, i]).T - shift
        pairs = np.isfinite(difference).any(axis=1)
        updated = zero.copy()
        updated[pairs] = np.nanmedian(difference[pairs], axis=1)
        if zero_error is not None:  # the part that clock errors explain is not free
            bias = np.where(measured, updated - zero, np.nan)
            level = clock_offsets(i, j, bias, zero_error, n_stations, right)
            part = np.nan_to_num(level.offset_s)
            updated = updated - (part[j] - part[i])
            if np.isnan(level_error).any() or not level_error.any():
                level_error = level.error_s
        steps = np.abs(updated - zero)[pairs]
        zero = updated
        if not np.isnan(steps).any() and steps.max(initial=0) < ALIGNED_S:
            break
    return series._replace(error_s=np.hypot(series.error_s, level_error))


def _over_time(
    i: Indices,
    j: Indices,
    shift: FloatArray,
    error: FloatArray,
    n_stations: int,
    right: ArrayLike | None = None,
) -> ClockOffsets:
    times = [
        clock_offsets(i, j, shift[:, k], error[:, k], n_stations, right)
        for k in range(shift.shape[1])
    ]
    offset, spread, count, residual, weight = (
        np.array(part) for part in zip(*times, strict=True)
    )
    return ClockOffsets(offset, spread, count, residual.T, weight.T)
