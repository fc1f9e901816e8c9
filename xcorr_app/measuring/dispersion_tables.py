"""Tables of dispersion: picks of each pair, and medians of the network."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import numpy as np

from xcorr_app import store as stores
from xcorr_app.measuring.dvv_tables import temporary_name, text
from xcorr_app.store import Store

__all__ = ["PICK", "CurveTable", "on_periods"]

PICK = np.dtype(
    [
        ("pair", "<i8"),
        ("distance_km", "<f8"),
        ("period_s", "<f8"),
        ("instantaneous_period_s", "<f8"),
        ("group_km_s", "<f8"),
        ("phase_km_s", "<f8"),
        ("amplitude", "<f8"),
        ("snr", "<f8"),
        ("accepted", "?"),
        ("at_edge", "?"),
    ]
)
FLAGS = "accepted", "at_edge"
VALUES = PICK.names[1 : -len(FLAGS)]  # type: ignore[index]
PAIRS_FILE, NETWORK_FILE = "disp.csv", "disp_network.csv"
N_BINS = 2000
PERCENTILES = (16, 50, 84)
VELOCITIES = ("group_km_s", "phase_km_s")


def on_periods(rows: np.ndarray, period_s: np.ndarray, name: str) -> np.ndarray:
    """Return a velocity of one pair at common periods, NaN where it is not known.

    A pick belongs to the period that the wave had, not to that of the filter; between
    accepted picks of neighbouring filters it is interpolated.

    >>> rows = np.zeros(3, PICK)
    >>> rows["instantaneous_period_s"] = [1.1, 2.1, 4.1]
    >>> rows["group_km_s"], rows["accepted"] = [3.0, 3.2, 3.6], True
    >>> on_periods(rows, np.array([1.0, 2.0, 3.1]), "group_km_s").round(3)
    array([ nan, 3.18, 3.4 ])
    """
    good = np.flatnonzero(rows["accepted"] & np.isfinite(rows[name]))
    good = good[np.argsort(rows["instantaneous_period_s"][good], kind="stable")]
    if len(good) < 2:
        return np.full(len(period_s), np.nan)
    at, values = rows["instantaneous_period_s"][good], rows[name][good]
    after = np.clip(np.searchsorted(at, period_s), 1, len(at) - 1)
    beside = np.abs(good[after] - good[after - 1]) == 1
    inside = (period_s >= at[0]) & (period_s <= at[-1])
    return np.where(inside & beside, np.interp(period_s, at, values), np.nan)


class Medians:
    """Percentiles of velocities at each period, of counts in fine bins.

    Parameters
    ----------
    n_periods
        How many periods.
    low, high
        Edges of the bins, km/s; what lies outside counts as being at the edge.
    """

    def __init__(self, n_periods: int, low: float, high: float) -> None:
        self.edges = np.linspace(low, high, N_BINS + 1)
        self.counts = np.zeros((n_periods, N_BINS), np.int64)

    def add(self, velocity: np.ndarray) -> None:
        """Add the velocities of one pair, shape (n_periods,); NaN is left out."""
        known = np.flatnonzero(np.isfinite(velocity))
        place = np.searchsorted(self.edges, velocity[known], side="right") - 1
        self.counts[known, np.clip(place, 0, N_BINS - 1)] += 1

    def percentiles(self) -> np.ndarray:
        """Return shape (n_periods, 3): the 16th, 50th and 84th; NaN where none is.

        >>> medians = Medians(1, 0.0, 2000.0)
        >>> for value in (10.5, 11.5, 12.5):
        ...     medians.add(np.array([value]))
        >>> medians.percentiles()[0, 1]
        np.float64(11.5)
        """
        found = np.full((len(self.counts), len(PERCENTILES)), np.nan)
        for row, counts in zip(found, self.counts, strict=True):
            total = np.cumsum(counts)
            if total[-1]:
                wanted = np.array(PERCENTILES) / 100 * total[-1]
                bins = np.searchsorted(total, wanted)  # the first that reaches it
                part = 1 - (total[bins] - wanted) / counts[bins]
                width = self.edges[1] - self.edges[0]
                row[:] = self.edges[bins] + part * width
        return found


class CurveTable:
    """Writes picks to a CSV file, and gathers medians of the network.

    Parameters
    ----------
    out
        Folder of the run, for the names of its pairs.
    folder
        Where the files go.
    period_s
        Centre periods, rising.
    velocity_km_s
        Slowest and fastest group velocity.
    """

    def __init__(
        self,
        out: str,
        folder: str,
        period_s: Sequence[float],
        velocity_km_s: tuple[float, float],
    ) -> None:
        self.out, self.folder = out, folder
        self.period_s = np.array(period_s)
        self.velocity_km_s = velocity_km_s
        self._store: Store | None = None
        self._file: IO[str] | None = None
        self._medians: dict[str, Medians] = {}

    @property
    def paths(self) -> tuple[Path, Path]:
        """The file of the pairs, and that of the network."""
        return Path(self.folder, PAIRS_FILE), Path(self.folder, NETWORK_FILE)

    def open(self) -> None:
        """Begin the file of the pairs, under another name until it is whole."""
        path, _ = self.paths
        path.parent.mkdir(parents=True, exist_ok=True)
        self._store = stores.open(self.out)
        self._file = temporary_name(path).open("w", encoding="utf-8", newline="")
        self._file.write(",".join(["first", "second", *VALUES, *FLAGS]) + "\n")
        slow, fast = self.velocity_km_s
        self._medians = {
            name: Medians(len(self.period_s), slow, fast * factor)
            for name, factor in zip(VELOCITIES, (1, 1.6), strict=True)
        }

    def add(self, rows: np.ndarray) -> None:
        """Write the picks of some pairs."""
        assert self._file is not None
        assert self._store is not None
        for curve in rows.reshape(-1, len(self.period_s)):
            pair = self._store.pairs[curve["pair"][0]]
            names = f"{pair['first_id']},{pair['second_id']}"
            for row in curve.tolist():
                values, flags = row[1 : -len(FLAGS)], row[-len(FLAGS) :]
                cells = [*(text(value) for value in values), *(f"{f:d}" for f in flags)]
                self._file.write(f"{names},{','.join(cells)}\n")
            for name, medians in self._medians.items():
                medians.add(on_periods(curve, self.period_s, name))

    def close(self) -> None:
        """Write the medians of the network, and give the files their names."""
        if self._file is None or self._store is None:
            return
        path, network = self.paths
        self._file.close()
        self._store.close()
        with temporary_name(network).open("w", encoding="utf-8", newline="") as file:
            file.writelines(self._network_lines())
        for one in (path, network):
            os.replace(temporary_name(one), one)
        self._file = self._store = None

    def _network_lines(self) -> Iterator[str]:
        head = ["period_s"]
        for name in VELOCITIES:
            short = name.partition("_")[0]
            head += [f"n_{short}", name, f"{short}_p16", f"{short}_p84"]
        yield ",".join(head) + "\n"
        columns = [self.period_s]
        for medians in self._medians.values():
            low, middle, high = medians.percentiles().T
            columns += [medians.counts.sum(axis=1), middle, low, high]
        for period, *cells in zip(*columns, strict=True):
            yield ",".join([f"{period:g}", *(text(float(c)) for c in cells)]) + "\n"
