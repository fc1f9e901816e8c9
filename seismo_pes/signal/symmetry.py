"""The lag about which the two sides of a correlation are symmetric.

Noise from all sides travels in both directions between two stations, so the two sides
of a correlation are similar. A clock error moves their centre of symmetry away from lag
zero.
"""

from __future__ import annotations

import math

import numpy as np

from seismo_pes.signal._arrays import FloatArray
from seismo_pes.signal._rows import Rows, filter_error

__all__ = ["symmetry_centre"]


def symmetry_centre(
    x: FloatArray, low: float, high: float
) -> tuple[float, float, float]:
    """Return the lag about which two sides are symmetric, its error, and the symmetry.

    The symmetry is twice the sum of the products of the sides over the sum of their
    squares, or over half of the energy of the record, if that is larger: 1 for equal
    sides, near 0 for an arrival on one side only.

    Parameters
    ----------
    x
        Shape ``(n,)``, lags -K..K.
    low, high
        Range of absolute lag from the centre that is compared, samples.

    Examples
    --------
    >>> lag = np.arange(-200, 201)
    >>> late = np.abs(lag - 2.5) - 80
    >>> x = np.cos(0.4 * late) * np.exp(-((late / 20) ** 2))
    >>> centre, _, symmetry = symmetry_centre(x, 30, 150)
    >>> round(centre, 2), round(symmetry, 2)
    (2.5, 1.0)
    """
    rows, middle = Rows(x[None]), len(x) // 2
    lag = np.arange(np.ceil(low), high + 1e-9)

    def sides(centres: FloatArray) -> tuple[FloatArray, FloatArray]:
        places = np.asarray(centres, float)[:, None]
        later = rows.at((middle + places + lag).reshape(1, -1))
        earlier = rows.at((middle + places - lag).reshape(1, -1))
        return later.reshape(len(places), -1), earlier.reshape(len(places), -1)

    candidates = np.arange(-middle, middle + 1) / 2
    nearest, farthest = math.ceil(low), math.floor(high + 1e-9)
    product = [rows.product(middle + c, nearest, farthest) for c in candidates]
    best = candidates[int(np.argmax(product))]
    for spread in (0.25, 0.25, 0.1, 0.1):
        trial = best + spread * np.array([-1, 0, 1])
        p, q = sides(trial)
        left, peak, right = (p * q).sum(axis=1)
        bend = left - 2 * peak + right
        if not bend < 0:
            break
        best += spread * float(np.clip(0.5 * (left - right) / bend, -2, 2))
    p, q = (side[0] for side in sides(np.array([best])))
    norms = np.linalg.norm(p), np.linalg.norm(q)
    if not min(norms) > 0:  # also without any lag in the range
        return 0.0, np.nan, 0.0
    ratio = norms[0] / norms[1]
    symmetry = 2 * float(p @ q / max(p @ p + q @ q, x @ x / 2))
    later, earlier = (
        rows.slope_at((middle + best + side * lag)[None])[0] for side in (1, -1)
    )
    slope = (later - ratio * earlier) / 2
    filters = slope / max(slope @ slope, 1e-300) / 2
    error = filter_error(filters[None], (p - ratio * q)[None], 2)
    return float(best), float(error[0]), max(symmetry, 0.0)
