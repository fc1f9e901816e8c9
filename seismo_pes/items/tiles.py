"""Spectra of channels, blocks of them, tiles of two blocks, rows of correlations."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = ["Block", "CorrelationRows", "Spectra", "Tile"]

_AT_ONCE = 8  # windows transposed per step: they fill a cache line


@dataclass(frozen=True, eq=False)
class Spectra:
    """Spectra of the usable windows of one channel in one period of time.

    Attributes
    ----------
    channel : int
        Index into the run's channel table.
    period : int
        Number of the period of time.
    start_ns, end_ns : int
        The span of the channel that these windows complete.
    windows : numpy.ndarray
        Shape (n,), int64: which windows of the grid, ascending.
    data : numpy.ndarray
        Shape (n * rows, n_bins), complex64 or complex128, window after window: the
        bins of `SpectraSettings.bins`, where ``rows`` is
        `SpectraSettings.rows_per_window`.
    factors : numpy.ndarray, optional
        Shape (n_bands, n), real: factor of each window in each band, besides the
        weights of the band; 0 if the window has no energy in the band and must be left
        out. None if there is at most one band: then ``data`` include the factors.
    """

    channel: int
    period: int
    start_ns: int
    end_ns: int
    windows: np.ndarray
    data: np.ndarray
    factors: np.ndarray | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> Spectra:
        return self  # no code changes it


@dataclass(frozen=True, eq=False)
class Block:
    """Spectra of some channels over windows of one period.

    Attributes
    ----------
    channels : numpy.ndarray
        Shape (n,), int64: indices into the run's channel table, ascending.
    windows : numpy.ndarray
        Shape (w,), int64: windows of the grid that any of the channels has, ascending.
    usable : numpy.ndarray
        Shape (n, w), bool: which channel has which window.
    data : numpy.ndarray
        Complex; shape (n, 1, n_bins) if there is one spectrum of each channel, else
        (n_bins, n, w * rows): the layouts in which `seismo_pes.signal.correlate` is
        fast. Zero where not usable.
    factors : numpy.ndarray, optional
        Shape (n_bands, n, w), as `Spectra.factors`; 0 where not usable.
    rows : int
        Spectra of each window.
    span : (int, int)
        First channel of the block and the channel after its last, with or without
        windows.
    """

    channels: np.ndarray
    windows: np.ndarray
    usable: np.ndarray
    data: np.ndarray
    factors: np.ndarray | None = None
    rows: int = 1
    span: tuple[int, int] = (0, 0)
    _transposed: dict[int, np.ndarray] = field(
        default_factory=dict, init=False, repr=False
    )

    @property
    def bins_first(self) -> bool:
        """Whether the bins are the first axis of ``data``."""
        return len(self.windows) * self.rows != 1

    def of(self, windows: slice, layout: str) -> np.ndarray:
        """Return the spectra of a range of windows, in one of the two layouts.

        Parameters
        ----------
        windows : slice
            Range of ``windows``, with start and stop.
        layout : str
            ``bins-first``, or ``bins-last`` for one spectrum of each channel.
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
        if first not in self._transposed:
            spectra = self.data[:, :, first : first + _AT_ONCE].transpose(2, 1, 0)
            self._transposed.clear()
            self._transposed[first] = np.ascontiguousarray(spectra)
        return self._transposed[first][row - first][:, None]

    def of_channel(self, channel: int, windows: np.ndarray) -> np.ndarray:
        """Return windows of one channel, shape (n, rows, n_bins)."""
        n_bins = self.data.shape[0 if self.bins_first else 2]
        if not self.bins_first:
            return self.data[channel].reshape(1, 1, n_bins)[windows]
        rows = self.data[:, channel].T.reshape(-1, self.rows, n_bins)
        return np.ascontiguousarray(rows[windows])

    def __deepcopy__(self, memo: dict[int, Any]) -> Block:
        return self  # no code changes it


@dataclass(frozen=True, eq=False)
class Tile:
    """Two blocks whose channels are to be correlated, each of ``a`` with each of ``b``.

    Attributes
    ----------
    number : int
        Number of the tile, equal in all periods.
    row, column : int
        Numbers of the two blocks; ``row <= column``.
    period : int
        Number of the period of time.
    a, b : Block
        The two blocks: the same object on the diagonal; without channels if no channel
        has a window.
    """

    number: int
    row: int
    column: int
    period: int
    a: Block
    b: Block

    def __deepcopy__(self, memo: dict[int, Any]) -> Tile:
        return self


@dataclass(frozen=True, eq=False)
class CorrelationRows:
    """Correlations of some channel pairs, one row for each pair.

    Parameters
    ----------
    stack : str
        Name of the stack this batch belongs to: ``"all"``, or a day ``"2022-05-17"``.
    pairs : numpy.ndarray
        Shape (n, 2), int32: indices into the run's channel table, first < second;
        equal indices are an autocorrelation.
    n_windows : numpy.ndarray
        Shape (n,), int32: how many windows were stacked.
    start_ns, end_ns : numpy.ndarray
        Shape (n,), int64: start of the first and end of the last window that entered,
        nanoseconds since 1970 UTC; 0 where ``n_windows`` is 0.
    data : numpy.ndarray
        Shape (n, n_lags), float32 or float64: the stack, lags from -max to +max.
    tile : tuple of int
        (block i, block j, period): the unit of restart. A tile may arrive as
        several batches.
    last : bool
        Marks the last batch of the tile.

    Raises
    ------
    ValueError
        If the arrays do not fit each other.

    Examples
    --------
    >>> rows = CorrelationRows(
    ...     "all", np.array([[0, 1]]), np.array([24]), np.array([0]),
    ...     np.array([86_400_000_000_000]), np.zeros((1, 5), "f4"), (0, 0, -1), True,
    ... )
    >>> len(rows), rows.n_lags
    (1, 5)
    """

    stack: str
    pairs: np.ndarray
    n_windows: np.ndarray
    start_ns: np.ndarray
    end_ns: np.ndarray
    data: np.ndarray
    tile: tuple[int, int, int]
    last: bool

    def __post_init__(self) -> None:
        n = len(self.data)
        if self.data.ndim != 2 or self.pairs.shape != (n, 2):
            raise ValueError(
                f"rows of tile {self.tile}: data {self.data.shape} and pairs "
                f"{self.pairs.shape} should be (n, n_lags) and (n, 2)"
            )
        for name in ("n_windows", "start_ns", "end_ns"):
            if getattr(self, name).shape != (n,):
                raise ValueError(
                    f"rows of tile {self.tile}: {name} has shape "
                    f"{getattr(self, name).shape} where ({n},) is needed"
                )

    def __len__(self) -> int:
        return len(self.data)

    @property
    def n_lags(self) -> int:
        """Number of lags of each row."""
        return int(self.data.shape[1])
