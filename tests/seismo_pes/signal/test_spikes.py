"""Spikes and transients against numpy's medians."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import norm

from seismo_pes.signal.errors import ParameterError
from seismo_pes.signal.spikes import despike, level_jumps, loud_windows, mad, spikes

PRIME = 1009
SCALE = 1 / norm.ppf(0.75)


def noise(n=PRIME, seed=1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=n)


def spikes_by_hand(x, n_half, k) -> np.ndarray:
    padded = np.pad(x, n_half, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * n_half + 1)
    median = np.median(windows, axis=-1)
    spread = np.median(np.abs(windows - median[:, None]), axis=-1)
    return np.abs(x - median) > k * (spread * SCALE)


@pytest.mark.parametrize("n_half", [1, 4, 7, 300])
@pytest.mark.parametrize("k", [1.0, 3.0])
def test_the_filter_is_hampels(n_half, k) -> None:
    x = noise() ** 3
    np.testing.assert_array_equal(spikes(x, n_half, k), spikes_by_hand(x, n_half, k))


def test_batches_are_records_one_by_one() -> None:
    x = np.stack([noise(), noise(seed=2) ** 3]).reshape(2, 1, PRIME)
    result = spikes(x, 5, 3.0)
    for i in range(2):
        np.testing.assert_array_equal(result[i, 0], spikes(x[i, 0], 5, 3.0))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_spikes_on_a_wave_are_removed_and_the_wave_stays(dtype) -> None:
    wave = np.sin(2 * np.pi * np.arange(PRIME) / 50).astype(dtype)
    x = wave.copy()
    at = [0, 100, 533, PRIME - 1]
    x[at] += 20
    before = x.copy()
    out = despike(x, 10, 8.0)
    assert out.dtype == dtype
    changed = np.flatnonzero(out != x)
    assert changed.tolist() == at
    # the median of 21 samples: by the wave's slope within 10 samples of the true value
    assert np.abs(out - wave)[at].max() < 1.0
    np.testing.assert_array_equal(x, before)


def test_nan_is_no_spike_and_hides_none() -> None:
    x = noise()
    x[200:205] = np.nan
    x[500] = 100.0
    result = spikes(x, 20, 8.0)
    assert np.flatnonzero(result).tolist() == [500]
    assert np.isnan(despike(x, 20, 8.0)[200:205]).all()
    assert not spikes(np.full(5, np.nan), 2, 3.0).any()


@pytest.mark.parametrize("x", [[], [3.0], np.ones(PRIME)])
def test_records_without_spikes(x) -> None:
    assert not spikes(x, 3, 3.0).any()
    np.testing.assert_array_equal(despike(x, 3, 3.0), x)
    assert not loud_windows(x, 10, 3.0).any()


def test_mad_of_normal_noise_is_its_deviation() -> None:
    # standard error of the MAD of n normal samples: 1.17 / sqrt(n)
    assert mad(2.0 * noise(100_000)) == pytest.approx(2.0, rel=4 * 1.17 / 316)
    assert np.isnan(mad([])).all()
    assert np.isnan(mad([np.nan]))
    with_nan = np.array([[1.0, np.nan, 2.0, 4.0], [np.nan, 1.0, 1.0, np.nan]])
    np.testing.assert_allclose(mad(with_nan), [SCALE, 0.0])


@given(
    hnp.arrays(np.float64, 25, elements=st.floats(-1e3, 1e3)),
    st.floats(0.5, 2.0),
    st.floats(-10, 10),
)
def test_spikes_do_not_depend_on_scale_and_shift(x, scale, shift) -> None:
    # powers of two and whole numbers, so that no rounding decides
    x, scale, shift = np.round(x), 2.0 ** round(scale), float(round(shift))
    np.testing.assert_array_equal(spikes(x, 3, 4.0), spikes(-scale * x + shift, 3, 4.0))
    assert mad(scale * x + shift) == pytest.approx(scale * mad(x))


def test_the_loud_window_is_found() -> None:
    x = noise()
    x[450] = 30.0
    result = loud_windows(x, 100, 10.0)
    assert result.shape == (11,)
    assert np.flatnonzero(result).tolist() == [4]
    x[-1] = -30.0
    assert np.flatnonzero(loud_windows(x, 100, 10.0)).tolist() == [4, 10]
    x[451] = np.nan
    assert np.flatnonzero(loud_windows(x, 100, 10.0)).tolist() == [4, 10]
    assert np.flatnonzero(loud_windows(x.astype(np.float32), 100, 10.0)).size == 2


def test_a_dead_record_has_no_loud_window() -> None:
    x = np.zeros(100)
    x[40:50] = 5.0
    assert not loud_windows(x, 10, 3.0).any()


@pytest.mark.parametrize(
    "call",
    [
        lambda: spikes([1.0], 0, 3.0),
        lambda: spikes([1.0], 3, 0.0),
        lambda: loud_windows([1.0], 0, 3.0),
        lambda: loud_windows([1.0], 5, float("nan")),
        lambda: loud_windows([[1.0]], 5, 3.0),
    ],
)
def test_parameters_out_of_range(call) -> None:
    with pytest.raises(ParameterError):
        call()


@pytest.mark.parametrize("dtype", [np.int32, np.float32, np.float64])
def test_level_jumps_are_found_where_they_are(dtype):
    rng = np.random.default_rng(2)
    x = 100 * rng.standard_normal(20_000)
    places = [1733, 6000, 12_345, 17_001]
    for place, height in zip(places, (400, -900, 5000, 500), strict=True):
        x[place:] += height
    jumps = level_jumps(x.astype(dtype))
    np.testing.assert_allclose(jumps, places, atol=3)


def test_drifts_transients_and_noise_are_no_level_jumps():
    rng = np.random.default_rng(3)
    noise = rng.standard_normal(50_000)
    t = np.arange(50_000.0)
    transient = noise.copy()
    transient[20_000:30_000] += 1e4 * np.exp(-t[:10_000] / 300) * np.sin(t[:10_000] / 3)
    drift = noise + 1e-2 * t
    tide = noise + 1e3 * np.sin(t / 5000)
    for x in (noise, transient, drift, tide, np.cumsum(noise), np.zeros(5000)):
        assert not level_jumps(x).size
    assert not level_jumps(noise[:1000]).size
    noise[25_000] = np.nan
    assert not level_jumps(noise).size
    with pytest.raises(ParameterError, match="one record"):
        level_jumps(np.zeros((2, 5000)))
