"""A batch of finished correlations, as it travels from the correlator to the writer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["CorrelationRows"]


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
        (block i, block j, period or -1): the unit of restart. A tile may arrive as
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
