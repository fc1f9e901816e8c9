"""The demonstration: a network with known lags, and errors of the measured lags."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xcorr_app.synthetic import Network, make_archive

if TYPE_CHECKING:
    from seismo_pes.application.progress import Progress
    from xcorr_app.store import Store

RESULTS = "correlations"
WINDOW_S = 1800
SHOWN_LAG_S = 50.0


def prepare(network: Network, folder: Path, progress: Progress | None) -> None:
    """Make the archive, unless it exists."""

    def advance(done: int) -> None:
        if progress is not None:
            progress.update("make stations", done, network.n_stations)

    make_archive(network, folder, advance)


def run_words(network: Network, folder: Path, options: list[str]) -> list[str]:
    """Return the command line that correlates the archive."""
    low, high = network.band_hz
    return [
        *("--stations", str(folder / "stations.txt")),
        *("--data", str(folder / "archive")),
        *("--inventory", str(folder / "stations.xml")),
        *("--out", str(folder / RESULTS), "--force"),
        *("--end", network.end),
        *("--taper-s", "20", "--response", "VEL"),
        *("--bandpass-hz", f"{low:g}", f"{high:g}"),
        *("--window-s", str(WINDOW_S), "--max-lag-s", "60"),
        *options,
    ]


def arrival_lag_s(
    correlation: np.ndarray,
    rate_hz: float,
    distance_km: float,
    velocities_km_s: tuple[float, float] = (2.0, 4.5),
) -> float:
    """Measure the lag of the Green's function in a correlation.

    Positive and negative lags are averaged, and the phase advance of a two-dimensional
    medium, pi/4, is corrected. A parabola through the largest value between the two
    velocities gives the lag to a fraction of a sample.

    Parameters
    ----------
    correlation
        Data at the lags -max..+max, of odd length.
    rate_hz
        Sampling rate.
    distance_km
        Distance of the stations.
    velocities_km_s
        Slowest and fastest velocity of the arrival.

    Returns
    -------
    The lag in seconds; NaN if the largest lag is too short for the slowest velocity.
    """
    from scipy.signal import hilbert

    half = len(correlation) // 2
    symmetric = (correlation + correlation[::-1]) / 2
    rotated = (hilbert(symmetric) * np.exp(-0.25j * np.pi)).real[half:]
    first = max(1, math.floor(distance_km / velocities_km_s[1] * rate_hz))
    last = math.ceil(distance_km / velocities_km_s[0] * rate_hz)
    if last >= half:
        return math.nan
    peak = first + int(np.argmax(rotated[first : last + 1]))
    before, largest, after = rotated[peak - 1 : peak + 2]
    curvature = before - 2 * largest + after
    offset = 0.5 * (before - after) / curvature if curvature < 0 else 0.0
    return (peak + float(np.clip(offset, -0.5, 0.5))) / rate_hz


@dataclass(frozen=True)
class Fit:
    """Differences between measured and true lags."""

    n_pairs: int
    median_samples: float
    within_one_sample: float
    velocity_km_s: float
    true_velocity_km_s: float
    rate_hz: float

    def __str__(self) -> str:
        return (
            f"Measured and true lags of the Green's functions of {self.n_pairs} pairs:"
            f"\n  median difference {self.median_samples:.2f} samples "
            f"({1000 * self.median_samples / self.rate_hz:.0f} ms), "
            f"{100 * self.within_one_sample:.0f} % within one sample"
            f"\n  velocity {self.velocity_km_s:.3f} km/s "
            f"(true: {self.true_velocity_km_s:.3f} km/s)"
        )


def measure(results: Store, truth: Path) -> Fit:
    """Compare the lags of all pairs with the true lags, in samples of the data."""
    answer = json.loads(truth.read_text())
    network = answer["network"]
    distance_km, lag_s = [], []
    for pair in answer["pairs"]:
        correlation = results.get(*pair["pair"].split("_"))
        distance_km.append(pair["distance_km"])
        lag_s.append(
            arrival_lag_s(
                correlation.data, results.sampling_rate_hz, pair["distance_km"]
            )
        )
    distance, lag = np.array(distance_km), np.array(lag_s)
    measured = np.isfinite(lag)
    distance, lag = distance[measured], lag[measured]
    difference = np.abs(lag - distance / network["velocity_km_s"]) * network["rate_hz"]
    return Fit(
        n_pairs=len(lag),
        median_samples=float(np.median(difference)) if len(lag) else math.nan,
        within_one_sample=float(np.mean(difference <= 1)) if len(lag) else math.nan,
        velocity_km_s=float(np.median(distance / lag)) if len(lag) else math.nan,
        true_velocity_km_s=network["velocity_km_s"],
        rate_hz=network["rate_hz"],
    )


def draw(results: Store, network: Network, path: Path) -> Path:
    """Draw the record section with lines of the true velocity."""
    from xcorr_app.reporting.network_figures import draw_record_section

    draw_record_section(
        results,
        path,
        velocities_km_s=[network.velocity_km_s],
        max_lag_s=SHOWN_LAG_S,
    )
    return path


def next_steps(results: Store, folder: Path) -> list[list[str]]:
    """Return commands that users can try on the results."""
    out = str(folder / RESULTS)
    first, second = (str(name) for name in results.channels["id"][:2])
    return [
        ["info", out],
        ["plot", out, "--pair", first, second],
        ["export", out, "--format", "sac", str(folder / "sac")],
    ]
