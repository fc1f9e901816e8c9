"""Pairing of channels in tiles, so that each spectrum travels a few times, not N."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dispel4py.core import GenericPE
from seismo_pes.spectra import Spectra

__all__ = ["Block", "Tile", "Tiles", "block_size"]


@dataclass(frozen=True, eq=False)
class Block:
    """Spectra of some channels over the windows of one stretch.

    Attributes
    ----------
    channels : numpy.ndarray
        Shape (n,), int64: indices into the run's channel table, ascending.
    windows : numpy.ndarray
        Shape (w,), int64: windows of the grid, ascending.
    usable : numpy.ndarray
        Shape (n, w), bool: which channel has which window.
    data : numpy.ndarray
        Complex; shape (n, 1, n_bins) if there is one window, else (n_bins, n, w),
        the layouts that `seismo_pes.signal.correlate` is fast with. Zero where not
        usable.
    """

    channels: np.ndarray
    windows: np.ndarray
    usable: np.ndarray
    data: np.ndarray

    @property
    def bins_first(self) -> bool:
        """Whether the bins are the first axis of ``data``."""
        return len(self.windows) > 1

    def __deepcopy__(self, memo: dict[int, Any]) -> Block:
        return self  # nobody writes into it


@dataclass(frozen=True, eq=False)
class Tile:
    """Two blocks whose channels are to be correlated, each of ``a`` with each of ``b``.

    Attributes
    ----------
    number : int
        Which tile, equal in all stretches.
    row, column : int
        Which blocks; ``row <= column``.
    stretch : int
        Which stretch of time.
    a, b : Block
        Over the same windows; the same object on the diagonal.
    """

    number: int
    row: int
    column: int
    stretch: int
    a: Block
    b: Block

    def __deepcopy__(self, memo: dict[int, Any]) -> Tile:
        return self


def block_size(n_channels: int, n_processes: int = 1) -> int:
    """Choose how many channels to put into a block.

    Some 36 tiles, or about four for each process if that is more, so that they can
    be shared out evenly; at most 128 channels, so that two blocks stay small.

    >>> block_size(1000), block_size(4), block_size(1000, 256)
    (125, 1, 23)
    """
    n_tiles = max(36, 4 * n_processes)
    n_blocks = math.ceil((math.sqrt(8 * n_tiles + 1) - 1) / 2)
    return max(1, min(128, math.ceil(n_channels / n_blocks)))


class Tiles(GenericPE):
    """Gather the spectra of each stretch into blocks; emit every pair of blocks.

    Ports
    -----
    input : Spectra
        Grouped ``global``: one instance sees all channels.
    output : Tile
        As soon as a stretch is complete.

    Parameters
    ----------
    size : int
        Channels in a block.
    expected : mapping of int to int
        How many `Spectra` each stretch has.
    """

    def __init__(self, size: int, expected: Mapping[int, int]) -> None:
        super().__init__()
        self.size, self.expected = size, dict(expected)
        self._waiting: dict[int, list[Spectra]] = {}
        self._add_input("input", grouping="global")
        self._add_output("output")

    def process(self, inputs: dict[str, Any]) -> Iterator[dict[str, Any]] | None:
        """Take one channel of one stretch."""
        spectra: Spectra = inputs["input"]
        waiting = self._waiting.setdefault(spectra.stretch, [])
        waiting.append(spectra)
        if len(waiting) < self.expected.get(spectra.stretch, 0):
            return None
        return self._tiles(spectra.stretch)

    def postprocess(self) -> None:
        """Emit stretches that stayed incomplete, because a channel of them failed."""
        for stretch in sorted(self._waiting):
            for outputs in self._tiles(stretch):
                self.write("output", outputs["output"])

    def _tiles(self, stretch: int) -> Iterator[dict[str, Any]]:
        found = [s for s in self._waiting.pop(stretch) if len(s.windows)]
        if not found:
            return
        windows = np.unique(np.concatenate([s.windows for s in found]))
        members: dict[int, list[Spectra]] = {}
        for spectra in sorted(found, key=lambda s: s.channel):
            members.setdefault(spectra.channel // self.size, []).append(spectra)
        del found
        blocks = {k: gather(members.pop(k), windows) for k in sorted(members)}
        for row in blocks:
            for column in blocks:
                if row <= column:
                    number = column * (column + 1) // 2 + row
                    tile = Tile(
                        number, row, column, stretch, blocks[row], blocks[column]
                    )
                    yield {"output": tile}


def gather(members: list[Spectra], windows: np.ndarray) -> Block:
    """Put the spectra of several channels into one block over ``windows``."""
    n_bins = members[0].data.shape[1]
    n, w = len(members), len(windows)
    usable = np.zeros((n, w), bool)
    shape = (n, 1, n_bins) if w == 1 else (n_bins, n, w)
    data = np.zeros(shape, members[0].data.dtype)
    for k, spectra in enumerate(members):
        at = np.searchsorted(windows, spectra.windows)
        usable[k, at] = True
        if w == 1:
            data[k, at] = spectra.data
        else:
            data[:, k, at] = spectra.data.T
    channels = np.array([s.channel for s in members], np.int64)
    return Block(channels, windows, usable, data)
