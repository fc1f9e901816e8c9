"""Sampling rates measured from the starts of long files."""

from __future__ import annotations

import numpy as np
import pytest

from seismo_pes.items.times import DAY_NS, NS
from seismo_pes.reading.archives.measured_rates import rates_of_files
from seismo_pes.reading.archives.scan import FileEntry

N_DAY = 86400 * 20  # samples by a header of 20 Hz


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20240301)


def entries(starts_ns, n_samples=N_DAY, header_hz=20.0):
    length_ns = round(n_samples * NS / header_hz)
    return [
        FileEntry(f"{k}", "SAC", "XX.A..HHZ", start, start + length_ns, header_hz)
        for k, start in enumerate(map(int, starts_ns))
    ]


@pytest.mark.parametrize("ppm", [-900.0, -50.0, -0.1, 0.1, 7.0, 900.0])
def test_a_wrong_rate_is_measured(ppm):
    true_hz = 20 * (1 + ppm * 1e-6)
    starts_ns = np.arange(30) * N_DAY / true_hz * 1e9
    starts_ns = np.round(starts_ns, -6)  # to milliseconds, as in SAC
    measured = rates_of_files(entries(starts_ns)[::-1])
    assert sorted(measured) == sorted(map(str, range(30)))
    # half a millisecond over 30 days
    assert np.allclose(list(measured.values()), true_hz, rtol=1e-9)


def test_a_rate_in_single_precision_is_right():
    starts_ns = np.arange(30) * DAY_NS
    assert not rates_of_files(entries(starts_ns, N_DAY, 1 / float(np.float32(0.05))))


def test_jitter_of_starts_is_no_drift(rng):
    starts_ns = np.arange(300) * DAY_NS + rng.integers(-2_000_000, 2_000_000, 300)
    assert not rates_of_files(entries(starts_ns))


@pytest.mark.parametrize("missing", [1, 20, 1000])
def test_missing_samples_are_gaps(missing):
    starts_ns = np.arange(10) * (N_DAY + missing) * NS / 20
    assert not rates_of_files(entries(starts_ns))


def test_gaps_of_different_lengths_are_no_drift(rng):
    starts_ns = np.cumsum(DAY_NS + rng.integers(NS, 60 * NS, 20))
    assert not rates_of_files(entries(starts_ns))


def test_shorter_files_are_left_to_the_run():
    n = 3600 * 20
    starts_ns = np.arange(100) * n / 20.001 * 1e9
    assert not rates_of_files(entries(starts_ns, n))


def test_a_drift_in_a_part_of_the_time_is_measured_there():
    lengths_ns = np.repeat([86400.0, 86400 * 20 / 20.001], 10) * NS
    starts_ns = np.concatenate(([0.0], np.cumsum(lengths_ns)[:-1]))
    measured = rates_of_files(entries(np.round(starts_ns)))
    assert set(measured) == {str(k) for k in range(10, 20)}
    assert np.allclose(list(measured.values()), 20.001, rtol=1e-9)
