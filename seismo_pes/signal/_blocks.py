"""Correlations of all wanted pairs of two blocks: the inner loops of `correlate`.

If few lags are needed, the inverse transforms are shorter. In a shorter transform
distant lags wrap around onto the needed lags. So the record of lags is first multiplied
by a window that is nearly zero at distant lags. In the frequency domain this is a
convolution with a short kernel, of which only every D-th value is computed. At the end
the needed lags are divided by the window. With
a Kaiser-Bessel kernel the error is below the rounding of float32. Non-uniform
transforms work in the same way
(Fessler and Sutton 2003, doi:10.1109/TSP.2002.807005).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from seismo_pes.signal._arrays import ComplexArray, FloatArray, batches, scratch
from seismo_pes.signal._lags import cut_lags, furthest, zero_spectra

_CHUNK_BYTES = (
    1_000_000  # bytes of products that stay in cache until they are transposed
)
_SPARSE = 0.2  # below this fraction of wanted pairs, products are computed row by row
_DENSE = 0.5  # below this fraction of wanted columns, they are copied
_PAIRS = 1000  # pairs per product if the lags are few
_TILE_BYTES = (
    64_000_000  # bytes of summed cross-spectra that `correlate_block` holds at once
)

_WIDTH = 10  # width of the kernel, bins of the short transform
_ROOM = 1.8  # least ratio of the length of the short transform to the number of lags
_LARGEST = 32  # largest ratio of the lengths of the two transforms
_GROUP = 8  # bins of the short transform from one matrix product
_BUFFER_BYTES = 1_000_000  # bytes of products that stay in cache until they are summed


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
    chosen = columns[j : j + k]
    return slice(chosen.start, chosen.stop) if isinstance(chosen, range) else chosen


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


# -- few lags -----------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class ShortTransform:
    """The transform from the bins of a long transform to a range of lags.

    Attributes
    ----------
    n_fft : int
        Length of the long transform.
    bins : slice
        Bins of the long transform that are not zero.
    lags : range
    ratio : int
        Length of the long transform over the length of the short transform.
    first, n_out : int
        The first bin of the short transform that is computed, and their number.
    kernel : numpy.ndarray
        Shape (_GROUP, n): weights from consecutive bins to a group.
    gain : numpy.ndarray
        Shape (n_lags,): factors of the lags, the inverse of the window.
    """

    n_fft: int
    bins: slice
    lags: range
    ratio: int
    first: int
    n_out: int
    kernel: FloatArray
    gain: FloatArray

    @property
    def reach(self) -> int:
        """Half width of the kernel in bins."""
        return _WIDTH * self.ratio // 2

    def lags_of(
        self, coarse: ComplexArray, columns: NDArray[Any], out: FloatArray
    ) -> None:
        """Transform records of the short transform.

        Parameters
        ----------
        coarse
            Bins of the short transform, from `filtered`.
        columns
            Indices of its records, shape (n,).
        out
            Shape (n, n_lags); the lags are written to it.
        """
        n_short = self.n_fft // self.ratio
        full = zero_spectra(n_short, coarse.dtype)
        inside = slice(self.first, self.first + self.n_out)
        for row in range(0, len(columns), len(full)):
            indices = columns[row : row + len(full)]
            k = len(indices)
            whole = indices[-1] - indices[0] + 1 == k
            at = slice(indices[0], indices[-1] + 1) if whole else indices
            full[:k, inside] = coarse[:, at].T
            cut_lags(full[:k], n_short, self.lags, out[row : row + k], self.gain)

    def filtered(self, conj_a: ComplexArray, b: ComplexArray) -> ComplexArray:
        """Return the bins of the short transform of all pairs.

        Parameters
        ----------
        conj_a, b
            Shapes (n_bins, n_a, n_windows) and (n_bins, n_b, n_windows).

        Returns
        -------
        Shape (n_out, n_a * n_b): memory that the next call overwrites.
        """
        n_pairs = conj_a.shape[1] * b.shape[1]
        step = _GROUP * self.ratio
        n_groups = -(-self.n_out // _GROUP)
        coarse = scratch("coarse", (n_groups * _GROUP, n_pairs), b.dtype)
        real = coarse.view(b.real.dtype).reshape(n_groups, _GROUP, 2 * n_pairs)
        stored = self.kernel.shape[1] - step
        row_bytes = n_pairs * b.itemsize
        at_once = max(1, min(n_groups, _BUFFER_BYTES // (step * row_bytes)))
        buffer = scratch("bins", (at_once * step + stored, n_pairs), b.dtype)
        first = self.first * self.ratio - self.reach
        for g in range(0, n_groups, at_once):
            n = min(at_once, n_groups - g)
            if (
                g
            ):  # the last bins of the previous group are the first bins of this group
                buffer[:stored] = buffer[at_once * step :]
            fresh = stored if g else 0
            rows = buffer[fresh : n * step + stored]
            self._multiply(conj_a, b, first + g * step + fresh, rows)
            floats = buffer.view(b.real.dtype)
            windows = as_strided(
                floats,
                (n, self.kernel.shape[1], 2 * n_pairs),
                (step * row_bytes, row_bytes, floats.itemsize),
            )
            np.matmul(self.kernel, windows, out=real[g : g + n])
        return coarse[: self.n_out]

    def _multiply(
        self, conj_a: ComplexArray, b: ComplexArray, first: int, out: ComplexArray
    ) -> None:
        """Write the products of bins from ``first`` on, mirrored beyond the ends."""
        low, high = self.bins.start, self.bins.stop
        stop = first + len(out)
        start, end = max(first, low), min(stop, high)
        n_a, n_b = conj_a.shape[1], b.shape[1]
        if end <= start:
            out[:] = 0
        else:
            out[: start - first] = 0
            out[end - first :] = 0
            some = slice(start - low, end - low)
            inside = out[start - first : end - first].reshape(end - start, n_a, n_b)
            _outer(conj_a[some], b[some], inside)
        for k in [*range(first, min(0, stop)), *range(max(first, high), stop)]:
            mirrored = -k if k < 0 else self.n_fft - k
            if low <= mirrored < high and mirrored != k:
                row = out[k - first : k - first + 1].reshape(1, n_a, n_b)
                at = slice(mirrored - low, mirrored - low + 1)
                _outer(conj_a[at], b[at], row)
                np.conj(row, out=row)


def _outer(conj_a: ComplexArray, b: ComplexArray, out: ComplexArray) -> None:
    if b.shape[2] == 1:
        np.multiply(conj_a, b.transpose(0, 2, 1), out=out)
    else:
        np.matmul(conj_a, b.transpose(0, 2, 1), out=out)


def short_transform(
    n_fft: int, bins: slice, lags: range, dtype: Any
) -> ShortTransform | None:
    """Return the shorter transform for a range of lags; None if it saves no time.

    Parameters
    ----------
    n_fft
        Length of the transform.
    bins
        Bins that are not zero.
    lags
        Lags that are wanted.
    dtype
        Type of the spectra; complex128 needs more digits than the short transform has.
    """
    if np.dtype(dtype) != np.complex64:
        return None
    return _short_transform(n_fft, bins.start, bins.stop, lags)


@lru_cache(maxsize=64)
def _short_transform(
    n_fft: int, low: int, high: int, lags: range
) -> ShortTransform | None:
    n_lags = 2 * furthest(lags) + 1
    shortest = max(_ROOM * n_lags, 8 * _WIDTH)  # a shorter kernel overlaps with itself
    ratios = [
        d for d in range(2, _LARGEST + 1) if n_fft % d == 0 and n_fft // d >= shortest
    ]
    # the convolution takes as long as half of the length saves
    if not ratios or (ratios[-1] == 2 and high - low > n_fft // 4):
        return None
    d = ratios[-1]
    reach = _WIDTH * d // 2
    first = max(0, -(-(low - reach) // d))
    last = min(n_fft // d // 2, (high - 1 + reach) // d)
    offset = np.arange(-reach, reach + 1)
    beta = np.pi * _WIDTH * (1 - n_lags * d / (2 * n_fft))
    values = np.i0(beta * np.sqrt(1 - (offset / reach) ** 2)) / np.i0(beta)
    kernel = np.zeros((_GROUP, (_GROUP - 1) * d + 2 * reach + 1), np.float32)
    for k in range(_GROUP):
        kernel[k, k * d : k * d + len(values)] = values
    phase = 2 * np.pi * np.outer(np.arange(lags.start, lags.stop), offset) / n_fft
    gain = 1 / (np.cos(phase) @ values.astype(np.float32).astype(np.float64))
    return ShortTransform(
        n_fft,
        slice(low, high),
        lags,
        d,
        first,
        last - first + 1,
        kernel,
        gain.astype(np.float32),
    )
