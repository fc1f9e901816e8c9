"""What travels from pairing to correlation: blocks of channels, and tiles of two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Block", "Tile"]


@dataclass(frozen=True, eq=False)
class Block:
    """Spectra of some channels over windows of one period.

    Attributes
    ----------
    channels : numpy.ndarray
        Shape (n,), int64: indices into the run's channel table, ascending.
    windows : numpy.ndarray
        Shape (w,), int64: windows of the grid that any of them has, ascending.
    usable : numpy.ndarray
        Shape (n, w), bool: which channel has which window.
    data : numpy.ndarray
        Complex; shape (n, 1, n_bins) if there is one spectrum of each channel, else
        (n_bins, n, w * rows), the layouts that `seismo_pes.signal.correlate` is fast
        with. Zero where not usable.
    factors : numpy.ndarray, optional
        Shape (n_bands, n, w), as `Spectra.factors`; 0 where not usable.
    rows : int
        Spectra of each window.
    span : (int, int)
        First channel of the block and the one after its last, whether they have
        windows or not.
    """

    channels: np.ndarray
    windows: np.ndarray
    usable: np.ndarray
    data: np.ndarray
    factors: np.ndarray | None = None
    rows: int = 1
    span: tuple[int, int] = (0, 0)

    @property
    def bins_first(self) -> bool:
        """Whether the bins are the first axis of ``data``."""
        return len(self.windows) * self.rows != 1

    def __deepcopy__(self, memo: dict[int, Any]) -> Block:
        return self  # nobody writes into it


@dataclass(frozen=True, eq=False)
class Tile:
    """Two blocks whose channels are to be correlated, each of ``a`` with each of ``b``.

    Attributes
    ----------
    number : int
        Which tile, equal in all periods.
    row, column : int
        Which blocks; ``row <= column``.
    period : int
        Which period of time.
    a, b : Block
        The same object on the diagonal. Without channels if none has a window.
    """

    number: int
    row: int
    column: int
    period: int
    a: Block
    b: Block

    def __deepcopy__(self, memo: dict[int, Any]) -> Tile:
        return self
