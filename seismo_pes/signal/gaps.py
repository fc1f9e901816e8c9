"""Unreliable parts of a record: gaps, flat runs, clipped peaks."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seismo_pes.signal._arrays import FloatArray, as_float, require_count
from seismo_pes.signal.errors import ParameterError

__all__ = ["clipped_runs", "flat_runs", "interpolate_gaps", "runs_of", "widened"]

Runs = NDArray[np.int64]
# Samples of the shortest run on the coarse grid of `flat_runs`. With fewer samples, the
# grid has runs by chance; with more, it is not coarse.
_PROBES = 16


def runs_of(mask: ArrayLike) -> Runs:
    """Return the runs of True: first index, and the index after the last.

    Parameters
    ----------
    mask
        Booleans, shape ``(n,)``.

    Returns
    -------
    Shape ``(n_runs, 2)``, int64.

    Raises
    ------
    ParameterError
        If the mask is not one-dimensional.

    Examples
    --------
    >>> runs_of([True, False, True, True]).tolist()
    [[0, 1], [2, 4]]
    """
    flags = np.asarray(mask, dtype=np.bool_)
    if flags.ndim != 1:
        raise ParameterError(f"mask: {flags.ndim} dimensions, but one record is needed")
    padded = np.concatenate(([False], flags, [False]))
    return np.flatnonzero(padded[1:] != padded[:-1]).reshape(-1, 2)


def widened(runs: Runs, n_more: int, n: int) -> Runs:
    """Return runs that are longer by ``n_more`` samples on both sides, joined.

    Raises
    ------
    ParameterError
        If `n_more` is negative.

    Examples
    --------
    >>> widened(np.array([[2, 3], [5, 6]]), 1, 10).tolist()
    [[1, 7]]
    """
    n_more = require_count(n_more, "n_more")
    mask = np.zeros(n, dtype=np.bool_)
    for start, stop in runs.tolist():
        mask[max(0, start - n_more) : stop + n_more] = True
    return runs_of(mask)


def interpolate_gaps(x: ArrayLike, max_samples: int) -> FloatArray:
    """Fill short runs of NaN by straight lines.

    Parameters
    ----------
    x
        Records, shape ``(..., n)``. float32 stays float32, anything else becomes
        float64.
    max_samples
        Longer runs stay NaN, and so do runs at the beginning and the end.

    Returns
    -------
    A new array of the same shape.

    Raises
    ------
    ParameterError
        If `max_samples` is negative.

    Examples
    --------
    >>> interpolate_gaps([0.0, np.nan, 2.0, np.nan, np.nan, 5.0], 1)
    array([ 0.,  1.,  2., nan, nan,  5.])
    """
    out = as_float(x).copy()
    max_samples = require_count(max_samples, "max_samples")
    n = out.shape[-1]
    for record in out.reshape(-1, n) if out.size else ():
        for start, stop in runs_of(np.isnan(record)).tolist():
            if start > 0 and stop < n and stop - start <= max_samples:
                line = np.linspace(record[start - 1], record[stop], stop - start + 2)
                record[start:stop] = line[1:-1]
    return out


def flat_runs(x: ArrayLike, shortest: int, value: float | None = None) -> Runs:
    """Find runs of equal samples: a dead channel, or a gap filled with a constant.

    Parameters
    ----------
    x
        One record, shape ``(n,)``, of any type; NaN equals nothing.
    shortest
        Length of the shortest run that counts, at least 2.
    value
        Only runs of this value count; 0 for gaps that were filled with zeros.

    Returns
    -------
    Shape ``(n_runs, 2)``: first sample, and the sample after the last.

    Raises
    ------
    ParameterError
        If `shortest` is below 2 or `x` is not one record.

    Examples
    --------
    >>> flat_runs([1, 0, 0, 0, 2, 2], 2).tolist()
    [[1, 4], [4, 6]]
    >>> flat_runs([1, 0, 0, 0, 2, 2], 2, value=0).tolist()
    [[1, 4]]
    """
    data = _record(x)
    shortest = require_count(shortest, "shortest", 2)
    none = np.empty((0, 2), dtype=np.int64)
    if data.size < shortest:
        return none
    # a run is also one on a coarse grid; most records have none
    step = shortest // _PROBES
    if step > 1 and not len(flat_runs(data[::step], shortest // step)):
        return none
    changes = np.flatnonzero(data[1:] != data[:-1]) + 1
    edges = np.concatenate(([0], changes, [data.size]))
    long = np.flatnonzero(np.diff(edges) >= shortest)
    runs = np.column_stack((edges[long], edges[long + 1]))
    if value is not None:
        runs = runs[data[runs[:, 0]] == value]
    return runs.astype(np.int64)


def clipped_runs(
    x: ArrayLike,
    shortest: int = 3,
    level: float | None = None,
    tolerance: float = 0.0,
) -> Runs:
    """Find the runs in which a record is at the limit of its recorder.

    Without a level, the limits are the largest and the smallest sample of the record.
    A run counts if the record stays at the limit: a wave has a short peak, and a
    clipped record does not. Small integers can stay equal by chance: give a level, or a
    higher `shortest`, for records of few counts. A constant record is flat, not
    clipped.

    Parameters
    ----------
    x
        One record, shape ``(n,)``, of any type.
    shortest
        Samples in a row, at least 1.
    level
        The limit if it is known (2**23 - 1 counts for 24 bit): samples of at least
        this size.
    tolerance
        Samples less than this below the limit also count as clipped; a fraction of the
        range of the record, or of the level, from 0 to 0.5.

    Returns
    -------
    Shape ``(n_runs, 2)``: first sample, and the sample after the last.

    Raises
    ------
    ParameterError
        If a parameter is out of range or `x` is not one record.

    Examples
    --------
    >>> clipped_runs([0, 5, 9, 9, 9, 4, -7, 0]).tolist()
    [[2, 5]]
    """
    data = _record(x)
    shortest = require_count(shortest, "shortest", 1)
    if not 0 <= tolerance <= 0.5:
        raise ParameterError(f"tolerance must be from 0 to 0.5, not {tolerance}")
    if level is not None and not level > 0:
        raise ParameterError(f"level must be positive, not {level}")
    empty = np.empty((0, 2), dtype=np.int64)
    if data.size == 0:
        return empty
    if level is not None:
        # the absolute value of the smallest integer of a type overflows
        wide = data.astype(np.float64)
        runs = runs_of(np.abs(wide) >= level * (1 - tolerance))
    else:
        finite = data[np.isfinite(data)].astype(np.float64)
        if finite.size == 0 or finite.max() == finite.min():
            return empty
        margin = tolerance * (finite.max() - finite.min())
        high = runs_of(data >= finite.max() - margin)
        low = runs_of(data <= finite.min() + margin)
        runs = np.concatenate((high, low))
        runs = runs[np.argsort(runs[:, 0])]
    return runs[runs[:, 1] - runs[:, 0] >= shortest]


def _record(x: ArrayLike) -> NDArray[np.number]:
    data = np.asarray(x)
    if data.ndim != 1 or np.iscomplexobj(data):
        raise ParameterError("x must be one record of real samples")
    return data
