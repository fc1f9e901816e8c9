"""Correlations of the pairs of a tile: one batch, one band, one substack at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np

from seismo_pes.correlating.pairs.rotation import InstrumentPairs, rotate_tensors
from seismo_pes.correlating.settings import SpectraSettings
from seismo_pes.correlating.substacks import Substacks
from seismo_pes.correlating.tiles.pairs import (
    PairWindows,
    TilePairs,
    rotated_pairs,
    shared_windows,
)
from seismo_pes.correlating.tiles.stacks import WindowStacks
from seismo_pes.items.tiles import Block, Tile
from seismo_pes.signal.coherency import deconvolution_spectra
from seismo_pes.signal.correlate import correlate_block, fast_layout

__all__ = ["BATCH_BYTES", "Correlator", "Stacks", "on_shared_windows"]

# Bytes of rows in a batch: below the size from which malloc maps fresh memory.
BATCH_BYTES = 24 << 20
_CHANNELS = 8  # channels that a deconvolution divides per step


@dataclass(frozen=True, eq=False)
class Stacks:
    """Stacks of some pairs of a tile over the windows of one period.

    Attributes
    ----------
    stack : str
        The name of the stack.
    shared : PairWindows
        The pairs that share windows.
    data : numpy.ndarray
        Shape (n, n_lags): a row for each of these pairs.
    silent : numpy.ndarray
        Shape (m, 2): pairs that share no window.
    apart : numpy.ndarray
        Shape (m, 2): vertical channels of instruments that cannot be rotated, because
        their components have different windows.
    final : bool
        Whether these are the last stacks of the tile.
    """

    stack: str
    shared: PairWindows
    data: np.ndarray
    silent: np.ndarray
    apart: np.ndarray
    final: bool = False


@dataclass(frozen=True)
class Correlator:
    """Correlates tiles.

    Parameters
    ----------
    settings : SpectraSettings
    substacks : Substacks
    window_stack, stack_options : str and mapping
        Method that stacks the windows of a period, and its options.
    """

    settings: SpectraSettings
    substacks: Substacks
    window_stack: str = "linear"
    stack_options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def n_lags(self) -> int:
        """Number of lags of a row."""
        return 2 * self.settings.max_lag + 1

    @property
    def row_bytes(self) -> int:
        """Bytes of a row."""
        return self.n_lags * np.dtype(self.settings.dtype).itemsize

    def stacks(
        self, tile: Tile, wanted: TilePairs, summed: bool = False
    ) -> Iterator[Stacks]:
        """Yield the stacks of a tile, in batches of pairs.

        Parameters
        ----------
        tile : Tile
        wanted : TilePairs
            The wanted pairs of all channels of the two blocks.
        summed : bool
            Multiply by the number of windows, so that periods can be added.
        """
        a, b = on_shared_windows(tile.a, tile.b)
        pairs = wanted.among(a.channels, b.channels)
        batches = list(pairs.batches(max(1, BATCH_BYTES // self.row_bytes)))
        if not batches:
            return
        starts_ns = self.settings.grid.start_ns(a.windows)
        substacks = self.substacks.split(tile.period, starts_ns)
        names = self.settings.band_names if self.settings.n_bands > 1 else ("",)
        for k, band in enumerate(names):
            divided = self.settings.kind == "deconvolution"
            first = _in_band(a, k, self.settings, divided)
            second = first
            if a is not b or divided:
                second = _in_band(b, k, self.settings)
            for substack, windows in substacks:
                name = f"{substack}@{band}" if band else substack
                work = _Substack(self, k, first, second, windows, a.windows[windows])
                at_end = band == names[-1] and windows == substacks[-1][1]
                for batch in batches:
                    result = work.stacks(name, pairs, batch)
                    if at_end and batch is batches[-1]:
                        result = replace(result, final=True)
                    _scale(result, summed, not work.by_window)
                    yield result
                    del result


class _Substack:
    """One substack of one band of a tile."""

    def __init__(
        self,
        correlator: Correlator,
        band: int,
        a: Block,
        b: Block,
        windows: slice,
        numbers: np.ndarray,
    ) -> None:
        self._settings, self._numbers = correlator.settings, numbers
        self._usable = a.usable[:, windows], b.usable[:, windows]
        self._bins = _bins_of_band(correlator.settings, band)
        kind, options = correlator.window_stack, correlator.stack_options
        self._stacks = None
        self.by_window = False
        if kind != "linear" or correlator.settings.kind == "pcc1":
            self.by_window = True
            self._stacks = WindowStacks(
                a, b, windows, self._bins, correlator.settings, kind, options
            )
            return
        self._layout = fast_layout(
            (windows.stop - windows.start) * a.rows,
            self._settings.n_fft,
            self._bins,
            self._settings.max_lag,
            a.data.dtype,
        )
        self._a = a.of(windows, self._layout)
        self._b = self._a if a is b else b.of(windows, self._layout)

    def stacks(self, name: str, pairs: TilePairs, batch: slice) -> Stacks:
        """Return the stacks of the pairs of some of the first channels."""
        computed = pairs.computed[batch]
        i, j = np.nonzero(computed)
        i += batch.start
        n, first, last = shared_windows(i, j, *self._usable, self._numbers)
        share = n > 0
        kept = pairs.kept[i, j]
        channels = np.stack([pairs.a[i], pairs.b[j]], axis=1).astype(np.int32)
        silent = channels[~share & kept]
        if not share.all():
            i, j, n, first, last = (x[share] for x in (i, j, n, first, last))
            kept, channels = kept[share], channels[share]
            computed = np.zeros_like(computed)
            computed[i - batch.start, j] = True
        shared = PairWindows(channels, n, first, last)
        apart = np.empty((0, 2), np.int64)
        if pairs.tensors is None:
            data = self._data(computed, batch, i, j)
        else:
            tensors, apart = self._rotatable(pairs.tensors, pairs, batch)
            shared, data = self._with_rotated(
                computed, batch, i, j, shared, kept, tensors
            )
        return Stacks(name, shared, data, silent, apart)

    # -- correlations --------------------------------------------------------------

    def _data(
        self,
        computed: np.ndarray,
        batch: slice,
        i: np.ndarray,
        j: np.ndarray,
    ) -> np.ndarray:
        """Return sums over the windows, or stacks, of pairs (i, j)."""
        settings = self._settings
        if self._stacks is not None:
            return self._stacks.of_pairs(i, j)
        if not len(i):
            return np.empty((0, 2 * settings.max_lag + 1), settings.dtype)
        first = self._layout == "bins-first"
        with single_threaded():
            return correlate_block(
                self._a[:, batch] if first else self._a[batch],
                self._b,
                settings.n_fft,
                self._bins,
                settings.max_lag,
                layout=self._layout,
                wanted=computed,
                dtype=np.dtype(settings.dtype),
            )

    def _with_rotated(
        self,
        computed: np.ndarray,
        batch: slice,
        i: np.ndarray,
        j: np.ndarray,
        shared: PairWindows,
        kept: np.ndarray,
        tensors: InstrumentPairs,
    ) -> tuple[PairWindows, np.ndarray]:
        """Return the kept pairs, then the pairs of rotated channels, and their data."""
        row_of = np.full(computed.shape, -1)
        row_of[i - batch.start, j] = np.arange(len(i))
        which, p, q = np.nonzero(tensors.wanted)
        needed = tensors.needed
        rows = row_of[tensors.a[:, :, None] - batch.start, tensors.b[:, None, :]]
        source_rows = np.where(needed, rows, -1).max(axis=(1, 2), initial=-1)
        if self._stacks is not None:
            data = self._stacks.of_pairs(i[kept], j[kept])
            rotated_rows = self._stacks.of_tensors(tensors)
        else:
            every = self._data(computed, batch, i, j)
            data = every[kept]
            components = np.zeros((*needed.shape, every.shape[1]), every.dtype)
            components[needed] = every[rows[needed]]
            rotated_rows = rotate_tensors(components, tensors.matrices)[which, p, q]
        rotated = shared.subset(source_rows[which])
        pairs = np.concatenate([shared.pairs[kept], rotated_pairs(tensors)])
        joined = PairWindows(
            pairs.astype(np.int32),
            np.concatenate([shared.n_windows[kept], rotated.n_windows]),
            np.concatenate([shared.first[kept], rotated.first]),
            np.concatenate([shared.last[kept], rotated.last]),
        )
        return joined, np.concatenate([data, rotated_rows])

    def _rotatable(
        self, tensors: InstrumentPairs, pairs: TilePairs, batch: slice
    ) -> tuple[InstrumentPairs, np.ndarray]:
        """Return the tensors of a batch to rotate, and the pairs that stay unrotated.

        The components of each instrument need the same windows.
        """
        inside = (tensors.a[:, 0] >= batch.start) & (tensors.a[:, 0] < batch.stop)
        tensors = tensors.subset(np.flatnonzero(inside))
        first, second = self._usable[0][tensors.a], self._usable[1][tensors.b]
        equal = (first == first[:, :1]).all(axis=(1, 2))
        equal &= (second == second[:, :1]).all(axis=(1, 2))
        overlap = (first & second).any(axis=(1, 2))
        apart = np.stack([pairs.a[tensors.a[:, 0]], pairs.b[tensors.b[:, 0]]], axis=1)
        return tensors.subset(np.flatnonzero(equal & overlap)), apart[~equal]


def _scale(stacks: Stacks, summed: bool, are_sums: bool) -> None:
    """Turn means into sums, or sums into means, in place."""
    n = stacks.shared.n_windows
    if summed == are_sums or not len(n) or n.max() == 1:
        return
    factors = n if summed else 1 / n
    np.multiply(
        stacks.data, factors[:, None].astype(stacks.data.dtype), out=stacks.data
    )


# -- spectra ---------------------------------------------------------------------


def on_shared_windows(a: Block, b: Block) -> tuple[Block, Block]:
    """Return two blocks over their common windows."""
    if a is b or np.array_equal(a.windows, b.windows):
        return a, b
    windows, at, to = np.intersect1d(
        a.windows, b.windows, assume_unique=True, return_indices=True
    )
    return _of_windows(a, at, windows), _of_windows(b, to, windows)


def _of_windows(block: Block, at: np.ndarray, windows: np.ndarray) -> Block:
    if len(at) == len(block.windows):
        return block
    every = (at[:, None] * block.rows + np.arange(block.rows)).reshape(-1)
    # a block that loses windows had more than one, so its bins are the first axis
    data = block.data[:, :, every]
    if len(every) == 1:
        data = np.ascontiguousarray(data.transpose(1, 2, 0))
    factors = None if block.factors is None else block.factors[:, :, at]
    usable = block.usable[:, at]
    return replace(block, windows=windows, usable=usable, data=data, factors=factors)


def _in_band(
    block: Block, k: int, settings: SpectraSettings, divided: bool = False
) -> Block:
    """Return the spectra of a block in one of the bands of the settings.

    Parameters
    ----------
    block : Block
    k : int
        Index of the band. If there is at most one band, the spectra are used unchanged.
    settings : SpectraSettings
    divided : bool
        Divide by the power, for the first side of a deconvolution.
    """
    data, usable = block.data, block.usable
    if settings.n_bands > 1:
        where, weights = settings.band(k)
        data = data[where] if block.bins_first else data[:, :, where]
        along = weights[:, None, None] if block.bins_first else weights
        data = data * along.astype(data.real.dtype, copy=False)
        if block.factors is not None:
            factors = np.repeat(block.factors[k], block.rows, axis=1)
            factors = factors.astype(data.real.dtype, copy=False)
            data *= factors if block.bins_first else factors[:, :, None]
            usable = usable & (block.factors[k] > 0)
    if divided:
        data = _deconvolving(data, block.bins_first, settings)
    return replace(block, data=data, usable=usable, factors=None)


def _deconvolving(
    data: np.ndarray, bins_first: bool, settings: SpectraSettings
) -> np.ndarray:
    quotients = np.empty_like(data)
    n = data.shape[1 if bins_first else 0]
    for k in range(0, n, _CHANNELS):
        channels = slice(k, k + _CHANNELS)
        spectra = data[:, channels].transpose(1, 2, 0) if bins_first else data[channels]
        divided = deconvolution_spectra(
            spectra, settings.water_level, settings.smooth_bins
        )
        if bins_first:
            quotients[:, channels] = divided.transpose(2, 0, 1)
        else:
            quotients[channels] = divided
    return quotients


def _bins_of_band(settings: SpectraSettings, k: int) -> slice:
    bins = settings.bins
    if settings.n_bands < 2:
        return bins
    where = settings.band(k)[0]
    return slice(bins.start + where.start, bins.start + where.stop)


def single_threaded() -> AbstractContextManager[Any]:
    """Keep BLAS to one thread: threads cost more than these small products."""
    return _libraries().limit(limits=1)


@lru_cache(maxsize=1)
def _libraries() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
