"""Synthetic records with known misfits, and the test of an adjoint source."""

import numpy as np
import pytest

DELTA_S = 0.25
N = 600


def wave_packet(at_s, seed=1, n_waves=12, periods_s=(6.0, 15.0), half_width_s=25.0):
    """Return values at any times of a band-limited packet in the middle of a record."""
    rng = np.random.default_rng(seed)
    period = rng.uniform(*periods_s, n_waves)
    phase = rng.uniform(0, 2 * np.pi, n_waves)
    amplitude = rng.uniform(0.5, 1.5, n_waves)
    t = np.asarray(at_s)[..., None] - 75.0
    waves = amplitude * np.cos(2 * np.pi * t / period + phase)
    return np.exp(-((t[..., 0] / half_width_s) ** 2)) * waves.sum(axis=-1)


@pytest.fixture(scope="session")
def times():
    return np.arange(N) * DELTA_S


@pytest.fixture(scope="session")
def records(times):
    """Return observed and synthetic records of two stations: similar, but not equal."""
    synthetic = wave_packet(times, 1)
    observed = 1.3 * wave_packet(times - 0.85, 1) + 0.15 * wave_packet(times, 2)
    synthetic_2 = wave_packet(times - 4.0, 1) + 0.2 * wave_packet(times, 5)
    observed_2 = 0.8 * wave_packet(times - 5.3, 1) + 0.2 * wave_packet(times, 3)
    return observed, synthetic, observed_2, synthetic_2


def largest_gradient_error(chi, adjoint, record, delta_s=DELTA_S, seeds=(11, 12, 13)):
    """Return the largest relative difference of an adjoint from central differences.

    For each random band-limited perturbation, the second best of five steps counts, so
    that a single step with a good result by chance does not pass. If the derivative is
    small, the difference is relative to that along the adjoint.
    """
    errors = []
    t = np.arange(record.size) * delta_s
    for seed in seeds:
        change = wave_packet(t, seed, half_width_s=40.0)
        change *= np.linalg.norm(record) / np.linalg.norm(change)
        predicted = np.dot(adjoint, change) * delta_s
        along = np.linalg.norm(adjoint) * np.linalg.norm(change) * delta_s
        scale = max(abs(predicted), 0.02 * along)
        by_step = []
        for step in (1e-2, 1e-3, 1e-4, 1e-5, 1e-6):
            rise = chi(record + step * change) - chi(record - step * change)
            by_step.append(abs(rise / (2 * step) - predicted) / scale)
        errors.append(sorted(by_step)[1])
    return max(errors)


@pytest.fixture(scope="session")
def gradient_error():
    return largest_gradient_error


@pytest.fixture(scope="session")
def packet():
    return wave_packet
