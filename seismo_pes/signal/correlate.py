"""Cross-correlation: the definition, one function for records, and fast kernels.

Everywhere ``c_ab(k) = sum over n of a[n] b[n + k]``, so a positive lag means that the
wave reaches b later; in the frequency domain ``C = conj(A) B``.

A linear stack over windows needs one inverse transform per pair, not per window:
`stack_cross_spectra` sums the cross-spectra, `lags_from_spectra` transforms the sums,
and `correlate_block` does both for all pairs of two blocks of stations with little
memory.
"""

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray
from scipy import fft

from seismo_pes.signal._arrays import ComplexArray, FloatArray, as_complex, as_float
from seismo_pes.signal._blocks import (
    few_lags,
    many_windows,
    one_window,
    products,
    short_transform,
)
from seismo_pes.signal._lags import (
    Lags,
    check_lags,
    check_out,
    furthest,
    lag_range,
    lags_from_spectra,
)
from seismo_pes.signal.errors import ParameterError
from seismo_pes.signal.spectra import energy, fft_length

__all__ = [
    "bins_first",
    "block_pairs",
    "correlate_block",
    "correlate_direct",
    "cross_correlate",
    "fast_layout",
    "lag_range",
    "lags_from_spectra",
    "stack_cross_spectra",
]


def correlate_direct(a: ArrayLike, b: ArrayLike, max_lag: Lags) -> NDArray[np.float64]:
    """Correlate by the sum of the definition, in float64: slow; a reference for tests.

    Parameters
    ----------
    a, b
        Records, shape ``(n_a,)`` and ``(n_b,)``.
    max_lag
        Largest lag K in samples for the lags -K..K, or the first and the last lag.

    Returns
    -------
    Shape ``(2 K + 1,)``: ``c[K + k] = sum over n of a[n] b[n + k]``, zero where the
    records do not overlap; or from the first lag to the last.

    Raises
    ------
    ParameterError
        If `max_lag` is negative or a record has more than one axis.

    Examples
    --------
    >>> correlate_direct([1.0, 0.0, 0.0], [0.0, 0.0, 2.0], 2)
    array([0., 0., 0., 0., 2.])
    """
    a = as_float(a, "a").astype(np.float64)
    b = as_float(b, "b").astype(np.float64)
    lags = lag_range(max_lag)
    if a.ndim != 1 or b.ndim != 1:
        raise ParameterError("a and b must have one axis")
    out = np.zeros(len(lags))
    if a.size == 0 or b.size == 0:
        return out
    full = np.correlate(b, a, "full")  # lags 1 - n_a ... n_b - 1
    low, stop = max(lags.start, 1 - a.size), min(lags.stop, b.size)
    if low < stop:
        overlap = full[low + a.size - 1 : stop + a.size - 1]
        out[low - lags.start : stop - lags.start] = overlap
    return out


def cross_correlate(
    a: ArrayLike, b: ArrayLike, max_lag: Lags, normalize: str = "none"
) -> FloatArray:
    """Correlate two records, or two arrays of records, by FFT; never circular.

    Parameters
    ----------
    a, b
        Shape ``(..., n_a)`` and ``(..., n_b)``, leading axes broadcast. Two float32
        give float32, else float64.
    max_lag
        Largest lag K in samples for the lags -K..K, or the first and the last lag.
    normalize
        ``"none"``, or ``"energy"``: divide by sqrt(Ea Eb), so that the autocorrelation
        is 1 at lag zero; zero if a record is silent.

    Returns
    -------
    Shape ``(..., n_lags)``, from the first lag to the last.

    Raises
    ------
    ParameterError
        If `max_lag` is not a range of lags, or `normalize` is unknown.

    Examples
    --------
    >>> cross_correlate([1.0, 0.0, 0.0], [0.0, 0.0, 2.0], 2, "energy").round(12) + 0.0
    array([0., 0., 0., 0., 1.])
    """
    a, b = as_float(a, "a"), as_float(b, "b")
    lags = lag_range(max_lag)
    if normalize not in ("none", "energy"):
        raise ParameterError(f"normalize must be none or energy, not {normalize!r}")
    shape = np.broadcast_shapes(a.shape[:-1], b.shape[:-1])
    dtype = np.result_type(a, b)
    if a.shape[-1] == 0 or b.shape[-1] == 0:
        return np.zeros((*shape, len(lags)), dtype=dtype)
    n_fft = fft_length(max(a.shape[-1], b.shape[-1]), furthest(lags))
    spectrum = np.conj(fft.rfft(a, n_fft)) * fft.rfft(b, n_fft)
    c = lags_from_spectra(spectrum, n_fft, None, max_lag, dtype=dtype)
    if normalize == "energy":
        scale = np.sqrt(energy(a) * energy(b))
        scale = np.where(scale == 0, np.inf, scale)[..., None]
        c = (c / scale).astype(dtype)
    return c


