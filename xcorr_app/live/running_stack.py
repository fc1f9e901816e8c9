"""The running stacks of a live run, as sums in memory and as one file on disk."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from dispel4py.errors import DataError
from seismo_pes.application.checked_arrays import (
    read_checked_arrays,
    write_checked_arrays,
)
from seismo_pes.correlating.substacks import period_name, window_name
from seismo_pes.items.tiles import CorrelationRows
from seismo_pes.items.times import DAY_NS
from xcorr_app.live.continuous_record import Position

__all__ = ["WAY_OUT", "RunningStack", "StackSums", "day_of"]

HOUR_NS = DAY_NS // 24
FORMAT, VERSION = "live stacks", 2
WAY_OUT = "the rows in the parts stay readable; xcorr-app live --force starts again"
NEVER_NS = np.iinfo(np.int64).max


def day_of(name: str) -> str:
    """Return the day of a substack, without its band; "" for that of the whole run.

    >>> day_of("2022-05-17T06@0.1-0.5Hz"), day_of(".2022-05-17"), day_of("all")
    ('2022-05-17', '2022-05-17', '')
    """
    interval = name.partition("@")[0].lstrip(".")
    return "" if interval == "all" else interval[:10]


@dataclass
class StackSums:
    """Sums of the windows of one stack, one row for each pair, in float64.

    Attributes
    ----------
    keys : numpy.ndarray
        Shape (n,), int64, ascending: 2^32 times the first channel plus the second.
    sums : numpy.ndarray
        Shape (n, n_lags).
    n_windows, start_ns, end_ns : numpy.ndarray
        Shape (n,), int64: number of windows, start of the first, end of the last.
    """

    keys: np.ndarray
    sums: np.ndarray
    n_windows: np.ndarray
    start_ns: np.ndarray
    end_ns: np.ndarray

    @classmethod
    def empty(cls, n_lags: int) -> StackSums:
        """Return sums of no pair."""
        none = np.zeros(0, np.int64)
        return cls(none, np.zeros((0, n_lags)), none, none, none)

    @classmethod
    def of(cls, rows: CorrelationRows) -> StackSums:
        """Return the sums of stacked windows.

        Parameters
        ----------
        rows : CorrelationRows
            Means over their windows.
        """
        keys = (rows.pairs[:, 0].astype(np.int64) << 32) | rows.pairs[:, 1]
        counts = rows.n_windows.astype(np.int64)
        sums = rows.data.astype(np.float64) * counts[:, None]
        return cls(keys, sums, counts, rows.start_ns, rows.end_ns)

    def merge(self, other: StackSums, sign: int = 1) -> None:
        """Add the sums of other windows, or take them away with ``sign=-1``.

        Parameters
        ----------
        other : StackSums
            Its pairs are different, in any order.
        sign : int
            1 or -1.
        """
        self.make_rows(other.keys)
        at = np.searchsorted(self.keys, other.keys)
        self.sums[at] += sign * other.sums
        self.n_windows[at] += sign * other.n_windows
        self.start_ns[at] = np.minimum(self.start_ns[at], other.start_ns)
        self.end_ns[at] = np.maximum(self.end_ns[at], other.end_ns)

    def _new(self, keys: np.ndarray) -> np.ndarray:
        """Return the pairs that have no row."""
        if not len(self.keys):
            return keys
        at = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return keys[self.keys[at] != keys]

    def make_rows(self, keys: np.ndarray) -> None:
        """Make rows, without windows, for pairs that have none.

        Parameters
        ----------
        keys : numpy.ndarray
            The pairs.
        """
        new = self._new(keys)
        if not len(new):
            return
        every = np.union1d(self.keys, new)
        at, n = np.searchsorted(every, self.keys), len(every)
        sums, counts = np.zeros((n, self.sums.shape[1])), np.zeros(n, np.int64)
        starts, ends = np.full(n, NEVER_NS), np.zeros(n, np.int64)
        sums[at], counts[at] = self.sums, self.n_windows
        starts[at], ends[at] = self.start_ns, self.end_ns
        self.keys, self.sums, self.n_windows = every, sums, counts
        self.start_ns, self.end_ns = starts, ends

    def rows(
        self, name: str, dtype: str, tile: tuple[int, int, int]
    ) -> CorrelationRows:
        """Return the mean of the windows of each pair.

        Parameters
        ----------
        name : str
            Name of the stack.
        dtype : str
            ``float32`` or ``float64``.
        tile : (int, int, int)
            Key of the rows in the result folder.
        """
        used = self.n_windows > 0
        keys, counts = self.keys[used], self.n_windows[used]
        return CorrelationRows(
            name,
            np.stack([keys >> 32, keys & 0xFFFFFFFF], axis=1).astype(np.int32),
            counts.astype(np.int32),
            self.start_ns[used],
            self.end_ns[used],
            (self.sums[used] / counts[:, None]).astype(dtype),
            tile,
            last=True,
        )

    def mean_of(self, key: int) -> tuple[np.ndarray, int]:
        """Return the mean of the windows of a pair, and their number."""
        at = int(np.searchsorted(self.keys, key))
        if at == len(self.keys) or self.keys[at] != key or not self.n_windows[at]:
            return np.zeros(self.sums.shape[1]), 0
        return self.sums[at] / self.n_windows[at], int(self.n_windows[at])


@dataclass
class RunningStack:
    """All stacks of a live run that still grow.

    Attributes
    ----------
    n_lags : int
    unit : str
        ``none``, ``window``, ``hour`` or ``day``: the substacks that users see. Those
        of days are kept in any case; their names begin with a dot if users do not see
        them.
    next_window : int or None
        The first window that is not in the stacks.
    needed_ns : int or None
        The earliest time of data that this window needs.
    origin_ns : int
        Start of the first window of the grid.
    run_id : str
        Identity of the run.
    positions : sequence of Position
        Where the records of the channels are.
    stacks : dict of str to StackSums
        By the name of the stack.
    """

    n_lags: int
    unit: str
    next_window: int | None = None
    needed_ns: int | None = None
    origin_ns: int = 0
    run_id: str = ""
    positions: Sequence[Position] = ()
    stacks: dict[str, StackSums] = field(default_factory=dict)

    def add(self, batches: Iterable[CorrelationRows], start_ns: int) -> None:
        """Add the correlations of one window.

        Parameters
        ----------
        batches : iterable of CorrelationRows
            Rows of all pairs and bands.
        start_ns : int
            Start of the window, nanoseconds since 1970.
        """
        by_band: dict[str, list[StackSums]] = {}
        for rows in batches:
            if len(rows):
                _, at, band = rows.stack.partition("@")
                by_band.setdefault(at + band, []).append(StackSums.of(rows))
        for band, parts in by_band.items():
            keys = np.concatenate([part.keys for part in parts])
            for interval in self._intervals(start_ns):
                sums = self.sums_of(interval + band)
                sums.make_rows(keys)  # at once: each time copies all sums
                for part in parts:
                    sums.merge(part)

    def sums_of(self, name: str) -> StackSums:
        """Return the sums of a stack, which may be new."""
        if name not in self.stacks:
            self.stacks[name] = StackSums.empty(self.n_lags)
        return self.stacks[name]

    def _intervals(self, start_ns: int) -> list[str]:
        day = period_name(start_ns // DAY_NS)
        intervals = ["all", day if self.unit == "day" else f".{day}"]
        if self.unit == "hour":
            intervals.append(window_name(start_ns // HOUR_NS * HOUR_NS)[:13])
        if self.unit == "window":
            intervals.append(window_name(start_ns))
        return intervals

    def closed(self, start_ns: int) -> list[str]:
        """Return the substacks that later windows do not change.

        Parameters
        ----------
        start_ns : int
            Start of the next window, nanoseconds since 1970.
        """
        open_names = set(self._intervals(start_ns)) | {"all"}
        return sorted(n for n in self.stacks if n.partition("@")[0] not in open_names)

    # ------------------------------------------------------------------- on disk

    def write(self, path: Path) -> None:
        """Write everything to one file, in one step.

        Parameters
        ----------
        path : Path
        """
        names = sorted(self.stacks)
        about = {"format": FORMAT, "version": VERSION, "stacks": names}
        about |= {name: getattr(self, name) for name in FIELDS}
        about["positions"] = self.positions
        arrays = {
            f"{part}{k}": getattr(self.stacks[name], part)
            for k, name in enumerate(names)
            for part in PARTS
        }
        write_checked_arrays(path, about, arrays)

    @classmethod
    def read(cls, path: Path, run_id: str) -> RunningStack | None:
        """Read the file that `write` wrote; None if there is none.

        Parameters
        ----------
        path : Path
        run_id : str
            Identity of the run.

        Raises
        ------
        DataError
            If the file is damaged or belongs to another run. It is never written in
            part, so a disk is at fault.
        """
        try:
            about, arrays = read_checked_arrays(path, FORMAT, VERSION, WAY_OUT)
        except FileNotFoundError:
            return None
        if about["run_id"] != run_id:
            raise DataError(f"{path}: belongs to another run: {WAY_OUT}")
        stacks = {
            name: StackSums(*(arrays[f"{part}{k}"] for part in PARTS))
            for k, name in enumerate(about["stacks"])
        }
        values = {name: about[name] for name in FIELDS}
        positions = [Position(*row) for row in about.get("positions", ())]
        return cls(**values, positions=positions, stacks=stacks)


PARTS: Sequence[str] = ("keys", "sums", "n_windows", "start_ns", "end_ns")
FIELDS = ("n_lags", "unit", "next_window", "needed_ns", "origin_ns", "run_id")
