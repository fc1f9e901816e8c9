"""Tables of dispersion: the picks of each pair, and the medians over the pairs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from xcorr_app.measuring.tables import PairTables, format_number

__all__ = ["PICK", "CurveTable", "interpolate_velocity"]

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
N_BINS = 2000  # of velocity: an error of at most 1/2000 of the range
PERCENTILES = (16, 50, 84)
VELOCITIES = ("group_km_s", "phase_km_s")


def interpolate_velocity(
    rows: np.ndarray, period_s: np.ndarray, name: str
) -> np.ndarray:
    """Return a velocity of one pair at common periods, NaN where it is unknown.

    The period of a pick is its instantaneous period, not the centre period of the
    filter. The velocity is interpolated between accepted picks of neighbouring filters.

    >>> rows = np.zeros(3, PICK)
    >>> rows["instantaneous_period_s"] = [1.1, 2.1, 4.1]
    >>> rows["group_km_s"], rows["accepted"] = [3.0, 3.2, 3.6], True
    >>> interpolate_velocity(rows, np.array([1.0, 2.0, 3.1]), "group_km_s").round(3)
    array([ nan, 3.18, 3.4 ])
    """
    known = np.flatnonzero(rows["accepted"] & np.isfinite(rows[name]))
    known = known[np.argsort(rows["instantaneous_period_s"][known], kind="stable")]
    if len(known) < 2:
        return np.full(len(period_s), np.nan)
    known_s, velocity = rows["instantaneous_period_s"][known], rows[name][known]
    after = np.clip(np.searchsorted(known_s, period_s), 1, len(known_s) - 1)
    neighbours = np.abs(known[after] - known[after - 1]) == 1
    inside = (period_s >= known_s[0]) & (period_s <= known_s[-1])
    interpolated = np.interp(period_s, known_s, velocity)
    return np.where(inside & neighbours, interpolated, np.nan)


class Medians:
    """Percentiles of velocities at each period, from counts in narrow bins.

    Parameters
    ----------
    n_periods
        Number of periods.
    low, high
        Limits of the bins, km/s. A velocity outside is counted in the nearest bin.
    """

    def __init__(self, n_periods: int, low: float, high: float) -> None:
        self.edges = np.linspace(low, high, N_BINS + 1)
        self.counts = np.zeros((n_periods, N_BINS), np.int64)

    def add(self, velocity: np.ndarray) -> None:
        """Add the velocities of one pair, shape (n_periods,); NaN is left out."""
        known = np.flatnonzero(np.isfinite(velocity))
        bins = np.searchsorted(self.edges, velocity[known], side="right") - 1
        self.counts[known, np.clip(bins, 0, N_BINS - 1)] += 1

    def percentiles(self) -> np.ndarray:
        """Return the 16th, 50th and 84th, shape (n_periods, 3); NaN without velocities.

        >>> medians = Medians(1, 0.0, 2000.0)
        >>> for value in (10.5, 11.5, 12.5):
        ...     medians.add(np.array([value]))
        >>> medians.percentiles()[0, 1]
        np.float64(11.5)
        """
        percentiles = np.full((len(self.counts), len(PERCENTILES)), np.nan)
        for row, counts in zip(percentiles, self.counts, strict=True):
            total = np.cumsum(counts)
            if total[-1]:
                rank = np.array(PERCENTILES) / 100 * total[-1]
                bins = np.searchsorted(total, rank)  # the first that reaches the rank
                part = 1 - (total[bins] - rank) / counts[bins]
                width = self.edges[1] - self.edges[0]
                row[:] = self.edges[bins] + part * width
        return percentiles


class CurveTable(PairTables):
    """Writes picks to a CSV file, and computes the medians over the pairs.

    Parameters
    ----------
    out
        Folder of the run, which has the names of the pairs.
    folder
        Folder of the files.
    period_s
        Centre periods, rising.
    velocity_km_s
        Slowest and fastest group velocity.
    min_pairs
        Least number of pairs of a median.
    label
        End of the names of the files, such as ``_0.1-0.2Hz``.
    """

    def __init__(
        self,
        out: str,
        folder: str,
        period_s: Sequence[float],
        velocity_km_s: tuple[float, float],
        min_pairs: int = 1,
        label: str = "",
    ) -> None:
        super().__init__(out, folder, "disp", label)
        self.min_pairs = min_pairs
        self.period_s = np.array(period_s)
        self.velocity_km_s = velocity_km_s
        self._medians: dict[str, Medians] = {}

    def open(self) -> None:
        """Begin the file of the pairs."""
        self._begin([*VALUES, *FLAGS])
        slow, fast = self.velocity_km_s
        self._medians = {
            name: Medians(len(self.period_s), slow, fast * factor)
            for name, factor in zip(VELOCITIES, (1, 1.6), strict=True)
        }

    def add(self, rows: np.ndarray) -> None:
        """Write the picks of the pairs of a batch."""
        for curve in rows.reshape(-1, len(self.period_s)):
            index = int(curve["pair"][0])
            for row in curve.tolist():
                values, flags = row[1 : -len(FLAGS)], row[-len(FLAGS) :]
                cells = [
                    *(format_number(value) for value in values),
                    *(f"{f:d}" for f in flags),
                ]
                self._write(index, ",".join(cells))
            for name, medians in self._medians.items():
                medians.add(interpolate_velocity(curve, self.period_s, name))

    def close(self) -> None:
        """Write the medians over the pairs."""
        self._end(self._format_network())

    def _format_network(self) -> Iterator[str]:
        head = ["period_s"]
        for name in VELOCITIES:
            short = name.partition("_")[0]
            head += [f"n_{short}", name, *(f"{short}_{p}_km_s" for p in ("p16", "p84"))]
        yield ",".join(head) + "\n"
        columns = [self.period_s]
        for medians in self._medians.values():
            counts, percentiles = medians.counts.sum(axis=1), medians.percentiles()
            percentiles[counts < self.min_pairs] = np.nan
            low, middle, high = percentiles.T
            columns += [counts, middle, low, high]
        for period, *cells in zip(*columns, strict=True):
            yield (
                ",".join([f"{period:g}", *(format_number(float(c)) for c in cells)])
                + "\n"
            )
