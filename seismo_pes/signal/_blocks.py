"""Correlations of all wanted pairs of two blocks: the inner loops of `correlate`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from seismo_pes.signal._arrays import FloatArray, scratch
from seismo_pes.signal._lags import batches, cut_lags, zero_spectra
from seismo_pes.signal._short_lags import ShortTransform
from seismo_pes.signal.whiten import ComplexArray

_CHUNK_BYTES = 1_000_000  # products that stay in cache until they are transposed
_SPARSE = 0.2  # if a smaller part of the pairs is wanted: products row by row
_DENSE = 0.5  # if a smaller part of the columns is wanted: a copy of these
_PAIRS = 1000  # pairs that are multiplied together where lags are few
_TILE_BYTES = 64_000_000  # summed cross-spectra that `correlate_block` holds at once


def products(
    a: ComplexArray, b: ComplexArray, out: ComplexArray | None = None
) -> ComplexArray:
    """Multiply two bins-first blocks, bin by bin; the result has its bins last."""
    n_bins, n_a, n_windows = a.shape
    n_b = b.shape[1]
    dtype = np.result_type(a, b)
    if out is None:
        out = np.empty((n_a, n_b, n_bins), dtype=dtype)
    step = max(16, _CHUNK_BYTES // max(1, n_a * n_b * dtype.itemsize))
    conj_a = scratch("conj_a", (step, n_a, n_windows), a.dtype)
    product = scratch("product", (step, n_a, n_b), dtype)
    flat = out.reshape(n_a * n_b, n_bins)
    for i, n in batches(0, n_bins, step):
        np.conj(a[i : i + n], out=conj_a[:n])
        np.matmul(conj_a[:n], b[i : i + n].transpose(0, 2, 1), out=product[:n])
        flat[:, i : i + n] = product[:n].reshape(n, n_a * n_b).T
    return out


def one_window(
    a: ComplexArray,
    b: ComplexArray,
    n_fft: int,
    inside: slice,
    lags: range,
    wanted: NDArray[np.bool_],
    out: FloatArray,
) -> None:
    full = zero_spectra(n_fft, np.result_type(a, b))
    row = 0
    for i, columns in enumerate(_columns(wanted)):
        conj_a = np.conj(a[i])
        for j, k in batches(0, len(columns), len(full)):
            np.multiply(conj_a, b[_some(columns, j, k)], out=full[:k, inside])
            cut_lags(full[:k], n_fft, lags, out[row : row + k])
            row += k


def many_windows(
    a: ComplexArray,
    b: ComplexArray,
    n_fft: int,
    inside: slice,
    lags: range,
    wanted: NDArray[np.bool_],
    out: FloatArray,
) -> None:
    n_bins, n_a, _ = a.shape
    n_b = b.shape[1]
    full = zero_spectra(n_fft, np.result_type(a, b))
    n_rows = max(1, _TILE_BYTES // max(1, n_b * n_bins * full.itemsize))
    if np.count_nonzero(wanted) < _SPARSE * wanted.size:
        n_rows = 1
    row = 0
    for i, n in batches(0, n_a, n_rows):
        columns_wanted, few = _narrow(b, wanted[i : i + n])
        if few.shape[1] == 0:
            continue
        tile = scratch("tile", (n, few.shape[1], n_bins), full.dtype)
        s = products(a[:, i : i + n], few, out=tile)
        for k_row, columns in enumerate(_columns(columns_wanted)):
            for j, k in batches(0, len(columns), len(full)):
                full[:k, inside] = s[k_row, _some(columns, j, k)]
                cut_lags(full[:k], n_fft, lags, out[row : row + k])
                row += k


def few_lags(
    a: ComplexArray,
    b: ComplexArray,
    short: ShortTransform,
    wanted: NDArray[np.bool_],
    out: FloatArray,
) -> None:
    n_rows = max(1, _PAIRS // max(1, b.shape[1]))
    if np.count_nonzero(wanted) < _SPARSE * wanted.size:
        n_rows = 1
    row = 0
    for i, n in batches(0, a.shape[1], n_rows):
        columns_wanted, few = _narrow(b, wanted[i : i + n])
        columns = np.flatnonzero(columns_wanted)
        if columns.size == 0:
            continue
        conj_a = scratch("conj_a", a[:, i : i + n].shape, a.dtype)
        np.conj(a[:, i : i + n], out=conj_a)
        coarse = short.filtered(conj_a, few)
        short.lags_of(coarse, columns, out[row : row + columns.size])
        row += columns.size


def _columns(wanted: NDArray[np.bool_]) -> list[range | NDArray[np.int64]]:
    """Return the columns of each row that are True; a range if they are consecutive."""
    columns: list[range | NDArray[np.int64]] = []
    for row in wanted:
        at = np.flatnonzero(row)
        whole = at.size == 0 or at[-1] - at[0] + 1 == at.size
        columns.append(range(at[0], at[-1] + 1) if whole and at.size else at)
    return columns


def _some(columns: range | NDArray[np.int64], j: int, k: int) -> Any:
    """Return an index of k of the columns from the j-th on, a slice if possible."""
    some = columns[j : j + k]
    return slice(some.start, some.stop) if isinstance(some, range) else some


def _narrow(
    b: ComplexArray, wanted: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], ComplexArray]:
    """Leave out records of b that no row needs; copy only if many are left out."""
    used = np.flatnonzero(wanted.any(axis=0))
    if used.size == 0:
        return wanted[:, :0], b[:, :0]
    span = slice(int(used[0]), int(used[-1]) + 1)
    if used.size > _DENSE * (span.stop - span.start):
        return wanted[:, span], b[:, span]
    return wanted[:, used], b[:, used]