def bins_first(spectra: ComplexArray) -> ComplexArray:
    """Copy ``(n, n_windows, n_bins)`` to ``(n_bins, n, n_windows)``.

    In this layout each frequency has one small matrix, and a sum over windows is a
    product of these matrices. Convert a block of stations once, not for each pair of
    blocks.

    Raises
    ------
    ParameterError
        If the spectra do not have three dimensions.

    Examples
    --------
    >>> import numpy as np
    >>> bins_first(np.zeros((2, 3, 5), np.complex64)).shape
    (5, 2, 3)
    """
    spectra = as_complex(spectra, "spectra")
    if spectra.ndim != 3:
        raise ParameterError(
            f"spectra must be (n, n_windows, n_bins), not {spectra.shape}"
        )
    return np.ascontiguousarray(spectra.transpose(2, 0, 1))


def stack_cross_spectra(
    a: ComplexArray, b: ComplexArray, layout: str = "bins-last"
) -> ComplexArray:
    """Sum ``conj(a) b`` over windows, for all pairs of records of a and b.

    One matrix product per frequency, in the precision of the input. Windows of zeros
    have no effect. To normalise by energy, first divide the spectrum of each window by
    the root of its energy.

    Parameters
    ----------
    a, b
        Spectra of equal type, complex64 or complex128. Layout ``"bins-last"``:
        ``(n_a, n_windows, n_bins)`` and ``(n_b, n_windows, n_bins)``. Layout
        ``"bins-first"``: ``(n_bins, n_a, n_windows)`` and ``(n_bins, n_b,
        n_windows)``, as `bins_first` makes them: faster by a third with many windows.
    layout
        Layout of `a` and `b`; the layout of the result does not depend on it.

    Returns
    -------
    Shape ``(n_a, n_b, n_bins)``.

    Raises
    ------
    ParameterError
        If the shapes do not fit each other.

    Examples
    --------
    >>> import numpy as np
    >>> a = np.array([[[1j], [1j]]])
    >>> stack_cross_spectra(a, a)
    array([[[2.+0.j]]])
    """
    a, b, first = _check_blocks(a, b, layout)
    n_windows = a.shape[2] if first else a.shape[1]
    if n_windows == 1:
        a, b = (a[:, :, 0].T, b[:, :, 0].T) if first else (a[:, 0], b[:, 0])
        return np.multiply(np.conj(a)[:, None], b[None])
    if not first:
        a, b = bins_first(a), bins_first(b)
    return products(a, b)


def _check_blocks(
    a: ComplexArray, b: ComplexArray, layout: str
) -> tuple[ComplexArray, ComplexArray, bool]:
    a, b = as_complex(a, "a"), as_complex(b, "b")
    if layout not in ("bins-last", "bins-first"):
        raise ParameterError(f"layout must be bins-last or bins-first, not {layout!r}")
    first = layout == "bins-first"
    bins, windows = (0, 2) if first else (2, 1)
    if a.ndim != 3 or b.ndim != 3:
        raise ParameterError(f"a {a.shape} and b {b.shape} must have three axes")
    if a.shape[bins] != b.shape[bins] or a.shape[windows] != b.shape[windows]:
        raise ParameterError(f"a {a.shape} and b {b.shape} differ in windows or bins")
    return a, b, first


