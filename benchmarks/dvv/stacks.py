"""Synthetic daily stacks of station pairs whose velocity changes are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from seismo_pes.items.correlation import Correlation

__all__ = ["BAND_HZ", "LAG_S", "RATE_HZ", "PairStacks", "make_stacks"]

RATE_HZ, MAX_LAG_S, BAND_HZ = 10.0, 120.0, (0.2, 1.0)
N_LAGS = round(2 * MAX_LAG_S * RATE_HZ) + 1
LAG_S = (np.arange(N_LAGS) - N_LAGS // 2) / RATE_HZ
DECAY_S = 40.0
LARGEST_CHANGE = 0.005
N_WAVES = 100


@dataclass(frozen=True, eq=False)
class PairStacks:
    """The stacks of a pair on some days, the reference, and the true changes."""

    stacks: Correlation
    reference: Correlation
    truth: np.ndarray


def make_stacks(pair: int, n_days: int, noise: float) -> PairStacks:
    """Return the stacks of a pair.

    Parameters
    ----------
    pair
        Number of the pair: the seed of its waves.
    n_days
        Number of stacks, with true changes between -0.5 and 0.5 %.
    noise
        Amplitude of other waves in each stack, as a part of that of the reference.
    """
    rng = np.random.default_rng(pair)
    coda, decay = _waves(rng), np.exp(-np.abs(LAG_S) / DECAY_S)
    truth = rng.uniform(-LARGEST_CHANGE, LARGEST_CHANGE, n_days)
    rows = np.array([coda(LAG_S * (1 + change)) for change in truth])
    rows += noise * np.array([_waves(rng)(LAG_S) for _ in truth])
    ids = f"XX.A{pair}..HHZ", f"XX.B{pair}..HHZ"
    return PairStacks(
        Correlation.of(*ids, rows * decay, RATE_HZ),
        Correlation.of(*ids, coda(LAG_S) * decay, RATE_HZ),
        truth,
    )


def _waves(rng: np.random.Generator) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function of the lag: sines in the band, different on the two sides."""
    f = rng.uniform(*BAND_HZ, N_WAVES)
    amplitude = rng.rayleigh(1.0, N_WAVES) / np.sqrt(N_WAVES)
    phases = rng.uniform(0, 2 * np.pi, (2, N_WAVES))

    def at(lag_s: np.ndarray) -> np.ndarray:
        turns = 2 * np.pi * np.outer(np.abs(lag_s), f)
        before, after = (np.cos(turns + phase) @ amplitude for phase in phases)
        return np.where(lag_s < 0, before, after)

    return at
