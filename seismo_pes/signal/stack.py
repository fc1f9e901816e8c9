"""Stacks of correlations (or of anything else) over windows."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seismo_pes.signal._arrays import FloatArray, as_float
from seismo_pes.signal.errors import ParameterError


def linear(x: ArrayLike, use: NDArray[np.bool_] | None = None) -> FloatArray:
    """Mean over the windows, the last but one axis, accumulated in float64.

    Parameters
    ----------
    x
        Shape ``(..., n_windows, n)``. float32 stays float32, anything else becomes
        float64.
    use
        Shape ``(n_windows,)``, which windows enter; all if None.

    Returns
    -------
    Shape ``(..., n)``; zeros if no window enters.

    Raises
    ------
    ParameterError
        If there is no axis of windows or `use` does not fit it.

    Examples
    --------
    >>> linear([[1.0, 2.0], [3.0, 6.0]])
    array([2., 4.])
    """
    x = select(x, use)
    if x.shape[-2] == 0:
        return np.zeros((*x.shape[:-2], x.shape[-1]), dtype=x.dtype)
    return x.mean(axis=-2, dtype=np.float64).astype(x.dtype, copy=False)


def select(x: ArrayLike, use: NDArray[np.bool_] | None) -> FloatArray:
    """Return the windows that `use` marks, all if it is None, as floats.

    Examples
    --------
    >>> import numpy as np
    >>> select([[1.0], [2.0]], np.array([False, True]))
    array([[2.]])
    """
    x = as_float(x)
    if x.ndim < 2:
        raise ParameterError("x: needs an axis of windows before the samples")
    if use is None:
        return x
    if np.shape(use) != (x.shape[-2],):
        raise ParameterError(
            f"use of shape {np.shape(use)} does not fit {x.shape[-2]} windows"
        )
    return x[..., np.asarray(use, dtype=bool), :]