def correlate_block(
    a: ComplexArray,
    b: ComplexArray,
    n_fft: int,
    bins: slice | None,
    max_lag: Lags,
    *,
    layout: str = "bins-last",
    diagonal: int | None = None,
    wanted: NDArray[np.bool_] | None = None,
    out: FloatArray | None = None,
    dtype: DTypeLike | None = None,
    scale: FloatArray | float = 1.0,
) -> FloatArray:
    """Correlate all pairs of two blocks, summed over their windows.

    The kernel of large runs. It holds a batch of cross-spectra that fits the cache (one
    window), or about 64 MB of their sums (many windows), never the whole block.

    Parameters
    ----------
    a, b, layout
        As in `stack_cross_spectra`; `fast_layout` returns the faster layout.
    n_fft, bins, max_lag, dtype
        As in `lags_from_spectra`.
    diagonal
        None: all pairs. Otherwise only pairs (i, j) with ``j - i >= diagonal``: for a
        block with itself, 0 includes its autocorrelations and 1 leaves them out.
    wanted
        Instead of ``diagonal``: only the pairs that are True, shape ``(n_a, n_b)``;
        rows in the order of ``np.argwhere(wanted)``.
    out
        Array for the result, which is returned: shape ``(n_pairs, n_lags)``,
        contiguous.
    scale
        A factor, or a factor for each pair, shape ``(n_pairs,)``.

    Returns
    -------
    Shape ``(n_pairs, n_lags)``, rows in the order of `block_pairs`.

    Raises
    ------
    ParameterError
        If shapes, lags, bins or `out` do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.fft.rfft([[1.0, 0, 0, 0], [0, 1.0, 0, 0]], 8)[:, None]
    >>> correlate_block(x, x, 8, None, 1, diagonal=1).round(12) + 0.0
    array([[0., 0., 1.]])
    """
    a, b, first = _check_blocks(a, b, layout)
    n_a, n_b = (a.shape[1], b.shape[1]) if first else (a.shape[0], b.shape[0])
    n_windows = a.shape[2] if first else a.shape[1]
    inside, lags = check_lags(a if not first else a.T, n_fft, bins, max_lag)
    if wanted is None:
        wanted = np.arange(n_b) >= _row_starts(n_a, n_b, diagonal)[:, None]
    elif np.shape(wanted) != (n_a, n_b):
        raise ParameterError(f"wanted of shape {np.shape(wanted)} is not {(n_a, n_b)}")
    shape = (int(np.count_nonzero(wanted)), len(lags))
    out = check_out(out, shape, dtype or np.result_type(a, b).type(0).real.dtype)
    short = short_transform(n_fft, inside, lags, np.result_type(a, b))
    if n_windows == 1 and short is None:
        if first:
            a, b = a[:, :, 0].T[:, None], b[:, :, 0].T[:, None]
        one_window(a[:, 0], b[:, 0], n_fft, inside, lags, wanted, out)
    else:
        if not first:
            a, b = bins_first(a), bins_first(b)
        if short is None:
            many_windows(a, b, n_fft, inside, lags, wanted, out)
        else:
            few_lags(a, b, short, wanted, out)
    scales = np.asarray(scale)
    if scales.ndim or scales != 1:
        out *= scales[:, None] if scales.ndim else scales
    return out


def fast_layout(
    n_windows: int, n_fft: int, bins: slice, max_lag: Lags, dtype: DTypeLike
) -> str:
    """Return the layout with which `correlate_block` is fastest.

    Parameters
    ----------
    n_windows, n_fft, bins, max_lag
        Values of the blocks, see `correlate_block`.
    dtype
        Of the spectra.

    Raises
    ------
    ParameterError
        If the range of lags is empty or not whole.

    Examples
    --------
    >>> fast_layout(1, 19_440, slice(0, 9721), 5000, "complex64")
    'bins-last'
    >>> fast_layout(1, 38_400, slice(200, 4000), 2400, "complex64")
    'bins-first'
    """
    short = short_transform(n_fft, bins, lag_range(max_lag), dtype)
    return "bins-last" if n_windows == 1 and short is None else "bins-first"


def block_pairs(n_a: int, n_b: int, diagonal: int | None = None) -> NDArray[np.int32]:
    """Return the (i, j) of each row of `correlate_block`, shape ``(n_pairs, 2)``.

    Examples
    --------
    >>> block_pairs(2, 3, diagonal=1).tolist()
    [[0, 1], [0, 2], [1, 2]]
    """
    starts = _row_starts(n_a, n_b, diagonal)
    return np.argwhere(np.arange(n_b) >= starts[:, None]).astype(np.int32)


def _row_starts(n_a: int, n_b: int, diagonal: int | None) -> NDArray[np.int64]:
    if diagonal is None:
        return np.zeros(n_a, dtype=np.int64)
    return (np.arange(n_a) + diagonal).clip(0, n_b)
