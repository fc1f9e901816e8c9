"""The task of all contenders, and the test of their results.

The data are days of 20 Hz HHZ of stations in a plane wave, as SDS with StationXML.
Windows of half an hour are one-bit normalised, whitened from 0.1 to 2 Hz and correlated
to lags of 120 s, with two workers. There is a stack for each day and one of all days.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.command_cost import Cost
from benchmarks.planewave import PlaneWave, peak_lag

START = "2015-04-06"
END_OF = {1: "2015-04-07", 2: "2015-04-08", 3: "2015-04-09"}
RATE_HZ = 20.0
WINDOW_S = 1800
MAX_LAG_S = 120
BAND_HZ = (0.1, 2.0)
TRACE_BAND_HZ = (0.01, 8.0)
N_WORKERS = 2
N_LAGS = 2 * round(MAX_LAG_S * RATE_HZ) + 1
_LIBRARIES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
ONE_THREAD = dict.fromkeys(_LIBRARIES, "1")

Pair = tuple[str, str]


def wave(n_stations: int, n_days: int) -> PlaneWave:
    """Return the parameters of the data."""
    return PlaneWave(
        n_stations,
        channel="HHZ",
        rate_hz=RATE_HZ,
        seconds=86400.0 * n_days,
        start=f"{START}T00:00:00",
        diameter_km=100.0,
        band_hz=(0.05, 2.0),
        ground_rms_m_s=1e-6,
    )


@dataclass(frozen=True)
class Outcome:
    """The result of one contender.

    Attributes
    ----------
    name, version
        Name and version of the program.
    stages : dict of str to Cost
        Cost of each of its commands, in order.
    correlate_s : float
        Seconds of its correlation, as far as they can be separated.
    correlate_is : str
        Description of the work in these seconds.
    n_pair_days : int
        Number of its daily stacks of two different stations.
    worst_lag_samples : float
        Largest error of the lag of the wave over all pairs.
    notes : list of str
        Further remarks.
    """

    name: str
    version: str
    stages: Mapping[str, Cost]
    correlate_s: float
    correlate_is: str
    n_pair_days: int
    worst_lag_samples: float
    notes: list[str] = field(default_factory=list)

    @property
    def wall_s(self) -> float:
        """Seconds of all commands."""
        return sum(cost.wall_s for cost in self.stages.values())

    @property
    def peak_mb(self) -> float:
        """Largest resident memory of one process."""
        return max(cost.peak_mb for cost in self.stages.values())

    @property
    def pair_days_s(self) -> float:
        """Pair-days per second, from files to files."""
        return self.n_pair_days / self.wall_s

    @property
    def correlate_pair_days_s(self) -> float:
        """Pair-days per second of the correlation."""
        return self.n_pair_days / self.correlate_s

    def to_dict(self) -> dict[str, Any]:
        """Return the figures, ready for JSON."""
        return {
            "name": self.name,
            "version": self.version,
            "stages": {name: cost.to_dict() for name, cost in self.stages.items()},
            "wall_s": round(self.wall_s, 2),
            "correlate_s": round(self.correlate_s, 2),
            "correlate_is": self.correlate_is,
            "peak_mb": round(self.peak_mb),
            "n_pair_days": self.n_pair_days,
            "pair_days_s": round(self.pair_days_s, 1),
            "correlate_pair_days_s": round(self.correlate_pair_days_s, 1),
            "worst_lag_samples": round(self.worst_lag_samples, 3),
            "notes": self.notes,
        }


def worst_lag_samples(
    correlations: Mapping[Pair, np.ndarray], wave: PlaneWave
) -> float:
    """Return the largest error of the lag of the wave, in samples.

    Parameters
    ----------
    correlations
        Correlations by the codes of first and second station, lags -max..+max. At a
        positive lag the wave reaches the second station later.
    """
    arrivals = dict(
        zip(
            wave.codes(),
            wave.positions_km()[:, 0] / wave.velocity_km_s,
            strict=True,
        )
    )
    worst = 0.0
    for (first, second), data in correlations.items():
        lag = peak_lag(data) - (arrivals[second] - arrivals[first]) * RATE_HZ
        worst = max(worst, abs(float(lag)))
    return worst
