"""Delays by dynamic time warping: a smooth delay for every sample."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seismo_pes.signal._arrays import (
    FloatArray,
    as_float,
    require_count,
    require_rate,
)
from seismo_pes.signal.errors import ParameterError
from seismo_pes.signal.resample import interpolate_lanczos

_ROWS = 64  # records per step


def warping_delays(
    reference: ArrayLike,
    current: ArrayLike,
    rate_hz: float,
    max_delay_s: float,
    max_strain: float = 0.1,
    oversample: int = 4,
) -> FloatArray:
    """Delay of each sample that minimises the squared difference of two records.

    The path over (sample, delay) with the least sum of ``(current(t + delay) -
    reference(t))**2`` among the paths whose delay changes by at most one step in ``1 /
    max_strain`` samples. Smooth delays cannot skip a cycle.

    Parameters
    ----------
    reference
        Shape ``(n,)``.
    current
        Shape ``(..., n)``, of similar amplitude; many records in one call need less
        time each.
    rate_hz
        Sampling rate.
    max_delay_s
        Delays from -max_delay_s to max_delay_s.
    max_strain
        Largest slope of delay over lag, 0.001 to 1; at least twice the expected
        velocity change.
    oversample
        The records are interpolated this many times finer, 1 to 32: the step of
        delay is ``1 / (rate_hz * oversample)``.

    Returns
    -------
    Delays in seconds, shape ``(..., n)``; positive: the current record is later. Fit a
    line with `delays.velocity_change`.

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
    >>> delays = warping_delays(np.sin(2 * t), np.sin(2 * (t - 0.2)), 10.0, 0.5)
    >>> bool(np.abs(delays - 0.2)[20:-20].max() < 0.026)
    True
    """
    first = as_float(reference, "reference").astype(np.float64)
    second = as_float(current, "current").astype(np.float64)
    if first.ndim != 1 or second.shape[-1:] != first.shape:
        raise ParameterError(
            f"reference {first.shape} and current {second.shape} must be records of "
            "one length"
        )
    rate_hz = require_rate(rate_hz)
    oversample = require_count(oversample, "oversample", 1)
    if oversample > 32:
        raise ParameterError(f"oversample must be from 1 to 32, not {oversample}")
    if not 0.001 <= max_strain <= 1:
        raise ParameterError(f"max_strain must be from 0.001 to 1, not {max_strain}")
    reach = round(max_delay_s * rate_hz * oversample)
    if reach < 1:
        raise ParameterError(f"max_delay_s {max_delay_s:g} is below one step")
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise ParameterError("reference and current must be finite")
    if len(first) < 2:
        return np.zeros(second.shape)
    rows = second.reshape(-1, len(first))
    delays = np.zeros(rows.shape)
    block = max(1, round(1 / max_strain))
    for k in range(0, len(rows), _ROWS):
        batch = slice(k, k + _ROWS)
        path = _paths(first, rows[batch], oversample, reach, block)
        delays[batch] = (path - reach) / (rate_hz * oversample)
    return delays.reshape(second.shape)


def _paths(
    reference: FloatArray, current: FloatArray, oversample: int, reach: int, block: int
) -> NDArray[np.int64]:
    """Return the step of delay of each sample, shape (n_rows, n)."""
    n = (len(reference) - 1) * oversample + 1
    fine_reference = interpolate_lanczos(reference, 0.0, 1 / oversample, n)
    fine_current = interpolate_lanczos(current, 0.0, 1 / oversample, n)
    padded = np.pad(fine_current, ((0, 0), (reach, reach)), mode="edge")

    def errors(i: int) -> FloatArray:
        return np.asarray(
            np.square(padded[:, i : i + 2 * reach + 1] - fine_reference[i])
        )

    return _best_paths(errors, n, block)[:, ::oversample]


def _best_paths(
    errors: Callable[[int], FloatArray], n: int, block: int
) -> NDArray[np.int64]:
    """Accumulate errors forward and follow the cheapest paths back (Hale 2013).

    Parameters
    ----------
    errors
        Squared differences at each delay, for a sample, shape (n_rows, n_delays).
    n
        Number of samples.
    block
        Samples between two changes of delay.
    """
    first = errors(0)
    # errors of the last samples on the path, and their sums
    cost = np.empty((block + 1, *first.shape))
    total = np.empty_like(cost)
    cost[0] = total[0] = first
    move = np.zeros((n, *first.shape), dtype=np.int8)
    for i in range(1, n):
        here, last, j = (
            i % (block + 1),
            (i - 1) % (block + 1),
            (i - block) % (block + 1),
        )
        now, best = errors(i), cost[last].copy()
        if i >= block:
            # a step from a neighbour costs the errors of `block` samples at this delay
            held = total[last] - total[j]
            below = cost[j, :, :-1] + held[:, 1:]
            better = below < best[:, 1:]
            np.minimum(best[:, 1:], below, out=best[:, 1:])
            np.negative(better.view(np.int8), out=move[i, :, 1:])
            above = cost[j, :, 1:] + held[:, :-1]
            better = above < best[:, :-1]
            np.minimum(best[:, :-1], above, out=best[:, :-1])
            np.copyto(move[i, :, :-1], 1, where=better)
        np.add(best, now, out=cost[here])
        np.add(total[last], now, out=total[here])
    ends = cost[(n - 1) % (block + 1)].argmin(axis=1).tolist()
    return np.array([_backtrack(at, move[:, k], block) for k, at in enumerate(ends)])


def _backtrack(at: int, move: NDArray[np.int8], block: int) -> NDArray[np.int64]:
    path = np.empty(len(move), dtype=np.int64)
    i = len(move) - 1
    while i >= 0:
        step = int(move[i, at])
        span = block if step else 1
        path[max(0, i - span + 1) : i + 1] = at
        at += step
        i -= span
    return path
