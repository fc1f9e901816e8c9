"""The records that all programs measure: two stations, observed and synthetic."""

from __future__ import annotations

import numpy as np

__all__ = ["DELTA_S", "PERIODS_S", "WINDOW_S", "N", "make_records"]

DELTA_S, N = 0.03, 10_000
WINDOW_S = (90.0, 210.0)
PERIODS_S = (6.0, 30.0)


def make_records() -> dict[str, np.ndarray]:
    """Return records by name: packets of waves with periods from 8 to 25 s."""
    return {
        "observed": 1.2 * _packet(1, 1.37) + 0.1 * _packet(2, 0.0),
        "synthetic": _packet(1, 0.0),
        "observed_2": _packet(1, 3.3),
        "synthetic_2": _packet(1, 3.0),
    }


def _packet(seed: int, late_s: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    t = np.arange(N) * DELTA_S - late_s
    x = np.zeros(N)
    for _ in range(20):
        amplitude, period_s, phase = rng.uniform((0.5, 8.0, 0.0), (1.5, 25.0, 6.28))
        x += amplitude * np.cos(2 * np.pi * t / period_s + phase)
    return np.exp(-(((t - 150) / 60) ** 2)) * x
