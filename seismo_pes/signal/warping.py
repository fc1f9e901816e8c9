"""Delays by dynamic time warping: a delay for every sample, smooth by constraint."""

import numpy as np
from numpy.typing import ArrayLike

from seismo_pes.signal._arrays import FloatArray, require_count, require_rate
from seismo_pes.signal.delays import pair_of_records
from seismo_pes.signal.errors import ParameterError
from seismo_pes.signal.resample import interpolate_lanczos


def warping_delays(
    reference: ArrayLike,
    current: ArrayLike,
    rate_hz: float,
    max_delay_s: float,
    max_strain: float = 0.1,
    oversample: int = 4,
) -> FloatArray:
    """Delay of each sample that makes the squared difference of two records least.

    The path over (sample, delay) with the least sum of ``(current(t + delay) -
    reference(t))**2`` among those whose delay changes by at most one step in
    ``1 / max_strain`` samples: no cycle is skipped as long as delays are smooth.

    Parameters
    ----------
    reference, current
        Shape ``(n,)``, of like amplitude.
    rate_hz
        Sampling rate.
    max_delay_s
        Delays from -max_delay_s to max_delay_s.
    max_strain
        Largest slope of delay over lag, 0.001 to 1; at least twice the velocity
        change expected.
    oversample
        The records are interpolated this many times finer, 1 to 32: the step of
        delay is ``1 / (rate_hz * oversample)``.

    Returns
    -------
    Delays in seconds, shape ``(n,)``; positive: the current is later. Fit a line with
    `delays.velocity_change`.

    Raises
    ------
    ParameterError
        If the records differ, are not finite, or a parameter is out of range.

    References
    ----------
    Hale (2013), doi:10.1190/geo2012-0327.1; Mikesell et al. (2015),
    doi:10.1093/gji/ggv138.

    Examples
    --------
    >>> import numpy as np
    >>> t = np.arange(300) / 10
    >>> found = warping_delays(np.sin(2 * t), np.sin(2 * (t - 0.2)), 10.0, 0.5)
    >>> bool(np.abs(found - 0.2)[20:-20].max() < 0.026)
    True
    """
    one, other = pair_of_records(reference, current)
    rate_hz = require_rate(rate_hz)
    oversample = require_count(oversample, "oversample", 1)
    if oversample > 32:
        raise ParameterError(f"oversample must be from 1 to 32, not {oversample}")
    if not 0.001 <= max_strain <= 1:
        raise ParameterError(f"max_strain must be from 0.001 to 1, not {max_strain}")
    reach = round(max_delay_s * rate_hz * oversample)
    if reach < 1:
        raise ParameterError(f"max_delay_s {max_delay_s:g} is below one step")
    if not (np.isfinite(one).all() and np.isfinite(other).all()):
        raise ParameterError("reference and current must be finite")
    if len(one) < 2:
        return np.zeros(len(one))
    n = (len(one) - 1) * oversample + 1
    one = interpolate_lanczos(one, 0.0, 1 / oversample, n)
    other = interpolate_lanczos(other, 0.0, 1 / oversample, n)
    errors = _alignment_errors(one, other, reach)
    path = _best_path(errors, max(1, round(1 / max_strain)))
    return (path[::oversample] - reach) / (rate_hz * oversample)


def _alignment_errors(
    reference: FloatArray, current: FloatArray, reach: int
) -> FloatArray:
    """Squared differences, shape (n, 2 reach + 1); the ends repeat the last value."""
    padded = np.pad(current, reach, mode="edge")
    shifted = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1)
    return np.asarray((shifted - reference[:, None]) ** 2)


def _best_path(errors: FloatArray, block: int) -> FloatArray:
    """Accumulate errors forward and follow the cheapest path back (Hale 2013)."""
    n, n_delays = errors.shape
    total = np.cumsum(errors, axis=0)
    cost = np.empty_like(errors)
    move = np.zeros((n, n_delays), dtype=np.int8)
    cost[0] = errors[0]
    for i in range(1, n):
        stay = cost[i - 1]
        j = i - block
        best = stay.copy()
        if j >= 0:
            # Arriving from a neighbour costs `block` samples at this delay.
            held = total[i - 1] - total[j]
            below = cost[j, :-1] + held[1:]
            above = cost[j, 1:] + held[:-1]
            _improve(best[1:], move[i, 1:], below, -1)
            _improve(best[:-1], move[i, :-1], above, 1)
        cost[i] = best + errors[i]
    return _backtrack(cost[-1], move, block)


def _improve(
    best: FloatArray, move: FloatArray, candidate: FloatArray, step: int
) -> None:
    better = candidate < best
    best[better] = candidate[better]
    move[better] = step


def _backtrack(last: FloatArray, move: FloatArray, block: int) -> FloatArray:
    n = len(move)
    path = np.empty(n, dtype=np.int64)
    i, at = n - 1, int(np.argmin(last))
    while i >= 0:
        step = int(move[i, at])
        span = block if step else 1
        path[max(0, i - span + 1) : i + 1] = at
        at += step
        i -= span
    return path
