"""The spectra of one side of a tile, in one band, in the layout of the correlation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from seismo_pes.correlating.settings import SpectraSettings
from seismo_pes.items.tiles import Block
from seismo_pes.signal.coherency import deconvolution_spectra

__all__ = ["Side", "in_band", "on_shared_windows"]

_AT_ONCE = 8  # windows transposed per step: they fill a cache line
_CHANNELS = 8  # channels that a deconvolution divides per step


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


class Side:
    """Spectra of one side of a tile in one band.

    Parameters
    ----------
    data : numpy.ndarray
        As `Block.data`.
    usable : numpy.ndarray
        Shape (n, w).
    rows : int
        Spectra of each window.
    """

    def __init__(self, data: np.ndarray, usable: np.ndarray, rows: int) -> None:
        self.data, self.usable, self.rows = data, usable, rows
        self.bins_first = usable.shape[1] * rows != 1
        self._transposed: tuple[int, np.ndarray] | None = None

    def of(self, windows: slice, layout: str) -> np.ndarray:
        """Return a range of windows in the given layout.

        The layout ``bins-last`` is for one spectrum of each channel.
        """
        start, stop = windows.start * self.rows, windows.stop * self.rows
        if not self.bins_first:
            if layout == "bins-last":
                return self.data
            return np.ascontiguousarray(self.data.transpose(2, 0, 1))
        if layout == "bins-last":
            return self._single(start)
        if stop - start == self.data.shape[2]:
            return self.data
        return np.ascontiguousarray(self.data[:, :, start:stop])

    def _single(self, row: int) -> np.ndarray:
        first = row - row % _AT_ONCE
        if self._transposed is None or self._transposed[0] != first:
            spectra = self.data[:, :, first : first + _AT_ONCE].transpose(2, 1, 0)
            self._transposed = first, np.ascontiguousarray(spectra)
        return self._transposed[1][row - first][:, None]

    def of_channel(self, channel: int, windows: np.ndarray) -> np.ndarray:
        """Return windows of one channel, shape (n, rows, n_bins)."""
        n_bins = self.data.shape[0 if self.bins_first else 2]
        if not self.bins_first:
            return self.data[channel].reshape(1, 1, n_bins)[windows]
        rows = self.data[:, channel].T.reshape(-1, self.rows, n_bins)
        return np.ascontiguousarray(rows[windows])


def in_band(
    block: Block, k: int, settings: SpectraSettings, divided: bool = False
) -> Side:
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
    return Side(data, usable, block.rows)


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
