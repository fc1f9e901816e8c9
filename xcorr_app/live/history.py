"""The shown pairs over time: waterfall, last window, stack, velocity changes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dispel4py.errors import DataError
from seismo_pes.application.checked_arrays import (
    read_checked_arrays,
    write_checked_arrays,
)
from seismo_pes.items.tiles import CorrelationRows
from seismo_pes.items.times import DAY_NS
from seismo_pes.signal.stretching import stretch
from xcorr_app.live.running_stack import RunningStack

__all__ = ["PairHistory"]

# Days of the waterfall: four months.
MOST_DAYS = 120
FORMAT, VERSION = "live view", 1
PARTS = ("last", "stacked", "n_windows", "days", "rows", "dvv")

logger = logging.getLogger(__name__)


class PairHistory:
    """Correlations of the shown pairs: last window, stack, and stacks of days.

    Attributes
    ----------
    last, stacked : numpy.ndarray
        Shape (n_pairs, n_lags): of the last window, and of the whole run.
    n_windows : numpy.ndarray
        Shape (n_pairs,): windows of the whole run.
    days : numpy.ndarray
        Shape (n_days,): days since 1970, ascending.
    rows : numpy.ndarray
        Shape (n_days, n_pairs, n_lags), float32: stacks of days.
    dvv : numpy.ndarray
        Shape (n_days, n_pairs): velocity changes; NaN where none was measured.
    """

    def __init__(self, n_pairs: int) -> None:
        self.last = self.stacked = np.zeros((n_pairs, 0))
        self.n_windows = np.zeros(n_pairs, np.int64)
        self.days = np.zeros(0, np.int64)
        self.rows = np.zeros((0, n_pairs, 0), np.float32)
        self.dvv = np.zeros((0, n_pairs))

    @classmethod
    def read(cls, path: Path, n_pairs: int, writes: bool = False) -> PairHistory:
        """Read the history of earlier starts; a new one if there is none that fits.

        Parameters
        ----------
        path : Path
        n_pairs : int
            Number of pairs that are shown.
        writes : bool
            Whether this process writes the history; it removes a damaged file.
        """
        history = cls(n_pairs)
        try:
            _, parts = read_checked_arrays(path, FORMAT, VERSION)
        except FileNotFoundError:
            return history
        except DataError as error:
            logger.warning("%s; the pictures begin again", error)
            if writes:
                path.unlink()
            return history
        if len(parts["n_windows"]) == n_pairs:
            for name, part in parts.items():
                setattr(history, name, part)
        return history

    def write(self, path: Path) -> None:
        """Write the history in one step.

        Parameters
        ----------
        path : Path
        """
        parts = {name: getattr(self, name) for name in PARTS}
        about = {"format": FORMAT, "version": VERSION}
        write_checked_arrays(path, about, parts, sync=False)

    def add(
        self,
        start_ns: int,
        keys: Sequence[int],
        batches: Sequence[CorrelationRows],
        name: str,
        stack: RunningStack,
    ) -> None:
        """Take the stacks after a window was added.

        Parameters
        ----------
        start_ns : int
            Start of the window, nanoseconds since 1970.
        keys : sequence of int
            The shown pairs, as in `StackSums`.
        batches : sequence of CorrelationRows
            Correlations of the window.
        name : str
            The shown stack of the whole run; with its band.
        stack : RunningStack
            The stacks.
        """
        band = name.partition("@")[2]
        self.last = _rows_of(keys, batches, band, stack.n_lags)
        means = [stack.stacks[name].mean_of(key) for key in keys]
        self.stacked = np.array([mean for mean, _ in means])
        self.n_windows = np.array([n for _, n in means])
        day = start_ns // DAY_NS
        if not len(self.days) or self.days[-1] != day:
            self._begin_day(day, stack.n_lags)
        text = str(np.datetime64(int(day), "D"))
        for other, sums in stack.stacks.items():
            interval, _, its_band = other.partition("@")
            if its_band == band and interval.lstrip(".") == text:
                row = [sums.mean_of(key)[0] for key in keys]
                self.rows[-1] = np.asarray(row, np.float32)

    def _begin_day(self, day: int, n_lags: int) -> None:
        n_pairs = len(self.n_windows)
        keep = self.rows[-MOST_DAYS + 1 :].reshape(-1, n_pairs, n_lags)
        row = np.zeros((1, n_pairs, n_lags), np.float32)
        self.rows = np.concatenate([keep, row])
        self.days = np.append(self.days[-MOST_DAYS + 1 :], day)
        self.dvv = np.concatenate(
            [self.dvv[-MOST_DAYS + 1 :], np.full((1, n_pairs), np.nan)]
        )

    def measure(self, rate_hz: float, lags_s: tuple[float, float]) -> None:
        """Measure the velocity change of the newest day against the whole run.

        Parameters
        ----------
        rate_hz : float
            Sampling rate of the lags.
        lags_s : (float, float)
            The range of lags that is compared, seconds.
        """
        n = self.stacked.shape[1]
        axis_s = (np.arange(n) - n // 2) / rate_hz
        for k, reference in enumerate(self.stacked):
            if self.rows[-1, k].any() and reference.any():
                change = stretch(reference, self.rows[-1, k], axis_s, *lags_s)
                self.dvv[-1, k] = float(change.dvv)

    def newest_dvv(self, k: int) -> float | None:
        """Return the last velocity change of a pair; None if there is none."""
        values = self.dvv[:, k]
        values = values[np.isfinite(values)]
        return float(values[-1]) if len(values) else None


def _rows_of(
    keys: Sequence[int], batches: Sequence[CorrelationRows], band: str, n_lags: int
) -> np.ndarray:
    """Return the rows of the shown pairs in one window; zero where there is none."""
    rows = np.zeros((len(keys), n_lags))
    place = {key: k for k, key in enumerate(keys)}
    for batch in batches:
        if batch.stack.partition("@")[2] == band:
            pairs = (batch.pairs[:, 0].astype(np.int64) << 32) | batch.pairs[:, 1]
            for key, data in zip(pairs.tolist(), batch.data, strict=True):
                if key in place:
                    rows[place[key]] = data
    return rows
