"""Synthetic records and correlations with known properties, for the figures."""

from functools import cache
from typing import Any

import numpy as np
from obspy import Trace, UTCDateTime
from scipy.signal import butter, sosfiltfilt

from seismo_pes.items.correlation import Correlation

START = UTCDateTime(2024, 3, 1)
RATE_HZ = 10.0
DAY_NS = 86_400_000_000_000


def make_trace(
    data: np.ndarray, rate_hz: float = RATE_HZ, start_s: float = 0.0
) -> Trace:
    """Return a trace of the example station."""
    header = {"network": "XX", "station": "AAA", "channel": "HHZ"}
    header |= {"sampling_rate": rate_hz, "starttime": START + start_s}
    return Trace(np.asarray(data), header)


@cache
def noise(n: int = 6000, seed: int = 1, band: tuple[float, float] = (0.1, 1.0)) -> Any:
    """Return noise of unit variance in a band."""
    white = np.random.default_rng(seed).standard_normal(n + 2000)
    sos = butter(2, band, "bandpass", fs=RATE_HZ, output="sos")
    data = sosfiltfilt(sos, white)[1000:-1000]
    return data / data.std()


def with_earthquake() -> Trace:
    """Return noise with a wave train of 15 times its amplitude."""
    data, t = noise(), np.arange(6000) / RATE_HZ - 240
    train = 15 * noise(seed=2) * np.exp(-t / 40) * (1 - np.exp(-np.clip(t, 0, None)))
    return make_trace(data + np.where(t > 0, train, 0.0))


def broadband() -> Trace:
    """Return an hour of broadband noise with a microseismic peak."""
    n = 36_000
    red = np.cumsum(np.random.default_rng(3).standard_normal(n))
    white = np.random.default_rng(4).standard_normal(n)
    return make_trace(
        0.02 * (red - red.mean()) + 0.3 * white + noise(n, 5, (0.14, 0.3))
    )


def drifting() -> Trace:
    """Return noise with a drift."""
    t = np.linspace(-1, 1, 6000)
    return make_trace(noise() + 6 * t - 5 * np.cos(2.2 * np.pi * t) + 3)


def windows(n: int, snr: float, seed: int = 7) -> Correlation:
    """Return correlations with an arrival on both sides, in noise."""
    lag = np.arange(-600, 601) / RATE_HZ
    before, after = (np.exp(-(((lag - peak) / 4) ** 2)) for peak in (-25, 25))
    pulse = np.cos(2 * np.pi * 0.25 * (np.abs(lag) - 25)) * (0.6 * before + after)
    rows = [snr * pulse + noise(1201, seed + i, (0.1, 0.5)) for i in range(n)]
    times = np.arange(n) * DAY_NS
    return Correlation.of(
        *("XX.AAA..HHZ", "XX.BBB..HHZ", np.array(rows), RATE_HZ),
        start_ns=times,
        end_ns=times + DAY_NS,
        distance_km=75.0,
    )


TRUE_DVV = 2e-3 * np.sin(np.arange(40) / 6)


def changing_coda() -> tuple[Correlation, Correlation]:
    """Return a coda that is stretched from day to day, and its reference."""
    lag = np.arange(-600, 601) / RATE_HZ
    rng = np.random.default_rng(8)
    f, phase = rng.uniform(0.3, 1.6, 80), rng.uniform(0, 2 * np.pi, 80)

    def coda(lag_s: np.ndarray) -> np.ndarray:
        waves = np.cos(2 * np.pi * f[:, None] * lag_s + phase[:, None]).sum(axis=0)
        return waves * np.exp(-np.abs(lag_s) / 40)

    rows = [
        coda(lag * (1 + change)) + 0.7 * noise(1201, 50 + i, (0.3, 1.6))
        for i, change in enumerate(TRUE_DVV)
    ]
    times = np.arange(len(rows)) * DAY_NS
    period = {"start_ns": times, "end_ns": times + DAY_NS}
    names = "XX.AAA..HHZ", "XX.BBB..HHZ"
    series = Correlation.of(*names, np.array(rows), RATE_HZ, **period)
    return series, Correlation.of(*names, coda(lag), RATE_HZ)
