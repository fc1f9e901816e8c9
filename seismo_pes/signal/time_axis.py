"""Records on another axis of time, with any ratio of rates and any shift."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse, special

from seismo_pes.signal._arrays import FloatArray
from seismo_pes.signal.errors import ParameterError

__all__ = ["Axis", "Resampling", "resampling"]

# Half length of the interpolating function, in samples of the lower rate; the shape of
# its window; and its corner as a part of the lower Nyquist frequency. Up to 0.82 of
# Nyquist the error is below 1e-4, from Nyquist on less than 1e-4 passes.
HALF_WIDTH = 32
BETA = 9.0
CORNER = 0.91
# Axes that differ by less, in samples, over their whole length are the same.
SAME = 1e-3


@dataclass(frozen=True)
class Axis:
    """Equally spaced times.

    Attributes
    ----------
    start_s
        First time.
    delta_s
        Sampling interval.
    n
        Number of samples.
    """

    start_s: float
    delta_s: float
    n: int

    @property
    def end_s(self) -> float:
        """Last time."""
        return self.start_s + (self.n - 1) * self.delta_s

    def within(self, start_s: float, end_s: float) -> Axis:
        """Return an axis on the grid of this one, for the times of an interval.

        Parameters
        ----------
        start_s, end_s
            The interval; it may reach beyond this axis.

        Examples
        --------
        >>> Axis(0.0, 0.5, 10).within(-0.7, 1.2)
        Axis(start_s=-0.5, delta_s=0.5, n=4)
        """
        first = int(np.ceil((start_s - self.start_s) / self.delta_s - SAME))
        last = int(np.floor((end_s - self.start_s) / self.delta_s + SAME))
        start = self.start_s + first * self.delta_s
        return Axis(start, self.delta_s, max(last - first + 1, 0))


@dataclass(frozen=True)
class Resampling:
    """The linear map of a record from one axis to another one.

    Attributes
    ----------
    weights
        Sparse matrix, shape ``(n_out, n_in)``.
    is_identity
        Whether samples are only selected.
    """

    weights: sparse.csr_array
    is_identity: bool

    def apply(self, x: ArrayLike) -> FloatArray:
        """Return the record on the new axis; outside its axis it counts as zero.

        Parameters
        ----------
        x
            Shape ``(n_in,)``.
        """
        return np.asarray(self.weights @ np.asarray(x, dtype=np.float64))

    def transpose(self, y: ArrayLike) -> FloatArray:
        """Return the transposed map of samples of the new axis.

        Parameters
        ----------
        y
            Shape ``(n_out,)``.
        """
        return np.asarray(self.weights.T @ np.asarray(y, dtype=np.float64))


def resampling(old: Axis, new: Axis) -> Resampling:
    """Return the map from one axis to another one.

    Samples are copied where both axes have the same times. Otherwise the record is
    interpolated by a sinc function with a Kaiser window, whose corner is below the
    lower of both Nyquist frequencies, so that no ratio of rates leads to aliasing.

    Parameters
    ----------
    old, new
        The axes; any intervals and starts.

    Raises
    ------
    ParameterError
        If an axis has no samples, or an interval that is not above zero.

    Examples
    --------
    >>> old, new = Axis(0.0, 0.1, 600), Axis(5.03, 0.23, 200)
    >>> x = np.sin(np.arange(600) * 0.1)
    >>> y = resampling(old, new).apply(x)
    >>> bool(np.abs(y - np.sin(5.03 + np.arange(200) * 0.23)).max() < 1e-4)
    True
    """
    if not (old.n > 0 and new.n > 0 and old.delta_s > 0 and new.delta_s > 0):
        raise ParameterError(f"axes {old} and {new}: need samples and intervals")
    shift = (new.start_s - old.start_s) / old.delta_s
    # rounded, so that stations with the same axes share their matrix
    return _resampling(old.n, new.n, new.delta_s / old.delta_s, round(shift, 9))


@lru_cache(maxsize=8)
def _resampling(n_in: int, n_out: int, ratio: float, shift: float) -> Resampling:
    drift = abs(ratio - 1) * max(n_in, n_out)
    if drift < SAME and abs(shift - round(shift)) < SAME:
        return _selection(n_in, n_out, round(shift))
    stretch = max(ratio, 1.0)  # of the function, in old samples
    half = HALF_WIDTH * stretch
    at = shift + np.arange(n_out) * ratio
    n_each = int(np.ceil(2 * half)) + 1
    first = np.ceil(at - half).astype(np.int64)
    columns = first[:, None] + np.arange(n_each)
    distance = (columns - at[:, None]) / stretch
    inside = (np.abs(distance) <= HALF_WIDTH) & (columns >= 0) & (columns < n_in)
    rows = np.broadcast_to(np.arange(n_out)[:, None], columns.shape)[inside]
    distance = distance[inside]
    window = special.i0(BETA * np.sqrt(1 - (distance / HALF_WIDTH) ** 2))
    weights = CORNER * np.sinc(CORNER * distance) * window / special.i0(BETA) / stretch
    matrix = sparse.csr_array((weights, (rows, columns[inside])), shape=(n_out, n_in))
    return Resampling(matrix, False)


def _selection(n_in: int, n_out: int, shift: int) -> Resampling:
    rows = np.arange(n_out)
    columns = rows + shift
    inside = (columns >= 0) & (columns < n_in)
    ones = np.ones(int(inside.sum()))
    matrix = sparse.csr_array(
        (ones, (rows[inside], columns[inside])), shape=(n_out, n_in)
    )
    return Resampling(matrix, True)
