"""Cosine edges, so that a record begins and ends at zero."""

import numpy as np
from numpy.typing import ArrayLike

from seismo_pes.signal._arrays import (
    FloatArray,
    as_float,
    require_count,
    require_rate,
)
from seismo_pes.signal.errors import ParameterError


def cosine_edge(n: int) -> FloatArray:
    """Return the rising half of a Hann window: ``n`` float64 weights from 0 to 1.

    Weight k is sin(pi k / (2 n))**2: the first sample is zero and the sample after
    the edge would be one.

    Examples
    --------
    >>> cosine_edge(2).round(3)
    array([0. , 0.5])
    """
    return np.sin(np.pi / 2 * np.arange(n) / max(n, 1)) ** 2


def taper(x: ArrayLike, n_left: int, n_right: int | None = None) -> FloatArray:
    """Multiply the edges of the last axis by cosine (Hann) flanks.

    Edges that together are longer than the record are shortened in proportion, so that
    they meet: with equal edges the record gets a full Hann window. The first
    (last) sample becomes zero where its edge has at least one sample.

    Parameters
    ----------
    x
        Records, shape ``(..., n)``. float32 stays float32, anything else becomes
        float64. NaN stays NaN, empty stays empty.
    n_left, n_right
        Samples of the edges, >= 0; `n_right` is `n_left` if not given.

    Returns
    -------
    A new array of the same shape.

    Raises
    ------
    ParameterError
        If a length is negative.

    Examples
    --------
    >>> taper([1.0, 1.0, 1.0, 1.0, 1.0], 2).round(3)
    array([0. , 0.5, 1. , 0.5, 0. ])
    """
    x = as_float(x)
    n_left = require_count(n_left, "n_left")
    n_right = n_left if n_right is None else require_count(n_right, "n_right")
    n = x.shape[-1]
    if n_left + n_right > n:
        n_left = round(n * n_left / (n_left + n_right))
        n_right = n - n_left
    out = x.copy()
    if n_left:
        out[..., :n_left] *= cosine_edge(n_left).astype(x.dtype)
    if n_right:
        out[..., n - n_right :] *= cosine_edge(n_right)[::-1].astype(x.dtype)
    return out


def taper_s(x: ArrayLike, seconds: float, rate_hz: float) -> FloatArray:
    """Taper both edges over `seconds` each (rounded to samples); see `taper`.

    Raises
    ------
    ParameterError
        If `seconds` is negative or not finite, or the rate is not positive.

    Examples
    --------
    >>> taper_s([1.0, 1.0, 1.0, 1.0, 1.0], 1.0, 2.0).round(3)
    array([0. , 0.5, 1. , 0.5, 0. ])
    """
    rate_hz = require_rate(rate_hz)
    if not (np.isfinite(seconds) and seconds >= 0):
        raise ParameterError(f"taper must be at least 0 s, not {seconds}")
    return taper(x, round(seconds * rate_hz))
