"""Power spectral densities against analytic values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seismo_pes.signal.errors import ParameterError
from seismo_pes.signal.psd import (
    decibel,
    octave_mean,
    percentiles,
    welch_psd,
    window_rms,
)

PRIME = 10_007
RATE_HZ = 20.0


def noise(n=PRIME, seed=1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=n)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_white_noise_is_flat(dtype) -> None:
    sigma = 3.0
    x = (sigma * noise()).astype(dtype)
    before = x.copy()
    frequency, density = welch_psd(x, RATE_HZ, 200)
    assert density.dtype == dtype
    assert frequency[-1] == RATE_HZ / 2
    # one-sided density of white noise; 100 segments: 10 % a bin, 1.5 % the mean
    expected = 2 * sigma**2 / RATE_HZ
    assert density[2:-1].mean() == pytest.approx(expected, rel=0.05)
    assert np.abs(density[2:-1] / expected - 1).max() < 0.6
    np.testing.assert_array_equal(x, before)


def test_a_wave_has_half_its_squared_amplitude() -> None:
    t = np.arange(PRIME) / RATE_HZ
    frequency, density = welch_psd(4 * np.sin(2 * np.pi * 2.5 * t), RATE_HZ, 800)
    assert frequency[density.argmax()] == 2.5
    # the trend taken off a segment shares a little with the wave
    assert density.sum() * frequency[1] == pytest.approx(8.0, rel=1e-3)


def test_lines_and_constants_have_no_power() -> None:
    for x in (np.arange(1000.0), np.full(1000, 1e6)):
        assert welch_psd(x, RATE_HZ, 100).density.max() < 1e-12


@given(st.integers(8, 300), st.floats(0, 0.9), st.integers(0, 100))
@settings(max_examples=40, deadline=None)
def test_scaling_and_parseval(n_segment, overlap, seed) -> None:
    x = noise(400, seed)
    frequency, density = welch_psd(x, RATE_HZ, n_segment, overlap)
    np.testing.assert_allclose(
        welch_psd(-3 * x, RATE_HZ, n_segment, overlap).density, 9 * density, rtol=1e-9
    )
    assert (density >= 0).all()
    # power of Hann segments of noise: their variance, give or take its scatter
    total = density.sum() * frequency[1]
    assert 0.2 < total / x.var() < 3


def test_nan_stays_in_its_record() -> None:
    x = np.stack([noise(1000), noise(1000)])
    x[0, 500] = np.nan
    density = welch_psd(x, RATE_HZ, 100).density
    assert np.isnan(density[0]).all()
    np.testing.assert_allclose(density[1], welch_psd(x[1], RATE_HZ, 100).density)


@pytest.mark.parametrize(
    "call",
    [
        lambda: welch_psd(np.ones(10), 20.0, 11),
        lambda: welch_psd([], 20.0, 2),
        lambda: welch_psd([1.0], 20.0, 1),
        lambda: welch_psd(np.ones(10), 0.0, 5),
        lambda: welch_psd(np.ones(10), 20.0, 5, 1.0),
        lambda: octave_mean([1.0, 2.0], [1.0], 1.0),
        lambda: octave_mean([1.0, 2.0], [1.0, 2.0], 0.0),
        lambda: percentiles([1.0], [50]),
        lambda: percentiles([[1.0]], [101]),
        lambda: window_rms([1.0], 0),
    ],
)
def test_parameters_out_of_range(call) -> None:
    with pytest.raises(ParameterError):
        call()


def test_decibels() -> None:
    np.testing.assert_allclose(decibel([10.0, 0.1, 0.0]), [10, -10, -np.inf])
    assert np.isnan(decibel([-1.0])).all()
    assert decibel(np.ones(3, np.float32)).dtype == np.float32


def test_octaves_of_a_power_law() -> None:
    frequency = np.arange(0, 1001) / 100.0
    centres, mean = octave_mean(frequency, frequency, 1.0, 4)
    assert np.diff(np.log2(centres)) == pytest.approx(0.25)
    # the mean of f over a band of an octave about c is 0.75 sqrt(2) c
    high = centres > 1
    np.testing.assert_allclose(mean[high], 0.75 * np.sqrt(2) * centres[high], rtol=0.02)
    constant = octave_mean(frequency, np.ones((2, 1001)), 0.5, 8)
    assert constant.density.shape == (2, constant.frequency_hz.size)
    # bands narrower than the bins are apart may have none
    empty = np.isnan(constant.density[0])
    np.testing.assert_allclose(constant.density[:, ~empty], 1.0)
    assert not empty[constant.frequency_hz > 0.03].any()
    assert octave_mean([0.0], [1.0]).density.size == 0


def test_percentiles_leave_out_bad_windows_and_bear_silence() -> None:
    values = np.array([[1.0, -np.inf], [2.0, -np.inf], [3.0, 0.0], [np.nan, 9.0]])
    result = percentiles(values, [0, 50, 100])
    np.testing.assert_array_equal(result, [[1, -np.inf], [2, -np.inf], [3, 0]])
    assert np.isnan(percentiles(np.empty((0, 3)), [50])).all()
    few = noise(21).reshape(21, 1)
    assert percentiles(few, 50)[0, 0] == np.median(few)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rms_of_windows(dtype) -> None:
    x = (noise(1009) + 1e3).astype(dtype)
    result = window_rms(x, 100, 50)
    assert result.dtype == dtype
    expected = [x[i : i + 100].astype(float).std() for i in range(0, 910, 50)]
    np.testing.assert_allclose(result, expected, rtol=1e-5)
    assert window_rms([], 3).shape == (0,)
    assert window_rms([[5.0]], 1).tolist() == [[0.0]]
    assert np.isnan(window_rms([1.0, np.nan, 1.0, 1.0], 2)).tolist() == [True, False]
