"""Remove the mean, a line, a polynomial or a spline from records."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from seismo_pes.signal._arrays import FloatArray, as_float, require_count
from seismo_pes.signal.errors import ParameterError

KINDS = ("none", "demean", "linear")

_CHUNK = 32_768  # samples: 256 kB of float64 stay in the processor's cache
_BLOCK = 1024  # samples of a block of a long record, which is summed


def demean(x: ArrayLike) -> FloatArray:
    """Subtract the mean along the last axis.

    The mean is accumulated in float64. A NaN makes its whole record NaN; an empty
    record stays empty; one sample and a constant become zero.

    Parameters
    ----------
    x
        Records, shape ``(..., n)``. float32 stays float32, anything else becomes
        float64.

    Returns
    -------
    A new array of the same shape.

    Examples
    --------
    >>> demean([1.0, 2.0, 3.0])
    array([-1.,  0.,  1.])
    """
    x = as_float(x)
    if x.shape[-1] == 0:
        return x.copy()
    mean = x.mean(axis=-1, dtype=np.float64, keepdims=True)
    return np.subtract(x, mean, dtype=x.dtype, casting="same_kind")


def detrend_linear(x: ArrayLike) -> FloatArray:
    """Subtract the least-squares line along the last axis.

    Closed form, accumulated in float64: with the time axis centred, slope and mean are
    independent. A NaN makes its record NaN; an empty record stays empty; one or two
    samples and any straight line become zero to rounding.

    Parameters
    ----------
    x
        Records, shape ``(..., n)``. float32 stays float32, anything else becomes
        float64.

    Returns
    -------
    A new array of the same shape.

    Examples
    --------
    >>> import numpy as np
    >>> bool(np.allclose(detrend_linear([5.0, 7.0, 9.0, 11.0]), 0))
    True
    """
    x = as_float(x)
    n = x.shape[-1]
    if n < 2:
        return demean(x)
    out = np.empty(x.shape, dtype=x.dtype)
    rows, flat = x.reshape(-1, n), out.reshape(-1, n)
    step = max(1, _CHUNK // n)
    for i in range(0, len(rows), step):
        _subtract_line(rows[i : i + step], flat[i : i + step])
    return out


def _subtract_line(x: FloatArray, out: FloatArray) -> None:
    """Fit a line to each row; subtract it in pieces that stay in cache."""
    n = x.shape[1]
    mean, slope = _line(x)
    step = _CHUNK // 4
    rise = slope * (np.arange(min(n, step)) - (n - 1) / 2)  # of the first piece
    work = np.empty_like(rise)
    for i in range(0, n, step):
        piece = x[:, i : i + step]
        line = work[:, : piece.shape[1]]
        np.add(rise[:, : piece.shape[1]], mean + slope * i, out=line)
        np.subtract(piece, line, out=out[:, i : i + step], casting="same_kind")


def _line(x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return mean and slope of each row, shapes (n_rows, 1).

    The moment about the middle is the moment of the sums of blocks, plus the moment of
    the sums over all blocks at each position in a block: sums are several times as fast
    as products.
    """
    n_rows, n = x.shape
    width = n if n < 16 * _BLOCK else _BLOCK
    n_blocks, n_rest = divmod(n, width)
    blocks = x[:, : n - n_rest].reshape(n_rows, n_blocks, width)
    tail = x[:, n - n_rest :].astype(np.float64)
    sums = blocks.sum(axis=2, dtype=np.float64)
    columns = blocks.sum(axis=1, dtype=np.float64)
    mean = (sums.sum(axis=1) + tail.sum(axis=1))[:, None] / n
    # a large mean would reduce the precision of the slope, so it is subtracted first
    moment = _times(sums - width * mean, np.arange(n_blocks) * width - (n - width) / 2)
    moment += _times(columns - n_blocks * mean, np.arange(width) - (width - 1) / 2)
    moment += _times(tail - mean, np.arange(n - n_rest, n) - (n - 1) / 2)
    return mean, moment[:, None] / (n * (n * n - 1.0) / 12.0)


def _times(rows: FloatArray, weights: FloatArray) -> FloatArray:
    # einsum, because BLAS starts its threads even for short products
    return np.asarray(np.einsum("rk,k->r", rows, weights))


def detrend(x: ArrayLike, kind: str) -> FloatArray:
    """Detrend by name: ``"none"`` (a copy), ``"demean"`` or ``"linear"``.

    Raises
    ------
    ParameterError
        For any other name.

    Examples
    --------
    >>> detrend([1.0, 3.0], "demean")
    array([-1.,  1.])
    """
    if kind == "none":
        return as_float(x).copy()
    if kind == "demean":
        return demean(x)
    if kind == "linear":
        return detrend_linear(x)
    raise ParameterError(f"detrend must be one of {', '.join(KINDS)}, not {kind!r}")


def detrend_polynomial(x: ArrayLike, order: int) -> FloatArray:
    """Subtract the least-squares polynomial of degree `order` along the last axis.

    An orthonormal basis (QR of the Legendre polynomials on the record) keeps high
    degrees well conditioned. Records of at most `order` + 1 samples become zero.

    Parameters
    ----------
    x
        Records, shape ``(..., n)``. float32 stays float32, anything else becomes
        float64.
    order
        Degree, 0 to 20 (0 is `demean`, 1 is `detrend_linear`).

    Raises
    ------
    ParameterError
        If `order` is outside that range.

    Examples
    --------
    >>> import numpy as np
    >>> t = np.arange(9.0)
    >>> bool(np.allclose(detrend_polynomial(t**3 - t, 3), 0))
    True
    """
    x = as_float(x)
    order = require_count(order, "order")
    if order > 20:
        raise ParameterError(f"order must be from 0 to 20, not {order}")
    n = x.shape[-1]
    if n <= order + 1:
        return np.where(np.isnan(x), x, 0).astype(x.dtype)
    u = np.linspace(-1.0, 1.0, n)
    basis, _ = np.linalg.qr(np.polynomial.legendre.legvander(u, order))
    y = x - x.mean(axis=-1, dtype=np.float64, keepdims=True)
    y -= (y @ basis) @ basis.T
    return y.astype(x.dtype, copy=False)


def detrend_spline(x: ArrayLike, knot_spacing: int, order: int = 3) -> FloatArray:
    """Subtract a least-squares spline with a knot about every `knot_spacing` samples.

    The pieces have equal lengths, as close to the spacing as possible; for records
    shorter than 1.5 spacings the spline is one polynomial of degree `order`. Non-finite
    samples make their record NaN.

    Parameters
    ----------
    x
        Records, shape ``(..., n)``. float32 stays float32, anything else becomes
        float64.
    knot_spacing
        Samples between knots, more than `order`.
    order
        Degree of the pieces, 1 to 5.

    Raises
    ------
    ParameterError
        If a parameter is outside its range.

    Examples
    --------
    >>> import numpy as np
    >>> t = np.arange(100.0)
    >>> bool(np.abs(detrend_spline(t**2, 20)).max() < 1e-8)
    True
    """
    x = as_float(x)
    order = require_count(order, "order", 1)
    if order > 5:
        raise ParameterError(f"order must be from 1 to 5, not {order}")
    knot_spacing = require_count(knot_spacing, "knot_spacing", order + 1)
    n = x.shape[-1]
    if n <= order + 1:
        return detrend_polynomial(x, order)
    t = np.arange(n, dtype=np.float64)
    knots = np.linspace(0.0, n - 1.0, max(1, round(n / knot_spacing)) + 1)[1:-1]
    out = np.empty_like(x, order="C")
    for record, flat in zip(x.reshape(-1, n), out.reshape(-1, n), strict=True):
        flat[:] = record - _spline(t, record.astype(np.float64), knots, order)
    return out


def _spline(t: FloatArray, y: FloatArray, knots: FloatArray, order: int) -> Any:
    from scipy.interpolate import LSQUnivariateSpline

    if not np.isfinite(y).all():
        return np.full_like(t, np.nan)
    return LSQUnivariateSpline(t, y, knots, k=order)(t)
